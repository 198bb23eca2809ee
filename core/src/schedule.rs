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
    /// There is no token: the login is over.
    None,
}

/// When the tokens should be refreshed: `issued_at` plus 75 % of the lifetime.
#[must_use]
pub const fn due_at(tokens: &Tokens) -> UnixTime {
    tokens.issued_at.plus(tokens.expires_at.since(tokens.issued_at).percent(DUE_PERCENT))
}

/// The state of a record's tokens.
#[must_use]
pub fn token_state(credential: &StoredCredential, now: UnixTime) -> TokenState {
    credential.tokens.as_ref().map_or(TokenState::None, |tokens| state_of(tokens, now))
}

/// The state of tokens.
///
/// A clock that was set back to before the tokens were issued cannot be trusted to tell their age: they
/// count as due rather than as fresh for as long as the clock is wrong.
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

/// Two clocks of one machine may differ by this much without anybody having set them.
const CLOCK_TOLERANCE: Span = Span::from_mins(5);

/// Why a login ends when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// There is no refresh token, so it ends with its access token.
    AccessToken,
    /// It was not used for too long; every use puts the end off.
    Idle,
    /// It is too old, however much it is used.
    Absolute,
}

/// When the login itself ends, and why, as far as the profile knows.
#[must_use]
pub fn session_horizon(
    credential: &StoredCredential,
    lifetime: LoginLifetime,
) -> Option<(UnixTime, Horizon)> {
    let tokens = credential.tokens.as_ref()?;
    if tokens.refresh_token.is_none() {
        return Some((tokens.expires_at, Horizon::AccessToken));
    }
    let idle = lifetime.idle_seconds.map(|s| tokens.issued_at.plus(Span::from_secs(s)));
    let absolute = lifetime.absolute_seconds.map(|s| credential.login.at.plus(Span::from_secs(s)));
    let idle = idle.map(|end| (end, Horizon::Idle));
    let absolute = absolute.map(|end| (end, Horizon::Absolute));
    [idle, absolute].into_iter().flatten().min_by_key(|(end, _)| *end)
}
