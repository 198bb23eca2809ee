//! Which redirects count: the state is checked first, then the issuer, then error and code.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::error::{Error, Party};
use twg_core::flow::Effect;
use twg_core::login::LoginFlow;
use twg_core::provider::{IssParameter, ProviderProfile};

/// The redirect is not for this login: the login waits on, opens no second window, and still
/// accepts the right redirect.
#[track_caller]
fn assert_ignored(redirect: &str) {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    play.redirect(redirect);
    play.assert_still_awaiting_redirect();
    let Effect::AwaitRedirect { deadline } = play.effect() else { unreachable!() };
    assert_eq!(*deadline, prompt.deadline, "an attacker cannot prolong the wait");
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    assert_eq!(play.http(tokens()).form()["code"], "CANARY-code");
    play.save(None);
    play.done().unwrap();
}

/// The redirect ends the login, and the code is not sent.
#[track_caller]
fn rejected(profile: ProviderProfile, parameters: &[(&str, &str)]) -> Error {
    let mut play = in_browser(profile);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, parameters));
    let result = play.done();
    assert_silent(&result);
    result.unwrap_err()
}

#[track_caller]
fn accepted(profile: ProviderProfile, parameters: &[(&str, &str)]) -> Play<LoginFlow> {
    let mut play = in_browser(profile);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, parameters));
    assert_eq!(play.http(tokens()).form()["code"], "CANARY-code");
    play.save(None);
    play
}

/// A5: a redirect with a wrong state is ignored, with a code and with an error, even if the state
/// is almost right. A6: a missing or empty state is a wrong one (CVE-2026-81888), in every build
/// (CVE-2024-42476).
#[test]
fn wrong_states() {
    let right = state();
    let almost = format!("{}x", &right[..right.len() - 1]);
    for wrong in [
        "",
        "x",
        &almost,
        &right[..right.len() - 1],
        &format!("{right}x"),
        &format!("{right} "),
        &right.to_lowercase(),
        &format!("{right}\0"),
    ] {
        assert_ignored(&redirect_with(&[("state", wrong), ("code", "CANARY-evil")]));
        assert_ignored(&redirect_with(&[("state", wrong), ("error", "access_denied")]));
    }
    assert_ignored(&redirect_with(&[("code", "CANARY-evil")]));
    assert_ignored(&redirect_with(&[("State", right.as_str()), ("code", "CANARY-evil")]));
}

/// A5: forged errors without state do not end the login (CVE-2026-42073), no matter how many come.
#[test]
fn forged_errors() {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    for _ in 0..50 {
        play.redirect(&redirect_with(&[("error", "access_denied")]));
        play.assert_still_awaiting_redirect();
    }
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    play.http(tokens());
    play.save(None);
    play.done().unwrap();
}

/// A8: a repeated state is ignored, in either order.
#[test]
fn repeated_states() {
    let right = state();
    for pair in [[right.as_str(), "x"], ["x", right.as_str()], [right.as_str(), right.as_str()]] {
        assert_ignored(&redirect_with(&[
            ("state", pair[0]),
            ("state", pair[1]),
            ("code", "CANARY-evil"),
        ]));
    }
    // ... also together with other repeated parameters.
    assert_ignored(&redirect_with(&[
        ("state", right.as_str()),
        ("state", "x"),
        ("code", "CANARY-evil"),
        ("code", "CANARY-evil"),
    ]));
}

/// A8: repeated `code`, `iss` and `error` are rejected, equal or not, and no code is sent.
#[test]
fn repeated_parameters() {
    let mut optional = profile();
    optional.iss_parameter = IssParameter::Optional;
    for repeated in [
        &[("code", "CANARY-1"), ("code", "CANARY-2")][..],
        &[("code", "CANARY-1"), ("code", "CANARY-1")],
        &[("code", "CANARY-1"), ("code", "")],
        &[("iss", "https://as.example"), ("iss", "https://as.example"), ("code", "CANARY-1")],
        &[("error", "access_denied"), ("error", "server_error")],
    ] {
        let error = rejected(optional.clone(), repeated);
        assert!(error.to_string().contains("more than once"), "{error}");
    }
}

/// A9: unknown parameters are ignored, also repeated ones. A10: an empty parameter counts as
/// absent.
#[test]
fn unknown_and_empty_parameters() {
    accepted(
        profile(),
        &[("session_state", "1"), ("x", "a"), ("x", "b"), ("code", "CANARY-code"), ("error", "")],
    )
    .done()
    .unwrap();
    accepted(profile(), &[("iss", ""), ("code", "CANARY-code")]).done().unwrap();
    let error = rejected(profile(), &[("code", "")]);
    assert!(error.to_string().contains("neither a code nor an error"), "{error}");
}

#[test]
fn neither_code_nor_error() {
    assert!(matches!(rejected(profile(), &[]), Error::PeerMisbehaved { .. }));
}

/// A22: an error with the right state is the server's response, and wins over a code.
#[test]
fn errors_with_state() {
    let error = rejected(profile(), &[("error", "access_denied"), ("code", "CANARY-code")]);
    assert_eq!((error.code(), error.party()), ("ACCESS_DENIED", Party::User));
    assert_eq!(rejected(profile(), &[("error", "invalid_scope")]).party(), Party::Configuration);
    let error = rejected(
        profile(),
        &[("error", "server_error"), ("error_description", "try \u{1b}[31mlater\u{202e}")],
    );
    assert_eq!(
        error.to_string(),
        "the server refused: server_error (try \\u{1b}[31mlater\\u{202e})"
    );
}

