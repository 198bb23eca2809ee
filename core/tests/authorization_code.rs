//! The authorization code grant: the authorization request, and the exchange of the code.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use support::*;
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::flow::{Effect, Flow as _, Outcome, UserAgentError};
use twg_core::grant::request::LoginRequest;
use twg_core::http::{HttpRequest, TransportError, TransportFailure};
use twg_core::login::LoginFlow;
use twg_core::provider::{ClientAuthentication, Grant, TokenRequestFormat};

/// Drives a login up to the token request, whose response is an error that ends the login.
fn token_request_of(request: LoginRequest) -> HttpRequest {
    let mut play = Play::begin(sign_in(request));
    play.preflight();
    play.redirect_uri(REDIRECT_URI);
    let answer = answer_to(&play.authorization(), &[("code", "CANARY-code")]);
    play.redirect(&answer);
    let request = play.http(oauth_error(400, "invalid_grant"));
    assert_eq!(play.done().unwrap_err().code(), "AUTH_REVOKED");
    request
}

/// A2: the challenge is S256 of the verifier that is sent. A7: the code is exchanged once. A11: the
/// token request has no `redirect_uri`. A12: it is a form. A15: it has no scopes that the user did
/// not ask for.
#[test]
fn a_whole_login() {
    let mut play = Play::begin(browser_login(profile()));
    play.preflight();
    let target = play.redirect_uri(REDIRECT_URI);
    assert_eq!(target.port, None);
    assert_eq!(target.path, "/auth/callback/oauth");

    let prompt = play.authorization();
    assert!(prompt.url.starts_with("https://as.example/authorize?"));
    assert_eq!(prompt.redirect_uri, REDIRECT_URI);
    assert_eq!(prompt.deadline, T0.plus(secs(3600)));
    assert!(prompt.open);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier()));
    assert_eq!(
        query(&prompt.url),
        map(&[
            ("response_type", "code"),
            ("client_id", "client-1"),
            ("redirect_uri", REDIRECT_URI),
            ("state", &state()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", "read write"),
        ])
    );

    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    let exchange = play.http(tokens());
    assert_eq!(exchange.url, "https://as.example/token");
    assert_eq!(exchange.field("authorization"), None);
    assert_eq!(
        exchange.form(),
        map(&[
            ("grant_type", "authorization_code"),
            ("code", "CANARY-code"),
            ("code_verifier", &verifier()),
            ("client_id", "client-1"),
        ])
    );
    play.save(None);
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.credential.login.grant, Grant::AuthorizationCode);
    assert_eq!(signed_in.credential.tokens.unwrap().access_token.expose(), "CANARY-access");
}

/// A11: a profile can add `redirect_uri` again. A12: and ask for JSON; Atlassian's does both.
/// `audience` and `prompt` are in the authorization request.
#[test]
fn as_atlassian_wants_it() {
    let mut request = request(bundled("atlassian"), &[Grant::AuthorizationCode]);
    request.client = confidential_client();
    let mut play = Play::begin(sign_in(request.clone()));
    play.preflight();
    assert_eq!(play.redirect_uri(REDIRECT_URI).port, Some(7998));
    let asked = query(&play.authorization().url);
    assert_eq!(asked["audience"], "api.atlassian.com");
    assert_eq!(asked["prompt"], "consent");
    play.killed();

    let exchange = token_request_of(request);
    assert_eq!(exchange.url, "https://auth.atlassian.com/oauth/token");
    assert_eq!(exchange.field("authorization"), None);
    assert_eq!(
        exchange.json_body(),
        map(&[
            ("grant_type", "authorization_code"),
            ("code", "CANARY-code"),
            ("code_verifier", &verifier()),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", "client-1"),
            ("client_secret", "CANARY: s+cret"),
        ])
    );
}

