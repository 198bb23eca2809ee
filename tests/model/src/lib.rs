//! The refresh transaction, model-checked.
//!
//! The checked code is [`twg_core::refresh::RefreshFlow`] itself, the flow that every shell ships.
//! stateright drives it through every interleaving of a few processes on one connection, and
//! through every fault that a budget allows. Only the world around it is a model:
//!
//! - [`disk`]: record, stage and rescue, each with its visible and its durable content;
//! - [`server`]: an authorization server that rotates refresh tokens, strict or with a leeway;
//! - [`network`]: lost and late requests, responses of a gateway, lost responses;
//! - [`process`]: a process that runs one refresh after the other, and may be killed at any step;
//! - [`world`]: all of it together, and the possible next events; `shell.rs` performs the effects;
//! - [`properties`]: I1 to I7;
//! - [`days`]: a thousand days of a machine with the scheduled upkeep, random instead of
//!   exhaustive;
//! - [`mutation`]: parts that are removed from the world, to see that the check notices.
//!
//! # Assumptions
//!
//! - The kernel's lock excludes, and ends with its holder.
//! - A synced file stays, and a rename is atomic. Other content is kept or lost.
//! - A request reaches the server within the quarantine after it was sent, or never. This is the
//!   meaning of the quarantine; every client needs such a limit.
//! - A request that the flow gives to its shell is sent at once or never. One case is not covered:
//!   the machine falls asleep at that moment, and the process is killed right after it wakes up and
//!   sends.
//! - Time passes in coarse steps, the same for all.

pub mod days;
pub mod disk;
pub mod mutation;
pub mod network;
pub mod process;
pub mod properties;
pub mod scenario;
pub mod server;
mod shell;
pub mod world;

pub use mutation::Mutation;
pub use scenario::{Scenario, scenarios};
pub use world::World;

use std::time::{Duration, Instant};

use stateright::{Checker as _, HasDiscoveries, Model as _};

/// The result of a check.
#[derive(Debug)]
pub struct Report {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// The removed part.
    pub mutation: Option<Mutation>,
    /// The number of different states.
    pub states: usize,
    /// The length of the longest path.
    pub depth: usize,
    /// The duration.
    pub took: Duration,
    /// The violated invariants, each with the shortest path that was found.
    pub violations: Vec<(&'static str, String)>,
    /// Events that should happen somewhere and never do: a model without events proves nothing.
    pub unreached: Vec<&'static str>,
}

/// Visits every state of a scenario; with a mutation, until an invariant is violated.
#[must_use]
pub fn check(scenario: Scenario, mutation: Option<Mutation>) -> Report {
    let begun = Instant::now();
    let world = World { scenario: scenario.clone(), mutation };
    let invariants = properties::invariants();
    let checker =
        world.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let violations = found
        .iter()
        .filter(|(name, _)| invariants.contains(name))
        .map(|(name, path)| {
            let steps = path.clone().into_vec().into_iter();
            let steps: Vec<_> =
                steps.filter_map(|(state, action)| Some(state.describe(action?))).collect();
            (*name, steps.join("\n      "))
        })
        .collect();
    let unreached =
        scenario.must_happen.iter().copied().filter(|name| !found.contains_key(name)).collect();
    Report {
        scenario: scenario.name,
        mutation,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: begun.elapsed(),
        violations,
        unreached,
    }
}

/// The counterexample for a mutation; `None` if the check does not notice it.
#[must_use]
pub fn counterexample(mutation: Mutation) -> Option<Report> {
    let mut scenarios = scenarios(false).into_iter();
    let scenario = scenarios.find(|scenario| scenario.name == mutation.shows_in())?;
    let report = check(scenario, Some(mutation));
    (!report.violations.is_empty()).then_some(report)
}
