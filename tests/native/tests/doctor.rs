//! `twg doctor` tries things instead of reporting settings. `twg auth status` shows pending
//! refreshes and ended logins.
#![cfg(target_os = "linux")]

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};
use twg_tests::{Reply, Sandbox, ScriptedServer, TempHome, TwgOutput};

/// A check of the doctor, by name: its verdict and its finding.
fn check(output: &TwgOutput, name: &str) -> (String, String) {
    let document = output.json();
    let checks = document["checks"].as_array().expect("checks").clone();
    let found = checks.iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no check {name}: {output}"));
    let text = |member: &str| found[member].as_str().expect("text").to_owned();
    (text("verdict"), text("found"))
}

fn signed_in() -> Sandbox {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox
}

#[test]
fn everything_is_proven_where_all_is_well() {
    let sandbox = signed_in();
    let before = sandbox.record();
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    doctor.expect_success();
    for name in ["login", "store", "lock", "privacy", "clock", "server", "token"] {
        assert_eq!(check(&doctor, name).0, "good", "{name}: {doctor}");
    }
    assert!(check(&doctor, "lock").1.contains("a second process could not take it"), "{doctor}");
    assert!(check(&doctor, "store").1.contains("replaced atomically and durably"), "{doctor}");
    assert_eq!(sandbox.record(), before);
    let names: Vec<_> = std::fs::read_dir(sandbox.config_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("doctor"))
        .collect();
    assert!(names.is_empty(), "it leaves nothing behind: {names:?}");
    let people = sandbox.twg(["doctor"]).run();
    assert!(people.expect_success().stdout.contains("✔ lock"), "{people}");
}

/// The doctor's second process really tests the lock: while another process holds that lock, the
/// check fails.
#[test]
fn the_probe_of_the_lock_can_fail() {
    let sandbox = signed_in();
    let lock = sandbox.home().path().join("config/sandbox/.probe.lock");
    let probe = |what: &str| {
        let words = ["doctor", "--probe-lock", what, "--probe-file"];
        sandbox.twg(words).arg(&lock)
    };
    probe("try").run().expect_success();
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    file.lock().unwrap();
    probe("try").run().expect_code(75);
    drop(file);
    probe("try").run().expect_success();
}

/// Each check fails if its subject is broken.
#[test]
fn broken_things_are_found() {
    let sandbox = signed_in();
    let dir = sandbox.config_dir();
    let read_only =
        format!("mount --bind '{0}' '{0}'; mount -o remount,ro,bind '{0}'", dir.display());
    let doctor = sandbox.twg(["doctor", "--json"]).after_mounting(&read_only).run();
    doctor.expect_code(1);
    for name in ["store", "lock"] {
        let (verdict, found) = check(&doctor, name);
        assert_eq!(verdict, "bad", "{doctor}");
        assert!(found.contains("Read-only file system"), "{found}");
    }
    let mounted = format!("mount --bind '{0}/auth.conf' '{0}/auth.conf'", dir.display());
    let doctor = sandbox.twg(["doctor", "--json"]).after_mounting(&mounted).run();
    assert_eq!(check(&doctor, "store").0, "bad", "{doctor}");

    symlink(dir.join("auth.conf"), dir.join(".doctor.lock")).unwrap();
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    assert_eq!(check(&doctor, "lock").0, "bad", "{doctor}");
    std::fs::remove_file(dir.join(".doctor.lock")).ok();

    let record = dir.join("auth.conf");
    std::fs::set_permissions(&record, std::fs::Permissions::from_mode(0o644)).unwrap();
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    let (verdict, found) = check(&doctor, "privacy");
    assert_eq!(verdict, "bad", "{doctor}");
    assert!(found.contains("auth.conf has mode 0644"), "{found}");
    std::fs::set_permissions(&record, std::fs::Permissions::from_mode(0o600)).unwrap();

    sandbox.switch("date-skew", "-7200");
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    let (verdict, found) = check(&doctor, "server");
    assert_eq!(verdict, "bad", "{doctor}");
    assert!(found.contains("set the clock"), "{found}");
    sandbox.switch("date-skew", "0");
    sandbox.twg(["doctor"]).run().expect_success();
}

/// Ctrl-C ends a check that waits for a silent server.
#[test]
fn ctrl_c_ends_a_proof() {
    let home = TempHome::new();
    let server = ScriptedServer::start([Reply::json("200 OK", "{}").held()]);
    let profile = server.provider_file();
    let name = profile["name"].as_str().expect("a name").to_owned();
    home.write_config(&format!("providers/{name}.json"), profile.to_string());
    let doctor = home.twg(["doctor", &name]).start();
    let _ = server.wait_for_requests(1);
    doctor.interrupt();
    doctor.wait().expect_code(130).expect_stderr("Cancelled");
}

/// `status` and `doctor` show an interrupted refresh and what to do about it, and a login that is
/// over.
#[test]
fn pending_intents_and_tombstones_are_named() {
    let sandbox = signed_in();
    sandbox.age_tokens(2800);
    sandbox.switch("fault.refresh", "502-after*1");
    sandbox.twg(["auth", "refresh"]).run().expect_code(75);
    let status = sandbox.twg(["auth", "status", "--json"]).run().expect_success().json();
    let pending = &status["pendingRefresh"];
    assert_eq!(pending["attempt"], 1, "{status}");
    assert!(pending["since"].is_string() && pending["repairableUntil"].is_string(), "{status}");
    let people = sandbox.twg(["auth", "status"]).run();
    assert!(people.expect_success().stdout.contains("under way or interrupted"), "{people}");
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    let (verdict, found) = check(&doctor, "refresh");
    assert_eq!(verdict, "note");
    assert!(
        found.contains("the next refresh repairs it; guaranteed for the next 9 min"),
        "{found}"
    );
    assert!(found.contains("its response is in the stage"), "{found}");

    sandbox.change_record(|record| {
        record.as_object_mut().unwrap().remove("pending");
        record["ended"] = json!({ "at": 1_700_000_000_000_u64, "reason": "interrupted" });
    });
    let status = sandbox.twg(["auth", "status", "--json"]).run().expect_code(77).json();
    assert_eq!(status["ended"]["reason"], "interrupted", "{status}");
    assert_eq!((&status["signedIn"], &status["pendingRefresh"]), (&false.into(), &Value::Null));
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    let (verdict, found) = check(&doctor, "login");
    assert_eq!(verdict, "bad");
    assert!(found.contains("the response to a refresh was lost"), "{found}");
    doctor.expect_code(1);
}

/// A34: the end of a login is announced in advance, if the server or the profile names it.
#[test]
fn the_end_of_the_login_is_announced() {
    let sandbox = signed_in();
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let day = 86_400_000;
    // 363 of 365 days.
    sandbox.change_record(|record| record["login"]["at"] = (now - 363 * day).into());
    let status = sandbox.twg(["auth", "status"]).run();
    let line = "ends in 1 day 23 h; run `twg login --force` before that";
    assert!(status.expect_success().stdout.contains(line), "{status}");
    let doctor = sandbox.twg(["doctor", "--json"]).run();
    assert_eq!(check(&doctor, "horizon").0, "bad", "{doctor}");
    // A refresh announces it too, once.
    let refresh = sandbox.twg(["auth", "refresh", "--force"]).run();
    refresh.expect_success().expect_stderr("This connection ends in 1 day 23 h");
    sandbox.change_record(|record| record["login"]["at"] = now.into());
    let status = sandbox.twg(["auth", "status", "--json"]).run().json();
    assert_eq!(status["loginEndsSoon"], false);
}
