//! Every command's `--json` has a documented schema, and prints what that says and nothing else.
#![cfg(unix)]

use serde_json::Value;
use twg_tests::{Sandbox, TempHome, TwgOutput, manual, schema};

/// They speak the protocol of another program, which describes it.
const OTHERS_PROTOCOLS: [&str; 4] =
    ["auth-git-credential", "auth-docker-credential", "auth-exec-credential", "auth-process"];

/// Not there yet. Whoever builds one of these adds its schema, runs it below, and takes it from this list.
const LATER: [&str; 7] = [
    "admin-auth-login",
    "admin-auth-logout",
    "admin-auth-status",
    "setup",
    "setup-bitbucket",
    "uninstall",
    "update",
];

#[test]
fn every_command_has_a_schema() {
    let mut missing = Vec::new();
    for name in manual::commands() {
        let excused = OTHERS_PROTOCOLS.contains(&&*name) || LATER.contains(&&*name);
        // `sandbox` runs others: what it does itself is `serve` and `switches`.
        let has_one = schema::path(&name).exists()
            || name == "sandbox" && schema::path("sandbox-serve").exists();
        assert!(!(has_one && excused), "{name} has a schema now: take it from the list");
        if !has_one && !excused {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "no schema in native-cli/json-schema: {missing:?}");
}

fn check(name: &str, output: &TwgOutput) -> Value {
    let document = output.json();
    schema::check(name, &document);
    document
}

/// What the documents of `json_output.rs` do not show: other states, and the commands that ask nobody.
#[test]
fn every_document_is_as_its_schema_says() {
    let sandbox = Sandbox::start();
    let run = |args: &[&str]| sandbox.twg(args).arg("--json").run();
    let home = TempHome::new();
    let alone = |args: &[&str]| home.twg(args).arg("--json").run();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        check("completions", alone(&["completions", shell]).expect_success());
    }
    check("man", alone(&["man", "auth", "token"]).expect_success());
    let dir = home.path().join("man");
    check("man", alone(&["man", "--dir", dir.to_str().expect("text")]).expect_success());
    check("sandbox-switches", alone(&["sandbox", "switches"]).expect_success());
    check("auth-status", run(&["auth", "status"]).expect_code(77));
    check("doctor", &run(&["doctor"]));

    sandbox.sign_in(&[]);
    check("sites-use", run(&["sites", "use", "krystof-design"]).expect_success());
    check("sites", run(&["sites"]).expect_success());
    check("api", run(&["api", "/rest/api/3/myself"]).expect_success());
    check("api", &run(&["api", "/rest/api/3/nothing"]));
    check("auth-refresh", run(&["auth", "refresh", "--force"]).expect_success());
    let bundle = sandbox.home().path().join("bundle.json");
    let bundle = bundle.to_str().expect("text");
    check("doctor", &run(&["doctor", "--fix", "--bundle", bundle]));
    sandbox.age_tokens(2800);
    sandbox.switch("fault.refresh", "502-after*1");
    check("auth-refresh", run(&["auth", "refresh"]).expect_code(75));
    let pending = check("auth-status", run(&["auth", "status"]).expect_success());
    assert!(pending["pendingRefresh"].is_object(), "{pending}");
    sandbox.switch("revocation", "off");
    check("logout", &run(&["logout"]));
    let ended = check("auth-status", run(&["auth", "status"]).expect_code(77));
    assert!(ended["ended"].is_object() || ended["signedIn"] == false, "{ended}");
}

#[test]
fn the_sandbox_says_where_it_is() {
    let home = TempHome::new();
    let serve = home.twg(["sandbox", "serve", "--json"]).start();
    let document =
        serve.stdout.wait_for(twg_tests::PATIENCE, |bytes| serde_json::from_slice(bytes).ok());
    schema::check("sandbox-serve", &document.expect("a document"));
}

/// The comparison can fail.
#[test]
#[should_panic(expected = "Additional properties are not allowed")]
fn a_member_that_no_schema_names_is_found() {
    let mut document = TempHome::new().twg(["completions", "bash", "--json"]).run().json();
    document["surprise"] = 1.into();
    schema::check("completions", &document);
}
