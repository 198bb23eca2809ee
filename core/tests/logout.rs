//! Signing out: both tokens are revoked and deleted, under one lock from first to last.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::client::{Client, Registered};
use twg_core::credential::{EndReason, Generation, StagedReply};
use twg_core::error::Error;
use twg_core::flow::{Effect, LockError, Notice, Outcome, StoreErrorKind};
use twg_core::http::HttpRequest;
use twg_core::logout::{LoggedOut, LogoutFlow};
use twg_core::revocation::Revocation;
use twg_core::secret::Secret;

fn registered(client: Client) -> Registered {
    Registered { profile: profile(), client: Some(client) }
}

#[track_caller]
fn loaded(client: Option<Client>, record: Option<&str>) -> Play<LogoutFlow> {
    let mut play = Play::begin(LogoutFlow::sign_out(key(), client.map(registered)));
    play.lock();
    play.load(record);
    if record.is_some_and(|record| twg_core::credential::StoredCredential::parse(record).is_ok()) {
        play.preflight_store();
    }
    play
}

fn revoked(request: &HttpRequest) -> (String, String) {
    let form = request.form();
    (form["token"].clone(), form["token_type_hint"].clone())
}

/// A66: the refresh token first, then the access token, with hints, to the stored https URL. A70:
/// under one lock, from the first look to the removal (`Play` checks that it is held).
#[test]
fn both_are_revoked() {
    let mut play =
        Play::begin(LogoutFlow::sign_out(key(), Some(registered(confidential_client()))));
    let Effect::AcquireLock { key: locked, deadline } = play.effect().clone() else { panic!() };
    assert_eq!((locked, deadline), (key(), T0.plus(secs(90))));
    play.lock();
    play.load(Some(&old_record()));
    play.preflight_store();
    let first = play.http(json(200, ""));
    let second = play.http(json(200, ""));
    assert_eq!(revoked(&first), ("CANARY-old-refresh".to_owned(), "refresh_token".to_owned()));
    assert_eq!(revoked(&second), ("CANARY-old-access".to_owned(), "access_token".to_owned()));
    for request in [&first, &second] {
        assert_eq!(request.url, "https://as.example/revoke");
        assert_eq!(request.form()["client_secret"], "CANARY: s+cret");
    }
    play.remove();
    play.release();
    let LoggedOut::Done { refresh_token, access_token, expires_at } = play.done().unwrap() else {
        panic!()
    };
    assert_eq!((refresh_token, access_token), (Revocation::Revoked, Revocation::Revoked));
    assert_eq!(expires_at.unwrap().as_millis(), 1_600_003_600_000);
}

/// A45: a client secret goes to the server that it was registered with, not to the server of an
/// older login.
#[test]
fn a_profile_that_moved_takes_its_secret_along() {
    let mut moved = profile();
    moved.endpoints.token = Some(url("https://elsewhere.example/token"));
    let registered = Some(Registered { profile: moved, client: Some(confidential_client()) });
    let mut play = Play::begin(LogoutFlow::sign_out(key(), registered));
    play.lock();
    play.load(Some(&old_record()));
    play.preflight_store();
    for _ in 0..2 {
        assert!(!play.http(json(200, "")).form().contains_key("client_secret"));
    }
    play.remove();
    play.release();
    play.done().unwrap();
}

/// A67: status 200 means success, for every body, and also for a token that the server does not
/// know.
#[test]
fn bodies_are_ignored() {
    for body in ["", "<html>", "{}", r#"{"error":"invalid_token"}"#] {
        let mut play = loaded(None, Some(&old_record()));
        play.http(json(200, body));
        play.http(json(200, body));
        play.remove();
        play.release();
        play.done().unwrap();
    }
}

