//! A client without the device grant continues in the browser, once, and the user is informed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::error::{Error, Party};
use twg_core::flow::Notice;
use twg_core::http::HttpResponse;
use twg_core::login::LoginFlow;
use twg_core::provider::Grant::{self, AuthorizationCode, DeviceCode};

fn not_enabled() -> HttpResponse {
    json(
        400,
        r#"{"error":"invalid_client","error_description":"grant_type is not enabled for client"}"#,
    )
}

#[track_caller]
fn begin(grants: &[Grant]) -> Play<LoginFlow> {
    let mut play = Play::begin(sign_in(request(profile(), grants)));
    play.preflight();
    play
}

/// Atlassian's error, and the two codes of RFC 6749 for it.
#[test]
fn from_device_to_browser() {
    for answer in [
        not_enabled(),
        oauth_error(400, "unauthorized_client"),
        oauth_error(403, "unsupported_grant_type"),
    ] {
        let mut play = begin(&[DeviceCode, AuthorizationCode]);
        play.http(answer);
        assert_eq!(play.notice(), Notice::DeviceGrantNotEnabled);
        play.redirect_uri(REDIRECT_URI);
        let prompt = play.authorization();
        play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
        play.http(tokens());
        play.save(None);
        let signed_in = play.done().unwrap();
        assert!(signed_in.device_grant_not_enabled);
        assert_eq!(signed_in.credential.login.grant, AuthorizationCode);
    }
}

/// Some servers issue the code and refuse the poll.
#[test]
fn refused_at_the_first_poll() {
    let mut play = begin(&[DeviceCode, AuthorizationCode]);
    play.http(device_answer(""));
    play.show_code();
    play.wait();
    play.http(not_enabled());
    assert_eq!(play.notice(), Notice::DeviceGrantNotEnabled);
    play.redirect_uri(REDIRECT_URI);
    play.killed();
}

/// Without a second grant there is no fall-over, and nothing is announced.
#[test]
fn nothing_to_fall_over_to() {
    let mut play = begin(&[DeviceCode]);
    play.http(not_enabled());
    let error = play.done().unwrap_err();
    assert_eq!(error.party(), Party::Configuration);
    assert!(error.to_string().contains("grant_type is not enabled"), "{error}");
}

/// A restored login has no entropy left for a second grant, so it reports the server's refusal as
/// it is.
#[test]
fn a_restored_login_has_nothing_to_fall_over_with() {
    let mut play = begin(&[DeviceCode, AuthorizationCode]);
    play.http(device_answer(""));
    play.show_code();
    let text = play.flow.suspend().unwrap();
    play.killed();
    let mut play = Play::begin(LoginFlow::restore(text.expose()).unwrap());
    play.show_code();
    play.wait();
    play.http(not_enabled());
    let error = play.done().unwrap_err();
    assert!(matches!(error, Error::GrantNotEnabled(_)), "{error:?}");
}

/// Other refusals are final: the browser would be refused too, or the user declined.
#[test]
fn no_fall_over() {
    for answer in [
        oauth_error(401, "invalid_client"),
        json(401, r#"{"error":"invalid_client","error_description":"Unknown client"}"#),
        json(
            400,
            r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
        ),
        oauth_error(400, "access_denied"),
        oauth_error(400, "invalid_scope"),
        html(404),
        html(503),
    ] {
        let mut play = begin(&[DeviceCode, AuthorizationCode]);
        play.http(answer);
        play.done().unwrap_err();
    }
}

/// If the browser comes first and is refused, there is no device code instead.
#[test]
fn never_from_browser_to_device() {
    let mut play = begin(&[AuthorizationCode, DeviceCode]);
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("error", "unauthorized_client")]));
    play.done().unwrap_err();
}

#[test]
fn no_grant_at_all() {
    let play = begin(&[]);
    assert!(matches!(play.done(), Err(Error::Configuration(_))));
}
