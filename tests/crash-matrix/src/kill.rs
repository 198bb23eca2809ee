//! SIGKILL at every system call of a refresh.

use std::collections::BTreeSet;

use crate::aftermath::{Aftermath, Before, Fate, Sabotage, recover};
use crate::parallel::{self, busy};
use crate::place::{Age, Place};
use crate::protocol::{Object, Phase};
use crate::server::Server;
use crate::traced::{Detail, Injection};

/// How many times a run that did not reach the call is repeated. The event loop's calls differ a
/// little from run to run.
const TRIES: usize = 5;

/// The number of undisturbed runs whose calls are used.
const BASELINES: usize = 3;

/// "Before the n-th call of this name."
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The name of the call.
    pub call: String,
    /// Counts from 1.
    pub occurrence: usize,
    /// Whether every undisturbed run made it.
    pub is_certain: bool,
}

/// The plan for one server.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The run that is killed.
    pub victim: Victim,
    /// The age of the token.
    pub age: Age,
    /// For negative controls.
    pub sabotage: Sabotage,
    /// The number of logins at once.
    pub threads: usize,
}

/// The run that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// A refresh that is due.
    Refresh,
    /// The recovery of a refresh that was killed while its response was only in memory.
    RecoveryWithoutReply,
    /// The recovery of a refresh that was killed while its response was in the stage.
    RecoveryWithReply,
}

impl Victim {
    /// The phase before whose first call the earlier refresh is killed.
    const fn killed_in(self) -> Option<Phase> {
        match self {
            Self::Refresh => None,
            Self::RecoveryWithoutReply => Some(Phase::Received),
            Self::RecoveryWithReply => Some(Phase::Commit),
        }
    }

    /// Brings a place into the victim's start state.
    fn prepare(self, place: &Place<'_>, age: Age) {
        place.age(age);
        let Some(phase) = self.killed_in() else { return };
        let whole = busy(|| place.undisturbed(Detail::Calls));
        let phases = place.layout.phases(&whole);
        let at = phases.iter().position(|p| *p == phase).expect("a refresh has every phase");
        let kill = [Injection::kill(&whole.calls[at].name, whole.occurrence(at))];
        for _ in 0..TRIES {
            place.age(age);
            let trace = busy(|| place.traced(Detail::Calls, &kill, &[])).trace;
            let killed = trace.killed_before().map(|at| place.layout.phases(&trace)[at]);
            if killed == Some(phase) {
                return;
            }
            let repair = place.refresh(&[]).run();
            assert_eq!(repair.code(), Some(0), "{repair}");
        }
        panic!("no refresh could be killed in {phase:?}");
    }
}

/// The result of one kill.
#[derive(Clone, Debug)]
pub struct Killed {
    /// The call.
    pub point: Point,
    /// The step of the protocol.
    pub phase: Phase,
    /// The file or connection of that call.
    pub object: Object,
    /// The number of background recoveries that it had scheduled. They were stopped.
    pub armed: usize,
    /// The result.
    pub after: Aftermath,
}

/// All kills at one server.
#[derive(Debug)]
pub struct Killing {
    /// The kills that happened.
    pub killed: Vec<Killed>,
    /// Calls that only some runs make, and that no try reached. They are counted, so that none is
    /// left out silently.
    pub unreached: Vec<Point>,
    /// The violations.
    pub violations: Vec<String>,
}

/// Every call of an undisturbed run of the victim.
#[must_use]
pub fn points(server: &Server, plan: Plan) -> Vec<Point> {
    let place = Place::sign_in(server, None);
    let baselines = if plan.victim == Victim::Refresh { BASELINES } else { 1 };
    let runs: Vec<BTreeSet<(String, usize)>> = (0..baselines)
        .map(|_| {
            plan.victim.prepare(&place, plan.age);
            let run = place.traced(Detail::Calls, &[], &[]);
            assert_eq!(run.output.code(), Some(0), "{}", run.output);
            let calls = &run.trace.calls;
            (0..calls.len()).map(|n| (calls[n].name.clone(), run.trace.occurrence(n))).collect()
        })
        .collect();
    let all: BTreeSet<_> = runs.iter().flatten().collect();
    // `execve` is strace's own call: before it there is no program to kill.
    all.into_iter()
        .filter(|(call, _)| call != "execve")
        .map(|one| Point {
            call: one.0.clone(),
            occurrence: one.1,
            // How many times a recovery looks at the clock during its wait differs from run to run.
            is_certain: runs.len() == BASELINES && runs.iter().all(|run| run.contains(one)),
        })
        .collect()
}