/// A12: Bitbucket's clients use HTTP Basic with form-encoded parts, and send no credentials in the
/// body.
#[test]
fn as_bitbucket_wants_it() {
    let mut request = request(bundled("bitbucket"), &[Grant::AuthorizationCode]);
    request.client = confidential_client();
    let exchange = token_request_of(request);
    let basic = format!("Basic {}", STANDARD.encode("client-1:CANARY%3A+s%2Bcret"));
    assert_eq!(exchange.field("authorization"), Some(basic.as_str()));
    assert_eq!(
        exchange.form(),
        map(&[
            ("grant_type", "authorization_code"),
            ("code", "CANARY-code"),
            ("code_verifier", &verifier()),
            ("redirect_uri", REDIRECT_URI),
        ])
    );
}

/// A12: never more than one way of client authentication; a client without a secret is public.
#[test]
fn client_authentication() {
    for format in [TokenRequestFormat::Form, TokenRequestFormat::Json] {
        for authentication in
            [ClientAuthentication::ClientSecretBasic, ClientAuthentication::ClientSecretPost]
        {
            for client in [public_client(), confidential_client()] {
                let has_secret = client.secret.is_some();
                let mut request = request(profile(), &[Grant::AuthorizationCode]);
                request.profile.client.authentication = authentication;
                request.profile.token_request_format = format;
                request.client = client;
                let exchange = token_request_of(request);
                let body = match format {
                    TokenRequestFormat::Form => exchange.form(),
                    TokenRequestFormat::Json => exchange.json_body(),
                };
                let basic = authentication == ClientAuthentication::ClientSecretBasic;
                assert_eq!(exchange.field("authorization").is_some(), has_secret && basic);
                assert_eq!(body.contains_key("client_secret"), has_secret && !basic);
                assert_eq!(body.contains_key("client_id"), !(has_secret && basic));
            }
        }
    }
}

/// A3: verifier and state belong to one attempt: other entropy gives other values, and the two
/// never share their bytes. A1: both have 43 characters, which is 256 bits (A5).
#[test]
fn fresh_for_each_attempt() {
    let asked = |verifier: u8, state: u8| {
        let entropy = (Entropy::new([verifier; 32]), Entropy::new([state; 32]));
        let request = request(profile(), &[Grant::AuthorizationCode]);
        let mut play = Play::begin(LoginFlow::sign_in(request, entropy).unwrap());
        play.preflight();
        play.redirect_uri(REDIRECT_URI);
        let url = play.authorization().url;
        play.killed();
        query(&url)
    };
    let (first, second) = (asked(1, 2), asked(3, 4));
    assert_ne!(first["state"], second["state"]);
    assert_ne!(first["code_challenge"], second["code_challenge"]);
    assert_eq!(first["state"].len(), 43);
    assert_eq!(first["code_challenge"].len(), 43);
    assert_eq!(first["state"], URL_SAFE_NO_PAD.encode([2; 32]));
    assert_eq!(
        first["code_challenge"],
        URL_SAFE_NO_PAD.encode(Sha256::digest(URL_SAFE_NO_PAD.encode([1; 32])))
    );
}

/// A3: an attempt that failed cannot be begun again with the same verifier and state.
#[test]
fn no_second_attempt_with_the_same_secrets() {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("error", "access_denied")]));
    assert_eq!(play.finish().unwrap_err().code(), "ACCESS_DENIED");
    assert!(play.flow.begin(play.now).is_err());
}

/// A7: the code is sent once, even if the exchange fails.
#[test]
fn a_code_is_sent_once() {
    let failures: [fn() -> Answer; 9] = [
        || timeout().into(),
        || connection_timeout().into(),
        || broken().into(),
        || TransportError::NotSent(TransportFailure::Connect).into(),
        || html(503).into(),
        || html(200).into(),
        || json(200, r#"{"access_token":"CANARY"#).into(),
        || with_headers(429, &[("retry-after", "1")], "").into(),
        || oauth_error(400, "temporarily_unavailable").into(),
    ];
    for (case, failure) in failures.into_iter().enumerate() {
        let mut play = in_browser(profile());
        let prompt = play.authorization();
        play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
        play.http(failure());
        let result = play.done();
        assert_silent(&result);
        assert!(result.unwrap_err().is_retryable(), "case {case}");
    }
}

/// A23: the code is not sent on when the token endpoint redirects.
#[test]
fn a_code_follows_no_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let mut play = in_browser(profile());
        let prompt = play.authorization();
        play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
        play.http(with_headers(status, &[("location", "https://as.example/token2")], ""));
        assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })), "{status}");
    }
}

