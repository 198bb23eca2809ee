//! A refresh that succeeds: when it happens, in which order, what it sends, and what it keeps.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::client::Registered;
use twg_core::credential::{Generation, StagedReply};
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::flow::{Effect, LockError, Outcome, StoreErrorKind};
use twg_core::http::HttpResponse;
use twg_core::provider::LoginLifetime;
use twg_core::refresh::{How, Need, RefreshFlow};
use twg_core::schedule::{Horizon, TokenState, near_end, token_state};
use twg_core::secret::Secret;
use twg_core::time::Span;

fn begun(need: Need) -> Play<RefreshFlow> {
    Play::begin(RefreshFlow::refresh(refresh_of(profile(), need), Entropy::new([0x5A; 32])))
}

/// The record that is saved after this response.
#[track_caller]
fn saved(answer: HttpResponse) -> Replacement {
    let (mut play, _) = sending(profile(), Need::Live, &due_record());
    play.http(answer);
    play.stage();
    let saved = play.replace();
    play.discard_stage();
    play.release();
    play.done().unwrap();
    saved
}

/// A33: a fresh token means no request, no lock and no write, for commands and for the upkeep.
#[test]
fn fresh() {
    let fresh = record_of(&profile(), T0);
    for need in
        [Need::Live, Need::Due(Span::ZERO), Need::Due(secs(15 * 60)), Need::Other(Secret::new("x"))]
    {
        let mut play = begun(need);
        play.load(Some(fresh.to_json().expose()));
        assert!(matches!(play.done().unwrap().how, How::StillFresh));
    }
}

/// The whole transaction in order: intent and stage come before the request, the response is staged
/// before it is parsed, and the lock is given back last.
#[test]
fn the_order_of_things() {
    for need in [Need::Live, Need::Due(Span::ZERO), Need::Now] {
        let old = due_record();
        let mut play = locked(profile(), need, &old);
        let intent = play.replace();
        assert_eq!(intent.expected, Some(Generation::from(7)));
        assert_eq!(intent.record.generation, Generation::from(7), "an intent is no new generation");
        let pending = intent.record.pending.clone().unwrap();
        assert!(pending.is_about(&Secret::new("CANARY-old-refresh")));
        assert_eq!((pending.at, pending.attempt, pending.since_first), (T0, 1, Span::ZERO));
        assert_eq!(pending.host, host());
        assert_eq!(play.open_stage(), pending.id);
        let Effect::SendHttp(request) = play.effect() else { panic!() };
        assert!(request.single_use && !play.effect().is_interruptible());
        play.pass(secs(2));
        play.http(new_tokens(""));
        let staged = play.stage();
        let StagedReply::Complete(reply) = StagedReply::parse(&pending.id, &staged) else {
            panic!()
        };
        assert_eq!(reply.body, new_tokens("").body);
        let commit = play.replace();
        assert_eq!(commit.expected, Some(Generation::from(7)));
        assert_eq!(commit.record.generation, Generation::from(8));
        assert!(commit.record.pending.is_none());
        // A17: the lifetime does not grow by the time of the request.
        assert_eq!(commit.record.tokens.as_ref().unwrap().issued_at, T0);
        assert_eq!(commit.record.unknown["from_the_future"]["kept"], true);
        assert_eq!(play.discard_stage(), pending.id);
        play.release();
        let refreshed = play.done().unwrap();
        assert!(matches!(refreshed.how, How::Refreshed));
        assert_eq!(refreshed.credential.to_json().expose(), commit.text);
    }
}

/// A28: the request names no scopes. The granted scopes stay unless the server names others.
#[test]
fn scopes() {
    let (mut play, _) = sending(profile(), Need::Live, &due_record());
    let request = play.http(new_tokens(""));
    play.killed();
    let expected = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "CANARY-old-refresh"),
        ("client_id", "client-1"),
    ];
    assert_eq!(request.form(), map(&expected));
    assert_eq!(saved(new_tokens("")).record.tokens.unwrap().scopes, ["read"]);
    let fewer = new_tokens(r#","scope":"other""#);
    assert_eq!(saved(fewer).record.tokens.unwrap().scopes, ["other"]);
}

/// A29: a new refresh token replaces the old one; without one, the old one stays.
#[test]
fn refresh_tokens() {
    let new = saved(new_tokens(""));
    assert!(!new.text.contains("CANARY-old"), "nothing of the old tokens is kept");
    assert_eq!(new.record.tokens.unwrap().refresh_token.unwrap().expose(), "CANARY-new-refresh");
    for answer in [
        r#"{"access_token":"CANARY-new-access"}"#,
        r#"{"access_token":"CANARY-new-access","refresh_token":null}"#,
        r#"{"access_token":"CANARY-new-access","refresh_token":""}"#,
    ] {
        let tokens = saved(json(200, answer)).record.tokens.unwrap();
        assert_eq!(tokens.access_token.expose(), "CANARY-new-access");
        assert_eq!(tokens.refresh_token.unwrap().expose(), "CANARY-old-refresh");
    }
}

/// A30: the refresh token goes to the token endpoint of its login, even if the profile has changed,
/// and then without the secret of the profile's client.
#[test]
fn only_to_its_issuer() {
    let mut moved = profile();
    moved.endpoints.token = Some(url("https://elsewhere.example/token"));
    let registered = Registered { profile: moved, client: Some(confidential_client()) };
    let mut request = refresh_of(profile(), Need::Live);
    request.registered = Ok(registered);
    let mut play = locked_at(T0, request, &due_record());
    play.replace();
    play.open_stage();
    let sent = play.http(new_tokens(""));
    play.killed();
    assert_eq!(sent.url, "https://as.example/token");
    assert!(!sent.url.contains("CANARY"));
    assert!(!sent.form().contains_key("client_secret"));
}

