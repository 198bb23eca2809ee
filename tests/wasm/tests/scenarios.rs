//! Every scenario, through the core compiled for this machine, and through the plain module and the component in wasmtime.

use twg_wasm_tests::component::{self, Typed};
use twg_wasm_tests::host::{Host, Native};
use twg_wasm_tests::module::{self, Plugin};
use twg_wasm_tests::replay::replay;
use twg_wasm_tests::scenario::{self, Scenario};
use wasmtime::Engine;

fn all_with(mut host: impl FnMut() -> Box<dyn Host>) {
    let scenarios = scenario::all();
    assert!(scenarios.len() >= 60, "there are only {} scenarios", scenarios.len());
    let failed: Vec<_> = scenarios
        .iter()
        .filter_map(|(path, scenario)| {
            let why = replay(&mut *host(), scenario).err()?;
            Some(format!("{}: {why}", path.display()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn the_core_does_what_the_scenarios_say() {
    all_with(|| Box::new(Native::default()));
}

#[test]
fn the_plain_module_does_what_the_scenarios_say() {
    all_with(|| Box::new(Plugin::new(module::compiled()).expect("the plain module")));
}

#[test]
fn the_component_does_what_the_scenarios_say() {
    assert_eq!(component::compiled().component_type().imports(&Engine::default()).count(), 0);
    all_with(|| Box::new(Typed::new(component::compiled()).expect("the component")));
}

#[test]
fn a_scenario_that_says_something_else_fails() {
    let spoiled: [fn(&mut Scenario); 7] = [
        |scenario| drop(scenario.steps.pop()),
        |scenario| scenario.steps.push(scenario.steps[0].clone()),
        |scenario| scenario.steps[5].perform["effect"]["url"] = "https://example.com/".into(),
        |scenario| scenario.steps[5].perform["interruptible"] = true.into(),
        |scenario| scenario.steps[3].outcome = None,
        |scenario| scenario.done["ok"]["refreshed"]["how"] = "adopted".into(),
        |scenario| scenario.steps[0].mistakes[0].code = "WRONG_OUTCOME".into(),
    ];
    let good = scenario::named("host-mistakes");
    assert_eq!(replay(&mut Native::default(), &good), Ok(()));
    for (number, spoil) in spoiled.into_iter().enumerate() {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert!(replay(&mut Native::default(), &bad).is_err(), "spoiled in way {number}");
    }
}

/// Every effect of the contract is in a scenario.
#[test]
fn the_scenarios_want_every_effect() {
    let text: String = scenario::all()
        .iter()
        .flat_map(|(_, scenario)| scenario.steps.iter().map(|step| step.perform.to_string()))
        .collect();
    let contract = twg_wasm::wire::TYPESCRIPT;
    let effects = contract.split("export type Effect =").nth(1).expect("the effects");
    let effects = effects.split("export type Notice").next().expect("their end");
    let mut count = 0;
    for effect in effects.split("type: \"").skip(1) {
        let name = effect.split('"').next().unwrap_or_default();
        assert!(text.contains(&format!("\"type\":\"{name}\"")), "no scenario wants {name}");
        count += 1;
    }
    assert_eq!(count, 22);
}
