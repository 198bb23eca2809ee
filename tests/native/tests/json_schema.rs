//! Every command's `--json` has a documented schema, and prints exactly what the schema says.
#![cfg(unix)]

use serde_json::Value;
use twg_tests::{Sandbox, TempHome, TwgOutput, manual, schema};

/// These commands use another program's protocol, which documents it.
const OTHERS_PROTOCOLS: [&str; 4] =
    ["auth-git-credential", "auth-docker-credential", "auth-exec-credential", "auth-process"];

#[test]
fn every_command_has_a_schema() {
    let mut missing = Vec::new();
    for name in manual::commands() {
        let excused = OTHERS_PROTOCOLS.contains(&&*name);
        // `sandbox` runs other commands. Its own output is that of `serve` and `switches`.
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

/// Documents that `json_output.rs` does not cover: other states, and commands without requests.
#[test]
fn every_document_is_as_its_schema_says() {
    let sandbox = Sandbox::start();
    let run = |args: &[&str]| sandbox.twg(args).arg("--json").run();
    let home = TempHome::new();
    let alone = |args: &[&str]| home.twg(args).arg("--json").run();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        check("completions", alone(&["completions", shell]).expect_success());
    }
    check("help", alone(&["help"]).expect_success());
    check("help", alone(&["help", "auth", "token"]).expect_success());
    check("help", alone(&["help", "files"]).expect_success());
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
    let given = |args: &[&str]| {
        sandbox.twg(args).arg("--json").env("TWG_OAUTH_ACCESS_TOKEN", "delegated").run()
    };
    check("auth-status", given(&["auth", "status"]).expect_success());
    check("auth-token", given(&["auth", "token"]).expect_success());
    check("doctor", &given(&["doctor"]));
    check("logout", &run(&["logout"]));
    let ended = check("auth-status", run(&["auth", "status"]).expect_code(77));
    assert!(ended["ended"].is_object() || ended["signedIn"] == false, "{ended}");
}

/// Commands that change the machine instead of a login.
#[cfg(target_os = "linux")]
#[test]
fn the_documents_about_the_machine_are_as_their_schemas_say() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let played = twg_tests::Played::scheduler(sandbox.home().path());
    let run = |args: &[&str]| played.before_installed(sandbox.twg(args)).arg("--json").run();
    check("upkeep-status", run(&["upkeep", "status"]).expect_success());
    check("upkeep-enable", run(&["upkeep", "enable"]).expect_success());
    check("upkeep-run", run(&["upkeep", "run"]).expect_success());
    sandbox.age_tokens(2800);
    sandbox.switch("fault.refresh", "503*1");
    let failed = check("upkeep-run", run(&["upkeep", "run"]).expect_code(75));
    assert_eq!(failed["connections"][0]["result"], "failed", "{failed}");
    check("upkeep-status", run(&["upkeep", "status"]).expect_success());
    check("upkeep-disable", run(&["upkeep", "disable"]).expect_success());
    check("update", &run(&["update", "--check"]));

    let org = "2f1a7c34-6a0c-4d3c-9f0e-52a1f6d1b7aa";
    let login = ["admin", "auth", "login", "--email", "mia@example.com", "--org", org];
    let login = |key: &str| {
        let command = sandbox.twg(login).args(["--with-token", "--json"]).stdin(key);
        check("admin-auth-login", &command.run())
    };
    check("admin-auth-status", &run(&["admin", "auth", "status"]));
    assert_eq!(login("wrong")["ok"], false);
    assert_eq!(login("sandbox-admin-key")["ok"], true);
    let works = check("admin-auth-status", run(&["admin", "auth", "status"]).expect_success());
    assert_eq!(works["state"], "works");
    check("admin-auth-logout", run(&["admin", "auth", "logout"]).expect_success());

    let token = ["setup", "bitbucket", "--with-token", "--email", "mia@example.com", "--json"];
    let token = played.before_installed(sandbox.twg(token)).stdin("sandbox-bitbucket-token").run();
    check("setup-bitbucket", token.expect_success());
    check("setup-bitbucket", run(&["setup", "bitbucket"]).expect_success());
    check("setup-bitbucket", run(&["setup", "bitbucket", "--remove"]).expect_success());
    check("setup", run(&["setup"]).expect_success());
    check("uninstall", run(&["uninstall", "--dry-run"]).expect_success());
    check("uninstall", run(&["uninstall", "--yes"]).expect_success());
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
