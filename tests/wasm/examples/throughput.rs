//! How long whole refreshes take, natively and in wasmtime: tests/bench/npm-package asks, in turn with Node.
//!
//! Each line of the standard input is `native N` or `wasmtime N`; the answer is how many nanoseconds N times the scenario
//! of `refresh-due.json` took. All input is written as JSON beforehand, and no answer is looked at but the last, because
//! that is the host's own work.

use std::time::Instant;

use serde_json::{Value, json};
use twg_wasm::plugin::Calls;
use twg_wasm_tests::host::Host as _;
use twg_wasm_tests::module::{self, Plugin};
use twg_wasm_tests::scenario;

type Outcome<T> = Result<T, wasmtime::Error>;

#[expect(clippy::print_stdout, reason = "it answers there")]
fn main() -> Outcome<()> {
    let path = scenario::directory().join("refresh-due.json");
    let scenario = scenario::all().into_iter().find(|(other, _)| *other == path);
    let scenario = scenario.ok_or_else(|| wasmtime::format_err!("no refresh-due.json"))?.1;
    let begin = json!({ "request": scenario.request, "now": scenario.now, "entropy": scenario.entropy });
    let begin = begin.to_string().into_bytes();
    let steps: Vec<_> = scenario
        .steps
        .iter()
        .map(|step| json!({ "id": step.perform["id"], "outcome": step.outcome, "now": step.now }))
        .map(|input| input.to_string().into_bytes())
        .collect();
    let (mut native, mut flow) = (Calls::new(), 0);
    let mut plugin = Plugin::new(module::compiled())?;
    let mut number = 0;
    for line in std::io::stdin().lines() {
        let line = line?;
        let (how, times) = line.split_once(' ').unwrap_or_default();
        let times: u32 = times.parse()?;
        let begun = Instant::now();
        let mut last = Vec::new();
        for _ in 0..times {
            last = if how == "native" {
                flow += 1;
                in_native(&mut native, flow, &begin, &steps)
            } else {
                number += 1;
                in_wasmtime(&mut plugin, number, &begin, &steps)?
            };
        }
        let took = begun.elapsed().as_nanos();
        let last: Value = serde_json::from_slice(&last)?;
        wasmtime::ensure!(last["step"]["done"] == scenario.done, "it ended as {last}");
        println!("{took}");
    }
    Ok(())
}

fn in_native(calls: &mut Calls, flow: u32, begin: &[u8], steps: &[Vec<u8>]) -> Vec<u8> {
    let mut answer = calls.begin(begin);
    for step in steps {
        answer = calls.resume(flow, step);
    }
    calls.end(flow);
    answer.to_vec()
}

fn in_wasmtime(plugin: &mut Plugin, flow: u32, begin: &[u8], steps: &[Vec<u8>]) -> Outcome<Vec<u8>> {
    let input = plugin.give(begin)?;
    let mut answer = plugin.begin_at(input)?;
    for step in steps {
        let input = plugin.give(step)?;
        answer = plugin.resume_at(flow, input)?;
    }
    plugin.end(flow);
    Ok(answer)
}
