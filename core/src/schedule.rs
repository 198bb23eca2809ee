//! When a refresh is due.

use crate::credential::{StoredCredential, Tokens};
use crate::provider::LoginLifetime;
use crate::time::{Span, UnixTime};

/// A refresh is due after this part of the lifetime that the server gave (seed: "TWG normally refreshes
/// OAuth credentials after 75% of the access-token lifetime").
const DUE_PERCENT: u8 = 75;

/// What can be done with the stored tokens at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The access token is good.
    Fresh {
        /// When a refresh becomes due.
        due_at: UnixTime,
    },
    /// The access token still works, and should be refreshed.
    Due {
        /// When it stops working.
        expires_at: UnixTime,
    },
    /// The access token no longer works.
    Expired {
        /// Since when.
        expired_at: UnixTime,
    },
    /// There is no token: the connection has ended.
    None,
}

/// When the tokens should be refreshed: `issued_at` plus 75 % of the lifetime.
#[must_use]
pub const fn due_at(tokens: &Tokens) -> UnixTime {
    tokens.issued_at.plus(tokens.expires_at.since(tokens.issued_at).percent(DUE_PERCENT))
}

/// The state of a record's tokens; [`TokenState::None`] if the connection has ended.
#[must_use]
pub fn token_state(credential: &StoredCredential, now: UnixTime) -> TokenState {
    match &credential.tokens {
        Some(tokens) if credential.ended.is_none() => state_of(tokens, now),
        _ => TokenState::None,
    }
}

/// How far ahead of the usual time the scheduled upkeep refreshes, so that no command between two of its runs
/// meets a token that is due (seed: "It refreshes OAuth only when the normal refresh threshold is within 15
/// minutes").
///
/// A token that lives 60 minutes is thus refreshed from minute 30 on; one that lives 20 minutes or less,
/// by every run.
pub const UPKEEP_WINDOW: Span = Span::from_mins(15);

/// Whether a refresh is due, or will be after `ahead`.
#[must_use]
pub fn is_due(tokens: &Tokens, now: UnixTime, ahead: Span) -> bool {
    now.plus(ahead) >= due_at(tokens) || !matches!(state_of(tokens, now), TokenState::Fresh { .. })
}

/// At most this part of the lifetime is added to the time at which a scheduler wakes up.
const JITTER_PERCENT: u8 = 5;

/// When a scheduler that sleeps until a refresh is due must wake up: a little later, by `chance` out of 255, so
/// that many machines that signed in together do not all ask the server at once. Commands refresh exactly when
/// it is due: the user's own rhythm is their jitter.
#[must_use]
pub const fn wake_at(tokens: &Tokens, chance: u8) -> UnixTime {
    let most = tokens.expires_at.since(tokens.issued_at).percent(JITTER_PERCENT);
    due_at(tokens).plus(Span::from_millis(most.as_millis() / 255 * chance as u64))
}

/// The state of tokens.
///
/// A clock that was set back to before the tokens were issued cannot show their age: they count as due rather than
/// as fresh while the clock is wrong.
pub(crate) fn state_of(tokens: &Tokens, now: UnixTime) -> TokenState {
    let due_at = due_at(tokens);
    if now >= tokens.expires_at {
        TokenState::Expired { expired_at: tokens.expires_at }
    } else if now >= due_at || now.plus(CLOCK_TOLERANCE) < tokens.issued_at {
        TokenState::Due { expires_at: tokens.expires_at }
    } else {
        TokenState::Fresh { due_at }
    }
}

/// How much two clocks of one machine may differ although both are right.
const CLOCK_TOLERANCE: Span = Span::from_mins(5);

/// Why a connection ends when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// There is no refresh token, so it ends with its access token.
    AccessToken,
    /// It was not used for too long; every use postpones the end.
    Idle,
    /// It is too old, however much it is used.
    Absolute,
}

/// When the connection itself ends, and why, as far as the profile knows.
#[must_use]
pub fn session_horizon(
    credential: &StoredCredential,
    lifetime: LoginLifetime,
) -> Option<(UnixTime, Horizon)> {
    let tokens = credential.tokens.as_ref().filter(|_| credential.ended.is_none())?;
    if tokens.refresh_token.is_none() {
        return Some((tokens.expires_at, Horizon::AccessToken));
    }
    // The server's lifetimes win; the profile's are for servers that give none.
    let idle = tokens
        .refresh_expires_at
        .or_else(|| lifetime.idle_seconds.map(|s| tokens.issued_at.plus(Span::from_secs(s))));
    let absolute = credential.login.ends_at.or_else(|| {
        lifetime.absolute_seconds.map(|s| credential.login.at.plus(Span::from_secs(s)))
    });
    let idle = idle.map(|end| (end, Horizon::Idle));
    let absolute = absolute.map(|end| (end, Horizon::Absolute));
    [idle, absolute].into_iter().flatten().min_by_key(|(end, _)| *end)
}

/// How long before its end a connection is worth a warning.
const LONGEST_WARNING: Span = Span::from_days(7);

/// The end of the connection, if it is so near that the user should know: less than a week, and less than a
/// tenth of its whole length. Every refresh postpones an end through disuse, so that end is near only if refreshes
/// fail or no longer help.
#[must_use]
pub fn near_end(
    credential: &StoredCredential,
    lifetime: LoginLifetime,
    now: UnixTime,
) -> Option<(UnixTime, Horizon)> {
    let (end, why) = session_horizon(credential, lifetime)?;
    let begin = match why {
        Horizon::AccessToken => return None,
        Horizon::Idle => credential.tokens.as_ref()?.issued_at,
        Horizon::Absolute => credential.login.at,
    };
    let early = end.since(begin).percent(10).min(LONGEST_WARNING);
    (now.plus(early) >= end).then_some((end, why))
}
