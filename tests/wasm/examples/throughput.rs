//! How long the flow of one scenario takes, without its effects: `throughput native|wasmtime SCENARIO COUNT` prints
//! microseconds. For `tests/bench/npm-package`.

use std::error::Error;
use std::time::Instant;

use serde_json::{Value, json};
use twg_wasm_tests::host::{Host, Native};
use twg_wasm_tests::module::{self, Plugin};
use twg_wasm_tests::scenario::{self, Scenario};

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, shell, name, count] = &*arguments else {
        return Err("usage: throughput native|wasmtime SCENARIO COUNT".into());
    };
    let scenario = scenario::named(name);
    let mut host: Box<dyn Host> = match shell.as_str() {
        "native" => Box::new(Native::default()),
        "wasmtime" => Box::new(Plugin::new(module::compiled())?),
        _ => return Err("no such shell".into()),
    };
    let count: u32 = count.parse()?;
    for _ in 0..count / 10 {
        run(&mut *host, &scenario);
    }
    let start = Instant::now();
    for _ in 0..count {
        run(&mut *host, &scenario);
    }
    println!("{:.2}", start.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    Ok(())
}

/// One run. The tests check the steps; here the flow must only end.
fn run(host: &mut dyn Host, scenario: &Scenario) {
    let Scenario { request, entropy, now, steps, .. } = scenario;
    let mut result = host.begin(&json!({ "request": request, "now": now, "entropy": entropy }));
    let flow = result["flow"].as_u64().and_then(|flow| u32::try_from(flow).ok()).expect("a flow");
    for step in steps {
        let id = &result["step"]["perform"]["id"];
        let input = json!({ "id": id, "outcome": step.outcome, "now": step.now });
        result = host.resume(flow, &input);
    }
    assert_ne!(result["step"]["done"]["ok"], Value::Null, "{result}");
    host.end(flow);
}
