//! What a login checks before it asks the user, so that no approval is wasted.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::error::Error;
use twg_core::flow::StoreErrorKind;
use twg_core::login::LoginFlow;
use twg_core::metadata::AuthorizationServerMetadata;
use twg_core::provider::ProviderProfile;

/// A record of a newer version cannot be replaced, so nothing is sent and the user is not asked.
#[test]
fn a_newer_record_is_found_before_the_user_is_asked() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight_over(Some(r#"{"schema_version":2}"#));
    assert!(matches!(play.done(), Err(Error::Record(_))));
}

#[test]
fn a_record_that_cannot_be_read_at_all() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight_store();
    let error = play.store_fails(StoreErrorKind::CannotRead);
    assert_eq!(play.done().unwrap_err(), Error::Store(error));
}

/// A damaged record does not prevent a login. It is moved aside when the new record is ready. A
/// record that was copied from another connection counts as damaged.
#[test]
fn damaged_and_copied_records_are_replaced() {
    for record in ["torn".to_owned(), old_record().replace("\"default\"", "\"work\"")] {
        let mut play = Play::begin(device_login(profile()));
        play.preflight_over(Some(&record));
        play.http(device_answer(""));
        play.show_code();
        play.wait();
        play.http(tokens());
        play.lock();
        play.load(Some(&record));
        play.set_aside("/store/aside");
        play.notice();
        assert_eq!(play.replace().expected, None, "nothing of it is revoked or kept");
        play.release();
        play.done().unwrap();
    }
}

/// A13: a server on another host may not name a URL on this machine's loopback.
#[test]
fn loopback_is_for_servers_on_loopback() {
    let parse = |issuer: &str, endpoint: &str| {
        let document = format!(r#"{{"issuer":"{issuer}","token_endpoint":"{endpoint}"}}"#);
        AuthorizationServerMetadata::parse(&url(issuer), document.as_bytes())
    };
    assert!(parse("https://as.example", "http://localhost:2375/x").is_err());
    assert!(parse("https://as.example", "https://127.0.0.1/x").is_err());
    assert!(parse("http://127.0.0.1:80", "http://127.0.0.1:81/x").is_ok());
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    let body =
        r#"{"device_code":"CANARY","user_code":"AB","verification_uri":"http://127.0.0.1/x"}"#;
    play.http(json(200, body));
    assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })));
}

/// A8, A17: profiles that break the protocol's rules or contain control characters are refused,
/// also when they come from a suspended login.
#[test]
fn profiles_that_cannot_be_used() {
    let good = profile().to_json();
    let with = |member: &str, value: serde_json::Value| {
        let mut profile: serde_json::Value = serde_json::from_str(&good).unwrap();
        *profile.pointer_mut(member).unwrap() = value;
        ProviderProfile::parse(&profile.to_string()).unwrap_err().to_string()
    };
    assert!(with("/display_name", "a\u{1b}[2J".into()).contains("display_name"));
    assert!(with("/display_name", "".into()).contains("display_name"));
    assert!(with("/assumed_token_lifetime_seconds", u64::MAX.into()).contains("a year"));
    let authorization = "https://as.example/authorize?state=fixed";
    assert!(with("/endpoints/authorization", authorization.into()).contains("'state'"));

    let play = in_browser(profile());
    play.effect();
    let text = play.flow.suspend().unwrap();
    let hostile = text.expose().replace("\"display_name\":\"", "\"display_name\":\"\\u001b[2J");
    assert_ne!(hostile, text.expose());
    assert!(LoginFlow::restore(&hostile).is_err());
    play.killed();
}

/// The error for a client without the chosen grant names the other grant.
#[test]
fn device_code_only_and_not_enabled() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    let refusal =
        r#"{"error":"invalid_client","error_description":"grant_type is not enabled for client"}"#;
    play.http(json(400, refusal));
    assert_eq!(play.done().unwrap_err().code(), "GRANT_NOT_ENABLED");
}