/// Kills at each of these points.
#[must_use]
pub fn kill_at(server: &Server, points: &[Point], plan: Plan) -> Killing {
    let results = parallel::run(points, plan.threads, |own: &mut Option<Place<'_>>, point| {
        let place = own.take().unwrap_or_else(|| busy(|| Place::sign_in(server, None)));
        let killed = one(&place, point, plan);
        // A login that is over is useless for the next case, and one with a problem might spoil it.
        if killed.as_ref().is_none_or(|k| k.after.fate != Fate::Lost && k.after.problems.is_empty())
        {
            *own = Some(place);
        }
        killed
    });
    let mut killing = Killing { killed: Vec::new(), unreached: Vec::new(), violations: Vec::new() };
    for (point, result) in points.iter().zip(results) {
        let at = format!("{}: {} #{}", server.kind, point.call, point.occurrence);
        match result {
            Err(panic) => killing.violations.push(format!("{at}: {panic}")),
            Ok(None) if point.is_certain => {
                killing.violations.push(format!("{at}: the call was not reached"));
            }
            Ok(None) => killing.unreached.push(point.clone()),
            Ok(Some(killed)) => {
                let at = format!("{at} ({}, {})", killed.phase.name(), killed.object);
                let problems = killed.after.problems.iter();
                killing.violations.extend(problems.map(|problem| format!("{at}: {problem}")));
                killing.killed.push(killed);
            }
        }
    }
    killing
}

/// With a leeway of a minute or more, an immediate recovery always succeeds. With less, a response
/// that was not yet on the disk may be lost, and nothing else.
fn may_be_lost(server: &Server, phase: Phase) -> bool {
    server.kind.leeway() < 60 && phase.is_window()
}

fn one(place: &Place<'_>, point: &Point, plan: Plan) -> Option<Killed> {
    for _ in 0..TRIES {
        plan.victim.prepare(place, plan.age);
        assert!(place.is_alive(), "the login was over before the case began");
        let before = place.counted();
        let injection = [Injection::kill(&point.call, point.occurrence)];
        let run = || place.traced(Detail::Calls, &injection, &[]);
        // A recovery waits, and must not block other cases.
        let traced = if plan.victim == Victim::Refresh { busy(run) } else { run() };
        let Some(at) = traced.trace.killed_before() else {
            let output = &traced.output;
            assert_eq!(output.code(), Some(0), "not killed, and no success: {output}");
            continue;
        };
        let call = &traced.trace.calls[at];
        assert_eq!(
            (call.name.as_str(), traced.trace.occurrence(at)),
            (point.call.as_str(), point.occurrence),
            "killed elsewhere"
        );
        let phase = place.layout.phases(&traced.trace)[at];
        let object = place.layout.object_of(call);
        let early = before.and_then(|before| Some(place.counted()?.since(before)));
        let after = recover(
            place,
            Before {
                phase: if plan.victim == Victim::RecoveryWithReply { Phase::Commit } else { phase },
                counted: before,
                may_be_lost: plan.victim != Victim::RecoveryWithReply
                    && may_be_lost(place.server, phase),
                is_torn: false,
            },
            plan.sabotage,
        );
        let armed = traced.armed;
        let mut killed = Killed { point: point.clone(), phase, object, armed, after };
        if !phase.is_sent() && early.is_some_and(|early| early.requests() > 0) {
            let problem = format!("a request before the call that sends it: {early:?}");
            killed.after.problems.push(problem);
        }
        return Some(killed);
    }
    None
}
