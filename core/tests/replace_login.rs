//! A login over an older one: what stays of the old one, and when its refresh token is revoked.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::Generation;
use twg_core::flow::Effect;
use twg_core::grant::request::LoginRequest;
use twg_core::login::LoginFlow;
use twg_core::provider::Grant;
use twg_core::revocation::Revocation;

#[track_caller]
fn over(request: LoginRequest, old: &str, answer: &str) -> (Play<LoginFlow>, Replacement) {
    let mut play = Play::begin(sign_in(request));
    play.preflight();
    play.http(device_answer(""));
    play.show_code();
    play.wait();
    play.http(json(200, answer));
    let saved = play.save(Some(old));
    (play, saved)
}

const NEW: &str = r#"{"access_token":"CANARY-new","refresh_token":"CANARY-new-refresh"}"#;

fn device_request() -> LoginRequest {
    request(profile(), &[Grant::DeviceCode])
}

/// The generation grows. Members of a newer version and the chosen site stay.
#[test]
fn members_that_stay() {
    let mut request = device_request();
    request.profile.revocation_ends_grant = true;
    let (play, saved) = over(request, &old_record(), NEW);
    assert_eq!(saved.expected, Some(Generation::from(7)));
    assert_eq!(saved.record.generation, Generation::from(8));
    assert_eq!(saved.record.unknown["from_the_future"]["kept"], true);
    assert_eq!(saved.record.default_site.as_deref(), Some("site-1"));
    assert!(!saved.text.contains("CANARY-old"), "nothing of the old tokens is kept");
    assert_eq!(play.done().unwrap().replaced, None);
}

/// A66: the old refresh token is revoked, with its hint, after the new login is saved, and only
/// where that cannot end the new login. A30: at its own server.
#[test]
fn the_old_refresh_token_is_revoked() {
    let old = old_record().replace("https://as.example/revoke", "https://old.example/revoke");
    let (mut play, _) = over(device_request(), &old, NEW);
    let revocation = play.http(json(200, ""));
    assert_eq!(revocation.url, "https://old.example/revoke");
    assert_eq!(
        revocation.form(),
        map(&[
            ("token", "CANARY-old-refresh"),
            ("token_type_hint", "refresh_token"),
            ("client_id", "client-1"),
        ])
    );
    assert_eq!(play.done().unwrap().replaced, Some(Revocation::Revoked));
}

/// The login succeeds even if the revocation of the old one fails.
#[test]
fn the_revocation_fails() {
    for answer in [html(503).into(), Answer::from(timeout()), html(302).into()] {
        let (mut play, _) = over(device_request(), &old_record(), NEW);
        play.http(answer);
        assert!(matches!(play.done().unwrap().replaced, Some(Revocation::Unconfirmed(_))));
    }
}

/// Nothing is sent where the revocation might end the new login too, where the token belongs to
/// another client, or where there is no token or no endpoint.
#[test]
fn nothing_is_revoked() {
    let mut ends_grant = device_request();
    ends_grant.profile.revocation_ends_grant = true;
    let mut other_client = device_request();
    other_client.client.id = "client-2".to_owned();
    let without_token = old_record().replace("\"refresh_token\": \"CANARY-old-refresh\",\n", "");
    let without_endpoint =
        old_record().replace("\"revocation_endpoint\": \"https://as.example/revoke\",\n", "");
    let tombstone = old_record().replace("\"tokens\": {", "\"former_tokens\": {");
    // A server without rotation issues the same token again, so it belongs to the new login too.
    let same = NEW.replace("CANARY-new-refresh", "CANARY-old-refresh");
    for (request, old, answer) in [
        (ends_grant, old_record(), NEW),
        (other_client, old_record(), NEW),
        (device_request(), without_token, NEW),
        (device_request(), without_endpoint, NEW),
        (device_request(), tombstone, NEW),
        (device_request(), old_record(), &same),
    ] {
        let (play, _) = over(request, &old, answer);
        assert_eq!(play.done().unwrap().replaced, None);
    }
}

/// A login that is cancelled, refused or cut off loses nothing: until the new record is saved, the
/// old one is neither replaced nor revoked.
#[test]
fn a_failed_login_touches_nothing() {
    for answer in [
        Answer::from(oauth_error(400, "access_denied")),
        oauth_error(400, "expired_token").into(),
        json(200, "{}").into(),
    ] {
        let mut play = polling("");
        play.wait();
        play.http(answer);
        play.done().unwrap_err();
    }
}

/// No request before the save carries an old token.
#[test]
fn the_save_comes_first() {
    let mut play = polling("");
    play.wait();
    play.http(tokens());
    play.lock();
    play.load(Some(&old_record()));
    assert!(matches!(play.effect(), Effect::ReplaceRecord { .. }));
    play.replace();
    assert!(matches!(play.effect(), Effect::ReleaseLock(_)), "the lock is held for the save only");
    play.release();
    play.http(json(200, ""));
    play.done().unwrap();
}

/// A new login ends the interrupted refresh of the old one: no intent stays, and no staged
/// response.
#[test]
fn an_interrupted_refresh_is_over() {
    let pending = interrupted(&due_record());
    let mut play = polling("");
    play.wait();
    play.http(json(200, NEW));
    play.lock();
    play.load(Some(&pending));
    assert!(play.replace().record.pending.is_none());
    assert_eq!(play.discard_stage(), parsed(&pending).pending.unwrap().id);
    play.release();
    play.http(json(200, ""));
    play.done().unwrap();
}
