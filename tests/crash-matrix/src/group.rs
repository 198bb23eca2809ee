//! What runs, in which order, and the report of it.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::aftermath::{Aftermath, Fate, Sabotage};
use crate::faults::{self, Fault, Faults};
use crate::kill::{self, Killing, Point, Victim};
use crate::parallel::Random;
use crate::place::Age;
use crate::power::{self, Failures, Prelude};
use crate::server::{Children, Kind, Server};
use crate::storm::{self, Storm};

/// Logins at once. They spend nearly all their time in the quarantine.
const THREADS: usize = 100;

/// With a leeway of five seconds a case must not wait for a free thread.
const THREADS_IN_A_HURRY: usize = 12;

/// How much runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The part that runs with every test: a few minutes.
    Quick,
    /// Everything.
    Full,
}

/// The sandbox with this leeway.
const fn sandbox(leeway: u64, children: Children) -> Kind {
    Kind::Sandbox { leeway, children }
}

/// Atlassian's behaviour, as far as it is known.
pub const LEEWAY: Kind = sandbox(600, Children::All);

/// Without leeway.
pub const STRICT: Kind = sandbox(0, Children::All);

/// One kill group.
#[derive(Debug)]
pub struct Kills {
    /// The server.
    pub server: Kind,
    /// The run that is killed.
    pub victim: Victim,
    /// The age of the token.
    pub age: Age,
    /// The result.
    pub killing: Killing,
}

/// All results.
#[derive(Debug, Default)]
pub struct Results {
    /// SIGKILL.
    pub kills: Vec<Kills>,
    /// Errors, by server.
    pub faults: Vec<(Kind, Faults)>,
    /// Power failures, by server and prelude.
    pub power: Vec<(Kind, Prelude, Failures)>,
    /// Storms, with their plans.
    pub storms: Vec<(storm::Plan, Storm)>,
    /// Cases without a problem.
    pub passed: usize,
    /// Calls that no run reached. They do not count as cases.
    pub unreached: usize,
    /// Descriptions of the violations.
    pub violations: Vec<String>,
}

/// The parts, with their command-line names.
pub const PARTS: [&str; 4] = ["kills", "errors", "power", "storm"];

/// Runs everything, or one part. `say` gets a line per group and every violation.
pub fn run(extent: Extent, only: Option<&str>, seed: u64, say: &mut dyn FnMut(&str)) -> Results {
    let mut results = Results::default();
    for part in PARTS.iter().filter(|part| only.is_none_or(|only| only == **part)) {
        match *part {
            "kills" => kills(extent, &mut results, say),
            "errors" => all_faults(extent, seed, &mut results, say),
            "power" => all_power(extent, &mut results, say),
            _ => storms(extent, seed, &mut results, say),
        }
    }
    results
}

impl Results {
    /// `passed` counts the finished cases without a problem.
    fn close(
        &mut self,
        name: &str,
        passed: usize,
        violations: &[String],
        figures: &str,
        begun: Instant,
        say: &mut dyn FnMut(&str),
    ) {
        for violation in violations {
            say(&format!("VIOLATION {violation}"));
        }
        let failed = violations.len();
        let seconds = begun.elapsed().as_secs();
        say(&format!("{name}: {passed} passed, {failed} failed ({figures}; {seconds} s)"));
        self.passed += passed;
        self.violations.extend_from_slice(violations);
    }
}

/// How many of them had no problem.
fn passed<'all>(all: impl Iterator<Item = &'all Aftermath>) -> usize {
    all.filter(|after| after.problems.is_empty()).count()
}

fn kills(extent: Extent, results: &mut Results, say: &mut dyn FnMut(&str)) {
    let mut plans =
        vec![(LEEWAY, Victim::Refresh, Age::Expired), (STRICT, Victim::Refresh, Age::Expired)];
    if extent == Extent::Full {
        for leeway in [600, 60, 5, 0] {
            plans.push((sandbox(leeway, Children::Newest), Victim::Refresh, Age::Expired));
        }
        plans.push((sandbox(60, Children::All), Victim::Refresh, Age::Expired));
        plans.push((sandbox(5, Children::All), Victim::Refresh, Age::Expired));
        plans.push((Kind::OidcProvider, Victim::Refresh, Age::Expired));
        plans.push((LEEWAY, Victim::Refresh, Age::Due));
        plans.push((LEEWAY, Victim::RecoveryWithoutReply, Age::Expired));
        plans.push((LEEWAY, Victim::RecoveryWithReply, Age::Expired));
        plans.push((STRICT, Victim::RecoveryWithReply, Age::Expired));
    }
    for (kind, victim, age) in plans {
        let begun = Instant::now();
        let threads = if kind.leeway() == 5 { THREADS_IN_A_HURRY } else { THREADS };
        let plan = kill::Plan { victim, age, sabotage: Sabotage::None, threads };
        let points = kill::points(&Server::start(kind), plan);
        let killing = kill::kill_at(&Server::start(kind), &points, plan);
        let count = |fate| killing.killed.iter().filter(|k| k.after.fate == fate).count();
        let figures = format!(
            "{} replays in the leeway, {} lost, {} with a recovery in the background, not reached: {}",
            count(Fate::Replayed),
            count(Fate::Lost) + count(Fate::Stuck),
            killing.killed.iter().filter(|k| k.armed > 0).count(),
            killing.unreached.len()
        );
        let name = format!("kill -9 of {}, {kind}", victim_name(victim, age));
        for Point { call, occurrence, .. } in &killing.unreached {
            say(&format!("not reached: {call} #{occurrence} ({name})"));
        }
        results.unreached += killing.unreached.len();
        let passed = passed(killing.killed.iter().map(|one| &one.after));
        results.close(&name, passed, &killing.violations, &figures, begun, say);
        results.kills.push(Kills { server: kind, victim, age, killing });
    }
}

