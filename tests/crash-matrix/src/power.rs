//! Power failures: a refresh is cut at a system call, and the disk is put into a state that it may then be in.
//!
//! The prefix of the run is real: the real program, killed at that call, with a login of its own, so that
//! the server is in the state that belongs to it. What the kernel happened to keep is then replaced by one
//! of the states that [`crate::disk`] allows.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::aftermath::{Aftermath, Before, Fate, Sabotage, recover};
use crate::disk::Image;
use crate::kill::Point;
use crate::parallel::{self, busy};
use crate::place::{Age, Place};
use crate::protocol::{Layout, Phase};
use crate::replay::Replay;
use crate::server::Server;
use crate::trace::Trace;
use crate::traced::{Detail, Injection};

/// As for kills.
const TRIES: usize = 5;

/// One state of the disk, and how to get there.
#[derive(Clone, Debug)]
pub struct State {
    /// Where the run is cut.
    pub point: Point,
    /// The step of the protocol there.
    pub phase: Phase,
    /// Which of the states there, as [`Image::description`] says it.
    pub description: String,
}

/// What came of one state.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Which.
    pub state: State,
    /// Whether the reply, or the record made of it, was on this disk as a whole.
    pub has_reply: bool,
    /// How it ended.
    pub after: Aftermath,
}

/// Every state at one server.
#[derive(Debug)]
pub struct Failures {
    /// Those that were tried.
    pub failed: Vec<Failed>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Every different state of disk and server that a power failure during a refresh can lead to.
#[must_use]
pub fn states(server: &Server) -> Vec<State> {
    let place = Place::sign_in(server, None);
    place.age(Age::Expired);
    let files = files_of(&place);
    let traced = place.traced(Detail::Bytes, &[], &[]);
    assert_eq!(traced.output.code(), Some(0), "{}", traced.output);
    let trace = &traced.trace;
    let phases = place.layout.phases(trace);
    let mut replay = Replay::new(&place.layout, &files);
    let (mut seen, mut states) = (BTreeSet::new(), Vec::new());
    for (index, call) in trace.calls.iter().enumerate() {
        if index > 0 {
            let phase = phases[index];
            for image in replay.disk.after_power_failure() {
                if seen.insert((is_spent(phase), image.description.clone())) {
                    let occurrence = trace.occurrence(index);
                    let point = Point { call: call.name.clone(), occurrence, is_certain: true };
                    states.push(State { point, phase, description: image.description });
                }
            }
        }
        replay.call(&place.layout, call).unwrap_or_else(|error| panic!("{error}"));
    }
    states
}

/// Whether the server has certainly spent the token: its answer is here. Between the request and the answer
/// the disk does not change, so that there are no other states.
fn is_spent(phase: Phase) -> bool {
    phase >= Phase::Received
}

/// Tries these states.
#[must_use]
pub fn fail_in(server: &Server, states: &[State], threads: usize, sabotage: Sabotage) -> Failures {
    let results = parallel::run(states, threads, |own: &mut Option<Place<'_>>, state| {
        let place = own.take().unwrap_or_else(|| busy(|| Place::sign_in(server, None)));
        let failed = one(&place, state, sabotage);
        // What was set aside stays there; the next case begins without it.
        let is_clean = failed.after.problems.is_empty() && files_of(&place).len() == 1;
        if is_clean && !matches!(failed.after.fate, Fate::Lost | Fate::Stuck) {
            *own = Some(place);
        }
        failed
    });
    let mut failures = Failures { failed: Vec::new(), violations: Vec::new() };
    for (state, result) in states.iter().zip(results) {
        let State { point, phase, description } = state;
        let at = format!(
            "{}: power failure before {} #{} ({}), disk {description}",
            server.kind,
            point.call,
            point.occurrence,
            phase.name()
        );
        match result {
            Err(panic) => failures.violations.push(format!("{at}: {panic}")),
            Ok(failed) => {
                let problems = failed.after.problems.iter();
                failures.violations.extend(problems.map(|problem| format!("{at}: {problem}")));
                failures.failed.push(failed);
            }
        }
    }
    failures
}

fn one(place: &Place<'_>, state: &State, sabotage: Sabotage) -> Failed {
    for _ in 0..TRIES {
        place.age(Age::Expired);
        let counted = place.counted();
        let files = files_of(place);
        let kill = [Injection::kill(&state.point.call, state.point.occurrence)];
        let trace = busy(|| place.traced(Detail::Bytes, &kill, &[])).trace;
        let Some(image) = image_of(&place.layout, &files, &trace, state) else { continue };
        let has_reply = has_reply(&place.layout, &image);
        install(place, &image);
        // The server answered, and neither the answer nor a record made of it was durable.
        let in_danger = is_spent(state.phase) && state.phase < Phase::Commit && !has_reply;
        let may_be_lost = place.server.kind.leeway() < 60 && in_danger;
        let before = Before { phase: state.phase, counted, may_be_lost };
        let mut after = recover(place, before, sabotage);
        if has_reply && after.fate == Fate::Replayed {
            after.problems.push("the reply was there, and the token was sent again".to_owned());
        }
        return Failed { state: state.clone(), has_reply, after };
    }
    panic!("the state was not reached")
}

