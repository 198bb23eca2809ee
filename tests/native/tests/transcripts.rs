//! What users see, command after command: `transcripts/NAME.txt`. Read your changed messages there,
//! in their context.
//!
//! `SNAPSHOTS=overwrite cargo test -p twg-tests --test transcripts` writes them again; then read
//! the difference.
#![cfg(unix)]

use snapbox::{Assert, Data, Redactions};
use twg_tests::{Played, Sandbox, TempHome, TwgCommand, repository};

/// A session at a prompt.
struct Session {
    text: String,
}

impl Session {
    const fn new() -> Self {
        Self { text: String::new() }
    }

    /// Runs a command. Records the command line (`before` is the environment), all output in its
    /// order, and the exit code if it is not 0.
    fn run(&mut self, before: &str, command: &TwgCommand, typed: &[&str]) {
        let output = command.behind(["sh", "-c", "exec \"$@\" 2>&1", "sh"]).run();
        let words: Vec<String> = typed.iter().map(|word| quoted(word)).collect();
        self.text.push_str(&format!("$ {before}twg {}\n{}", words.join(" "), output.stdout));
        if let Some(code) = output.code().filter(|code| *code != 0) {
            self.text.push_str(&format!("[exit {code}]\n"));
        }
        self.text.push('\n');
    }

    /// Compares the session with the stored transcript.
    #[track_caller]
    fn assert_is(self, name: &str) {
        let path = repository().join(format!("tests/native/transcripts/{name}.txt"));
        let assert = Assert::new().action_env("SNAPSHOTS").redact_with(redactions());
        assert.eq(self.text, Data::read_from(&path, None));
    }
}

fn quoted(word: &str) -> String {
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,@".contains(&b));
    if plain { word.to_owned() } else { format!("'{word}'") }
}

/// Replaces text that differs from run to run.
fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    let patterns = [
        ("[PORT]", r"127\.0\.0\.1:(?<redacted>\d+)"),
        ("[CODE]", r"\b(?<redacted>[B-DF-HJ-NP-TV-Z]{4}-[B-DF-HJ-NP-TV-Z]{4})\b"),
        ("[TIME]", r"(?<redacted>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"),
        ("[SPAN]", r"(?<redacted>\b\d+ (days?|h|min|s)( \d+ (h|min|s))?\b)"),
        ("[TOKEN]", r"(?<redacted>\beyJ[A-Za-z0-9_.-]+)"),
        ("[HOME]", r"(?<redacted>/tmp/twg-test-\w+)"),
        ("[HASH]", r"twg-upkeep-(?<redacted>[0-9a-f]{8})"),
        ("[PROGRAM]", r"(?<redacted>/\S+/debug/twg)\b"),
    ];
    for (name, pattern) in patterns {
        let pattern = regex::Regex::new(pattern).expect("a pattern");
        redactions.insert(name, pattern).expect("a name in brackets");
    }
    redactions
}

/// The first day: sign in, look around, sign out.
#[test]
fn first_day() {
    let sandbox = Sandbox::start();
    let mut session = Session::new();
    for typed in [&["whoami"][..], &["auth", "token"], &["auth", "status"]] {
        session.run("", &sandbox.twg(typed), typed);
    }
    sandbox.sign_in(&[]);
    for typed in [
        &["login"][..],
        &["whoami"],
        &["sites"],
        &["sites", "use", "krystof-design"],
        &["auth", "status"],
        &["auth", "refresh"],
        &["api", "/rest/api/3/serverInfo"],
        &["api", "/wiki/api/v2/spaces"],
        &["api", "/rest/api/3/nothing"],
        &["logout"],
        &["logout"],
        &["auth", "status"],
    ] {
        session.run("", &sandbox.twg(typed), typed);
    }
    session.assert_is("first_day");
}

