//! The matrix can fail: a deliberately worse program loses logins, and the matrix reports it.
#![cfg(target_os = "linux")]

use twg_crash_matrix::aftermath::{Before, Fate, Sabotage, recover};
use twg_crash_matrix::faults::{self, Fault, Faults, Mode};
use twg_crash_matrix::group::{LEEWAY, STRICT};
use twg_crash_matrix::kill::{self, Killing, Plan, Point, Victim};
use twg_crash_matrix::place::{Age, Place};
use twg_crash_matrix::power::{self, Prelude};
use twg_crash_matrix::protocol::{Layout, Object, Phase};
use twg_crash_matrix::server::Server;
use twg_crash_matrix::storm::{self, Storm};
use twg_crash_matrix::trace::Trace;
use twg_crash_matrix::traced::{Detail, Injection};

const THREADS: usize = 8;

fn plan(sabotage: Sabotage) -> Plan {
    Plan { victim: Victim::Refresh, age: Age::Expired, sabotage, threads: THREADS }
}

/// The calls of this phase that touch this file.
fn points(place: &Place<'_>, phase: Phase, object: Object) -> Vec<Point> {
    let trace = place.undisturbed(Detail::Calls);
    let is_it = |layout: &Layout, trace: &Trace, n: usize| {
        layout.phases(trace)[n] == phase && layout.object_of(&trace.calls[n]) == object
    };
    let point = |n: usize| Point {
        call: trace.calls[n].name.clone(),
        occurrence: trace.occurrence(n),
        is_certain: true,
    };
    (0..trace.calls.len()).filter(|n| is_it(&place.layout, &trace, *n)).map(point).collect()
}

/// Kills at these calls, with and without sabotage.
fn killed(phase: Phase, object: Object, sabotage: Sabotage) -> (Killing, Killing) {
    let server = Server::start(STRICT);
    let points = points(&Place::sign_in(&server, None), phase, object);
    assert!(!points.is_empty());
    let honest = kill::kill_at(&server, &points, plan(Sabotage::None));
    (honest, kill::kill_at(&server, &points, plan(sabotage)))
}

#[test]
fn a_program_without_a_stage_is_noticed() {
    let (honest, worse) = killed(Phase::Commit, Object::Temporary, Sabotage::RemoveStage);
    assert!(honest.violations.is_empty(), "{:?}", honest.violations);
    assert!(honest.killed.iter().all(|one| one.after.fate == Fate::Kept), "{honest:?}");
    assert!(worse.killed.iter().all(|one| one.after.fate == Fate::Lost), "{worse:?}");
    assert_eq!(worse.violations.len(), worse.killed.len());
}

#[test]
fn a_program_that_forgets_its_intent_is_noticed() {
    let (honest, worse) = killed(Phase::Staging, Object::Stage, Sabotage::ForgetIntent);
    assert!(honest.violations.is_empty(), "{:?}", honest.violations);
    assert!(worse.killed.iter().all(|one| one.after.fate == Fate::Lost), "{worse:?}");
    assert_eq!(worse.violations.len(), worse.killed.len());
}

#[test]
fn a_kill_that_does_not_happen_is_not_passed_over() {
    let server = Server::start(LEEWAY);
    let never = |is_certain| Point { call: "rename".into(), occurrence: 99, is_certain };
    let killing = kill::kill_at(&server, &[never(true), never(false)], plan(Sabotage::None));
    assert_eq!(killing.violations.len(), 1, "{:?}", killing.violations);
    assert!(killing.violations[0].contains("not reached"));
    assert_eq!(killing.unreached, [never(false)]);
}

/// A disk that loses data after `fsync` returned.
#[test]
fn a_disk_that_lies_is_noticed() {
    let server = Server::start(STRICT);
    let mut states = power::states(&server, Prelude::Rest);
    // The response is durable, and the record is not yet replaced.
    states.retain(|state| state.phase == Phase::Commit && state.description.contains("=#1[]"));
    states.truncate(4);
    let honest = power::fail_in(&server, &states, THREADS, Sabotage::None);
    assert!(honest.violations.is_empty(), "{:?}", honest.violations);
    let worse = power::fail_in(&server, &states, THREADS, Sabotage::RemoveStage);
    assert_eq!((worse.failed.len(), worse.violations.len()), (4, 4), "{worse:?}");
    assert!(worse.failed.iter().all(|one| one.after.fate == Fate::Lost), "{worse:?}");
}

