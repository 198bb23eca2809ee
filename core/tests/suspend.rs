//! A login that waits for its user can be suspended, and restored in another process.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use serde_json::Value;
use support::*;
use twg_core::error::Error;
use twg_core::flow::{Effect, Flow as _, Misuse, Outcome, StepId, UserAgentError};
use twg_core::login::LoginFlow;
use twg_core::provider::Grant;

/// The process dies, and another one restores its login.
#[track_caller]
fn moved(play: Play<LoginFlow>) -> Play<LoginFlow> {
    let (now, last) = (play.now, play.step_id());
    let text = play.flow.suspend().expect("a login that waits for its user can be suspended");
    assert_shows_no_secret(&format!("{text:?}"));
    play.killed();
    let flow = LoginFlow::restore(text.expose()).expect("a suspended login can be restored");
    // A restored login can be suspended again, before and after it begins.
    assert_eq!(flow.suspend().unwrap().expose(), text.expose());
    let play = Play::begin_at(flow, now);
    assert!(play.step_id() > last, "ids are never used again");
    play
}

/// At every step at which a device login waits, and twice in a row.
#[test]
fn device_login_at_each_step() {
    for step in 0..4 {
        let mut play = Play::begin(device_login(profile()));
        play.preflight();
        play.http(device_answer(r#","expires_in":600,"interval":7"#));
        if step >= 1 {
            play.show_code();
        }
        if step >= 2 {
            play.wait();
        }
        if step >= 3 {
            play.http(oauth_error(400, "slow_down"));
        }
        let mut play = moved(moved(play));
        let prompt = play.show_code();
        assert_eq!(prompt.user_code, "WDJB-MJHT");
        assert_eq!(prompt.verification_uri, "https://as.example/activate");
        assert!(prompt.verification_uri_complete.is_some());
        let interval = if step == 3 { secs(12) } else { secs(7) };
        assert_eq!(play.wait(), interval, "slow_down is remembered");
        assert_eq!(play.http(tokens()).form()["device_code"], DEVICE_CODE);
        play.save(None);
        assert_eq!(play.done().unwrap().credential.login.grant, Grant::DeviceCode);
    }
}

/// A63: the time in between does not count. Only the server knows how long it was.
#[test]
fn device_login_after_a_long_time() {
    let mut play = polling(r#","expires_in":600"#);
    play.pass(secs(86_400));
    let mut play = moved(play);
    play.show_code();
    assert_eq!(play.wait(), secs(5));
    play.http(oauth_error(400, "expired_token"));
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
}

/// At every step at which a browser login waits: the same request, state and verifier.
#[test]
fn browser_login_at_each_step() {
    for ignored in [false, true] {
        let mut play = in_browser(profile());
        let prompt = play.authorization();
        if ignored {
            play.redirect(&redirect_with(&[("error", "access_denied")]));
        }
        let mut play = moved(moved(play));
        assert_eq!(play.authorization(), prompt);
        play.redirect(&redirect_with(&[("state", "x"), ("code", "CANARY-evil")]));
        play.assert_still_awaiting_redirect();
        play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
        let exchange = play.http(tokens()).form();
        assert_eq!(exchange["code_verifier"], verifier());
        assert_eq!(exchange["code"], "CANARY-code");
        play.save(None);
        play.done().unwrap();
    }
}

/// A47: the suspended login keeps the server that was asked, with all its endpoints.
#[test]
fn the_server_is_pinned() {
    let mut profile = profile();
    profile.endpoints.token = None;
    let mut play = Play::begin(browser_login(profile));
    play.preflight();
    play.http(json(
        200,
        r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/found",
            "authorization_response_iss_parameter_supported":true}"#,
    ));
    play.redirect_uri(REDIRECT_URI);
    let mut play = moved(play);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("iss", "https://as.example"), ("code", "CANARY-code")]));
    assert_eq!(play.http(oauth_error(400, "invalid_grant")).url, "https://as.example/found");
    play.done().unwrap_err();
}