/// Credentials from the environment, valid and not.
#[test]
fn environment() {
    let sandbox = Sandbox::start();
    let mut session = Session::new();
    let api_token = [("TWG_USER", "mia@example.com"), ("TWG_TOKEN", "sandbox-classic-token")];
    let mut run = |variables: &[(&str, &str)], typed: &[&str]| {
        let before: String =
            variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        let command = variables
            .iter()
            .fold(sandbox.twg(typed), |command, (name, value)| command.env(name, value));
        session.run(&before, &command, typed);
    };
    run(&[("TWG_OAUTH_ACCESS_TOKEN", "delegated")], &["auth", "status"]);
    run(&[("TWG_OAUTH_ACCESS_TOKEN", "delegated")], &["auth", "token"]);
    run(&[("TWG_OAUTH_ACCESS_TOKEN", "delegated")], &["whoami"]);
    run(&api_token[1..], &["whoami"]);
    run(&api_token, &["whoami"]);
    let site = |name| [api_token[0], api_token[1], ("TWG_SITE", name)];
    run(&site("krystof-design"), &["whoami"]);
    run(&site("krystof-design"), &["sites"]);
    run(&site("krystof-design"), &["auth", "status"]);
    run(&site("krystof-design"), &["auth", "token"]);
    run(&site("evil.example"), &["whoami"]);
    run(&[api_token[0], ("TWG_TOKEN", "other"), ("TWG_SITE", "krystof-design")], &["whoami"]);
    session.assert_is("environment");
}

/// The questions of other programs, and the credentials that are not logins.
#[test]
fn credentials() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let mut session = Session::new();
    let org = "2f1a7c34-6a0c-4d3c-9f0e-52a1f6d1b7aa";
    let mut run = |input: &str, typed: &[&str]| {
        let before = if input.is_empty() { String::new() } else { "... | ".to_owned() };
        session.run(&before, &sandbox.twg(typed).stdin(input), typed);
    };
    let admin =
        ["admin", "auth", "login", "--email", "mia@example.com", "--org", org, "--with-token"];
    let bitbucket = ["setup", "bitbucket", "--with-token", "--email", "mia@example.com"];
    run("", &["admin", "auth", "status"]);
    run("wrong-key", &admin);
    run("sandbox-admin-key", &admin);
    run("", &["admin", "auth", "status"]);
    run("", &["admin", "auth", "logout"]);
    run("wrong-token", &bitbucket);
    run("sandbox-bitbucket-token", &bitbucket);
    run("", &["setup", "bitbucket"]);
    run("", &["auth", "status"]);
    run("protocol=https\nhost=github.com\n\n", &["auth", "git-credential", "get"]);
    run("https://index.docker.io/v1/", &["auth", "docker-credential", "get"]);
    run("", &["setup", "bitbucket", "--remove"]);
    session.assert_is("credentials");
}

/// Commands that change the machine, with and without a scheduler.
#[test]
fn machine() {
    let sandbox = Sandbox::start();
    let played = Played::scheduler(sandbox.home().path());
    std::fs::create_dir(sandbox.home().path().join(".claude")).expect("a directory");
    let mut session = Session::new();
    let mut run = |typed: &[&str]| {
        let command = played.before_installed(sandbox.twg(typed)).env("SHELL", "/bin/bash");
        session.run("", &command, typed);
    };
    run(&["setup"]);
    sandbox.sign_in(&[]);
    run(&["setup"]);
    played.timer_is("active", "enabled");
    run(&["upkeep", "run"]);
    run(&["upkeep", "status"]);
    run(&["update"]);
    run(&["update", "--check"]);
    run(&["uninstall"]);
    run(&["uninstall", "--dry-run"]);
    run(&["upkeep", "disable"]);
    played.timer_is("inactive", "");
    run(&["upkeep", "disable"]);
    played.program("systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    run(&["upkeep", "enable"]);
    run(&["upkeep", "status"]);
    run(&["uninstall", "--yes"]);
    session.assert_is("machine");
}

/// Mistakes on the command line, before any login.
#[test]
fn mistakes() {
    let home = TempHome::new();
    let mut session = Session::new();
    for typed in [
        &["logn"][..],
        &["login", "--device", "--loopback"],
        &["login", "unknown"],
        &["login", "--no-input"],
        &["sites", "use"],
        &["api", "PLUS", "/me"],
        &["auth", "refresh"],
        &["doctor", "example"],
    ] {
        session.run("", &home.twg(typed), typed);
    }
    session.assert_is("mistakes");
}
