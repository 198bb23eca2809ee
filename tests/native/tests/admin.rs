//! `twg admin auth`: an organization's API key, kept apart from every connection.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use twg_tests::{Reply, Sandbox, ScriptedServer, TempHome, TwgCommand};

const ORG: &str = "2f1a7c34-6a0c-4d3c-9f0e-52a1f6d1b7aa";
const KEY: &str = "sandbox-admin-key";

fn login(sandbox: &Sandbox) -> TwgCommand {
    sandbox.twg(["admin", "auth", "login", "--email", "mia@example.com", "--org", ORG])
}

#[test]
fn the_key_is_entered_checked_kept_apart_and_forgotten() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let login_file = std::fs::read(sandbox.config_dir().join("auth.conf")).unwrap();
    let mut screen = login(&sandbox).in_terminal();
    screen.wait_for("Admin API key (not shown):");
    screen.wait_for_no_echo();
    screen.send_line(KEY);
    screen.wait_for("Day it expires, so that twg can warn you (YYYY-MM-DD; Enter if unknown):");
    screen.send_line("soon");
    screen.wait_for("'soon' is not a day such as 2027-01-31");
    screen.send_line("2999-12-31");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    let shown = screen.screen();
    assert!(
        shown.contains("✔ Atlassian accepts the key for Krystof Design\n✔ Saved to "),
        "{shown}"
    );
    assert!(!screen.transcript().contains(KEY), "{shown}");

    let file = sandbox.config_dir().join("admin.conf");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(std::fs::read_to_string(&file).unwrap().contains(KEY));
    assert_eq!(std::fs::read(sandbox.config_dir().join("auth.conf")).unwrap(), login_file);

    let status = sandbox.twg(["admin", "auth", "status"]).run();
    assert!(status.expect_success().stdout.contains("Krystof Design"), "{status}");
    assert!(
        status.stdout.contains("Expires      at the end of 2999-12-31 (UTC)\n")
            && status.stdout.contains("Key          works")
            && !status.stdout.contains(KEY),
        "{status}"
    );
    let json = sandbox.twg(["admin", "auth", "status", "--json"]).run();
    assert!(!json.stdout.contains(KEY));
    let json = json.expect_success().json();
    assert_eq!((&json["schemaVersion"], &json["state"]), (&json!(1), &json!("works")));
    assert_eq!(json["key"]["expiresAt"], "3000-01-01T00:00:00Z");
    assert_eq!(json["key"]["organization"], ORG);

    // The doctor checks the key too.
    let key = || {
        let doctor = sandbox.twg(["doctor"]).run().stdout;
        doctor.lines().find(|line| line.contains("admin key")).expect("a line").to_owned()
    };
    assert!(key().starts_with('✔') && key().ends_with("; it is accepted"), "{}", key());
    let right = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, right.replace(KEY, "another-key")).unwrap();
    assert!(key().starts_with('✘') && key().contains("not accept"), "{}", key());
    std::fs::write(&file, right).unwrap();

    let logout = sandbox.twg(["admin", "auth", "logout"]).run();
    logout.expect_success().expect_stderr("until you revoke it at https://admin.atlassian.com");
    assert!(!file.exists());
    sandbox.twg(["admin", "auth", "logout"]).run().expect_success().expect_stderr("nothing to do");
    sandbox
        .twg(["admin", "auth", "status"])
        .run()
        .expect_code(77)
        .expect_stderr("admin auth login");
    assert_eq!(std::fs::read(sandbox.config_dir().join("auth.conf")).unwrap(), login_file);
}

