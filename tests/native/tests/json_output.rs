//! `--json`: exactly one document on standard output, in success and failure.

use serde_json::Value;
use twg_tests::{Sandbox, TwgOutput, schema};

/// What holds for every document: it follows its schema `name`, contains no token, and has times in
/// one format.
fn check(name: &str, output: &TwgOutput, secrets: &[&str]) -> Value {
    let document = output.json();
    schema::check(name, &document);
    assert_eq!(document["schemaVersion"], 1, "{output}");
    assert!(output.stdout.ends_with("}\n"), "{output}");
    for secret in secrets {
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret), "{output}");
    }
    check_times(&document);
    document
}

/// Members whose name ends in `At` are RFC 3339 times in UTC, or null.
fn check_times(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if name.ends_with("At") && !value.is_null() {
                    let text = value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
                    let shape: String =
                        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                    assert_eq!(shape, "0000-00-00T00:00:00Z", "{name}");
                    assert!(text.starts_with("20"), "{name}: {text}");
                }
                check_times(value);
            }
        }
        Value::Array(values) => values.iter().for_each(check_times),
        _ => {}
    }
}

#[test]
fn every_command_prints_one_document_without_secrets() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--loopback", "--json"]).start();
    let login = sandbox.finish(login);
    let record = sandbox.record();
    let secrets = [record.access_token(), record.refresh_token().unwrap()];
    let signed_in = check("login", login.expect_success(), &secrets);
    assert_eq!(signed_in["ok"], true);
    assert_eq!(signed_in["account"]["name"], "Mia Krystof");
    assert_eq!(signed_in["alreadySignedIn"], false);

    let run = |args: &[&str]| sandbox.twg(args).arg("--json").run();
    let again = check("login", run(&["login"]).expect_success(), &secrets);
    assert_eq!(again["alreadySignedIn"], true);
    let plan = check("login", run(&["login", "--explain"]).expect_success(), &secrets);
    assert_eq!(plan["grants"], serde_json::json!(["device_code", "authorization_code"]));
    let who = check("whoami", run(&["whoami"]).expect_success(), &secrets);
    assert_eq!(who["account"]["email"], "mia@example.com");
    let sites = check("sites", run(&["sites"]).expect_success(), &secrets);
    assert_eq!(sites["sites"][0]["name"], "krystof-design");
    let status = check("auth-status", run(&["auth", "status"]).expect_success(), &secrets);
    assert_eq!(status["tokenState"], "fresh");
    assert!(status["accessTokenExpiresAt"].is_string() && status["loginEndsAt"].is_string());
    let doctor = check("doctor", &run(&["doctor"]), &secrets);
    assert_eq!(doctor["schemaVersion"], 1);
    let fresh = check("auth-refresh", run(&["auth", "refresh"]).expect_success(), &secrets);
    assert_eq!(fresh["result"], "fresh");
    let me = check("api", run(&["api", "/me"]).expect_success(), &secrets);
    assert_eq!(me["body"]["email"], "mia@example.com");

    let token = check("auth-token", run(&["auth", "token"]).expect_success(), &secrets[1..]);
    assert_eq!(token["accessToken"], record.access_token());
    assert_eq!(token["tokenType"], "Bearer");

    let out = check("logout", run(&["logout"]).expect_success(), &secrets);
    assert_eq!(out["connections"][0]["state"], "signed_out");
    let out = check("logout", run(&["logout"]).expect_success(), &secrets);
    assert_eq!(out["connections"][0]["state"], "not_signed_in");
    let status = check("auth-status", run(&["auth", "status"]).expect_code(77), &secrets);
    assert_eq!(status["signedIn"], false);
    check("doctor", &run(&["doctor"]), &secrets);
}

