//! A made-up provider with an odd token endpoint: JSON instead of a form, the client in the `Authorization` header,
//! commas between scopes, the redirect URI repeated. It is a profile and nothing else, because every grant goes through
//! `TokenEndpoint`, which reads the profile for all of them.
//!
//! A style that no profile can name today, such as another name for `grant_type`, is one more variant of
//! `TokenRequestFormat`. The compiler then asks for its one match arm, in `encoded` in `core/src/client.rs`, which sees
//! every parameter of the request; `provider/reading.rs` gives the variant its name in profiles.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::client::Registered;
use twg_core::http::{HttpRequest, HttpResponse};
use twg_core::login::LoginFlow;
use twg_core::provider::{Grant, ProviderProfile};
use twg_core::refresh::{Need, RefreshRequest};

/// All that is said about the odd server anywhere.
fn odd() -> ProviderProfile {
    ProviderProfile::parse(
        r#"{
        "schema_version": 1, "name": "example", "display_name": "Odd",
        "endpoints": {
            "authorization": "https://odd.example/authorize",
            "token": "https://odd.example/v0/exchange",
            "device_authorization": "https://odd.example/device"
        },
        "grants": ["device_code", "authorization_code"],
        "client": { "authentication": "client_secret_basic", "secret": "required" },
        "token_request_format": "json",
        "token_request_has_redirect_uri": true,
        "scope_separator": ","
    }"#,
    )
    .unwrap()
}

fn begin(grant: Grant) -> Play<LoginFlow> {
    let mut request = request(odd(), &[grant]);
    request.client = confidential_client();
    let mut play = Play::begin(sign_in(request));
    play.preflight();
    play
}

/// A response that names its scopes as this server does.
fn odd_tokens() -> HttpResponse {
    json(
        200,
        r#"{"access_token":"CANARY-access","refresh_token":"CANARY-refresh","expires_in":3600,
            "scope":"read,write"}"#,
    )
}

/// What each token request has in common: where it goes, and how the client proves who it is.
#[track_caller]
fn assert_odd(request: &HttpRequest) {
    assert_eq!(request.url, "https://odd.example/v0/exchange");
    assert!(request.field("authorization").unwrap().starts_with("Basic "));
}

#[track_caller]
fn assert_scopes_are_understood(play: &mut Play<LoginFlow>) {
    let saved = play.save(None);
    assert_eq!(saved.record.tokens.unwrap().scopes, ["read", "write"]);
}

#[test]
fn the_code_is_exchanged_in_its_style() {
    let mut play = begin(Grant::AuthorizationCode);
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    assert_eq!(query(&prompt.url)["scope"], "read,write");
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    let exchange = play.http(odd_tokens());
    assert_odd(&exchange);
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "CANARY-code"),
        ("code_verifier", &verifier()),
        ("redirect_uri", REDIRECT_URI),
    ];
    assert_eq!(exchange.json_body(), map(&expected));
    assert_scopes_are_understood(&mut play);
    assert!(play.done().unwrap().scopes_not_granted.is_empty());
}

/// RFC 8628 defines its two requests as forms, so they are forms for this server too.
#[test]
fn the_device_code_is_exchanged_in_the_style_of_its_rfc() {
    let mut play = begin(Grant::DeviceCode);
    let answer = r#"{"device_code":"CANARY-device-code","user_code":"WDJB-MJHT","expires_in":600,
        "verification_uri":"https://odd.example/activate"}"#;
    assert_eq!(play.http(json(200, answer)).form()["scope"], "read,write");
    play.show_code();
    play.wait();
    let poll = play.http(odd_tokens());
    assert_odd(&poll);
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", DEVICE_CODE),
    ];
    assert_eq!(poll.form(), map(&expected));
    assert_scopes_are_understood(&mut play);
    assert!(play.done().unwrap().scopes_not_granted.is_empty());
}

#[test]
fn the_refresh_token_is_exchanged_in_its_style() {
    let profile = odd();
    let mut record = record_of(&profile, T0);
    record.server.client_authentication = profile.client.authentication;
    let client = Some(confidential_client());
    let request = RefreshRequest {
        registered: Ok(Registered { profile: profile.clone(), client }),
        ..refresh_of(profile, Need::Now)
    };
    let mut play = locked_at(T0, request, record.to_json().expose());
    play.replace();
    play.open_stage();
    let refresh = play.http(odd_tokens());
    assert_odd(&refresh);
    let expected = [("grant_type", "refresh_token"), ("refresh_token", "CANARY-old-refresh")];
    assert_eq!(refresh.json_body(), map(&expected));
    play.stage();
    assert_eq!(play.replace().record.tokens.unwrap().scopes, ["read", "write"]);
    play.discard_stage();
    play.release();
    play.done().unwrap();
}