/// A person's token, a key of another organization, and text that is not an organization id:
/// nothing is stored, and the error gives the reason.
#[test]
fn keys_that_do_not_fit_the_organization() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let access = sandbox.record().access_token().to_owned();
    let wrong = login(&sandbox).arg("--with-token").stdin(access.clone()).run();
    wrong.expect_code(77).expect_stderr("API tokens and access tokens do not work here");
    assert!(!wrong.stderr.contains(&access));
    let other = ["admin", "auth", "login", "--email", "a@b.c", "--with-token", "--org"];
    let nowhere = sandbox.twg(other).arg("00000000-0000-0000-0000-000000000000").stdin(KEY).run();
    nowhere.expect_code(77).expect_stderr("no organization with this ID");
    sandbox.clear_log();
    for bad in ["", "..", "../../me", "a/b", "a?b", "a#b", "a%2fb", "a b", "ä", "\u{1b}[2J"] {
        let output = sandbox.twg(other).arg(bad).stdin(KEY).run();
        output.expect_code(2);
        assert!(!output.stderr.contains('\u{1b}'), "{bad:?}");
    }
    assert!(sandbox.log().is_empty(), "nothing was sent");
    login(&sandbox).run().expect_code(2).expect_stderr("--with-token");
    login(&sandbox)
        .args(["--with-token", "--expires", "2026-02-30"])
        .stdin(KEY)
        .run()
        .expect_code(2);
    login(&sandbox).args(["--key", "canary"]).run().expect_code(2);
    assert!(!sandbox.config_dir().join("admin.conf").exists());
}

/// A refused key does not replace a stored one. A key that expires soon leads to a warning. A
/// server in trouble proves nothing about the key.
#[test]
fn a_key_that_worked_is_kept() {
    let sandbox = Sandbox::start();
    let with_key = login(&sandbox).arg("--with-token").stdin(KEY);
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3 * 24 * 3600);
    let seconds = soon.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let named = with_key.clone().args(["--expires", &day(seconds)]).run();
    named.expect_success().expect_stderr("The key expires in 3 days");
    let file = sandbox.config_dir().join("admin.conf");
    let kept = std::fs::read(&file).unwrap();
    with_key.clone().stdin("canary-wrong").run().expect_code(77).expect_stderr("is unchanged");
    assert_eq!(std::fs::read(&file).unwrap(), kept);
    let status = sandbox.twg(["admin", "auth", "status"]).run();
    status.expect_success().expect_stderr("create the next one");

    // With a revoked key, and with a server in trouble, the file stays as it was.
    for (reply, code, state) in [
        (Reply::json("401 Unauthorized", r#"{"errors":[{"code":"ADMIN-401-2"}]}"#), 77, "rejected"),
        (Reply::json("403 Forbidden", r#"{"status":403,"error":"Forbidden"}"#), 77, "rejected"),
        (Reply::http("403 Forbidden", "text/html", "<h1>proxy</h1>"), 75, "not_checked"),
        (Reply::http("401 Unauthorized", "text/html", "<h1>proxy</h1>"), 75, "not_checked"),
        (Reply::json("500 Oops", "{}"), 75, "not_checked"),
        (Reply::json("200 OK", r#"{"data":{"id":"another"}}"#), 1, "not_checked"),
        (Reply::reset(), 75, "not_checked"),
    ] {
        let shown = format!("{reply:?}");
        let server = ScriptedServer::answering(move |_| reply.clone());
        let home = TempHome::new();
        let mut profile = server.provider_file();
        profile["name"] = "atlassian".into();
        profile["sites"] = server.url("/sites").into();
        home.write_config("providers/atlassian.json", profile.to_string());
        home.write_config("admin.conf", &kept);
        let status = home.twg(["admin", "auth", "status", "--json"]).run();
        let json = status.expect_code(code).json();
        assert_eq!(json["state"], state, "{shown}");
        assert_eq!(std::fs::read(home.config_dir().join("admin.conf")).unwrap(), kept);
        let [request] = &server.requests()[..] else { panic!("{shown}: one request") };
        assert_eq!(request.target, format!("/admin/v1/orgs/{ORG}"));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    }
}

/// A time as `YYYY-MM-DD`.
fn day(seconds: u64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%d"])
        .output()
        .expect("date starts");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// `status` refuses a damaged file. A login with a new key moves it aside.
#[test]
fn damaged_and_newer_files() {
    let sandbox = Sandbox::start();
    let file = sandbox.config_dir().join("admin.conf");
    std::fs::write(&file, "torn").unwrap();
    sandbox.twg(["admin", "auth", "status"]).run().expect_code(78).expect_stderr("damaged");
    let with_key = login(&sandbox).arg("--with-token").stdin(KEY);
    with_key.run().expect_success().expect_stderr("was moved, unchanged, to");
    let newer = r#"{"schema_version":7}"#;
    std::fs::write(&file, newer).unwrap();
    with_key.run().expect_code(78).expect_stderr("Update this twg");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
}
