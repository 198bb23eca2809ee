//! Inside a coding agent's sandbox, where the configuration directory is read-only: no request is
//! sent, a working token is served, and the output shows the agent setting that helps.
#![cfg(target_os = "linux")]

use serde_json::Value;
use twg_tests::{Sandbox, TwgCommand};

/// `command` with a read-only configuration directory, as in a sandbox. The network stays as it is.
fn read_only(sandbox: &Sandbox, command: &TwgCommand) -> TwgCommand {
    let dir = sandbox.config_dir();
    let dir = dir.to_str().expect("a name of ours");
    command.behind([
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--ro-bind",
        dir,
        dir,
        "--die-with-parent",
        "--",
    ])
}

const AGENTS: [(&str, &str); 4] = [
    ("CODEX_SANDBOX", "~/.codex/config.toml"),
    ("CLAUDECODE", "~/.claude/settings.json"),
    ("CURSOR_AGENT", "~/.cursor/sandbox.json"),
    ("GEMINI_CLI", "SANDBOX_MOUNTS="),
];

/// A33: a token that is due and cannot be refreshed here is served; nothing is sent.
#[test]
fn a_live_token_is_served_and_nothing_is_sent() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    sandbox.clear_log();
    for (variable, file) in AGENTS {
        let token = sandbox.twg(["auth", "token"]).env(variable, "1");
        let token = read_only(&sandbox, &token).run();
        token
            .expect_success()
            .expect_stderr("Read-only file system")
            .expect_stderr("the access token works for another")
            .expect_stderr(file)
            .expect_stderr("`twg auth refresh` in a terminal outside the coding agent");
        assert_eq!(token.stdout.trim_end(), before.access_token());
    }
    let whoami = sandbox.twg(["whoami"]).env("CLAUDECODE", "1");
    let whoami = read_only(&sandbox, &whoami).run();
    assert!(whoami.expect_success().stdout.contains(Sandbox::USER), "{whoami}");
    assert!(sandbox.refreshes().is_empty());
    assert_eq!(sandbox.record(), before);
    // Without a network a token is served just as well.
    let dir = sandbox.config_dir();
    let cut_off = sandbox.twg(["auth", "token"]).behind([
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--ro-bind",
        dir.to_str().unwrap(),
        dir.to_str().unwrap(),
        "--unshare-net",
        "--",
    ]);
    assert_eq!(cut_off.run().expect_success().stdout.trim_end(), before.access_token());
}

