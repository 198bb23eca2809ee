//! Replays a scenario with a host, and compares or records.

use serde_json::{Value, json};

use crate::host::Host;
use crate::scenario::{Scenario, Step};

/// Replays the scenario.
///
/// # Errors
/// The first difference from the scenario. It is also wrong if a part of it is left over.
pub fn replay(host: &mut dyn Host, scenario: &Scenario) -> Result<(), String> {
    let seen = record(host, scenario)?;
    for (number, (seen, expected)) in seen.steps.iter().zip(&scenario.steps).enumerate() {
        if seen.perform != expected.perform {
            let (seen, expected) = (&seen.perform, &expected.perform);
            return Err(format!("step {number} is\n{seen:#}\ninstead of\n{expected:#}"));
        }
    }
    if seen.done != scenario.done {
        return Err(format!("it ends as\n{:#}\ninstead of\n{:#}", seen.done, scenario.done));
    }
    Ok(())
}

/// Gives the flow the scenario's outcomes in their order, and returns the effects that it wanted and its end.
///
/// # Errors
/// If outcomes are left over or missing, or a mistake is not refused as it should be.
pub fn record(host: &mut dyn Host, scenario: &Scenario) -> Result<Scenario, String> {
    let Scenario { request, entropy, now, .. } = scenario;
    let mut seen = Scenario { steps: Vec::new(), ..scenario.clone() };
    let mut result = host.begin(&json!({ "request": request, "now": now, "entropy": entropy }));
    if let Some(error) = result.get("error") {
        seen.done = error["code"].clone();
        return if scenario.steps.is_empty() { Ok(seen) } else { Err(left_over(0, &result)) };
    }
    for (number, step) in scenario.steps.iter().enumerate() {
        let perform = result["step"]["perform"].clone();
        if perform.is_null() {
            return Err(left_over(number, &result));
        }
        let flow = flow_of(&result);
        make_mistakes(host, flow, step)?;
        result = if step.restart {
            let request = json!({ "restored_login": host.suspend(flow) });
            host.end(flow);
            host.begin(&json!({ "request": request, "now": step.now, "entropy": entropy }))
        } else {
            let Some(outcome) = &step.outcome else {
                return Err(format!("step {number} has no outcome for\n{perform:#}"));
            };
            let id = &perform["id"];
            host.resume(flow, &json!({ "id": id, "outcome": outcome, "now": step.now }))
        };
        if let Some(error) = result.get("error") {
            return Err(format!("step {number} was refused: {error}"));
        }
        seen.steps.push(Step { perform, ..step.clone() });
    }
    let done = result["step"]["done"].clone();
    if done.is_null() {
        return Err(format!("it continues with\n{:#}", result["step"]));
    }
    let flow = flow_of(&result);
    let late = host.resume(flow, &json!({ "id": 0, "outcome": "waited", "now": now }));
    expect_code(&late, "NOT_WAITING", "an outcome after the end")?;
    host.end(flow);
    seen.done = done;
    Ok(seen)
}

fn left_over(number: usize, result: &Value) -> String {
    format!("the steps from {number} on are left over: it is over with\n{result:#}")
}

fn flow_of(result: &Value) -> u32 {
    result["flow"].as_u64().and_then(|flow| flow.try_into().ok()).unwrap_or_default()
}

fn make_mistakes(host: &mut dyn Host, flow: u32, step: &Step) -> Result<(), String> {
    for mistake in &step.mistakes {
        let input = json!({ "id": mistake.id, "outcome": mistake.outcome, "now": step.now });
        expect_code(&host.resume(flow, &input), &mistake.code, "a mistake")?;
    }
    Ok(())
}

fn expect_code(result: &Value, code: &str, what: &str) -> Result<(), String> {
    if result["error"]["code"] == code {
        return Ok(());
    }
    Err(format!("{what} did not lead to {code} but to\n{result:#}"))
}
