//! After the save, a login asks for account and sites and stores them. None of this can fail the
//! login.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::Generation;
use twg_core::error::Error;
use twg_core::flow::{LockError, Outcome, StoreErrorKind};
use twg_core::http::HttpResponse;
use twg_core::login::LoginFlow;

fn account() -> HttpResponse {
    json(200, r#"{"sub":"a-1","name":"Ada","email":"ada@example.com"}"#)
}

fn sites() -> HttpResponse {
    json(200, r#"[{"id":"site-1","name":"One","url":"https://one.example","scopes":["read"]}]"#)
}

/// A login that is saved and asks for the account.
#[track_caller]
fn saved(old: Option<&str>) -> (Play<LoginFlow>, String) {
    let mut profile = profile_with_api();
    profile.revocation_ends_grant = true;
    let mut play = polling_with(profile, "");
    play.wait();
    play.http(tokens());
    let text = play.save(old).text;
    (play, text)
}

/// A26: the access token is sent once per request, in the header, and only to the API's host.
#[test]
fn account_and_sites_are_noted() {
    let (mut play, text) = saved(None);
    for (answer, address) in
        [(account(), "https://api.example/me"), (sites(), "https://api.example/sites")]
    {
        let asked = play.http(answer);
        assert_eq!(asked.url, address);
        assert_eq!(asked.field("authorization"), Some("Bearer CANARY-access"));
        assert!(asked.body.is_empty());
        assert!(!asked.url.contains("CANARY"));
    }
    let noted = play.save(Some(&text));
    assert_eq!(noted.expected, Some(Generation::FIRST));
    assert_eq!(noted.record.generation, Generation::FIRST.next());
    assert_eq!(noted.record.account.unwrap().shown(), "Ada");
    assert_eq!(noted.record.sites[0].name, "One");
    assert_eq!(noted.record.tokens.unwrap().access_token.expose(), "CANARY-access");
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.credential.to_json().expose(), noted.text);
    assert_eq!(signed_in.account.unwrap().unwrap().email.as_deref(), Some("ada@example.com"));
    assert_eq!(signed_in.sites.unwrap().unwrap().len(), 1);
}

/// With neither account nor sites, the login stands and the record stays as it is.
#[test]
fn both_fail() {
    for (failure, expected) in [
        (html(401), "AUTH_EXPIRED"),
        (html(403), "NOT_PERMITTED"),
        (html(200), "NOT_OAUTH"),
        (html(503), "SERVER_UNAVAILABLE"),
    ] {
        let (mut play, _) = saved(None);
        play.http(failure.clone());
        play.http(failure);
        let signed_in = play.done().unwrap();
        assert_eq!(signed_in.account.unwrap().unwrap_err().code(), expected);
        assert_eq!(signed_in.sites.unwrap().unwrap_err().code(), expected);
        assert_eq!(signed_in.credential.generation, Generation::FIRST);
    }
    let (mut play, _) = saved(None);
    play.http(timeout());
    play.http(timeout());
    assert!(matches!(play.done().unwrap().account, Some(Err(Error::Transport { .. }))));
}

/// Either one is stored without the other. Without a list of sites, the chosen site stays.
#[test]
fn one_fails() {
    let (mut play, text) = saved(Some(&old_record()));
    play.http(account());
    play.http(html(503));
    let noted = play.save(Some(&text)).record;
    assert_eq!(noted.account.unwrap().id, "a-1");
    assert!(noted.sites.is_empty());
    assert_eq!(noted.default_site.as_deref(), Some("site-1"));
    play.done().unwrap();

    let (mut play, text) = saved(Some(&old_record()));
    play.http(html(403));
    play.http(sites());
    let noted = play.save(Some(&text)).record;
    assert_eq!(noted.account, None);
    assert_eq!(noted.sites.len(), 1);
    assert_eq!(noted.default_site.as_deref(), Some("site-1"));
    play.done().unwrap();
}

/// A chosen site that the login no longer reaches stops being the default.
#[test]
fn a_default_that_is_gone() {
    for list in ["[]", r#"[{"id":"site-2"}]"#] {
        let (mut play, text) = saved(Some(&old_record()));
        play.http(account());
        play.http(json(200, list));
        let noted = play.save(Some(&text)).record;
        assert_eq!(noted.default_site, None, "{list}");
        assert_eq!(noted.unknown["from_the_future"]["kept"], true);
        play.done().unwrap();
    }
}

/// Another process wrote in between. Its login is the newer one, and this account is not its
/// account.
#[test]
fn a_newer_generation_is_left_alone() {
    let newer = old_record();
    for record in [Some(newer.as_str()), None, Some(r#"{"schema_version":2}"#)] {
        let (mut play, _) = saved(None);
        play.http(account());
        play.http(sites());
        play.lock();
        play.load(record);
        play.release();
        let signed_in = play.done().unwrap();
        assert_eq!(signed_in.credential.generation, Generation::FIRST);
        assert_eq!(
            signed_in.account.unwrap().unwrap().shown(),
            "Ada",
            "it is returned all the same"
        );
    }
}

/// The login is already saved, so a failed second write does not fail it.
#[test]
fn the_note_cannot_be_written() {
    let (mut play, _) = saved(None);
    play.http(account());
    play.http(sites());
    play.answer(Outcome::Locked(Err(LockError::TimedOut { holder: None })));
    play.done().unwrap();

    let (mut play, text) = saved(None);
    play.http(account());
    play.http(sites());
    play.lock();
    play.load(Some(&text));
    play.store_fails(StoreErrorKind::CannotWrite);
    play.release();
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.credential.to_json().expose(), text, "what is stored is returned");
}

/// A21: names of accounts and sites are made inert, on the screen and in the record.
#[test]
fn hostile_names() {
    let (mut play, text) = saved(None);
    play.http(json(200, r#"{"sub":"a\u0000","name":"\u001b[31mAda\u202e","email":"a\r\nb"}"#));
    play.http(json(200, r#"[{"id":"s\u009b","name":"\u2066One","url":"javascript:x\u0007"}]"#));
    let noted = play.save(Some(&text));
    assert!(!noted.text.chars().any(|c| c.is_control() && c != '\n'));
    assert!(!noted.text.contains(['\u{202e}', '\u{2066}']));
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.account.unwrap().unwrap().shown(), "\\u{1b}[31mAda\\u{202e}");
    assert_eq!(signed_in.sites.unwrap().unwrap()[0].name, "\\u{2066}One");
}