/// A36: only the exact redirect URI of the request counts.
#[test]
fn wrong_addresses() {
    let right = state();
    let tail = format!("?state={right}&code=CANARY-evil");
    for address in [
        "http://127.0.0.1:50124/auth/callback/oauth",
        "http://127.0.0.1/auth/callback/oauth",
        "http://localhost:50123/auth/callback/oauth",
        "http://[::1]:50123/auth/callback/oauth",
        "https://127.0.0.1:50123/auth/callback/oauth",
        "http://127.0.0.1:50123/auth/callback/oauth/",
        "http://127.0.0.1:50123/auth/callback",
        "http://127.0.0.1:50123/AUTH/callback/oauth",
        "http://127.0.0.1:50123/auth/callback/oauth;x",
        "http://user@127.0.0.1:50123/auth/callback/oauth",
        "http://127.0.0.1:50123/",
        "https://evil.example/auth/callback/oauth",
        "not a URL",
        "",
        "data:text/html,x",
    ] {
        assert_ignored(&format!("{address}{tail}"));
    }
    // The request asked for a query, so the server does not send parameters in a fragment.
    assert_ignored(&format!("{REDIRECT_URI}#{}", &tail[1..]));
}

const AS: &str = "https://as.example";

fn with_iss(parameter: IssParameter) -> ProviderProfile {
    let mut profile = profile();
    profile.iss_parameter = parameter;
    profile
}

/// A48: an `iss` parameter is compared as a string, also on an error. A49: an advertised `iss` must
/// be present. A50: an `iss` that was not advertised is not accepted.
#[test]
fn the_issuer_matrix() {
    use IssParameter::{Optional, Required, Unsupported};
    let answers = [[("code", "CANARY-code")], [("error", "access_denied")]];
    for (parameter, iss, good) in [
        (Required, Some(AS), true),
        (Required, None, false),
        (Required, Some("https://evil.example"), false),
        (Required, Some("https://as.example/"), false),
        (Required, Some("https://AS.example"), false),
        (Required, Some("https://as.example:443"), false),
        (Required, Some(""), false),
        (Optional, Some(AS), true),
        (Optional, None, true),
        (Optional, Some("https://evil.example"), false),
        (Optional, Some("https://as.example/"), false),
        (Unsupported, None, true),
        (Unsupported, Some(AS), false),
        (Unsupported, Some("https://evil.example"), false),
    ] {
        for answer in answers {
            let iss = iss.map(|iss| ("iss", iss));
            let parameters: Vec<_> = iss.into_iter().chain(answer).collect();
            let is_code = answer[0].0 == "code";
            match (good, is_code) {
                (true, true) => drop(accepted(with_iss(parameter), &parameters).done().unwrap()),
                (true, false) => {
                    assert_eq!(
                        rejected(with_iss(parameter), &parameters).code(),
                        "ACCESS_DENIED",
                        "{parameter:?} {iss:?}"
                    );
                }
                (false, _) => {
                    let error = rejected(with_iss(parameter), &parameters);
                    assert_eq!(error.code(), "SERVER_MISBEHAVED", "{parameter:?} {iss:?}");
                }
            }
        }
    }
}

/// A48: a percent-encoded issuer is decoded once, and shown inert if it is an attacker's text.
#[test]
fn encoded_issuers() {
    let right = state();
    let mut play = in_browser(with_iss(IssParameter::Required));
    play.redirect(&format!(
        "{REDIRECT_URI}?iss=https%3A%2F%2Fas.example&state={right}&code=CANARY-code"
    ));
    play.http(tokens());
    play.save(None);
    play.done().unwrap();

    let error =
        rejected(with_iss(IssParameter::Required), &[("iss", "https://\u{1b}[2J\u{202e}.example")]);
    assert!(error.to_string().bytes().all(|b| matches!(b, b' '..=b'~')), "{error:?}");
    // The state comes first: without it, the response says nothing about issuers.
    assert_ignored(&redirect_with(&[("iss", "https://evil.example"), ("code", "CANARY-evil")]));
}

/// A47: the code goes to the token endpoint of the server that was asked. Nothing in the redirect
/// can change that.
#[test]
fn the_code_goes_to_its_own_server() {
    let mut play = in_browser(profile());
    let prompt = play.authorization();
    play.redirect(&answer_to(
        &prompt,
        &[("code", "CANARY-code"), ("token_endpoint", "https://evil.example/token")],
    ));
    assert_eq!(play.http(tokens()).url, "https://as.example/token");
    let saved = play.save(None).record.server;
    assert_eq!(saved.issuer.unwrap().as_str(), AS);
    assert_eq!(saved.token_endpoint.as_str(), "https://as.example/token");
    play.done().unwrap();
}

/// A85: a damaged redirect may hold the code in a wrong place, so it is not shown.
#[test]
fn mangled_redirects_are_not_shown() {
    for mangled in [
        "http://127.0.0.1:50123/auth/callback/oauth&code=CANARY-code",
        "http://127.0.0.1:50123/auth/callback/oauth?iss=xcode%3DCANARY-code",
        "http://127.0.0.1:50123/auth/callback/oauth?error=xcode%3DCANARY-code",
        "http://CANARY-code@127.0.0.1:50123/",
    ] {
        assert_ignored(mangled);
        let parsed = twg_core::grant::authorization_code::AuthorizationResponse::parse(mangled);
        assert_shows_no_secret(&format!("{parsed:?}"));
    }
}