#[test]
fn too_late() {
    let play = in_browser(profile());
    let deadline = play.authorization().deadline;
    let text = play.flow.suspend().unwrap();
    play.killed();
    let play = Play::begin_at(LoginFlow::restore(text.expose()).unwrap(), deadline);
    assert_eq!(play.done().unwrap_err(), Error::UserAgent(UserAgentError::TimedOut));
}

/// A login cannot be suspended before the user is asked, while the code is exchanged (A7: it must
/// not be sent again), during the save, and after a failure.
#[test]
fn nothing_to_suspend() {
    let mut play = Play::begin(device_login(profile()));
    assert!(play.flow.suspend().is_none());
    play.preflight();
    assert!(play.flow.suspend().is_none());
    play.http(device_answer(""));
    play.show_code();
    play.wait();
    play.http(tokens());
    assert!(play.flow.suspend().is_none());
    play.save(None);
    play.finish().unwrap();
    assert!(play.flow.suspend().is_none());

    let mut play = Play::begin(browser_login(profile()));
    play.preflight();
    assert!(play.flow.suspend().is_none());
    play.redirect_uri(REDIRECT_URI);
    let prompt = play.authorization();
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    assert!(play.flow.suspend().is_none());
    play.http(html(503));
    play.finish().unwrap_err();
    assert!(play.flow.suspend().is_none());

    let mut play = polling("");
    play.wait();
    play.http(oauth_error(400, "access_denied"));
    play.finish().unwrap_err();
    assert!(play.flow.suspend().is_none());
}

/// The new process does not accept outcomes for steps of the old one.
#[test]
fn answers_from_before() {
    let play = polling("");
    let old = play.step_id();
    let mut play = moved(play);
    let refused = play.flow.resume(old, Outcome::Waited, play.now);
    assert_eq!(refused.err(), Some(Misuse::StaleStep));
    play.killed();
}

fn suspended(play: Play<LoginFlow>) -> Value {
    let text = play.flow.suspend().unwrap();
    play.killed();
    serde_json::from_str(text.expose()).expect("it is JSON")
}

/// Text that is not a suspended login is refused, and the error repeats nothing of it.
#[test]
fn not_a_suspended_login() {
    let change = |pointer: &str, value: Value| {
        let mut text = suspended(in_browser(profile()));
        *text.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        text.to_string()
    };
    let address = "/waiting/authorization_code/url";
    let texts = [
        String::new(),
        "CANARY".to_owned(),
        "{}".to_owned(),
        r#"{"schema_version":1,"x":"CANARY"}"#.to_owned(),
        change("/schema_version", 2.into()),
        change("/schema_version", "CANARY".into()),
        change("/waiting", "CANARY".into()),
        change("/next_step", u64::MAX.into()),
        change("/next_step", (-1).into()),
        change("/request/profile/name", "../up".into()),
        change("/request/connection", "a/b".into()),
        change("/request/scopes", vec!["a b"].into()),
        change("/server/endpoints/token", "http://CANARY.example/".into()),
        change("/server/endpoints/token", Value::Null),
        change(address, "javascript:alert(1)".into()),
        change(address, "file:///etc/passwd".into()),
        change(address, "http://as.example/".into()),
        change(address, "--help".into()),
    ];
    for text in texts {
        let refused = LoginFlow::restore(&text).map(|_| ());
        assert!(matches!(refused, Err(Error::Configuration(_))), "{text}");
        assert_silent(&refused);
    }
    LoginFlow::restore(&change("/next_step", 1000.into())).unwrap();
}

/// Step ids continue after the last id, even near the largest possible one.
#[test]
fn ids_go_on() {
    let mut text = suspended(polling(""));
    let highest = (1_u64 << 53) - 1;
    text["next_step"] = highest.into();
    let mut play = Play::begin(LoginFlow::restore(&text.to_string()).unwrap());
    assert_eq!(play.step_id(), StepId::from_raw(highest));
    play.show_code();
    assert!(matches!(play.effect(), Effect::WaitUntil(_)));
    play.killed();
}
