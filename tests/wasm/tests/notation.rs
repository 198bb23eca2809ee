//! The notation of `tests/scenarios`: Rust and JavaScript read it in the same way, the recorder writes it, and every name is
//! used.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use twg_wasm_tests::host::Native;
use twg_wasm_tests::names::Names;
use twg_wasm_tests::{notation, replay, scenario};

/// The scenarios that `tests/scenarios/expand.mjs` reads from these names and texts: null for a text that it refuses.
fn in_javascript(inputs: &[(String, String)]) -> Vec<Value> {
    let inputs = inputs.iter().map(|(names, text)| json!({ "names": names, "text": text }));
    let inputs = Value::from_iter(inputs).to_string();
    let mut node = Command::new("node")
        .arg(scenario::directory().join("expand.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut input = node.stdin.take().expect("its input");
    let writing = std::thread::spawn(move || input.write_all(inputs.as_bytes()));
    let output = node.wait_with_output().expect("its output");
    writing.join().expect("no panic").expect("it reads");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn in_rust(names: &str, text: &str) -> Result<Value, String> {
    let scenario = notation::parse(text, &Names::parse(names)?)?;
    Ok(serde_json::to_value(scenario).expect("a scenario is JSON"))
}

#[test]
fn rust_and_javascript_expand_every_scenario_to_the_same() {
    let names = fs::read_to_string(scenario::directory().join("names.json")).expect("names");
    let all = scenario::all();
    let text = |path| fs::read_to_string(path).expect("a scenario");
    let inputs: Vec<_> = all.iter().map(|(path, _)| (names.clone(), text(path))).collect();
    let expanded = in_javascript(&inputs);
    assert_eq!(expanded.len(), all.len());
    for ((path, in_rust), in_javascript) in all.iter().zip(expanded) {
        let in_rust = serde_json::to_value(in_rust).expect("a scenario is JSON");
        assert_eq!(in_rust, in_javascript, "{}", path.display());
    }
}

/// Every rule of the README, with its result in `done` or in the steps.
#[test]
fn rust_and_javascript_expand_every_rule_to_the_same() {
    let names =
        r#"{"a": [1, {"b": "$$"}], "text": {"$json": {"x": 1, "y": {"z": 2}}}, "again": "$a"}"#;
    let good = [
        (r#""$again""#, json!([1, { "b": "$" }])),
        (r#""$$a""#, json!("$a")),
        (r#"{"$json": {"b": 1, "a": []}}"#, json!(r#"{"b":1,"a":[]}"#)),
        (r#"{"$line": [1, "$a"]}"#, json!("[1,[1,{\"b\":\"$\"}]]\n")),
        (r#"{"$record": {"b": {}, "a": "é\n"}}"#, json!("{\n  \"b\": {},\n  \"a\": \"é\\n\"\n}\n")),
        (
            r#"{"$json": "$text", "new": "$$", "y": {"w": 3}}"#,
            json!(r#"{"x":1,"y":{"z":2,"w":3},"new":"$"}"#),
        ),
        (r#"{"$json": "$text", "y": {"z": null}, "x": null}"#, json!(r#"{"y":{}}"#)),
        (
            r#"{"$line": "$text", "x": {"c": null, "d": 1}, "y": "$a"}"#,
            json!("{\"x\":{\"d\":1},\"y\":[1,{\"b\":\"$\"}]}\n"),
        ),
        (r#"{"$with": {"type": "t", "x": 1}, "x": 2}"#, json!({ "type": "t", "x": 2 })),
        (r#"{"$with": "$text"}"#, json!(r#"{"x":1,"y":{"z":2}}"#)),
    ];
    let bad = [
        r#"{"done": "$unknown"}"#,
        r#"{"done": {"$unknown": 1}}"#,
        r#"{"done": {"x": 1, "$with": 2}}"#,
        r#"{"done": {"$json": "not JSON"}}"#,
        r#"{"name": "a", "value": 1}"#,
        r#"{"done": 1, "more": 2}"#,
        r#"{"about": "", "more": 2}"#,
        r#"{"effect": {}, "more": 2}"#,
        r#"{"mistake": {}, "id": 0, "code": "", "more": 2}"#,
        "{",
    ];
    let request = r#"{"request": {}, "entropy": 250, "now": {"wall": 10, "uptime": 1}}"#;
    let steps = [
        r#"{"name": "own", "value": "$a"}"#,
        request,
        r#"{"mistake": null, "id": 7, "code": "MALFORMED"}"#,
        r#"{"effect": "$own", "outcome": "waited"}"#,
        r#"{"effect": {}, "interruptible": true, "restart": true, "after": 405}"#,
        r#"{"effect": {}, "id": 5, "outcome": {}, "now": {"wall": 3}}"#,
        r#"{"outcome": {}}"#,
        r#"{"effect": {}}"#,
    ];
    let mut inputs = vec![(names.to_owned(), steps.join("\n"))];
    inputs.extend(
        good.iter()
            .map(|(done, _)| (names.to_owned(), format!("{request}\n{{\"done\": {done}}}\n"))),
    );
    inputs.extend(bad.iter().map(|line| (names.to_owned(), format!("{request}\n{line}\n"))));
    inputs.push((r#"{"later": "$one", "one": 1}"#.to_owned(), request.to_owned()));

    let expanded = in_javascript(&inputs);
    for ((names, text), in_javascript) in inputs.iter().zip(&expanded) {
        assert_eq!(in_rust(names, text).unwrap_or_default(), *in_javascript, "{text}");
    }
    for ((_, done), expanded) in good.iter().zip(&expanded[1..]) {
        assert_eq!(expanded["done"], *done);
    }
    assert!(expanded[1 + good.len()..].iter().all(Value::is_null));
    assert_eq!(expanded[0]["entropy"].as_str().expect("digits")[..6], *"fa0108");
    let said = |step: usize, member: &str| expanded[0]["steps"][step][member].clone();
    assert_eq!(
        said(0, "perform"),
        json!({ "id": 0, "interruptible": false, "effect": [1, { "b": "$" }] })
    );
    assert_eq!(said(0, "mistakes"), json!([{ "id": 7, "outcome": null, "code": "MALFORMED" }]));
    assert_eq!(
        (said(0, "now"), said(1, "now")),
        (json!({ "wall": 15, "uptime": 6 }), json!({ "wall": 420, "uptime": 411 }))
    );
    assert_eq!(
        (&said(1, "perform")["interruptible"], said(1, "restart")),
        (&json!(true), json!(true))
    );
    assert_eq!(
        (&said(2, "perform")["id"], said(3, "perform"), &said(4, "perform")["id"]),
        (&json!(5), Value::Null, &json!(7))
    );
    assert_eq!(said(4, "now"), json!({ "wall": 13 }));
}

/// So the files are as the recorder writes them, and a change in one place changes one line.
#[test]
fn recording_what_did_not_change_changes_nothing() {
    let names = scenario::names();
    for (path, scenario) in scenario::all() {
        let seen = replay::record(&mut Native::default(), &scenario).expect("it goes through");
        let text = notation::print(&seen, &names).expect("it can be written");
        assert_eq!(text, fs::read_to_string(&path).expect("a scenario"), "{}", path.display());
    }
}

#[test]
fn every_shared_name_is_used() {
    let paths = scenario::all().into_iter().map(|(path, _)| path);
    let files: String = paths
        .chain([scenario::directory().join("names.json")])
        .map(|path| fs::read_to_string(path).expect("text"))
        .collect();
    for named in scenario::names().all() {
        assert!(files.contains(&format!("\"${}\"", named.name)), "${} is used nowhere", named.name);
    }
}

/// A record that changes shows in its line, and not as another name.
#[test]
fn a_record_that_changes_shows() {
    let names = scenario::names();
    let mut scenario = scenario::named("refresh-due");
    let before = notation::print(&scenario, &names).expect("it can be written");
    let record = &mut scenario.steps[3].perform["effect"]["record"];
    *record =
        record.as_str().expect("text").replace("\"since_first\": 0", "\"since_first\": 1").into();
    let after = notation::print(&scenario, &names).expect("it can be written");
    let changed: Vec<_> =
        before.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
    let [(_, new)] = &*changed else { panic!("{} lines changed", changed.len()) };
    assert!(
        new.contains(
            r#"{"$record": "$refresh-begun", "pending": {"id": "$attempt", "since_first": 1}}"#
        ),
        "{new}"
    );
}
