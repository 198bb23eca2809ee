//! Where the endpoints come from, and which metadata is believed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::error::{Endpoint, Error};
use twg_core::flow::Effect;
use twg_core::http::{HttpResponse, Method, TransportError, TransportFailure};
use twg_core::login::LoginFlow;
use twg_core::provider::{Endpoints, Grant, IdentityProfile, IssParameter, ProviderProfile};

const ISSUER: &str = "https://as.example/tenant/1";

fn to_discover() -> ProviderProfile {
    let mut profile = profile();
    profile.issuer = Some(url(ISSUER));
    profile.endpoints = Endpoints::default();
    profile
}

fn metadata(more: &str) -> HttpResponse {
    json(
        200,
        &format!(
            r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://as.example/t1/authorize",
            "token_endpoint":"https://as.example/t1/token",
            "device_authorization_endpoint":"https://as.example/t1/device",
            "revocation_endpoint":"https://as.example/t1/revoke","unknown":[1]{more}}}"#
        ),
    )
}

#[track_caller]
fn begin(profile: ProviderProfile) -> Play<LoginFlow> {
    let mut play = Play::begin(browser_login(profile));
    play.preflight();
    play
}

/// A52: the well-known part goes before the issuer's path; OpenID's location is the second. A47:
/// the record keeps the discovered endpoints.
#[test]
fn places_in_order() {
    let mut play = begin(to_discover());
    let first = play.http(html(404));
    assert_eq!(first.method, Method::Get);
    assert_eq!(first.url, "https://as.example/.well-known/oauth-authorization-server/tenant/1");
    assert_eq!(first.field("authorization"), None);
    assert!(first.body.is_empty());
    let second = play.http(metadata(""));
    assert_eq!(second.url, "https://as.example/tenant/1/.well-known/openid-configuration");

    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    assert!(prompt.url.starts_with("https://as.example/t1/authorize?"));
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    assert_eq!(play.http(tokens()).url, "https://as.example/t1/token");
    let pinned = play.save(None).record.server;
    assert_eq!(pinned.issuer.unwrap().as_str(), ISSUER);
    assert_eq!(pinned.token_endpoint.as_str(), "https://as.example/t1/token");
    assert_eq!(pinned.revocation_endpoint.unwrap().as_str(), "https://as.example/t1/revoke");
    play.done().unwrap();
}

/// Any 4xx except 429 leads to the other location. If neither has a document, that is an error.
#[test]
fn falling_through() {
    for status in [400, 401, 403, 404, 405, 410] {
        let mut play = begin(to_discover());
        play.http(html(status));
        play.http(metadata(""));
        play.redirect_uri(REDIRECT_URI);
        play.killed();
    }
    let mut play = begin(to_discover());
    play.http(html(404));
    play.http(html(404));
    let error = play.done().unwrap_err();
    assert_eq!(error.code(), "SERVER_MISBEHAVED");
    assert!(error.to_string().contains(ISSUER), "{error}");
}