/// Injects EIO at these calls, with and without sabotage.
fn injected(
    (phase, object, call): (Phase, Object, &str),
    mode: Mode,
    sabotage: Sabotage,
) -> (Faults, Faults) {
    let server = Server::start(STRICT);
    let points = points(&Place::sign_in(&server, None), phase, object);
    let is_it =
        |fault: &Fault| fault.error == "EIO" && fault.mode == mode && points.contains(&fault.point);
    let mut faults = faults::faults(&server);
    faults.retain(|fault| is_it(fault) && fault.point.call == call);
    assert!(!faults.is_empty());
    let honest = faults::inject(&server, &faults, THREADS, Sabotage::None);
    assert!(honest.violations.is_empty(), "{:?}", honest.violations);
    assert_eq!(honest.faulted.len(), faults.len());
    let worse = faults::inject(&server, &faults, THREADS, sabotage);
    assert_eq!(worse.faulted.len(), faults.len());
    (honest, worse)
}

/// After the error, the response exists only in the stage.
#[test]
fn a_reply_that_is_gone_after_an_error_is_noticed() {
    let place = (Phase::Commit, Object::Temporary, "fsync");
    let (honest, worse) = injected(place, Mode::FromHere, Sabotage::RemoveStage);
    assert!(honest.faulted.iter().all(|one| one.after.fate == Fate::Kept), "{honest:?}");
    assert!(worse.faulted.iter().all(|one| one.after.fate == Fate::Lost), "{worse:?}");
    assert_eq!(worse.violations.len(), worse.faulted.len(), "{worse:?}");
}

#[test]
fn a_program_that_sends_without_an_intent_is_noticed() {
    let place = (Phase::Intent, Object::Temporary, "rename");
    let (_, worse) = injected(place, Mode::Once, Sabotage::SendAnyway);
    assert_eq!(worse.violations.len(), worse.faulted.len(), "{worse:?}");
    let is_named = |text: &String| text.contains("a store that failed before the request");
    assert!(worse.violations.iter().all(is_named), "{:?}", worse.violations);
}

#[test]
fn an_error_that_does_not_happen_is_not_passed_over() {
    let server = Server::start(STRICT);
    let fault = Fault {
        point: Point { call: "rename".into(), occurrence: 99, is_certain: true },
        error: "EIO",
        mode: Mode::Once,
        injections: vec![Injection {
            call: "rename".into(),
            what: "error=EIO".into(),
            when: "99".into(),
        }],
    };
    let faults = faults::inject(&server, &[fault], THREADS, Sabotage::None);
    assert_eq!((faults.faulted.len(), faults.violations.len()), (0, 1), "{faults:?}");
    assert!(faults.violations[0].contains("nothing was injected"), "{faults:?}");
}

fn storm(expiries: usize, sabotage: storm::Sabotage) -> Storm {
    storm::raise(storm::Plan { processes: 8, expiries, kills: 0, seed: 1, sabotage })
}

fn has(storm: &Storm, what: &str) -> bool {
    storm.violations.iter().any(|violation| violation.starts_with(what))
}

/// Each process has its own lock, and each sends the token.
#[test]
fn processes_without_a_common_lock_are_noticed() {
    let worse = storm(1, storm::Sabotage::Apart);
    assert!(has(&worse, "replays without a killed process"), "{worse:?}");
    assert!(has(&worse, "more replays than killed processes"), "{worse:?}");
    assert!(has(&worse, "expiry 0"), "tokens that are not the stored one: {worse:?}");
    assert_eq!(worse.passed, 0);
}

#[test]
fn a_storm_over_a_record_from_a_backup_is_noticed() {
    let honest = storm(2, storm::Sabotage::None);
    assert!(honest.violations.is_empty(), "{honest:?}");
    assert_eq!((honest.passed, honest.counted.rotations), (2, 2));
    let worse = storm(2, storm::Sabotage::PutBack);
    assert!(has(&worse, "not one rotation per expiry"), "{worse:?}");
    assert_eq!(worse.counted.rotations, 1);
}

/// A restored backup, or a commit that was not durable: a spent token without an intent.
#[test]
fn a_token_that_is_used_again_is_counted() {
    for (kind, lost) in [(STRICT, true), (LEEWAY, false)] {
        let server = Server::start(kind);
        let place = Place::sign_in(&server, None);
        place.age(Age::Expired);
        let counted = place.counted();
        let old = place.record().bytes;
        assert_eq!(place.refresh(&[]).run().code(), Some(0));
        std::fs::write(place.record_path(), old).unwrap();
        let before = Before { phase: Phase::End, counted, may_be_lost: false, is_torn: false };
        let after = recover(&place, before, Sabotage::None);
        assert_eq!(after.fate == Fate::Lost, lost, "{after:?}");
        assert_eq!(after.problems.is_empty(), !lost, "{after:?}");
        let requests = after.requests.unwrap();
        let expected = if lost { (0, 1) } else { (1, 0) };
        assert_eq!((requests.replays, requests.reuses), expected);
    }
}