/// The state of the disk in a run of its own.
fn image_of(
    layout: &Layout,
    files: &BTreeMap<String, Vec<u8>>,
    trace: &Trace,
    state: &State,
) -> Option<Image> {
    let at = trace.killed_before()?;
    let is_there = trace.calls[at].name == state.point.call
        && trace.occurrence(at) == state.point.occurrence
        && is_spent(layout.phases(trace)[at]) == is_spent(state.phase);
    if !is_there {
        return None;
    }
    let mut replay = Replay::new(layout, files);
    replay.all(layout, trace).unwrap_or_else(|error| panic!("{error}"));
    let images = replay.disk.after_power_failure();
    images.into_iter().find(|image| image.description == state.description)
}

/// Replaces what is on the disk by that state, after a restart of the machine.
fn install(place: &Place<'_>, image: &Image) {
    for name in files_of(place).keys() {
        std::fs::remove_file(place.directory().join(name)).expect("it can be removed");
    }
    for (name, bytes) in &image.files {
        let path = place.directory().join(name);
        std::fs::write(&path, after_restart(bytes)).expect("it can be written");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("it can be made private");
    }
}

/// The files in the record's directory, but the lock.
fn files_of(place: &Place<'_>) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(place.directory()).expect("it is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "lock"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("it can be read"))
        })
        .collect()
}

/// What was written in this boot session was, after a power failure, written in an earlier one.
fn after_restart(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let Some(at) = text.find("\"boot\":").map(|at| at + 7) else { return bytes.to_vec() };
    let mut bytes = bytes.to_vec();
    let value =
        bytes[at..].iter().position(|byte| *byte == b'"').map_or(at, |quote| at + quote + 1);
    for byte in bytes[value..].iter_mut().take_while(|byte| **byte != b'"') {
        *byte = b'e';
    }
    bytes
}

/// Whether the reply, or the record made of it, is there as a whole.
pub(crate) fn has_reply_on_disk(place: &Place<'_>) -> bool {
    let image = Image { files: files_of(place), description: String::new() };
    has_reply(&place.layout, &image)
}

fn has_reply(layout: &Layout, image: &Image) -> bool {
    let json = |bytes: &[u8]| {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        serde_json::from_slice::<Value>(&bytes[..end]).ok()
    };
    let file = |path: std::path::PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        json(image.files.get(&name)?)
    };
    let staged = file(layout.stage_path()).is_some_and(|stage| stage["body"].is_string());
    // The record of a refresh that was committed is fresh; all others here are aged.
    let record = file(layout.record_path());
    let committed = record.is_some_and(|record| {
        let [issued, expires] =
            ["issued_at", "expires_at"].map(|name| record["tokens"][name].as_u64().unwrap_or(0));
        record["pending"].is_null() && expires > now() && issued <= now()
    });
    staged || committed
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_changes_the_boot_session_and_nothing_else() {
        let record = br#"{"pending":{"host":{"boot": "ab12","uptime":5}}}"#;
        assert_eq!(after_restart(record), br#"{"pending":{"host":{"boot": "eeee","uptime":5}}}"#);
        for other in [&b"\0\0"[..], b"", br#"{"boot":"#, br#"{"boot":"ab"#] {
            assert_eq!(after_restart(other).len(), other.len());
        }
    }

    #[test]
    fn a_whole_reply_is_told_from_a_torn_one() {
        let layout = Layout { config: "/c".into(), state: "/s".into(), record: "auth.conf".into() };
        let with = |name: &str, bytes: &[u8]| Image {
            files: BTreeMap::from([(name.to_owned(), bytes.to_vec())]),
            description: String::new(),
        };
        assert!(has_reply(&layout, &with(".auth.conf.stage", b"{\"body\":\"x\"}\n\0\0\0")));
        for torn in [&b"\0\0\0"[..], b"", b"{\"body\":\"", b"\0\0\0\0\"x\"}\n"] {
            assert!(!has_reply(&layout, &with(".auth.conf.stage", torn)));
        }
        let record = format!(r#"{{"tokens":{{"issued_at":1,"expires_at":{}}}}}"#, now() + 9999);
        assert!(has_reply(&layout, &with("auth.conf", record.as_bytes())));
        let pending = record.replace("{\"tokens", "{\"pending\":{},\"tokens");
        assert!(!has_reply(&layout, &with("auth.conf", pending.as_bytes())));
    }
}
