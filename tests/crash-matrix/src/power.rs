//! Power failures: a refresh is cut at a system call, and the disk gets a state that is possible
//! then.
//!
//! The run up to that call is real: the real program with its own login, killed at that call, so
//! that the server is in the right state. The files that the kernel happened to keep are then
//! replaced by one of the states of [`crate::disk`].

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::aftermath::{Aftermath, Before, Fate, Sabotage, recover};
use crate::disk::Image;
use crate::kill::Point;
use crate::parallel::{self, busy};
use crate::place::{Age, Place, now};
use crate::protocol::{Layout, Object, Phase};
use crate::replay::Replay;
use crate::server::Server;
use crate::trace::Trace;
use crate::traced::{Detail, Injection};

/// As in `kill.rs`.
const TRIES: usize = 5;

/// The state before the run that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prelude {
    /// A login at rest, all of it durable.
    Rest,
    /// A refresh was killed when its intent was visible but not yet durable.
    IntentVisible,
    /// The same with the stage.
    StageVisible,
    /// A refresh was killed when the response was in the stage but not yet durable.
    ReplyVisible,
    /// A refresh was killed when the new record was visible but not yet durable.
    CommitVisible,
}

impl Prelude {
    /// The preludes with an earlier run. Its files are visible to the next run but may be gone
    /// after the power failure, so the next run must not rely on them.
    pub const KILLED: [Self; 4] =
        [Self::IntentVisible, Self::StageVisible, Self::ReplyVisible, Self::CommitVisible];

    /// The name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rest => "at rest",
            Self::IntentVisible => "killed, intent not durable",
            Self::StageVisible => "killed, stage not durable",
            Self::ReplyVisible => "killed, reply not durable",
            Self::CommitVisible => "killed, commit not durable",
        }
    }

    /// The earlier run is killed before the call after this one.
    const fn after(self) -> Option<(Phase, &'static str, Object)> {
        match self {
            Self::Rest => None,
            Self::IntentVisible => Some((Phase::Intent, "rename", Object::Temporary)),
            Self::StageVisible => Some((Phase::Stage, "fsync", Object::Stage)),
            Self::ReplyVisible => Some((Phase::Received, "write", Object::Stage)),
            Self::CommitVisible => Some((Phase::Commit, "rename", Object::Temporary)),
        }
    }

    /// Runs the prelude, and returns the possible states of the disk.
    fn play(self, place: &Place<'_>) -> Replay {
        place.age(Age::Expired);
        let Some((phase, name, object)) = self.after() else {
            return Replay::new(&place.layout, &files_of(place));
        };
        let whole = place.undisturbed(Detail::Calls);
        let phases = place.layout.phases(&whole);
        let is_it = |n: &usize| {
            let call = &whole.calls[*n];
            phases[*n] == phase && call.name == name && place.layout.object_of(call) == object
        };
        let at = (0..phases.len()).find(is_it).expect("a refresh makes this call") + 1;
        let kill = [Injection::kill(&whole.calls[at].name, whole.occurrence(at))];
        place.age(Age::Expired);
        let mut replay = Replay::new(&place.layout, &files_of(place));
        let trace = place.traced(Detail::Bytes, &kill, &[]).trace;
        assert!(trace.was_killed, "the earlier run came to its end");
        replay.all(&place.layout, &trace).unwrap_or_else(|error| panic!("{error}"));
        replay.next_process();
        replay
    }

    /// The second run uses `--force`, so that it works also where the first one left a fresh token.
    const fn args(self) -> &'static [&'static str] {
        match self {
            Self::Rest => &[],
            _ => &["--force"],
        }
    }

    /// Whether the server has certainly spent the token in the record and responded. The disk does
    /// not change between request and response, so there are no other states.
    fn is_spent(self, phase: Phase) -> bool {
        phase >= Phase::Received || self == Self::ReplyVisible
    }
}

/// A state of the disk, and the way to it.
#[derive(Clone, Debug)]
pub struct State {
    /// The state before the run.
    pub prelude: Prelude,
    /// The call at which the run is cut.
    pub point: Point,
    /// The phase of that call.
    pub phase: Phase,
    /// The state, as [`Image::description`] gives it.
    pub description: String,
}

/// The result of one state.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The state.
    pub state: State,
    /// Whether this disk has the whole response, or the record made from it.
    pub has_reply: bool,
    /// Whether the access token still worked. Then a server without leeway permits no repair, and
    /// the record was aged for the rest of the case.
    pub was_aged: bool,
    /// The result.
    pub after: Aftermath,
}

/// All states at one server.
#[derive(Debug)]
pub struct Failures {
    /// The states that were tried.
    pub failed: Vec<Failed>,
    /// The violations.
    pub violations: Vec<String>,
}

