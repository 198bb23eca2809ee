//! Mistakes of a host with the plain module: each gets an error, and nothing traps.

use serde_json::{Value, json};
use twg_wasm_tests::host::Host as _;
use twg_wasm_tests::module::{self, Plugin};
use twg_wasm_tests::scenario;

fn plugin() -> Plugin {
    Plugin::new(module::compiled()).expect("the plain module")
}

fn code_of(result: &[u8]) -> String {
    let result: Value = serde_json::from_slice(result).expect("a result is JSON");
    result["error"]["code"].as_str().unwrap_or("no error").to_owned()
}

fn login() -> Value {
    json!({
        "request": { "login": { "profile": "atlassian", "client_id": "c", "client_secret": "s3cr3t-of-the-client" } },
        "now": { "wall": 1_767_225_600_000_u64 },
        "entropy": "00".repeat(64),
    })
}

#[test]
fn it_imports_nothing_and_exports_what_the_abi_names() {
    let module = module::compiled();
    assert_eq!(module.imports().count(), 0);
    let mut names: Vec<_> = module.exports().map(|export| export.name().to_owned()).collect();
    names.retain(|name| name.starts_with("twg_") || name == "memory");
    names.sort();
    let abi = "memory twg_abi_version twg_allocate twg_begin twg_end twg_free twg_length twg_resume \
               twg_status twg_suspend";
    assert_eq!(names.join(" "), abi);
}

#[test]
fn unknown_addresses_are_malformed_input() {
    let mut plugin = plugin();
    for address in [0, 1, 7, 65_536, 0x7fff_ffff, u32::MAX] {
        assert_eq!(code_of(&plugin.begin_at(address).expect("no trap")), "MALFORMED", "{address}");
        assert_eq!(code_of(&plugin.status_at(address).expect("no trap")), "MALFORMED", "{address}");
        plugin.free_at(address).expect("no trap");
    }
    let inside = plugin.give(login().to_string().as_bytes()).expect("room") + 1;
    assert_eq!(code_of(&plugin.begin_at(inside).expect("no trap")), "MALFORMED");
}

#[test]
fn a_buffer_is_used_once() {
    let mut plugin = plugin();
    let address = plugin.give(login().to_string().as_bytes()).expect("room");
    assert_eq!(code_of(&plugin.begin_at(address).expect("no trap")), "no error");
    assert_eq!(code_of(&plugin.begin_at(address).expect("no trap")), "MALFORMED");
    plugin.free_at(address).expect("no trap");
}

#[test]
fn unexpected_json_is_malformed() {
    let mut plugin = plugin();
    let whole = login().to_string();
    let mut inputs: Vec<Vec<u8>> =
        (0..whole.len()).map(|end| whole.as_bytes()[..end].to_vec()).collect();
    inputs.extend(["null", "[]", "{}", "\"begin\"", "1e999", "{\"request\":{}}"].map(Vec::from));
    inputs.push(vec![0xff, 0xfe]);
    inputs.push(vec![0; 1000]);
    inputs.push([b"[".repeat(100_000), b"]".repeat(100_000)].concat());
    inputs.push(whole.replace("00000000", "0000000").into_bytes());
    inputs.push(whole.replace("00000000", "zzzzzzzz").into_bytes());
    inputs.push(whole.replacen("\"now\"", "\"never\"", 1).into_bytes());
    inputs.push(format!("{whole}{whole}").into_bytes());
    for input in inputs {
        let address = plugin.give(&input).expect("room");
        let code = code_of(&plugin.begin_at(address).expect("no trap"));
        assert_eq!(code, "MALFORMED", "{}", String::from_utf8_lossy(&input));
    }
    assert_eq!(plugin.begin(&login())["flow"], 1, "none of the inputs began a flow");
}

#[test]
fn flows_are_separate_and_no_number_is_used_twice() {
    let mut plugin = plugin();
    let [one, two] = [plugin.begin(&login()), plugin.begin(&login())];
    assert_eq!((&one["flow"], &two["flow"]), (&json!(1), &json!(2)));
    plugin.end(1);
    plugin.end(1);
    plugin.end(99);
    let result = json!({ "id": 0, "outcome": { "store": { "ok": null } }, "now": { "wall": 0 } });
    for gone in [0, 1, 3, u32::MAX] {
        assert_eq!(plugin.resume(gone, &result)["error"]["code"], "NOT_WAITING");
        assert_eq!(plugin.suspend(gone)["error"]["code"], "NOT_WAITING");
    }
    assert_eq!(plugin.resume(2, &result)["step"]["perform"]["effect"]["type"], "load_record");
    assert_eq!(plugin.suspend(2), json!({ "suspended": null }));
    assert_eq!(plugin.begin(&login())["flow"], 3);
}

#[test]
fn nothing_is_left_of_a_secret_that_was_freed() {
    let mut plugin = plugin();
    let input = login().to_string();
    let address = plugin.give(input.as_bytes()).expect("room");
    let secret = b"s3cr3t-of-the-client";
    let copies = |plugin: &Plugin| {
        plugin.memory().windows(secret.len()).filter(|octets| octets == secret).count()
    };
    assert_eq!(copies(&plugin), 1);
    plugin.free_at(address).expect("no trap");
    assert_eq!(copies(&plugin), 0);
    assert_eq!(plugin.begin(&login())["flow"], 1);
    plugin.end(1);
    assert_eq!(copies(&plugin), 0);
}

#[test]
fn a_buffer_that_is_too_large_is_refused() {
    let mut plugin = plugin();
    let too_much = plugin.give(&vec![b' '; 256 * 1024 * 1024 + 1]);
    assert!(too_much.is_err());
    assert_eq!(plugin.begin(&login())["flow"], 1);
}

#[test]
fn a_status_says_what_the_record_says() {
    let mut plugin = plugin();
    let look = |record: &str| json!({ "record": record, "profile": "atlassian", "now": 1_767_225_600_000_u64, "chance": 255 });
    let bad = plugin.status(&look("{"));
    assert_eq!(bad["status"]["error"]["code"], "RECORD_UNUSABLE");
    let record = scenario::named("refresh-fresh").steps[0].outcome.clone();
    let record = record.expect("a record")["loaded"]["ok"].as_str().expect("text").to_owned();
    let status = &plugin.status(&look(&record))["status"]["ok"];
    assert_eq!(status["state"], "fresh");
    assert_eq!(status["account"]["name"], "Ada Example");
    assert_eq!(status["login_ends"]["because"], "idle");
    let due = status["due_at"].as_u64().expect("a time");
    let wake = status["wake_at"].as_u64().expect("a time");
    assert!(due < wake && wake < status["expires_at"].as_u64().expect("a time"), "{status}");
    assert!(!status.to_string().contains("refresh-1"), "{status}");
}