/// The name in the report.
#[must_use]
pub const fn victim_name(victim: Victim, age: Age) -> &'static str {
    match (victim, age) {
        (Victim::Refresh, Age::Expired) => "a refresh, token expired",
        (Victim::Refresh, Age::Due) => "a refresh, token due but alive",
        (Victim::RecoveryWithoutReply, _) => "a recovery, reply gone",
        (Victim::RecoveryWithReply, _) => "a recovery, reply staged",
    }
}

fn all_faults(extent: Extent, seed: u64, results: &mut Results, say: &mut dyn FnMut(&str)) {
    let kinds = if extent == Extent::Full { vec![STRICT, LEEWAY] } else { vec![STRICT] };
    for kind in kinds {
        let begun = Instant::now();
        let server = Server::start(kind);
        let mut faults = faults::faults(&server);
        if extent == Extent::Quick {
            faults = sample(faults, seed);
        }
        let injected = faults::inject(&server, &faults, THREADS, Sabotage::None);
        let count = |which: &dyn Fn(&faults::Faulted) -> bool| {
            injected.faulted.iter().filter(|one| which(one)).count()
        };
        let figures = format!(
            "{} before the request, which the server then never saw; {} without effect; {} replies \
             kept; {} with no place left; {} with a recovery in the background",
            count(&|one| one.code != Some(0) && one.seen.requests() == 0),
            count(&|one| one.code == Some(0)),
            count(&|one| one.code != Some(0) && one.seen.requests() > 0 && !one.no_place),
            count(&|one| one.no_place),
            count(&|one| one.armed > 0),
        );
        let name = format!("errors, {kind}");
        let passed = passed(injected.faulted.iter().map(|one| &one.after));
        results.close(&name, passed, &injected.violations, &figures, begun, say);
        results.faults.push((kind, injected));
    }
}

/// One error per call and mode.
fn sample(faults: Vec<Fault>, seed: u64) -> Vec<Fault> {
    let mut random = Random(seed);
    let mut by_place: BTreeMap<_, Vec<Fault>> = BTreeMap::new();
    for fault in faults {
        by_place.entry((fault.point.clone(), fault.mode)).or_default().push(fault);
    }
    by_place
        .into_values()
        .map(|mut all| {
            let at = usize::try_from(random.below(all.len() as u64)).unwrap_or(0);
            all.swap_remove(at)
        })
        .collect()
}

fn all_power(extent: Extent, results: &mut Results, say: &mut dyn FnMut(&str)) {
    let mut plans = vec![(LEEWAY, Prelude::Rest)];
    if extent == Extent::Full {
        plans.push((sandbox(600, Children::Newest), Prelude::Rest));
        plans.push((STRICT, Prelude::Rest));
        plans.push((Kind::OidcProvider, Prelude::Rest));
        for prelude in Prelude::KILLED {
            plans.push((LEEWAY, prelude));
            plans.push((STRICT, prelude));
        }
    }
    for (kind, prelude) in plans {
        let begun = Instant::now();
        let server = Server::start(kind);
        let states = power::states(&server, prelude);
        let failures = power::fail_in(&server, &states, THREADS, Sabotage::None);
        let count = |fate| failures.failed.iter().filter(|one| one.after.fate == fate).count();
        let figures = format!(
            "{} replays in the leeway, {} lost, {} refused while the token worked",
            count(Fate::Replayed),
            count(Fate::Lost) + count(Fate::Stuck),
            failures.failed.iter().filter(|one| one.was_aged).count()
        );
        let name = format!("power failure ({}), {kind}", prelude.name());
        let passed = passed(failures.failed.iter().map(|one| &one.after));
        results.close(&name, passed, &failures.violations, &figures, begun, say);
        results.power.push((kind, prelude, failures));
    }
}

fn storms(extent: Extent, seed: u64, results: &mut Results, say: &mut dyn FnMut(&str)) {
    let processes = 64;
    let (quiet, stormy) = if extent == Extent::Full { (20, 25) } else { (3, 3) };
    for (expiries, kills) in [(quiet, 0), (stormy, 24)] {
        let begun = Instant::now();
        let plan =
            storm::Plan { processes, expiries, kills, seed, sabotage: storm::Sabotage::None };
        let storm = storm::raise(plan);
        let figures = format!(
            "{} processes, {} of them killed; {} requests = {} rotations + {} replays; {} reuses",
            storm.started,
            storm.killed,
            storm.logged,
            storm.counted.rotations,
            storm.counted.replays,
            storm.counted.reuses
        );
        let name = format!("storm {} kills", if kills > 0 { "with" } else { "without" });
        results.close(&name, storm.passed, &storm.violations, &figures, begun, say);
        results.storms.push((plan, storm));
    }
}
