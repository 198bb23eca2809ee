//! Any outcome, from any host, server or store, at any step of any flow: the module returns something sensible, and does not
//! trap. An outcome that it refuses changes nothing: the right one still works.

use serde_json::{Value, json};
use twg_wasm_tests::host::Host as _;
use twg_wasm_tests::module::{self, Plugin};
use twg_wasm_tests::scenario::{self, Scenario};

/// The replacements for each value in turn.
fn unlikely() -> [Value; 10] {
    [
        Value::Null,
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1.7e308),
        json!(""),
        json!("\u{0}\u{1b}[2J\u{202e}%\u{ff0f}"),
        json!("https://[::1]:99999/../%2e%2e/?#"),
        json!([[[]]]),
        json!({ "ok": { "error": 1 } }),
    ]
}

#[test]
fn no_outcome_traps() {
    let mut tried = 0;
    let mut refused = 0;
    for (path, scenario) in scenario::all() {
        let name = path.display().to_string();
        let mut plugin = Plugin::new(module::compiled()).expect("the plain module");
        for number in 0..scenario.steps.len() {
            let Some(outcome) = scenario.steps[number].outcome.clone() else { break };
            for variant in variants(&outcome) {
                let Some((flow, input)) = at(&mut plugin, &scenario, number) else { break };
                let mut wrong = input.clone();
                wrong["outcome"] = variant;
                let said = plugin.resume(flow, &wrong);
                tried += 1;
                if said["error"].is_null() {
                    assert!(said["step"].is_object(), "{name}, step {number}: {wrong}\n{said}");
                } else {
                    refused += 1;
                    assert!(said["error"]["code"].is_string(), "{name}, step {number}: {said}");
                    let said = plugin.resume(flow, &input);
                    let next = scenario.steps.get(number + 1).map_or_else(
                        || json!({ "done": scenario.done }),
                        |next| json!({ "perform": next.perform }),
                    );
                    assert_eq!(said["step"], next, "{name}, after a refusal at step {number}");
                }
                plugin.end(flow);
            }
        }
    }
    assert!(tried > 50_000 && refused > 10_000, "{tried} outcomes, {refused} of them refused");
}

/// Begins the scenario's flow and leads it to that step. Returns its number, and the scenario's outcome there; `None` if the
/// scenario restarts the flow before that.
fn at(plugin: &mut Plugin, scenario: &Scenario, number: usize) -> Option<(u32, Value)> {
    let Scenario { request, entropy, now, steps, .. } = scenario;
    let mut result = plugin.begin(&json!({ "request": request, "now": now, "entropy": entropy }));
    let flow = u32::try_from(result["flow"].as_u64()?).ok()?;
    for (passed, step) in steps.iter().enumerate() {
        let id = &result["step"]["perform"]["id"];
        let input = json!({ "id": id, "outcome": step.outcome.as_ref()?, "now": step.now });
        if passed == number {
            return Some((flow, input));
        }
        result = plugin.resume(flow, &input);
    }
    None
}

/// The outcome with one value after the other replaced or removed; also within texts that are JSON, as records and bodies are.
fn variants(outcome: &Value) -> Vec<Value> {
    let mut all = unlikely().to_vec();
    match outcome {
        Value::Object(members) => {
            for (name, value) in members {
                let mut without = members.clone();
                without.remove(name);
                all.push(Value::Object(without));
                all.extend(variants(value).into_iter().map(|variant| {
                    let mut with = members.clone();
                    with.insert(name.clone(), variant);
                    Value::Object(with)
                }));
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                all.extend(variants(value).into_iter().map(|variant| {
                    let mut with = values.clone();
                    with[index] = variant;
                    Value::Array(with)
                }));
            }
        }
        Value::String(text) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                all.extend(variants(&inner).into_iter().map(|variant| variant.to_string().into()));
            }
        }
        _ => {}
    }
    all
}