#[test]
fn every_error_is_one_document_with_a_code() {
    let sandbox = Sandbox::start();
    let declined = sandbox.twg(["login", "--loopback", "--json"]).start();
    let _page = sandbox.decline(&twg_tests::Browser::new(), &declined.wait_for_address());
    let cancelled = sandbox.twg(["login", "--loopback", "--json"]).start();
    let _shown = cancelled.wait_for_address();
    #[cfg(unix)]
    cancelled.interrupt();
    let run = |args: &[&str]| sandbox.twg(args).arg("--json").run();
    for (output, exit, code) in [
        (declined.wait(), 1, "ACCESS_DENIED"),
        (cancelled.wait(), 130, "CANCELLED"),
        (run(&["auth", "token"]), 77, "AUTH_REQUIRED"),
        (run(&["whoami"]), 77, "AUTH_REQUIRED"),
        (run(&["sites"]), 77, "AUTH_REQUIRED"),
        (run(&["login", "unknown"]), 2, "USAGE"),
        (run(&["login", "--nonsense"]), 2, "USAGE"),
        (run(&["login", "--device", "--loopback"]), 2, "USAGE"),
        (run(&["nonsense"]), 2, "USAGE"),
        (run(&["login", "--timeout", "0"]), 2, "USAGE"),
        (run(&["login", "--client-id", "two words"]), 78, "CONFIGURATION"),
        (run(&["login", "--loopback", "--timeout", "1"]), 1, "LOGIN_TIMED_OUT"),
    ] {
        let document = check("error", output.expect_code(exit), &[]);
        assert_eq!(document["ok"], false, "{output}");
        let error = &document["error"];
        assert_eq!(error["code"], code, "{output}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{output}");
        assert!(error["hint"].is_string() || exit == 130 || exit == 78, "no hint: {output}");
        assert_eq!(error["retryable"], false, "{output}");
    }
    sandbox.switch("fault.device", "503");
    let down = run(&["login", "--device"]);
    let down = check("error", down.expect_code(75), &[]);
    assert_eq!(down["error"]["retryable"], true);
}

/// Standard output has only data, and commands that print data write no comments to standard error.
#[test]
fn standard_output_is_data_and_standard_error_is_for_people() {
    let sandbox = Sandbox::start();
    for quiet in [&[][..], &["--quiet"]] {
        let output = sandbox.sign_in(&[&["--force"], quiet].concat());
        assert_eq!(output.stdout, "", "{output}");
        assert_eq!(output.stderr.contains('✔'), quiet.is_empty(), "{output}");
        // A user who must act sees the URL, also with `--quiet`.
        output.expect_stderr("/authorize?");
    }
    for args in [&["auth", "token"][..], &["whoami"], &["sites"], &["auth", "status"]] {
        let output = sandbox.twg(args).run();
        assert_eq!(output.expect_success().stderr, "", "{output}");
        assert!(!output.stdout.is_empty());
    }
    for args in [&["login"][..], &["logout"], &["logout"], &["whoami"], &["auth", "token"]] {
        assert_eq!(sandbox.twg(args).run().stdout, "", "{args:?}");
    }
}

#[test]
fn colours_appear_only_on_request() {
    let sandbox = Sandbox::start();
    let output = sandbox.sign_in(&[]);
    assert!(!output.stderr.contains('\u{1b}'), "{output}");
    let forced = sandbox.twg(["login"]).env("CLICOLOR_FORCE", "1").run();
    assert!(forced.expect_success().stderr.contains('\u{1b}'), "{forced}");
    let never = sandbox.twg(["login"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").run();
    assert!(!never.expect_success().stderr.contains('\u{1b}'), "{never}");
}

/// Failed output is a failure, because a reader must not take an incomplete file for the result.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let commands = [
        &["whoami"][..],
        &["whoami", "--json"],
        &["sites"],
        &["auth", "status"],
        &["auth", "token"],
        &["completions", "bash"],
        &["man"],
    ];
    for args in commands {
        let shell = ["sh", "-c", "exec \"$@\" >/dev/full", "sh"];
        let output = sandbox.twg(args).behind(shell).run();
        output.expect_code(1).expect_stderr("Cannot write to standard output");
        // A closed pipe is not an error, except for a token, because a program needs it.
        if args == ["auth", "token"] {
            continue;
        }
        let closed = ["sh", "-c", "\"$@\" | true", "sh"];
        assert_eq!(sandbox.twg(args).behind(closed).run().expect_success().stderr, "");
    }
}

/// Programs, too, learn which argument is missing.
#[test]
fn a_usage_error_names_what_is_missing() {
    let home = twg_tests::TempHome::new();
    let says = |args: &[&str]| {
        let output = home.twg(args).run();
        output.expect_code(2).json()["error"]["message"].as_str().expect("text").to_owned()
    };
    let missing = says(&["--json", "admin", "auth", "login"]);
    assert!(missing.contains("--email <EMAIL>") && missing.contains("--org <ID>"), "{missing}");
    assert_eq!(says(&["--json", "upkeep"]), "A subcommand is missing");
}