/// A32: due at three quarters of the server's lifetime, not before. The upkeep looks ahead.
#[test]
fn due_at_three_quarters() {
    let record = record_of(&profile(), T0);
    let text = record.to_json().expose().to_owned();
    let due = T0.plus(secs(45 * 60));
    assert_eq!(token_state(&record, T0), TokenState::Fresh { due_at: due });
    let is_due = |seconds: u64, need: Need| {
        let flow = RefreshFlow::refresh(refresh_of(profile(), need), Entropy::new([0x5A; 32]));
        let mut play = Play::begin_at(flow, T0.plus(secs(seconds)));
        play.load(Some(&text));
        let is_due = !play.is_done();
        play.killed();
        is_due
    };
    assert!(!is_due(45 * 60 - 1, Need::Live) && is_due(45 * 60, Need::Live));
    assert!(!is_due(30 * 60 - 1, Need::Due(secs(15 * 60))));
    assert!(is_due(30 * 60, Need::Due(secs(15 * 60))));
    assert!(is_due(0, Need::Now));
}

/// A34: the end of the login that the server announces is taken literally, counted from before the
/// request, and leads to a warning.
#[test]
fn announced_ends() {
    let answer =
        new_tokens(r#","refresh_token_timeout":864000,"authorization_expires_in":8640000"#);
    let record = saved(answer).record;
    let idle_end = T0.plus(secs(864_000));
    assert_eq!(record.tokens.as_ref().unwrap().refresh_expires_at, Some(idle_end));
    assert_eq!(record.login.ends_at, Some(T0.plus(secs(8_640_000))));
    let lifetime = LoginLifetime::default();
    assert_eq!(near_end(&record, lifetime, T0), None);
    let before_end = T0.plus(secs(864_000 - 3600));
    assert_eq!(near_end(&record, lifetime, before_end), Some((idle_end, Horizon::Idle)));
}

/// Another process was faster: its token is used, and nothing is written or sent.
#[test]
fn adoption() {
    let mut theirs = record_of(&profile(), T0);
    theirs.generation = Generation::from(8);
    theirs.tokens.as_mut().unwrap().access_token = Secret::new("CANARY-theirs");
    for need in [
        Need::Live,
        Need::Due(Span::ZERO),
        Need::Now,
        Need::Other(Secret::new("CANARY-old-access")),
    ] {
        let mut play = begun(need);
        play.load(Some(&due_record()));
        play.lock();
        play.load(Some(theirs.to_json().expose()));
        play.release();
        let adopted = play.done().unwrap();
        assert!(matches!(adopted.how, How::Adopted));
        let tokens = adopted.credential.tokens.unwrap();
        assert_eq!(tokens.access_token.expose(), "CANARY-theirs");
    }
}

/// A process with a working token waits only briefly for the lock, and then goes on without it.
#[test]
fn a_busy_lock() {
    let pending = interrupted(&due_record());
    for (record, need, patience, serves) in [
        (due_record(), Need::Live, 5, true),
        (pending, Need::Live, 0, true),
        (due_record(), Need::Now, 90, false),
        (due_record(), Need::Due(Span::ZERO), 90, false),
        (dead_record(), Need::Live, 90, false),
    ] {
        let mut play = begun(need);
        play.load(Some(&record));
        let Effect::AcquireLock { deadline, .. } = *play.effect() else { panic!() };
        assert_eq!(deadline, T0.plus(secs(patience)));
        let busy = LockError::TimedOut { holder: Some("twg (pid 7)".to_owned()) };
        play.answer(Outcome::Locked(Err(busy.clone())));
        match play.done() {
            Ok(served) if serves => {
                let How::NotRefreshed(why) = served.how else { panic!("{:?}", served.how) };
                assert_eq!(*why, Error::Lock(busy));
            }
            Err(error) if !serves => assert_eq!(error, Error::Lock(busy)),
            other => panic!("{other:?}"),
        }
    }
}

/// Without a login, a client or a token endpoint the error comes at once: no lock, no request.
#[test]
fn nothing_to_do_it_with() {
    let mut play = begun(Need::Live);
    play.load(None);
    assert!(matches!(play.done(), Err(Error::NotSignedIn(_))));

    let mut without = parsed(&dead_record());
    without.tokens.as_mut().unwrap().refresh_token = None;
    let mut play = begun(Need::Live);
    play.load(Some(without.to_json().expose()));
    assert!(matches!(play.done(), Err(Error::NoRefreshToken { .. })));

    let mut request = refresh_of(profile(), Need::Live);
    request.registered = Err("the profile is damaged".to_owned());
    for (record, serves) in [(due_record(), true), (dead_record(), false)] {
        let flow = RefreshFlow::refresh(request.clone(), Entropy::new([0x5A; 32]));
        let mut play = Play::begin(flow);
        play.load(Some(&record));
        assert_eq!(play.done().is_ok(), serves);
    }

    let mut play = begun(Need::Live);
    play.store_fails(StoreErrorKind::CannotRead);
    assert!(matches!(play.done(), Err(Error::Store(_))));
}
