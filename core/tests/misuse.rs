//! Mistakes of a shell at the flow boundary change nothing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::flow::{Effect, Flow as _, Misuse, Outcome, StepId};
use twg_core::login::LoginFlow;
use twg_core::logout::LogoutFlow;

/// One outcome of every kind.
fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Http(Ok(json(200, "{}"))),
        Outcome::Waited,
        Outcome::Shown(Ok(())),
        Outcome::RedirectUri(Ok(REDIRECT_URI.to_owned())),
        Outcome::Redirected(Ok("".to_owned().into())),
        Outcome::Notified,
        Outcome::Locked(Ok(())),
        Outcome::Loaded(Ok(None)),
        Outcome::Store(Ok(())),
        Outcome::Kept(Ok(String::new())),
    ]
}

/// Tries every mistake that is possible now: other ids with the right outcome, and wrong outcomes
/// with the right id. The flow must still wait for the same effect under the same id, unchanged.
#[track_caller]
fn misuse(play: &mut Play<LoginFlow>) {
    let (id, effect) = (play.step_id(), play.effect().clone());
    let before = (format!("{:?}", play.flow), play.flow.suspend().map(|t| t.expose().to_owned()));
    let now = play.now.plus(secs(86_400));
    for outcome in outcomes() {
        if effect.is_answered_by(&outcome) {
            for wrong in [id.get().wrapping_sub(1), id.get() + 1, 0, u64::MAX] {
                if wrong != id.get() {
                    let refused = play.flow.resume(StepId::from_raw(wrong), outcome.clone(), now);
                    assert_eq!(refused.err(), Some(Misuse::StaleStep));
                }
            }
        } else {
            let refused = play.flow.resume(id, outcome, now);
            assert_eq!(refused.err(), Some(Misuse::WrongOutcome), "{effect:?}");
        }
    }
    let again = play.flow.begin(now).unwrap();
    let twg_core::flow::Step::Perform(same, repeated) = again else { panic!("done") };
    assert_eq!(same, id);
    assert_eq!(format!("{repeated:?}"), format!("{effect:?}"));
    let after = (format!("{:?}", play.flow), play.flow.suspend().map(|t| t.expose().to_owned()));
    assert_eq!(before, after);
}

#[test]
fn at_every_step_of_a_device_login() {
    let mut play = Play::begin(device_login(profile_with_api()));
    misuse(&mut play);
    play.preflight();
    misuse(&mut play);
    play.http(device_answer(""));
    misuse(&mut play);
    play.show_code();
    misuse(&mut play);
    play.wait();
    misuse(&mut play);
    play.http(tokens());
    misuse(&mut play);
    play.lock();
    misuse(&mut play);
    play.load(Some("damaged"));
    misuse(&mut play);
    play.set_aside("/aside");
    misuse(&mut play);
    play.notice();
    misuse(&mut play);
    let text = play.replace().text;
    misuse(&mut play);
    play.release();
    misuse(&mut play);
    play.http(json(200, r#"{"sub":"1"}"#));
    misuse(&mut play);
    play.http(json(200, "[]"));
    misuse(&mut play);
    play.save(Some(&text));
    play.finish().unwrap();
    assert_over(&mut play);
}

#[test]
fn at_every_step_of_a_browser_login() {
    let mut play = Play::begin(browser_login(profile()));
    play.preflight();
    misuse(&mut play);
    play.redirect_uri(REDIRECT_URI);
    misuse(&mut play);
    let prompt = play.authorization();
    play.redirect(&redirect_with(&[]));
    misuse(&mut play);
    play.assert_still_awaiting_redirect();
    misuse(&mut play);
    play.redirect(&answer_to(&prompt, &[("code", "CANARY-code")]));
    misuse(&mut play);
    play.http(oauth_error(400, "invalid_grant"));
    play.finish().unwrap_err();
    assert_over(&mut play);
}

/// A flow that is over accepts nothing.
#[track_caller]
fn assert_over(play: &mut Play<LoginFlow>) {
    assert_eq!(play.flow.begin(play.now).err(), Some(Misuse::NotWaiting));
    for raw in 0..30 {
        for outcome in outcomes() {
            let refused = play.flow.resume(StepId::from_raw(raw), outcome, play.now);
            assert_eq!(refused.err(), Some(Misuse::NotWaiting));
        }
    }
    assert!(play.flow.suspend().is_none());
}

/// A flow that has not begun waits for nothing.
#[test]
fn not_begun() {
    let mut flow = LogoutFlow::sign_out(key(), None);
    for outcome in outcomes() {
        let refused = flow.resume(StepId::from_raw(0), outcome, T0);
        assert_eq!(refused.err(), Some(Misuse::NotWaiting));
    }
    let mut play = Play::begin(flow);
    assert!(matches!(play.effect(), Effect::AcquireLock { .. }));
    play.lock();
    play.load(None);
    play.release();
    play.done().unwrap();
}

/// An outcome is accepted once. The second delivery is stale, at every step.
#[test]
fn delivered_twice() {
    let mut play = polling("");
    let id = play.step_id();
    play.wait();
    let refused = play.flow.resume(id, Outcome::Waited, play.now);
    assert_eq!(refused.err(), Some(Misuse::StaleStep));
    play.http(oauth_error(400, "access_denied"));
    play.done().unwrap_err();
}

/// Each mistake has its own message.
#[test]
fn mistakes_are_explained() {
    let shown: Vec<_> = [Misuse::StaleStep, Misuse::WrongOutcome, Misuse::NotWaiting]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(shown.iter().all(|text| !text.is_empty()));
    assert_ne!(shown[0], shown[1]);
    assert_ne!(shown[1], shown[2]);
}
