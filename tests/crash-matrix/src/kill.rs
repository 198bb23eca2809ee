//! SIGKILL at every system call of a refresh.

use std::collections::BTreeSet;

use crate::aftermath::{Aftermath, Before, Fate, Sabotage, recover};
use crate::parallel::{self, busy};
use crate::place::{Age, Place};
use crate::protocol::{Object, Phase};
use crate::server::Server;
use crate::traced::{Detail, Injection};

/// How often a run that did not get to the call is repeated. The event loop does not make quite the same
/// calls each time.
const TRIES: usize = 5;

/// The undisturbed runs from which the calls to kill at are taken.
const BASELINES: usize = 3;

/// "Before the n-th call of this name."
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The name of the call.
    pub call: String,
    /// Counted from 1.
    pub occurrence: usize,
    /// Whether every undisturbed run made it.
    pub is_certain: bool,
}

/// What to do to one server.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How old the token is.
    pub age: Age,
    /// For negative controls.
    pub sabotage: Sabotage,
    /// How many logins at once.
    pub threads: usize,
}

/// What came of one kill.
#[derive(Clone, Debug)]
pub struct Killed {
    /// Where.
    pub point: Point,
    /// The step of the protocol.
    pub phase: Phase,
    /// What the call would have touched.
    pub object: Object,
    /// How it ended.
    pub after: Aftermath,
}

/// Every kill at one server.
#[derive(Debug)]
pub struct Killing {
    /// Those that happened.
    pub killed: Vec<Killed>,
    /// Calls that only some runs make and that no try got to. Counted, so that nothing passes silently.
    pub unreached: Vec<Point>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Every call of an undisturbed refresh here.
#[must_use]
pub fn points(server: &Server) -> Vec<Point> {
    let place = Place::sign_in(server, None);
    let runs: Vec<BTreeSet<(String, usize)>> = (0..BASELINES)
        .map(|_| {
            let trace = place.undisturbed(Detail::Calls);
            (0..trace.calls.len())
                .map(|n| (trace.calls[n].name.clone(), trace.occurrence(n)))
                .collect()
        })
        .collect();
    let all: BTreeSet<_> = runs.iter().flatten().collect();
    // `execve` is strace's own: before it there is no program to kill, and after it comes the next call.
    all.into_iter()
        .filter(|(call, _)| call != "execve")
        .map(|one| Point {
            call: one.0.clone(),
            occurrence: one.1,
            is_certain: runs.iter().all(|run| run.contains(one)),
        })
        .collect()
}

/// Kills at each of these points.
#[must_use]
pub fn kill_at(server: &Server, points: &[Point], plan: Plan) -> Killing {
    let results = parallel::run(points, plan.threads, |own: &mut Option<Place<'_>>, point| {
        let place = own.take().unwrap_or_else(|| busy(|| Place::sign_in(server, None)));
        let killed = one(&place, point, plan);
        // A login that is over is of no use to the next case, and one with a problem might spoil it.
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

/// A leeway of a minute is enough for a recovery that comes at once. With less, a reply that nobody
/// could write down may be lost; nothing else may.
fn may_be_lost(server: &Server, phase: Phase) -> bool {
    server.kind.leeway() < 60 && phase.is_window()
}

fn one(place: &Place<'_>, point: &Point, plan: Plan) -> Option<Killed> {
    for _ in 0..TRIES {
        place.age(plan.age);
        let before = place.counted();
        let injection = [Injection::kill(&point.call, point.occurrence)];
        let traced = busy(|| place.traced(Detail::Calls, &injection, &[]));
        let Some(at) = traced.trace.killed_before() else {
            assert_eq!(
                traced.output.code(),
                Some(0),
                "not killed, and no success: {}",
                traced.output
            );
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
        let counted = before;
        let may_be_lost = may_be_lost(place.server, phase);
        let mut after = recover(place, Before { phase, counted, may_be_lost }, plan.sabotage);
        if !phase.is_sent() && early.is_some_and(|early| early.requests() > 0) {
            after.problems.push(format!("a request before the call that sends it: {early:?}"));
        }
        return Some(Killed { point: point.clone(), phase, object, after });
    }
    None
}