/// A7: a second redirect changes nothing, during the exchange and after it.
#[test]
fn later_redirects_are_inert() {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    let id = play.step_id();
    let answer = answer_to(&prompt, &[("code", "CANARY-code")]);
    play.redirect(&answer);
    let again = || Outcome::Redirected(Ok(answer.as_str().to_owned().into()));
    assert!(play.flow.resume(id, again(), play.now).is_err());
    let waiting = play.step_id();
    assert!(play.flow.resume(waiting, again(), play.now).is_err());
    play.http(tokens());
    play.save(None);
    assert!(play.flow.resume(id, again(), play.now).is_err());
    play.finish().unwrap();
}

/// A16, A17, A18, A19, A20: unusual token responses, from the network to the record.
#[test]
fn odd_token_answers() {
    let long = "x".repeat(65_536);
    let cases = [
        (r#"{"access_token":"CANARY"}"#.to_owned(), 3600, true, &["read", "write"][..]),
        (
            r#"{"access_token":"CANARY","token_type":"BEARER","x":[{}]}"#.to_owned(),
            3600,
            true,
            &["read", "write"],
        ),
        (
            r#"{"access_token":"CANARY","expires_in":0,"scope":"read"}"#.to_owned(),
            0,
            false,
            &["read"],
        ),
        (r#"{"access_token":"CANARY","expires_in":-1,"scope":""}"#.to_owned(), 0, false, &[]),
        (
            format!(r#"{{"access_token":"{long}","expires_in":1e99,"scope":"more"}}"#),
            365 * 86_400,
            false,
            &["more"],
        ),
    ];
    for (answer, lifetime, assumed, scopes) in cases {
        let mut play = in_browser(profile());
        let prompt = play.authorization();
        play.pass(secs(60));
        play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
        let sent_at = play.now;
        play.pass(secs(20));
        play.http(json(200, &answer));
        let stored = play.save(None).record.tokens.unwrap();
        play.done().unwrap();
        assert_eq!(stored.scopes, scopes);
        assert_eq!(stored.issued_at, sent_at, "counted from before the request");
        assert_eq!(stored.expires_at, sent_at.plus(secs(lifetime)));
        assert_eq!(stored.lifetime_assumed, assumed);
    }
}

/// A17: a clock that is set back during the request makes no token live longer.
#[test]
fn clock_set_back_during_the_exchange() {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    play.now = twg_core::time::UnixTime::from_millis(T0.as_millis() - 86_400_000);
    play.http(tokens());
    let stored = play.save(None).record.tokens.unwrap();
    assert_eq!(stored.issued_at, play.now);
    play.done().unwrap();
}

/// A16: a token of an unknown type is not used, and nothing is stored.
#[test]
fn unknown_token_types() {
    for kind in [r#""DPoP""#, r#""mac""#, "7", "{}"] {
        let mut play = in_browser(profile());
        let prompt = play.authorization();
        play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
        play.http(json(200, &format!(r#"{{"access_token":"CANARY","token_type":{kind}}}"#)));
        assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })), "{kind}");
    }
}

/// A20: scopes that were requested and not granted are reported.
#[test]
fn narrowed_scopes() {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    play.http(json(200, r#"{"access_token":"CANARY","scope":"read offline"}"#));
    play.save(None);
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.scopes_not_granted, ["write"]);
    assert_eq!(signed_in.credential.tokens.unwrap().scopes, ["read", "offline"]);
}

/// A14: text that is not a scope is not sent.
#[test]
fn invalid_scopes_are_not_sent() {
    for scope in ["", "a b", "a\"b", "a\\b", "a\nb", "ä", "a,b\u{7f}"] {
        let mut request = request(profile(), &[Grant::AuthorizationCode]);
        request.scopes = vec![scope.to_owned()];
        let refused = LoginFlow::sign_in(request, entropy());
        assert!(matches!(refused, Err(Error::Configuration(_))), "{scope:?}");
        assert_silent(&refused.map(|_| ()));
    }
}

/// A15: without scopes, the request has no `scope` parameter.
#[test]
fn no_scopes() {
    let mut request = request(profile(), &[Grant::AuthorizationCode]);
    request.scopes.clear();
    let mut play = Play::begin(sign_in(request));
    play.preflight();
    play.redirect_uri(REDIRECT_URI);
    assert!(!query(&play.authorization().url).contains_key("scope"));
    play.killed();
}

#[test]
fn the_endpoints_own_query_stays() {
    let mut profile = profile();
    profile.endpoints.authorization = Some(url("https://as.example/authorize?tenant=1"));
    let play = in_browser(profile);
    let asked = query(&play.authorization().url);
    assert_eq!(asked["tenant"], "1");
    assert_eq!(asked["state"], state());
    play.killed();
}

#[test]
fn the_user_agent_fails() {
    for error in [
        UserAgentError::Closed,
        UserAgentError::TimedOut,
        UserAgentError::Unavailable("no display".to_owned()),
    ] {
        let mut play = in_browser(profile());
        play.answer(Outcome::Redirected(Err(error.clone())));
        assert_eq!(play.done().unwrap_err(), Error::UserAgent(error));
    }
    let mut play = Play::begin(browser_login(profile()));
    play.preflight();
    assert!(matches!(play.effect(), Effect::ObtainRedirectUri(_)));
    play.answer(Outcome::RedirectUri(Err(UserAgentError::PortBusy(7998))));
    let error = play.done().unwrap_err();
    assert_eq!(error.code(), "PORT_BUSY");
    assert!(error.to_string().contains("7998"));
}

#[test]
fn a_provider_without_an_authorization_endpoint() {
    let mut profile = profile();
    profile.issuer = None;
    profile.endpoints.authorization = None;
    let mut play = Play::begin(browser_login(profile));
    play.preflight();
    play.redirect_uri(REDIRECT_URI);
    assert!(matches!(play.done(), Err(Error::Configuration(_))));
}

/// A46: an app's own URI scheme is a reversed domain name with a single slash. Any other redirect
/// URI that a shell names is refused before it is sent. A84: a redirect must match that URI
/// exactly.
#[test]
fn redirect_uris_of_shells() {
    let begun = |redirect_uri: &str| {
        let mut play = Play::begin(browser_login(profile()));
        play.preflight();
        play.redirect_uri(redirect_uri);
        play
    };
    for good in [
        "http://127.0.0.1:7998/auth/callback/oauth",
        "http://[::1]:7998/cb",
        "https://abcdefghijklmnop.chromiumapp.org/cb",
        "com.example.app:/oauth2redirect/example-provider",
    ] {
        let mut play = begun(good);
        assert_eq!(query(&play.authorization().url)["redirect_uri"], good);
        play.redirect(&format!("{good}?state={}&code=CANARY-code", state()));
        play.http(oauth_error(400, "invalid_grant"));
        play.done().unwrap_err();
    }
    for bad in [
        "",
        "http://192.168.0.1:7998/cb",
        "http://app.example/cb",
        "myapp:/cb",
        "com.example.app://cb",
        "com.example.app:cb",
        "javascript:alert(1)",
        "com.example.app:/cb#x",
        "com.example.app:/c b",
    ] {
        let error = begun(bad).done().unwrap_err();
        assert_eq!(error.code(), "CONFIGURATION", "{bad}");
    }
}