/// A68: tokens may live on if the server did not confirm the revocation. A tombstone without
/// secrets says so and keeps the server's `Retry-After`. A23: a redirect is not followed.
#[test]
fn unconfirmed() {
    let troubles: [fn() -> Answer; 7] = [
        || with_headers(503, &[("retry-after", "120")], "").into(),
        || html(500).into(),
        || html(429).into(),
        || oauth_error(400, "invalid_client").into(),
        || timeout().into(),
        || connection_timeout().into(),
        || with_headers(307, &[("location", "https://evil.example/revoke")], "").into(),
    ];
    for (case, trouble) in troubles.into_iter().enumerate() {
        for (first, second) in [(true, true), (true, false), (false, true)] {
            let mut play = loaded(None, Some(&old_record()));
            let answer = |fails: bool| if fails { trouble() } else { json(200, "").into() };
            play.http(answer(first));
            play.pass(secs(1));
            play.http(answer(second));
            let tombstone = play.replace();
            assert_eq!(tombstone.expected, Some(Generation::from(7)));
            assert_eq!(tombstone.record.generation, Generation::from(8));
            assert!(tombstone.record.tokens.is_none());
            let ended = tombstone.record.ended.unwrap();
            assert_eq!(ended.reason, EndReason::SignedOutUnconfirmed);
            assert_eq!(ended.at, T0.plus(secs(1)));
            assert_shows_no_secret(&tombstone.text);
            // A member of a newer version may be a secret.
            assert!(tombstone.record.unknown.is_empty());
            play.release();
            let LoggedOut::Done { refresh_token, access_token, .. } = play.done().unwrap() else {
                panic!()
            };
            assert_eq!(refresh_token.may_still_work(), first, "case {case}");
            assert_eq!(access_token.may_still_work(), second, "case {case}");
            if let (0, Revocation::Unconfirmed(why)) = (case, refresh_token) {
                assert!(why.contains("503") && why.contains("2 min"), "{why}");
            }
        }
    }
}

/// A69: a server that cannot revoke access tokens says so, and the logout still succeeds.
#[test]
fn unsupported_token_type() {
    let mut play = loaded(None, Some(&old_record()));
    play.http(json(200, ""));
    play.http(oauth_error(400, "unsupported_token_type"));
    play.remove();
    play.release();
    let LoggedOut::Done { refresh_token, access_token, .. } = play.done().unwrap() else {
        panic!()
    };
    assert_eq!(refresh_token, Revocation::Revoked);
    assert_eq!(access_token, Revocation::NotSupported);
    assert!(access_token.may_still_work());
}

/// A provider without revocation gets no request, and everything is deleted here.
#[test]
fn no_revocation_endpoint() {
    let record =
        old_record().replace("\"revocation_endpoint\": \"https://as.example/revoke\",\n", "");
    let mut play = loaded(None, Some(&record));
    play.remove();
    play.release();
    let LoggedOut::Done { refresh_token, access_token, .. } = play.done().unwrap() else {
        panic!()
    };
    assert_eq!(refresh_token, Revocation::NotSupported);
    assert_eq!(access_token, Revocation::NotSupported);
}

#[test]
fn no_refresh_token() {
    let record = old_record().replace("\"refresh_token\": \"CANARY-old-refresh\",\n", "");
    let mut play = loaded(None, Some(&record));
    assert_eq!(revoked(&play.http(json(200, ""))).1, "access_token");
    play.remove();
    play.release();
    let LoggedOut::Done { refresh_token, .. } = play.done().unwrap() else { panic!() };
    assert_eq!(refresh_token, Revocation::NothingToRevoke);
}

/// The secret of another client is not sent, because the token does not belong to that client.
#[test]
fn another_client() {
    let other = Client { id: "client-2".to_owned(), secret: Some(Secret::new("CANARY-other")) };
    for client in [Some(other), None] {
        let mut play = loaded(client, Some(&old_record()));
        let form = play.http(json(200, "")).form();
        assert_eq!(form["client_id"], "client-1");
        assert!(!form.contains_key("client_secret"));
        play.http(json(200, ""));
        play.remove();
        play.release();
        play.done().unwrap();
    }
}

#[test]
fn nothing_stored() {
    let mut play = loaded(None, None);
    play.release();
    assert_eq!(play.done().unwrap(), LoggedOut::WasNotSignedIn);
}

/// A second logout removes the tombstone and sends nothing.
#[test]
fn a_tombstone() {
    let mut play = loaded(None, Some(&old_record()));
    play.http(html(503));
    play.http(html(503));
    let tombstone = play.replace().text;
    play.release();
    play.done().unwrap();

    let mut play = loaded(None, Some(&tombstone));
    play.remove();
    play.release();
    let LoggedOut::Done { refresh_token, access_token, expires_at } = play.done().unwrap() else {
        panic!()
    };
    assert_eq!(refresh_token, Revocation::NothingToRevoke);
    assert_eq!(access_token, Revocation::NothingToRevoke);
    assert_eq!(expires_at, None);
}

/// A damaged record is kept: it may hold the only copy of a working token.
#[test]
fn a_damaged_record() {
    let mut play = loaded(None, Some("{\"schema_version\":1,\"CANARY"));
    play.set_aside("/store/damaged");
    assert!(matches!(play.notice(), Notice::RecordSetAside { .. }));
    play.release();
    assert_eq!(play.done().unwrap(), LoggedOut::SetAside { place: "/store/damaged".to_owned() });
}