/// A51: metadata with another issuer is not used, not even if only a slash differs. A53: neither is
/// a document that is not a JSON object, or a status other than 200.
#[test]
fn unusable_metadata() {
    let issuer = |said: &str| json(200, &format!(r#"{{"issuer":"{said}","token_endpoint":"x"}}"#));
    let unusable = [
        issuer("https://as.example/tenant/1/"),
        issuer("https://as.example/tenant/2"),
        issuer("https://AS.example/tenant/1"),
        issuer("https://evil.example/tenant/1"),
        issuer(""),
        json(200, "{}"),
        json(200, "[]"),
        json(200, r#"{"issuer":7}"#),
        json(200, r#"{"issuer":"#),
        html(200),
        metadata(r#","userinfo_endpoint":"http://as.example/me""#),
        metadata(r#","userinfo_endpoint":7"#),
        with_headers(302, &[("location", "https://as.example/elsewhere")], ""),
        json(204, ""),
    ];
    for answer in unusable {
        let mut play = begin(to_discover());
        play.http(answer.clone());
        let error = play.done().unwrap_err();
        assert!(
            matches!(error, Error::PeerMisbehaved { endpoint: Endpoint::Metadata, .. }),
            "{error:?} {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert!(error.to_string().bytes().all(|b| matches!(b, b' '..=b'~')));
    }
}

/// A login that could not be finished ends before the user approves it. Found by fuzzing.
#[test]
fn no_token_endpoint() {
    for grant in [Grant::DeviceCode, Grant::AuthorizationCode] {
        let mut play = Play::begin(sign_in(request(to_discover(), &[grant])));
        play.preflight();
        play.http(json(
            200,
            &format!(
                r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://as.example/authorize",
                "device_authorization_endpoint":"https://as.example/device"}}"#
            ),
        ));
        let error = play.done().unwrap_err();
        assert_eq!(error.code(), "SERVER_MISBEHAVED");
        assert!(error.to_string().contains("token_endpoint"), "{error}");
    }
}

/// A22: other trouble ends the discovery. The second location is not asked, because the first may
/// be the right one.
#[test]
fn trouble() {
    for status in [500, 502, 503, 429] {
        let mut play = begin(to_discover());
        play.http(html(status));
        let error = play.done().unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.is_retryable());
    }
    for failure in [TransportFailure::NameResolution, TransportFailure::TooLarge] {
        let mut play = begin(to_discover());
        play.http(TransportError::NotSent(failure));
        assert!(matches!(play.done(), Err(Error::Transport { .. })));
    }
}

/// A13: a discovered URL must be as safe as a configured one; otherwise the document is not used.
#[test]
fn unsafe_endpoints() {
    for address in [
        "http://as.example/token",
        "https://as.example/token#f",
        "https://user@as.example/token",
        "javascript:alert(1)",
        "file:///token",
        "/token",
    ] {
        let mut play = begin(to_discover());
        play.http(json(200, &format!(r#"{{"issuer":"{ISSUER}","token_endpoint":"{address}"}}"#)));
        assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })), "{address}");
    }
}

/// Discovery replaces nothing that the profile names. A complete profile sends no discovery
/// request.
#[test]
fn the_profile_wins() {
    let mut profile = to_discover();
    profile.endpoints.token = Some(url("https://given.example/token"));
    let mut play = begin(profile);
    play.http(metadata(""));
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    assert!(prompt.url.starts_with("https://as.example/t1/authorize?"));
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    assert_eq!(play.http(oauth_error(400, "invalid_grant")).url, "https://given.example/token");
    play.done().unwrap_err();

    let play = begin(support::profile());
    assert!(matches!(play.effect(), Effect::ObtainRedirectUri(_)));
    play.killed();
}

/// A49: a server that advertises `iss` must send it. A4: a server that does not advertise PKCE
/// still gets the state checked.
#[test]
fn iss_and_pkce_support() {
    let iss = r#","authorization_response_iss_parameter_supported":true"#;
    let mut play = begin(to_discover());
    play.http(metadata(iss));
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })));

    for pkce in [r#","code_challenge_methods_supported":["S256"]"#, ""] {
        let mut play = begin(to_discover());
        play.http(metadata(pkce));
        play.redirect_uri(REDIRECT_URI);
        let prompt = play.authorization();
        assert!(query(&prompt.url).contains_key("code_challenge"));
        play.redirect(&redirect_with(&[("code", "CANARY-evil")]));
        play.assert_still_awaiting_redirect();
        play.killed();
    }
}

/// A48: where the metadata says nothing about `iss`, the profile decides.
#[test]
fn iss_by_profile() {
    let mut profile = to_discover();
    profile.iss_parameter = IssParameter::Optional;
    let mut play = begin(profile);
    play.http(metadata(""));
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("iss", "https://evil.example"), ("code", "CANARY")]));
    assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })));
}

/// The discovered userinfo endpoint returns the account, and the record keeps its URL.
#[test]
fn userinfo() {
    let mut profile = to_discover();
    profile.identity = Some(IdentityProfile::default());
    let mut play = begin(profile);
    play.http(metadata(r#","userinfo_endpoint":"https://me.example/userinfo""#));
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    play.http(tokens());
    let first = play.save(None);
    let asked = play.http(json(200, r#"{"sub":"1","name":"Ada"}"#));
    assert_eq!(asked.url, "https://me.example/userinfo");
    play.save(Some(&first.text));
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.account.unwrap().unwrap().shown(), "Ada");
    assert_eq!(
        signed_in.credential.server.userinfo_endpoint.unwrap().as_str(),
        "https://me.example/userinfo"
    );
}

#[test]
fn no_device_endpoint_anywhere() {
    let mut profile = to_discover();
    profile.grants = vec![Grant::DeviceCode];
    let mut play = Play::begin(device_login(profile));
    play.preflight();
    play.http(json(
        200,
        &format!(r#"{{"issuer":"{ISSUER}","token_endpoint":"https://as.example/token"}}"#),
    ));
    assert!(matches!(play.done(), Err(Error::Configuration(_))));
}
