//! The shipped refresh flow against every interleaving and fault, and the check itself against mutations.
//!
//! Run with optimisation, as `tests/run` does: `cargo test --profile model -p twg-model`.

#![expect(clippy::print_stdout, reason = "the number of states")]

use twg_model::{Mutation, check, counterexample, scenarios};

/// I1 to I7, for two and three processes: no violation, and every required event happens.
#[test]
fn no_invariant_is_ever_violated() {
    for scenario in scenarios(false) {
        let report = check(scenario, None);
        println!(
            "{}: {} states, depth {}, {:?}",
            report.scenario, report.states, report.depth, report.took
        );
        assert!(report.violations.is_empty(), "{}: {:#?}", report.scenario, report.violations);
        assert!(report.unreached.is_empty(), "{}: {:?}", report.scenario, report.unreached);
    }
}

/// A check must be able to fail: it notices every removed part of the protocol.
#[test]
fn every_mutation_is_noticed() {
    for mutation in Mutation::ALL {
        let report = counterexample(mutation);
        let report = report.unwrap_or_else(|| panic!("{mutation:?} is not noticed"));
        for (invariant, steps) in &report.violations {
            println!("{mutation:?} violates {invariant}:\n      {steps}");
        }
    }
}
