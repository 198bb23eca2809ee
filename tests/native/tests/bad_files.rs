//! Configuration files with mistakes: the error names the file and the mistake, and no request is
//! sent.

use serde_json::Value;
use twg_tests::{Sandbox, ScriptedServer, TempHome, TwgOutput};

fn login_with(home: &TempHome, file: &str) -> TwgOutput {
    home.write_config("providers/scripted.json", file);
    home.twg(["login", "scripted", "--loopback"]).run()
}

/// A13, A46: the provider file decides where secrets go, so twg guesses nothing in it. An endpoint
/// is https or loopback; a redirect URI is loopback with a port and a path, never a private scheme.
#[test]
fn a_provider_file_with_a_mistake_is_refused_by_name() {
    let server = ScriptedServer::start([]);
    let home = TempHome::new();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file = server.provider_file();
        change(&mut file);
        file.to_string()
    };
    let endpoint = |url: &str| {
        let url = url.to_owned();
        with(&move |file| file["endpoints"]["token"] = url.clone().into())
    };
    for (file, said) in [
        (with(&|file| file["isuer"] = "https://example.com".into()), "isuer"),
        (with(&|file| file["endpoints"]["tokens"] = "https://example.com".into()), "tokens"),
        (with(&|file| file["redirect"]["uri"] = "com.example.twg:/callback".into()), "uri"),
        (
            with(&|file| file["redirect"]["path"] = "com.example.twg:/callback".into()),
            "redirect.path",
        ),
        (with(&|file| file["redirect"]["path"] = "//example.com\r\nx".into()), "redirect.path"),
        (with(&|file| file["grants"] = serde_json::json!(["implicit"])), "grants: use one of"),
        (with(&|file| file["scopes"] = serde_json::json!(["a b"])), "scopes"),
        (with(&|file| file["authorize_parameters"] = serde_json::json!({"state": "1"})), "state"),
        (with(&|file| file["schema_version"] = 2.into()), "schema_version"),
        (with(&|file| file["name"] = "other".into()), "'name'"),
        (with(&|file| drop(file.as_object_mut().unwrap().remove("endpoints"))), "endpoints.token"),
        (endpoint("http://example.com/token"), "https"),
        (endpoint("http://127.0.0.1.example.com/token"), "https"),
        (endpoint("https://user@example.com/token"), "user"),
        (endpoint("https://example.com/token#x"), "fragment"),
        (endpoint("javascript:alert(1)"), "endpoints.token: it has no host"),
        (endpoint("file:///etc/passwd"), "endpoints.token: it has no host"),
        (endpoint("\\\\example.com\\token"), "endpoints.token: it contains"),
        ("{\"schema_version\":1,".into(), "line 1"),
        (String::new(), "line 1"),
        ("\u{0}\u{1b}[2J\u{fffd}".into(), "line 1"),
    ] {
        let output = login_with(&home, &file);
        output
            .expect_code(78)
            .expect_stderr("~/config/providers/scripted.json")
            .expect_stderr(said);
        assert!(!output.stderr.contains('\u{1b}'), "{output}");
        let json = home.twg(["login", "scripted", "--json"]).run();
        assert_eq!(json.expect_code(78).json()["error"]["code"], "CONFIGURATION");
    }
    assert_eq!(server.connections(), 0);
    assert!(!home.config_dir().join("connections").exists());
}

#[test]
fn a_provider_that_does_not_exist_is_named_with_those_that_do() {
    let home = TempHome::new();
    let output = home.twg(["login", "atlasian"]).run();
    output.expect_code(2).expect_stderr("atlasian").expect_stderr("atlassian and bitbucket");
    output.expect_stderr("~/config/providers/atlasian.json");
    for name in ["../../etc/passwd", "a\u{1b}[2J", "", "con/fig"] {
        let output = home.twg(["login", name]).run();
        output.expect_code(2);
        assert!(!output.stderr.contains('\u{1b}'), "{output}");
    }
    assert!(!home.config_dir().exists(), "a command that only reads creates nothing");
}

#[test]
fn a_damaged_client_file_is_named_and_not_quoted() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let before = sandbox.record();
    sandbox.clear_log();
    let path = sandbox.config_dir().join("clients/atlassian.conf");
    let again = "`twg login --new-client`";
    for (damage, remedy) in [
        (r#"{"schema_version":1,"client_id":"x","client_secret":"canary-secret""#, again),
        (r#"{"schema_version":1,"client_id":"canary secret"}"#, again),
        (r#"{"schema_version":1,"client_id":1,"client_secret":"canary-secret"}"#, again),
        (
            r#"{"schema_version":2,"client_id":"x","client_secret":"canary-secret"}"#,
            "Update this twg",
        ),
        ("", again),
        ("canary-secret \u{0}\u{1b}[2J", again),
    ] {
        std::fs::write(&path, damage).unwrap();
        let output = sandbox.twg(["login", "--force", "--loopback"]).run();
        output
            .expect_code(78)
            .expect_stderr("~/config/sandbox/clients/atlassian.conf")
            .expect_stderr(remedy);
        assert!(!output.stderr.contains("canary"), "{output}");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            damage,
            "the user may want to repair it"
        );
    }
    assert!(sandbox.log().is_empty());
    assert_eq!(sandbox.record(), before);
    // A damaged file does not prevent a logout.
    sandbox.twg(["logout"]).run().expect_success();
    assert!(!sandbox.accepts(before.access_token()));
}

#[test]
fn a_wrong_client_id_is_the_clients_fault() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--device"]);
    login
        .clone()
        .env("TWG_CLIENT_ID", "unknown")
        .run()
        .expect_code(78)
        .expect_stderr("--new-client");
    let typed = login.clone().env("TWG_CLIENT_ID", "two words").run();
    typed.expect_code(78).expect_stderr("TWG_CLIENT_ID");
    login.args(["--client-id", ""]).run().expect_code(78).expect_stderr("--client-id");
}

#[test]
fn a_relative_configuration_directory_is_refused() {
    let home = TempHome::new();
    let output = home.twg(["login"]).env("TWG_CONFIG_DIR", "here").run();
    output.expect_code(78).expect_stderr("TWG_CONFIG_DIR").expect_stderr("'here'");
    let output = home.twg(["login"]).env_remove("TWG_CONFIG_DIR").env("HOME", "").run();
    output.expect_code(78).expect_stderr("HOME is not set");
}

/// A service, a container or a `cron` job may have no `HOME`: then the system names the home
/// directory.
#[test]
fn without_home_the_system_names_the_directory() {
    let home = TempHome::new();
    let twg = |words: &[&str]| home.twg(words).env_remove("TWG_CONFIG_DIR").env_remove("HOME");
    // Only commands that neither read nor write there, because it is the home of the user who runs
    // the test.
    twg(&["completions", "bash"]).run().expect_success();
    let delegated = twg(&["auth", "token"]).env("TWG_OAUTH_ACCESS_TOKEN", "delegated").run();
    assert_eq!(delegated.expect_success().stdout, "delegated\n");
}
