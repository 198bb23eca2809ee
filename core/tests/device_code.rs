//! The device authorization grant: what is sent and shown, and which responses end the polling.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::error::{Error, Party};
use twg_core::flow::{Effect, Outcome, UserAgentError};
use twg_core::http::{HttpResponse, TransportError, TransportFailure};
use twg_core::login::LoginFlow;
use twg_core::provider::{ClientAuthentication, Grant};

/// A56: even the first poll waits for the interval. A61: URL and code can both be printed. A12: the
/// requests are forms. A62: nothing that is shown contains the device code (`Play` checks every
/// step).
#[test]
fn a_whole_login() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    let asked = play.http(device_answer(r#","expires_in":600,"interval":5"#));
    assert_eq!(asked.url, "https://as.example/device");
    assert_eq!(asked.form(), map(&[("client_id", "client-1"), ("scope", "read write")]));

    let prompt = play.show_code();
    assert_eq!(prompt.verification_uri, "https://as.example/activate");
    assert_eq!(prompt.user_code, "WDJB-MJHT");
    assert_eq!(
        prompt.verification_uri_complete.unwrap(),
        "https://as.example/activate?user_code=WDJB-MJHT"
    );
    assert_eq!(prompt.expires_at, T0.plus(secs(600)));
    assert!(prompt.open);

    assert_eq!(play.wait(), secs(5));
    let poll = play.http(oauth_error(400, "authorization_pending"));
    assert_eq!(poll.url, "https://as.example/token");
    assert_eq!(
        poll.form(),
        map(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", DEVICE_CODE),
            ("client_id", "client-1"),
        ])
    );
    assert_eq!(play.wait(), secs(5));
    play.http(tokens());
    play.save(None);

    let signed_in = play.done().unwrap();
    let stored = signed_in.credential.tokens.unwrap();
    assert_eq!(stored.access_token.expose(), "CANARY-access");
    assert_eq!(stored.refresh_token.unwrap().expose(), "CANARY-refresh");
    assert_eq!(signed_in.credential.login.grant, Grant::DeviceCode);
    assert!(!signed_in.device_grant_not_enabled);
}

/// A12: one way of client authentication per request, also here. RFC 8628 defines these requests as
/// forms, so they stay forms for a server that uses JSON elsewhere.
#[test]
fn confidential_clients_authenticate_both_requests() {
    for (authentication, header) in [
        (ClientAuthentication::ClientSecretBasic, true),
        (ClientAuthentication::ClientSecretPost, false),
    ] {
        let mut request = request(bundled("atlassian"), &[Grant::DeviceCode]);
        request.client = confidential_client();
        request.profile.client.authentication = authentication;
        let mut play = Play::begin(sign_in(request));
        play.preflight();
        let asked = play.http(device_answer(""));
        play.show_code();
        play.wait();
        let poll = play.http(oauth_error(403, "access_denied"));
        for request in [&asked, &poll] {
            assert_eq!(request.field("authorization").is_some(), header);
            assert_eq!(request.form().contains_key("client_secret"), !header);
            assert_eq!(request.form().contains_key("client_id"), !header);
        }
        assert_eq!(asked.form()["audience"], "api.atlassian.com");
        play.done().unwrap_err();
    }
}

