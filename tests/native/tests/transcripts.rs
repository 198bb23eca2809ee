//! What people see, command after command: `transcripts/NAME.txt`. Whoever changes a message reads it there
//! as its reader will.
//!
//! `SNAPSHOTS=overwrite cargo test -p twg-tests --test transcripts` writes them anew; read the difference.
#![cfg(unix)]

use snapbox::{Assert, Data, Redactions};
use twg_tests::{Sandbox, TempHome, TwgCommand, repository};

/// A session at a prompt.
struct Session {
    text: String,
}

impl Session {
    const fn new() -> Self {
        Self { text: String::new() }
    }

    /// Runs a command, and writes down what was typed (`before` stands for what the environment brings),
    /// everything that it said in the order in which it said it, and how it ended if not well.
    fn run(&mut self, before: &str, command: &TwgCommand, typed: &[&str]) {
        let output = command.behind(["sh", "-c", "exec \"$@\" 2>&1", "sh"]).run();
        let words: Vec<String> = typed.iter().map(|word| quoted(word)).collect();
        self.text.push_str(&format!("$ {before}twg {}\n{}", words.join(" "), output.stdout));
        if let Some(code) = output.code().filter(|code| *code != 0) {
            self.text.push_str(&format!("[exit {code}]\n"));
        }
        self.text.push('\n');
    }

    /// Compares it with the one that was read and found good.
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

/// What differs from run to run.
fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    let patterns = [
        ("[PORT]", r"127\.0\.0\.1:(?<redacted>\d+)"),
        ("[CODE]", r"\b(?<redacted>[B-DF-HJ-NP-TV-Z]{4}-[B-DF-HJ-NP-TV-Z]{4})\b"),
        ("[TIME]", r"(?<redacted>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"),
        ("[SPAN]", r"(?<redacted>\b\d+ (days?|h|min|s)( \d+ (h|min|s))?\b)"),
        ("[TOKEN]", r"(?<redacted>\beyJ[A-Za-z0-9_.-]+)"),
        ("[HOME]", r"(?<redacted>/tmp/twg-test-\w+)"),
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

/// Credentials of the environment, good and bad.
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

/// Mistakes at the command line, where nobody ever signed in.
#[test]
fn mistakes() {
    let home = TempHome::new();
    let mut session = Session::new();
    for typed in [
        &["logn"][..],
        &["login", "--device", "--loopback"],
        &["login", "nobody"],
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
