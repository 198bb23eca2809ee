//! Errors injected at every call of a refresh that touches a file of twg.
//!
//! The servers have no leeway, so a lost response is a lost login.

use std::fmt;

use crate::aftermath::{Aftermath, Before, Fate, Sabotage, recover};
use crate::kill::Point;
use crate::parallel::{self, busy};
use crate::place::{Age, Place};
use crate::power::has_reply_on_disk;
use crate::protocol::{Object, Phase, counts_before};
use crate::server::{Counted, Server};
use crate::trace::Call;
use crate::traced::{Detail, Injection};

/// The errors of a full, broken, read-only or over-quota disk, and the one of a call interrupted by
/// a signal, which is not a failure.
pub const ERRORS: [&str; 5] = ["ENOSPC", "EIO", "EROFS", "EDQUOT", "EINTR"];

/// How long an error lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// This call only.
    Once,
    /// This call and the next four of its name. Only for EINTR: std repeats such a call until it
    /// works, and no kernel interrupts for ever.
    Burst,
    /// This call and all later ones of its name, also those that do not touch files of twg.
    FromHere,
    /// From this call on, every call that changes a file.
    WholeDisk,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::Burst => "five times",
            Self::FromHere => "from there on",
            Self::WholeDisk => "whole disk",
        })
    }
}

/// The calls that change files. `openat` is left out, because it opens libraries too. A disk that
/// refuses new files is [`Mode::FromHere`] at an `openat`.
const CHANGING: [&str; 9] = [
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "fallocate",
    "ftruncate",
    "fchmod",
    "mkdir",
];

/// One error.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The call.
    pub point: Point,
    /// The error.
    pub error: &'static str,
    /// How long it lasts.
    pub mode: Mode,
    /// The arguments for strace.
    pub injections: Vec<Injection>,
}

/// The result of one error.
#[derive(Clone, Debug)]
pub struct Faulted {
    /// The error.
    pub fault: Fault,
    /// The phase of the first injected error.
    pub phase: Phase,
    /// The file or connection of that call.
    pub object: Object,
    /// The exit code.
    pub code: Option<i32>,
    /// The result in `--json`: `ok`, or the error's code; empty if no output was possible.
    pub class: String,
    /// The requests of this run, as the server counted them.
    pub seen: Counted,
    /// Whether the response was lost because stage, record and rescue all failed.
    pub no_place: bool,
    /// The number of background recoveries that it scheduled. They were stopped.
    pub armed: usize,
    /// The result after the fault was gone.
    pub after: Aftermath,
}

/// All errors at one server.
#[derive(Debug)]
pub struct Faults {
    /// The errors that happened.
    pub faulted: Vec<Faulted>,
    /// The violations.
    pub violations: Vec<String>,
}

/// Every error at every call of an undisturbed refresh that touches a file of twg.
#[must_use]
pub fn faults(server: &Server) -> Vec<Fault> {
    let place = Place::sign_in(server, None);
    let trace = place.undisturbed(Detail::Calls);
    let mut faults = Vec::new();
    for (index, call) in trace.calls.iter().enumerate() {
        // Closing a synced file cannot lose anything, and std ignores the result.
        if !place.layout.object_of(call).is_ours() || matches!(&*call.name, "close" | "fcntl") {
            continue;
        }
        let occurrence = trace.occurrence(index);
        let point = Point { call: call.name.clone(), occurrence, is_certain: true };
        let changes = CHANGING.contains(&&*call.name);
        for error in ERRORS {
            let inject = |call: &str, when: String| Injection {
                call: call.to_owned(),
                what: format!("error={error}"),
                when,
            };
            let mut add = |mode, injections| {
                faults.push(Fault { point: point.clone(), error, mode, injections });
            };
            add(Mode::Once, vec![inject(&call.name, occurrence.to_string())]);
            if error == "EINTR" {
                let range = format!("{occurrence}..{}", occurrence + 4);
                add(Mode::Burst, vec![inject(&call.name, range)]);
                continue;
            }
            add(Mode::FromHere, vec![inject(&call.name, format!("{occurrence}+"))]);
            if changes {
                let before = counts_before(&trace, index);
                let from = |name: &&str| {
                    let count = before.get(*name).copied().unwrap_or(0);
                    inject(name, format!("{}+", count + 1))
                };
                add(Mode::WholeDisk, CHANGING.iter().map(from).collect());
            }
        }
    }
    faults
}

