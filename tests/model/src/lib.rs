//! The refresh transaction, model-checked.
//!
//! What is checked is [`twg_core::refresh::RefreshFlow`] itself, the flow that every shell ships, driven by
//! stateright through every interleaving of a few processes on one connection and every fault that a budget
//! allows. What is modelled is only the world around it:
//!
//! - [`disk`]: record, stage and rescue, each with what is visible and what would survive a power failure;
//! - [`server`]: an authorization server that rotates refresh tokens, strict or with a leeway;
//! - [`network`]: requests that are lost, late, answered by a gateway, or whose answers are lost;
//! - [`process`]: a process that runs one refresh after the other, and is killed anywhere;
//! - [`world`]: all of it together, and what can happen next; `shell.rs`: what a flow asks for, happens;
//! - [`properties`]: I1 to I7;
//! - [`days`]: a thousand days of a machine with the scheduled upkeep, at random instead of exhaustively;
//! - [`mutation`]: what is taken away from the world to see that the check notices.
//!
//! # What is assumed
//!
//! - The kernel's lock excludes, and dies with its holder.
//! - A file that was synced stays, and a rename is atomic; whatever was not synced is kept or lost.
//! - A request reaches the server within the quarantine after it was sent, or never. This is what the
//!   quarantine means; no client can do without such a bound.
//! - A request that the flow handed to its shell is sent at once or never. A machine that falls asleep in that
//!   moment, and whose process is killed right after it woke up and sent, is not covered.
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

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// What was taken away.
    pub mutation: Option<Mutation>,
    /// Different states.
    pub states: usize,
    /// The longest way to one.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Invariants that do not hold, each with the shortest way there that was found.
    pub violations: Vec<(&'static str, String)>,
    /// What should happen somewhere and never does: a model in which nothing happens proves nothing.
    pub unreached: Vec<&'static str>,
}

/// Visits every state of a scenario; with a mutation, until something is violated.
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

/// How the check notices what was taken away; `None` if it does not.
#[must_use]
pub fn counterexample(mutation: Mutation) -> Option<Report> {
    let mut scenarios = scenarios(false).into_iter();
    let scenario = scenarios.find(|scenario| scenario.name == mutation.shows_in())?;
    let report = check(scenario, Some(mutation));
    (!report.violations.is_empty()).then_some(report)
}