/// A33: with an expired token or a requested refresh: exit 73 with the exact directory and, for
/// each agent, its setting. No request is sent.
#[test]
fn the_configuration_of_the_agent_is_shown() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(3700);
    let before = sandbox.record();
    sandbox.clear_log();
    let dir = sandbox.config_dir();
    let absolute = dir.to_str().unwrap();
    for command in [&["auth", "token"][..], &["auth", "refresh"], &["whoami"], &["api", "/me"]] {
        for (variable, file) in AGENTS {
            let output = read_only(&sandbox, &sandbox.twg(command).env(variable, "1")).run();
            output
                .expect_code(73)
                .expect_stderr("~/config/sandbox")
                .expect_stderr("Nothing was sent to the server; the connection is unchanged.")
                .expect_stderr("`twg auth refresh` in a terminal outside the coding agent")
                .expect_stderr(&format!("with TWG_CONFIG_DIR set to {absolute}."))
                .expect_stderr(file);
            assert_eq!(output.stdout, "");
        }
    }
    let advice = |variable: &str| {
        let command = sandbox.twg(["auth", "refresh", "--json"]).env(variable, "1");
        let json = read_only(&sandbox, &command).run().expect_code(73).json();
        assert_eq!(json["error"]["code"], "STORE_CANNOT_CREATE");
        json["error"]["advice"].as_str().expect("advice").to_owned()
    };
    let snippet = |variable: &str| -> Value {
        let advice = advice(variable);
        let (_, snippet) = advice.split_once("\n\n").expect("a sentence, then the snippet");
        serde_json::from_str(snippet).expect("JSON")
    };
    let claude = snippet("CLAUDECODE");
    assert_eq!(claude["sandbox"]["enabled"], true);
    assert_eq!(
        claude["sandbox"]["filesystem"]["allowWrite"],
        serde_json::json!(["~/config/sandbox"])
    );
    let cursor = snippet("CURSOR_AGENT");
    assert_eq!(cursor["type"], "workspace_readwrite");
    assert_eq!(cursor["additionalReadwritePaths"], serde_json::json!([absolute]));
    let codex = advice("CODEX_SANDBOX");
    for line in [
        "default_permissions = \"twg-workspace\"",
        "[permissions.twg-workspace]",
        "extends = \":workspace\"",
        "[permissions.twg-workspace.filesystem]",
        "\"~/config/sandbox\" = \"write\"",
    ] {
        assert!(codex.lines().any(|found| found == line), "{line}: {codex}");
    }
    let gemini = advice("GEMINI_CLI");
    assert!(gemini.ends_with(&format!("SANDBOX_MOUNTS={absolute}:{absolute}:rw")), "{gemini}");
    // An agent whose settings twg does not know.
    assert!(advice("COPILOT_CLI").contains(absolute));
    assert!(sandbox.log().is_empty(), "{:?}", sandbox.log());
    assert_eq!(sandbox.record(), before);
    // The doctor shows it too.
    let doctor = read_only(&sandbox, &sandbox.twg(["doctor"]).env("CLAUDECODE", "1")).run();
    doctor.expect_code(1).expect_stderr("allowWrite").expect_stderr("outside the coding agent");
    // In a terminal outside the sandbox, it works.
    sandbox.twg(["auth", "refresh"]).run().expect_success();
}

/// ssh-agent and gpg-agent are not coding agents. Outside an agent there is no advice for agents.
#[test]
fn other_agents_do_not_count() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(3700);
    let command = sandbox
        .twg(["auth", "refresh"])
        .env("SSH_AUTH_SOCK", "/run/agent")
        .env("SSH_AGENT_PID", "7")
        .env("GPG_AGENT_INFO", "/run/gpg");
    let output = read_only(&sandbox, &command).run();
    output.expect_code(73).expect_stderr("TWG_CONFIG_DIR").expect_stderr("~/config/sandbox");
    assert!(!output.stderr.contains("coding agent"), "{output}");
    assert!(!output.stderr.contains("settings.json"), "{output}");
}

/// Landlock and Seatbelt say "permission denied" instead. That needs a user who is not root.
#[test]
fn a_directory_without_permission_is_no_different() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    let home = sandbox.home().path().to_str().unwrap().to_owned();
    let dir = sandbox.config_dir();
    // As root: the files get another owner, who may not write.
    let owner = "65534:65534";
    let script = format!("chown -R {owner} '{home}' && chmod 0500 '{}'", dir.display());
    let changed = std::process::Command::new("sh").args(["-c", &script]).status().unwrap();
    if !changed.success() {
        // Without root, the mode of the directory is enough.
        let changed = std::process::Command::new("chmod").arg("0500").arg(&dir).status().unwrap();
        assert!(changed.success());
    }
    let as_owner = |command: &TwgCommand| match changed.success() {
        true => {
            command.behind(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        }
        false => command.clone(),
    };
    let program = sandbox.twg(["auth", "token"]).env("CLAUDECODE", "1");
    let token = as_owner(&program).run();
    token.expect_success().expect_stderr("Permission denied").expect_stderr("settings.json");
    assert_eq!(token.stdout.trim_end(), before.access_token());
    let refresh = as_owner(&sandbox.twg(["auth", "refresh"])).run();
    refresh.expect_code(73).expect_stderr("Permission denied");
    assert!(sandbox.refreshes().is_empty());
    let _ = std::process::Command::new("chmod").arg("0700").arg(&dir).status();
}