#[test]
fn a_newer_record() {
    let mut play = loaded(None, Some(r#"{"schema_version":3}"#));
    play.release();
    assert!(matches!(play.done(), Err(Error::Record(_))));
}

/// A70: without the lock nothing is revoked: a refresh may be running.
#[test]
fn no_lock() {
    let mut play = Play::begin(LogoutFlow::sign_out(key(), None));
    let error = LockError::TimedOut { holder: Some("twg (pid 7)".to_owned()) };
    play.answer(Outcome::Locked(Err(error.clone())));
    assert_eq!(play.done().unwrap_err(), Error::Lock(error));
}

#[test]
fn the_store_fails() {
    let kind = StoreErrorKind::CannotWrite;
    let mut play = Play::begin(LogoutFlow::sign_out(key(), None));
    play.lock();
    let error = play.store_fails(kind);
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(error));

    let mut play = loaded(None, Some("damaged"));
    let error = play.store_fails(kind);
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(error));

    for answer in [200, 503] {
        let mut play = loaded(None, Some(&old_record()));
        play.http(json(answer, ""));
        play.http(json(answer, ""));
        let error = play.store_fails(kind);
        play.release();
        assert_eq!(play.done().unwrap_err(), Error::NotForgotten(Box::new(Error::Store(error))));
    }
}

/// If the record could not be deleted afterwards, nothing is sent.
#[test]
fn a_store_that_could_not_forget() {
    let mut play = Play::begin(LogoutFlow::sign_out(key(), None));
    play.lock();
    play.load(Some(&old_record()));
    let error = play.store_fails(StoreErrorKind::CannotCreate);
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(error));
}

/// A record that was copied from another connection is not revoked: that connection still uses its
/// tokens.
#[test]
fn a_copied_record() {
    for (own, foreign) in [("\"default\"", "\"work\""), ("\"example\"", "\"other\"")] {
        let copy = old_record().replace(own, foreign);
        assert_ne!(copy, old_record());
        let mut play = Play::begin(LogoutFlow::sign_out(key(), None));
        play.lock();
        play.load(Some(&copy));
        play.set_aside("/store/copy");
        assert!(matches!(play.notice(), Notice::RecordSetAside { .. }));
        play.release();
        assert!(matches!(play.done().unwrap(), LoggedOut::SetAside { .. }));
    }
}

/// A66: an interrupted refresh may have brought the tokens that live at the server. Those are
/// revoked instead of the stored ones, and deleted with them.
#[test]
fn an_interrupted_refresh() {
    let pending = interrupted(&due_record());
    let id = parsed(&pending).pending.unwrap().id;
    let reply = StagedReply::write(&id, &new_tokens(""));
    let reply = Some(reply.expose());
    let cases = [
        (reply, None, "CANARY-new-refresh", "CANARY-new-access"),
        // A rescued response counts as much.
        (Some("\0\0\0"), Some(reply), "CANARY-new-refresh", "CANARY-new-access"),
        (Some("torn"), Some(reply), "CANARY-new-refresh", "CANARY-new-access"),
        // The old tokens, if there is no response or only an unreadable one.
        (Some("torn"), Some(Some("torn")), "CANARY-old-refresh", "CANARY-old-access"),
        (None, Some(None), "CANARY-old-refresh", "CANARY-old-access"),
    ];
    for (stage, rescued, refresh, access) in cases {
        let mut play = loaded(None, Some(&pending));
        assert_eq!(play.load_stage(stage), id);
        if let Some(rescued) = rescued {
            play.load_rescue(rescued);
        }
        assert_eq!(revoked(&play.http(json(200, ""))).0, refresh);
        assert_eq!(revoked(&play.http(json(200, ""))).0, access);
        assert_eq!(play.discard_stage(), id);
        play.remove();
        play.release();
        play.done().unwrap();
    }
    // An unreadable stage does not prevent the logout.
    let mut play = loaded(None, Some(&pending));
    play.store_fails(StoreErrorKind::CannotRead);
    play.load_rescue(None);
    for _ in 0..2 {
        play.http(html(503));
    }
    play.discard_stage();
    let tombstone = play.replace();
    assert!(tombstone.record.pending.is_none());
    assert_shows_no_secret(&tombstone.text);
    play.release();
    play.done().unwrap();
}