/// Every state of disk and server that a power failure during a refresh can lead to, once.
#[must_use]
pub fn states(server: &Server, prelude: Prelude) -> Vec<State> {
    let place = Place::sign_in(server, None);
    let mut replay = prelude.play(&place);
    let traced = place.traced(Detail::Bytes, &[], prelude.args());
    assert_eq!(traced.output.code(), Some(0), "{}", traced.output);
    let trace = &traced.trace;
    let phases = place.layout.phases(trace);
    let (mut seen, mut states) = (BTreeSet::new(), Vec::new());
    for (index, call) in trace.calls.iter().enumerate() {
        // How many times the program waits for events differs from run to run; the next call does
        // as well.
        if index > 0 && call.name != "epoll_wait" {
            let phase = phases[index];
            for Image { description, .. } in replay.disk.after_power_failure() {
                if seen.insert((prelude.is_spent(phase), description.clone())) {
                    let occurrence = trace.occurrence(index);
                    let point = Point { call: call.name.clone(), occurrence, is_certain: true };
                    states.push(State { prelude, point, phase, description });
                }
            }
        }
        replay.call(&place.layout, call).unwrap_or_else(|error| panic!("{error}"));
    }
    states
}

/// Runs these cases.
#[must_use]
pub fn fail_in(server: &Server, states: &[State], threads: usize, sabotage: Sabotage) -> Failures {
    let results = parallel::run(states, threads, |own: &mut Option<Place<'_>>, state| {
        let place = own.take().unwrap_or_else(|| busy(|| Place::sign_in(server, None)));
        let failed = one(&place, state, sabotage);
        // Files that were set aside stay there; the next case begins without them.
        let is_clean = failed.after.problems.is_empty() && files_of(&place).len() == 1;
        if is_clean && !matches!(failed.after.fate, Fate::Lost | Fate::Stuck) {
            *own = Some(place);
        }
        failed
    });
    let mut failures = Failures { failed: Vec::new(), violations: Vec::new() };
    for (state, result) in states.iter().zip(results) {
        let State { prelude, point, phase, description } = state;
        let at = format!(
            "{}: {}, power failure before {} #{} ({}), disk {description}",
            server.kind,
            prelude.name(),
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
        let mut replay = busy(|| state.prelude.play(place));
        let counted = place.counted();
        let kill = [Injection::kill(&state.point.call, state.point.occurrence)];
        let run = || place.traced(Detail::Bytes, &kill, state.prelude.args());
        // A recovery waits, and must not block other cases.
        let traced = if state.prelude == Prelude::Rest { busy(run) } else { run() };
        let Some(image) = image_of(&place.layout, &mut replay, &traced.trace, state) else {
            busy(|| settle(place));
            continue;
        };
        let has_reply = has_reply(&place.layout, &image);
        let is_spent = state.prelude.is_spent(state.phase);
        let lacks_intent = is_spent && !has_reply && !has_intent(&place.layout, &image);
        install(place, &image);
        let is_torn = has_intent(&place.layout, &image) && is_torn(&place.layout, &image);
        let mut problems = Vec::new();
        // While an access token works, no refresh sends a possibly spent token to a server without
        // leeway, and the case would have no end.
        let was_aged = place.server.kind.leeway() < 60 && must_wait(&place.layout, &image);
        if was_aged {
            problems.extend(busy(|| refusal(place, is_torn)));
            place.age(Age::Expired);
        }
        let may_be_lost = place.server.kind.leeway() < 60 && is_spent && !has_reply;
        let phase = match state.prelude {
            Prelude::Rest => state.phase,
            _ if is_spent && has_reply => Phase::Commit,
            _ => Phase::Intent,
        };
        let before = Before { phase, counted, may_be_lost, is_torn };
        let mut after = recover(place, before, sabotage);
        after.problems.splice(0..0, problems);
        if has_reply && after.fate == Fate::Replayed && state.prelude == Prelude::Rest {
            after.problems.push("the reply was there, and the token was sent again".to_owned());
        }
        if lacks_intent {
            after.problems.push("a request was sent, and no intent is on the disk".to_owned());
        }
        if is_durable(state) && !has_reply {
            after.problems.push("the reply was said to be durable".to_owned());
        }
        return Failed { state: state.clone(), has_reply, was_aged, after };
    }
    panic!("the state was not reached")
}

/// Whether a refresh may have been interrupted whose response is not on this disk, while the access
/// token still works.
fn must_wait(layout: &Layout, image: &Image) -> bool {
    let Some(record) = json_of(image, &layout.record_path()) else { return false };
    let staged = json_of(image, &layout.stage_path());
    let is_its_reply = |stage: &Value| stage["id"] == record["pending"]["id"];
    record["pending"].is_object()
        && record["tokens"]["expires_at"].as_u64() > Some(now())
        && !staged.as_ref().is_some_and(is_its_reply)
}

/// Whether the stage contains a part of a response. Its reserved room is zeros.
fn is_torn(layout: &Layout, image: &Image) -> bool {
    let stage = layout.stage_path();
    let name = stage.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_written = |bytes: &Vec<u8>| bytes.iter().any(|byte| *byte != 0);
    image.files.get(name).is_some_and(is_written) && json_of(image, &stage).is_none()
}

