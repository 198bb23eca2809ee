//! When a refresh is due, and when the login itself ends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::StoredCredential;
use twg_core::provider::LoginLifetime;
use twg_core::schedule::{
    Horizon, TokenState, UPKEEP_WINDOW, due_at, is_due, session_horizon, token_state, wake_at,
};
use twg_core::time::{Span, UnixTime};

/// Tokens issued at T0 that live for `lifetime` seconds.
fn issued(lifetime: u64) -> StoredCredential {
    let mut credential = parsed(&old_record());
    let tokens = credential.tokens.as_mut().unwrap();
    tokens.issued_at = T0;
    tokens.expires_at = T0.plus(secs(lifetime));
    credential
}

fn at(seconds: u64) -> UnixTime {
    T0.plus(secs(seconds))
}

fn before(seconds: u64) -> UnixTime {
    UnixTime::from_millis(T0.as_millis() - seconds * 1000)
}

/// A32: a refresh is due at 75 % of the lifetime that the server gave, however long or short.
#[test]
fn due_at_75_percent() {
    for (lifetime, due) in [(3600, 2700), (28_800, 21_600), (300, 225), (1, 0), (0, 0)] {
        let credential = issued(lifetime);
        let tokens = credential.tokens.as_ref().unwrap();
        assert_eq!(due_at(tokens).as_secs(), at(due).as_secs());
    }
    let credential = issued(3600);
    let ms = Span::from_millis;
    let state = |now| token_state(&credential, now);
    assert_eq!(state(T0), TokenState::Fresh { due_at: at(2700) });
    assert_eq!(state(at(2699).plus(ms(999))), TokenState::Fresh { due_at: at(2700) });
    assert_eq!(state(at(2700)), TokenState::Due { expires_at: at(3600) });
    assert_eq!(state(at(3599).plus(ms(999))), TokenState::Due { expires_at: at(3600) });
    assert_eq!(state(at(3600)), TokenState::Expired { expired_at: at(3600) });
    assert_eq!(
        state(UnixTime::from_millis(u64::MAX)),
        TokenState::Expired { expired_at: at(3600) }
    );
}

/// A17: a lifetime of zero is over at once, and so is one whose expiry is before its start.
#[test]
fn odd_lifetimes() {
    assert_eq!(token_state(&issued(0), T0), TokenState::Expired { expired_at: T0 });
    let mut credential = issued(0);
    credential.tokens.as_mut().unwrap().expires_at = before(10);
    assert!(matches!(token_state(&credential, T0), TokenState::Expired { .. }));
    credential.tokens.as_mut().unwrap().expires_at = UnixTime::from_millis(u64::MAX);
    assert!(matches!(token_state(&credential, T0), TokenState::Fresh { .. }));
}

/// A clock that was set back cannot tell a token's age, so the token counts as due.
#[test]
fn clock_set_back() {
    let credential = issued(3600);
    for seconds in [0, 60, 300] {
        let state = token_state(&credential, before(seconds));
        assert!(matches!(state, TokenState::Fresh { .. }), "{seconds} s are within tolerance");
    }
    for now in [before(301), before(86_400), UnixTime::EPOCH] {
        assert_eq!(token_state(&credential, now), TokenState::Due { expires_at: at(3600) });
    }
}

#[test]
fn no_tokens() {
    let mut credential = issued(3600);
    credential.tokens = None;
    assert_eq!(token_state(&credential, T0), TokenState::None);
    assert_eq!(session_horizon(&credential, LoginLifetime::default()), None);
}

/// The horizon is the earlier of the profile's two ends; without a refresh token, the access
/// token's end.
#[test]
fn horizon() {
    let lifetime =
        |idle_seconds, absolute_seconds| LoginLifetime { idle_seconds, absolute_seconds };
    let mut credential = issued(3600);
    credential.login.at = before(1000);
    let horizon = |idle, absolute| session_horizon(&credential, lifetime(idle, absolute));
    assert_eq!(horizon(None, None), None);
    assert_eq!(horizon(Some(500), None), Some((at(500), Horizon::Idle)));
    assert_eq!(horizon(None, Some(5000)), Some((at(4000), Horizon::Absolute)));
    assert_eq!(horizon(Some(500), Some(5000)), Some((at(500), Horizon::Idle)));
    assert_eq!(horizon(Some(9000), Some(5000)), Some((at(4000), Horizon::Absolute)));
    assert_eq!(
        horizon(Some(u64::MAX), None),
        Some((UnixTime::from_millis(u64::MAX), Horizon::Idle))
    );

    credential.tokens.as_mut().unwrap().refresh_token = None;
    let profile = bundled("atlassian");
    assert_eq!(
        session_horizon(&credential, profile.login_lifetime),
        Some((at(3600), Horizon::AccessToken))
    );
}

/// The upkeep refreshes tokens that would become due before its next run: with a lifetime of 60
/// minutes from minute 30 on, with 20 minutes or less at every run. A clock that was set back makes
/// a token due too.
#[test]
fn upkeep_looks_ahead() {
    let due = |lifetime, now| is_due(issued(lifetime).tokens.as_ref().unwrap(), now, UPKEEP_WINDOW);
    assert!(!due(3600, at(1799)) && due(3600, at(1800)));
    assert!(due(1200, T0) && due(300, T0));
    assert!(!due(28_800, at(20_699)) && due(28_800, at(20_700)));
    assert!(due(28_800, before(86_400)));
}

/// A32: a scheduler wakes up at 75 % plus jitter: never before a refresh is due, never too late,
/// and not on all machines at once.
#[test]
fn a_scheduler_wakes_up_with_jitter() {
    for lifetime in [300, 3600, 28_800] {
        let credential = issued(lifetime);
        let tokens = credential.tokens.as_ref().unwrap();
        let woken: Vec<_> = (0..=255).map(|chance| wake_at(tokens, chance)).collect();
        assert_eq!(woken[0], due_at(tokens));
        assert!(woken.is_sorted() && woken[255] > woken[0].plus(secs(lifetime / 25)));
        assert!(woken[255] <= at(lifetime * 80 / 100));
    }
    assert_eq!(wake_at(issued(0).tokens.as_ref().unwrap(), 255), T0);
}
