//! Checks every scenario and every mutation, and prints the tables of the README:
//!
//! ```text
//! cargo run --profile model -p twg-model            what the tests check cargo run --profile model
//! -p twg-model thorough   also the scenarios that take minutes
//! ```

use std::io::Write as _;
use std::process::ExitCode;

use twg_model::{Mutation, Report, check, scenarios};

fn main() -> ExitCode {
    let thorough = std::env::args().any(|argument| argument == "thorough");
    let mut out = std::io::stdout();
    let mut failed = false;
    let _ = writeln!(
        out,
        "| scenario | states | depth | seconds | violations |\n|---|---|---|---|---|"
    );
    for scenario in scenarios(thorough) {
        let report = check(scenario, None);
        failed |= !report.violations.is_empty() || !report.unreached.is_empty();
        let _ = writeln!(out, "{}", row(&report));
        for (invariant, path) in &report.violations {
            let _ = writeln!(out, "\nVIOLATED {invariant}:\n      {path}\n");
        }
        for never in &report.unreached {
            let _ = writeln!(out, "\nNEVER {never}\n");
        }
    }
    let _ = writeln!(out, "\n| taken away | found in | invariant | steps |\n|---|---|---|---|");
    for mutation in Mutation::ALL {
        match twg_model::counterexample(mutation) {
            Some(report) => {
                for (invariant, path) in &report.violations {
                    let steps = path.lines().count();
                    let _ = writeln!(
                        out,
                        "| {mutation:?} | {} | {invariant} | {steps} |",
                        report.scenario
                    );
                }
            }
            None => {
                failed = true;
                let _ = writeln!(out, "| {mutation:?} | NOWHERE | | |");
            }
        }
    }
    ExitCode::from(u8::from(failed))
}

fn row(report: &Report) -> String {
    let Report { scenario, states, depth, took, violations, .. } = report;
    format!(
        "| {scenario} | {states} | {depth} | {:.1} | {} |",
        took.as_secs_f64(),
        violations.len()
    )
}