/// Problems with the result of a plain refresh, which must refuse and change nothing. A part of a
/// response proves that the token is spent, so a later attempt would be useless.
fn refusal(place: &Place<'_>, is_torn: bool) -> Option<String> {
    let (counted, record) = (place.counted(), place.record().bytes);
    let output = place.refresh(&[]).run();
    let requests = counted.and_then(|counted| Some(place.counted()?.since(counted).requests()));
    let is_unchanged = place.record().bytes == record;
    let is_right = output.code() == Some(if is_torn { 77 } else { 75 })
        && requests.unwrap_or(0) == 0
        && is_unchanged;
    (!is_right).then(|| {
        format!("must wait: {requests:?} requests, record unchanged: {is_unchanged}: {output}")
    })
}

/// Whether `fdatasync` of the stage had returned.
fn is_durable(state: &State) -> bool {
    state.prelude == Prelude::Rest && state.phase >= Phase::Commit
}

/// Brings a place back to rest after a run that did not reach its call.
fn settle(place: &Place<'_>) {
    let output = place.refresh(&[]).run();
    assert_eq!(output.code(), Some(0), "{output}");
}

/// The state of the disk in a run of its own.
fn image_of(layout: &Layout, replay: &mut Replay, trace: &Trace, state: &State) -> Option<Image> {
    let at = trace.killed_before()?;
    let is_spent = |phase| state.prelude.is_spent(phase);
    let is_there = trace.calls[at].name == state.point.call
        && trace.occurrence(at) == state.point.occurrence
        && is_spent(layout.phases(trace)[at]) == is_spent(state.phase);
    if !is_there {
        return None;
    }
    replay.all(layout, trace).unwrap_or_else(|error| panic!("{error}"));
    let images = replay.disk.after_power_failure();
    images.into_iter().find(|image| image.description == state.description)
}

/// Gives the disk that state, as after a restart of the machine.
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

/// The files in the record's directory, without the locks.
fn files_of(place: &Place<'_>) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(place.directory()).expect("it is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_file() && *path != place.layout.claim_path())
        .filter(|path| path.extension().is_none_or(|end| end != "lock"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("it can be read"))
        })
        .collect()
}

/// After the power failure, this boot session is an earlier one.
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

/// Whether the disk has the whole response, or the record made from it.
pub(crate) fn has_reply_on_disk(place: &Place<'_>) -> bool {
    let image = Image { files: files_of(place), description: String::new() };
    has_reply(&place.layout, &image)
}

fn has_reply(layout: &Layout, image: &Image) -> bool {
    let staged = json_of(image, &layout.stage_path());
    // A committed refresh leaves a fresh record; all other records here are aged.
    let committed = json_of(image, &layout.record_path()).is_some_and(|record| {
        record["pending"].is_null() && record["tokens"]["expires_at"].as_u64() > Some(now())
    });
    committed || staged.is_some_and(|stage| stage["body"].is_string())
}

fn has_intent(layout: &Layout, image: &Image) -> bool {
    json_of(image, &layout.record_path()).is_some_and(|record| record["pending"].is_object())
}

fn json_of(image: &Image, path: &Path) -> Option<Value> {
    let bytes = image.files.get(path.file_name()?.to_str()?)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    serde_json::from_slice(&bytes[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_changes_the_boot_session_and_nothing_else() {
        let record = br#"{"pending":{"uptime":5,"host":{"boot": "ab12"}}}"#;
        assert_eq!(after_restart(record), br#"{"pending":{"uptime":5,"host":{"boot": "eeee"}}}"#);
        for other in [&b"\0\0"[..], b"", br#"{"boot":"#, br#"{"boot":"ab"#] {
            assert_eq!(after_restart(other).len(), other.len());
        }
    }

    #[test]
    fn a_torn_response_is_not_taken_for_a_whole_one() {
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
        assert!(!must_wait(&layout, &with("auth.conf", record.as_bytes())));
        let pending = record.replace("{\"tokens", "{\"pending\":{},\"tokens");
        assert!(!has_reply(&layout, &with("auth.conf", pending.as_bytes())));
        assert!(must_wait(&layout, &with("auth.conf", pending.as_bytes())));
    }

    #[test]
    fn a_torn_reply_is_neither_whole_nor_empty() {
        let layout = Layout { config: "/c".into(), state: "/s".into(), record: "auth.conf".into() };
        let torn = |bytes: &[u8]| {
            let files = BTreeMap::from([(".auth.conf.stage".to_owned(), bytes.to_vec())]);
            is_torn(&layout, &Image { files, description: String::new() })
        };
        assert!(torn(b"{\"body\":\"") && torn(b"\0\0\0\0\"x\"}\n"));
        assert!(!torn(b"{\"body\":\"x\"}\n\0\0\0") && !torn(b"\0\0\0") && !torn(b""));
    }
}