/// A56: the interval is the server's, 5 s if it names none, and never zero.
#[test]
fn intervals() {
    for (interval, wait) in [
        ("", 5),
        (r#","interval":1"#, 1),
        (r#","interval":0"#, 1),
        (r#","interval":17"#, 17),
        (r#","interval":"17""#, 17),
        (r#","interval":17.0"#, 17),
        (r#","interval":17.2"#, 18),
        (r#","interval":-3"#, 5),
        (r#","interval":null"#, 5),
        (r#","interval":"soon""#, 5),
        (r#","interval":300"#, 300),
    ] {
        let mut play = polling(interval);
        assert_eq!(play.wait(), secs(wait), "{interval}");
        play.http(oauth_error(400, "authorization_pending"));
        assert_eq!(play.wait(), secs(wait), "{interval}");
        play.killed();
    }
}

/// A56: an interval longer than the code's life is the server's mistake. The client still does not
/// poll faster.
#[test]
fn an_interval_longer_than_the_code_lives() {
    for interval in ["601", "18446744073709551615", "1e300"] {
        let mut play = Play::begin(device_login(profile()));
        play.preflight();
        play.http(device_answer(&format!(r#","expires_in":600,"interval":{interval}"#)));
        assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })), "{interval}");
    }
}

/// A58: every error except `authorization_pending` and `slow_down` stops the polling, with any
/// status.
#[test]
fn final_errors() {
    for status in [400, 401, 403, 429] {
        for (code, expected) in [
            ("access_denied", "ACCESS_DENIED"),
            ("invalid_grant", "AUTH_REVOKED"),
            ("invalid_client", "CLIENT_REJECTED"),
            ("invalid_request", "CLIENT_REJECTED"),
            ("unsupported_grant_type", "GRANT_NOT_ENABLED"),
            ("something_else", "SERVER_REFUSED"),
        ] {
            // With status 429, only these two codes keep their meaning. The others are a rate
            // limit.
            if status == 429 && !matches!(code, "access_denied" | "invalid_grant") {
                continue;
            }
            let mut play = polling("");
            play.wait();
            play.http(oauth_error(status, code));
            let error = play.done().unwrap_err();
            assert_eq!(error.code(), expected, "{status} {code}");
            assert!(matches!(error, Error::Refused(_) | Error::GrantNotEnabled(_)));
        }
        let mut play = polling("");
        play.wait();
        play.http(oauth_error(status, "expired_token"));
        let error = play.done().unwrap_err();
        assert_eq!(error, Error::CodeExpired);
        assert_eq!(error.party(), Party::User);
    }
}

/// A56: `authorization_pending` means the same with 400 (RFC 8628) and 403 (Auth0), and never makes
/// the polls faster.
#[test]
fn pending_with_any_status() {
    for status in [400, 401, 403, 428, 429, 200] {
        let mut play = polling(r#","interval":7"#);
        for _ in 0..3 {
            assert_eq!(play.wait(), secs(7), "{status}");
            play.http(oauth_error(status, "authorization_pending"));
        }
        play.killed();
    }
}

/// A60: after `expired_token` nothing more is sent. Only the user can ask for a new code.
#[test]
fn no_new_code_without_the_user() {
    let mut play =
        Play::begin(sign_in(request(profile(), &[Grant::DeviceCode, Grant::AuthorizationCode])));
    play.preflight();
    play.http(device_answer(""));
    play.show_code();
    play.wait();
    play.http(oauth_error(400, "expired_token"));
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
}

/// A21: text from the server is made inert before it is shown: the user code, and error
/// descriptions.
#[test]
fn hostile_texts() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    play.http(json(
        200,
        r#"{"device_code":"CANARY","user_code":"A\u001b]8;;x\u0007\u202eB\r\n",
            "verification_uri":"https://as.example/activate"}"#,
    ));
    assert_eq!(play.show_code().user_code, "A\\u{1b}]8;;x\\u{7}\\u{202e}B\\u{d}\\u{a}");
    play.wait();
    play.http(json(400, r#"{"error":"x\u009b","error_description":"\u001b[2J\u2066"}"#));
    let error = play.done().unwrap_err();
    assert!(error.to_string().bytes().all(|b| matches!(b, b' '..=b'~')), "{error:?}");
}

/// A13: a URL that is not https reaches neither the user nor a browser launcher.
#[test]
fn hostile_addresses() {
    for address in [
        "http://as.example/activate",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://as.example@evil.example/",
        "https://as.example/$(reboot)\\n",
        "\\\\\\\\server\\\\share",
        "-oProxy=x",
        "",
    ] {
        let answer = |member: &str| {
            json(200, &format!(r#"{{"device_code":"CANARY","user_code":"A",{member}}}"#))
        };
        let mut play = Play::begin(device_login(profile()));
        play.preflight();
        play.http(answer(&format!(r#""verification_uri":"{address}""#)));
        let error = play.done().unwrap_err();
        assert!(matches!(error, Error::PeerMisbehaved { .. }), "{address}");

        // The complete URL is optional: without it the login goes on.
        let mut play = Play::begin(device_login(profile()));
        play.preflight();
        play.http(answer(&format!(
            r#""verification_uri":"https://as.example/a","verification_uri_complete":"{address}""#
        )));
        assert_eq!(play.show_code().verification_uri_complete, None, "{address}");
        play.killed();
    }
}

#[test]
fn an_early_draft_called_it_verification_url() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    play.http(json(
        200,
        r#"{"device_code":"CANARY","user_code":"A","verification_url":"https://as.example/a"}"#,
    ));
    assert_eq!(play.show_code().verification_uri, "https://as.example/a");
    play.killed();
}

fn refused_code(answer: impl Into<Answer>) -> Error {
    let mut play: Play<LoginFlow> = Play::begin(device_login(profile()));
    play.preflight();
    play.http(answer);
    let result = play.done();
    assert_silent(&result);
    result.unwrap_err()
}

/// A22: how each failure of the device authorization endpoint is reported.
#[test]
fn no_code() {
    let incomplete: [HttpResponse; 5] = [
        json(200, "{}"),
        json(200, r#"{"device_code":"CANARY","user_code":"A"}"#),
        json(200, r#"{"device_code":"CANARY","verification_uri":"https://a.example"}"#),
        json(200, r#"{"device_code":7,"user_code":"A","verification_uri":"https://a.example"}"#),
        html(302),
    ];
    for answer in incomplete {
        assert!(matches!(refused_code(answer), Error::PeerMisbehaved { .. }));
    }
    assert!(matches!(refused_code(html(503)), Error::Unavailable { status: 503, .. }));
    for page in [html(200), html(403), html(404), json(200, "[]"), json(200, "{\"torn")] {
        assert!(matches!(refused_code(page), Error::NotOAuth { .. }));
    }
    assert!(matches!(refused_code(timeout()), Error::Transport { .. }));
    assert_eq!(refused_code(oauth_error(400, "invalid_scope")).party(), Party::Configuration);
    assert!(matches!(
        refused_code(TransportError::NotSent(TransportFailure::Tls)),
        Error::Transport { .. }
    ));
}

#[test]
fn the_code_cannot_be_shown() {
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    play.http(device_answer(""));
    assert!(matches!(play.effect(), Effect::ShowUserCode(_)));
    play.answer(Outcome::Shown(Err(UserAgentError::Closed)));
    assert_eq!(play.done().unwrap_err(), Error::UserAgent(UserAgentError::Closed));
}
