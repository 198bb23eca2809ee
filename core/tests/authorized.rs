//! Requests to a resource server with a working token. A token that is due is refreshed first, and
//! a rejected one is refreshed for a second request.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::authorized::AuthorizedFlow;
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::http::HttpResponse;
use twg_core::identity::IdentityRequest;
use twg_core::refresh::{How, Need};
use twg_core::time::UnixTime;

/// Asks for the account, with a token that was issued so many minutes ago.
#[track_caller]
fn asking(minutes_ago: u64) -> (Play<AuthorizedFlow<IdentityRequest>>, String) {
    let profile = profile_with_api();
    let issued_at = UnixTime::from_millis(T0.as_millis() - minutes_ago * 60_000);
    let record = record_of(&profile, issued_at).to_json().expose().to_owned();
    let request = IdentityRequest::new(profile.clone());
    // A request always needs a token that works, so `Need::Now` makes no difference here.
    let refresh = refresh_of(profile, Need::Now);
    let flow = AuthorizedFlow::request(request, refresh, Entropy::new([0x5A; 32]));
    let mut play = Play::begin(flow);
    play.load(Some(&record));
    (play, record)
}

#[track_caller]
fn refresh(play: &mut Play<AuthorizedFlow<IdentityRequest>>, record: &str) -> String {
    play.lock();
    play.load(Some(record));
    play.replace();
    play.open_stage();
    play.http(new_tokens(""));
    play.stage();
    let saved = play.replace().text;
    play.discard_stage();
    play.release();
    saved
}

fn rejected() -> HttpResponse {
    with_headers(401, &[("www-authenticate", r#"Bearer error="invalid_token""#)], "")
}

fn ada() -> HttpResponse {
    json(200, r#"{"sub":"1","name":"Ada"}"#)
}

#[track_caller]
fn bearer(play: &mut Play<AuthorizedFlow<IdentityRequest>>, answer: HttpResponse) -> String {
    let request = play.http(answer);
    assert_eq!(request.url, "https://api.example/me");
    request.field("authorization").unwrap().to_owned()
}

/// A fresh token is used as it is; a due one is refreshed first.
#[test]
fn refreshed_first_if_due() {
    let (mut play, _) = asking(0);
    assert_eq!(bearer(&mut play, ada()), "Bearer CANARY-old-access");
    let done = play.done().unwrap();
    assert_eq!(done.answer.shown(), "Ada");
    assert!(matches!(done.how, How::StillFresh));

    let (mut play, record) = asking(50);
    refresh(&mut play, &record);
    assert_eq!(bearer(&mut play, ada()), "Bearer CANARY-new-access");
    assert!(matches!(play.done().unwrap().how, How::Refreshed));
}

/// A25: a 401 leads to one refresh and one more request. A second 401 ends the flow.
#[test]
fn rejected_once_and_twice() {
    for (second, ends_well) in [(ada(), true), (rejected(), false)] {
        let (mut play, record) = asking(0);
        bearer(&mut play, rejected());
        play.load(Some(&record));
        refresh(&mut play, &record);
        assert_eq!(bearer(&mut play, second), "Bearer CANARY-new-access");
        match play.done() {
            Ok(done) => assert!(ends_well && matches!(done.how, How::Refreshed)),
            Err(error) => assert!(!ends_well && error == Error::TokenRejected, "{error:?}"),
        }
    }
}

/// A25: also if the rejected token had just been refreshed because it was due.
#[test]
fn rejected_although_new() {
    let (mut play, record) = asking(50);
    let saved = refresh(&mut play, &record);
    bearer(&mut play, rejected());
    play.load(Some(&saved));
    refresh(&mut play, &saved);
    bearer(&mut play, rejected());
    assert!(matches!(play.done(), Err(Error::TokenRejected)));
}

/// A25: another process has refreshed meanwhile. Its token is used, and nothing is refreshed.
#[test]
fn rejected_but_already_refreshed() {
    let (mut play, record) = asking(0);
    bearer(&mut play, rejected());
    play.load(Some(&record.replace("CANARY-old-access", "CANARY-theirs")));
    assert_eq!(bearer(&mut play, ada()), "Bearer CANARY-theirs");
    play.done().unwrap();
}

/// A25: missing permission leads to no refresh: 403, and the 401 that Atlassian sends for it.
#[test]
fn not_permitted() {
    for answer in [
        json(403, "{}"),
        with_headers(403, &[("www-authenticate", r#"Bearer error="insufficient_scope""#)], ""),
        with_headers(401, &[("www-authenticate", r#"Bearer error="insufficient_scope""#)], ""),
        json(401, r#"{"code":401,"message":"Unauthorized; scope does not match"}"#),
    ] {
        let (mut play, _) = asking(0);
        bearer(&mut play, answer);
        assert!(matches!(play.done(), Err(Error::NotPermitted)));
    }
}