/// Runs these cases.
#[must_use]
pub fn inject(server: &Server, faults: &[Fault], threads: usize, sabotage: Sabotage) -> Faults {
    let results = parallel::run(faults, threads, |own: &mut Option<Place<'_>>, fault| {
        let place = own.take().unwrap_or_else(|| busy(|| Place::sign_in(server, None)));
        let faulted = one(&place, fault, sabotage);
        if !faulted.no_place && faulted.after.problems.is_empty() {
            *own = Some(place);
        }
        faulted
    });
    let mut all = Faults { faulted: Vec::new(), violations: Vec::new() };
    for (fault, result) in faults.iter().zip(results) {
        let Fault { point, error, mode, .. } = fault;
        let at =
            format!("{}: {error} ({mode}) at {} #{}", server.kind, point.call, point.occurrence);
        match result {
            Err(panic) => all.violations.push(format!("{at}: {panic}")),
            Ok(faulted) => {
                let at = format!("{at} ({}, {})", faulted.phase.name(), faulted.object);
                let problems = faulted.after.problems.iter();
                all.violations.extend(problems.map(|problem| format!("{at}: {problem}")));
                all.faulted.push(faulted);
            }
        }
    }
    all
}

fn one(place: &Place<'_>, fault: &Fault, sabotage: Sabotage) -> Faulted {
    place.age(Age::Expired);
    let before = place.counted().expect("faults are injected where requests are counted");
    let traced = busy(|| place.traced(Detail::Calls, &fault.injections, &["--json"]));
    let output = &traced.output;
    let phases = place.layout.phases(&traced.trace);
    let injected = || {
        let all = traced.trace.calls.iter().enumerate();
        all.filter(|(_, call)| call.is_injected).map(|(index, _)| index)
    };
    let Some(first) = injected().next() else { panic!("nothing was injected: {output}") };
    let (phase, object) = (phases[first], place.layout.object_of(&traced.trace.calls[first]));
    let is_late = injected().any(|index| phases[index].is_sent());
    if sabotage == Sabotage::SendAnyway {
        let _ = busy(|| place.refresh(&["--force"]).run());
    }
    let seen = place.counted().expect("as before").since(before);
    let class = class_of(&output.stdout);
    let is_mute = output.stdout.is_empty() && traced.trace.calls.iter().any(is_lost_answer);
    let mut problems = Vec::new();
    match output.code() {
        Some(0) if seen.requests() != 1 => {
            problems.push(format!("success after {seen:?}: {output}"));
        }
        Some(0 | 73 | 74) => {}
        // An unreadable provider or client file is a configuration error.
        Some(78)
            if object == Object::Setting
                && phase < Phase::Intent
                && seen.requests() == 0
                && class == "CONFIGURATION" => {}
        // A failing disk also refuses the output. Everything is saved, and the exit code says that
        // the output is incomplete.
        Some(1) if phase == Phase::End && is_mute && seen.requests() == 1 => {}
        _ => problems.push(format!("an unexpected end: {output}")),
    }
    if output.code() != Some(0) && seen.requests() > 0 && !is_late {
        problems.push(format!("a store that failed before the request, and {seen:?}: {output}"));
    }
    let is_kept = has_reply_on_disk(place) || !place.rescued().is_empty();
    let is_all_lost = matches!(fault.mode, Mode::FromHere | Mode::WholeDisk)
        && fault.point.call == "write"
        && phase.is_window();
    let no_place = seen.requests() > 0 && !is_kept && is_all_lost;
    let before = Before {
        phase: if seen.requests() > 0 { Phase::Commit } else { Phase::Intent },
        counted: Some(before),
        may_be_lost: no_place && place.server.kind.leeway() < 60,
        is_torn: false,
    };
    let mut after = recover(place, before, sabotage);
    if output.code() == Some(1) && after.fate != Fate::Saved {
        problems.push(format!("only the answer was missing, and then: {}", after.fate));
    }
    after.problems.splice(0..0, problems);
    Faulted {
        fault: fault.clone(),
        phase,
        object,
        code: output.code(),
        class,
        seen,
        no_place,
        armed: traced.armed,
        after,
    }
}

/// Whether this is a failed write to standard output.
fn is_lost_answer(call: &Call) -> bool {
    call.is_injected
        && call.name == "write"
        && call.descriptor().is_some_and(|(number, _)| number == 1)
}

fn class_of(stdout: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(stdout).unwrap_or_default();
    if json["ok"] == true {
        return "ok".to_owned();
    }
    json["error"]["code"].as_str().unwrap_or_default().to_owned()
}
