//! Clock changes and machines that sleep. Neither causes a flood of requests, and neither ends a
//! login.
//!
//! libfaketime sets the wall clock for the program. The monotonic clock and the boot clock cannot
//! be set and stay real. A sleep is simulated by setting the wall clock forward: the monotonic
//! clock does not move, as in a real sleep. The boot clock, which would move in a real sleep, does
//! not move here.
#![cfg(target_os = "linux")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twg_tests::{Record, Reply, Request, Sandbox, ScriptedServer, TempHome, TwgCommand};

/// `command` at another time: `+1d`, `-1d`. Without the wrapper `faketime`, whose child would
/// survive it.
fn at(command: &TwgCommand, offset: &str) -> TwgCommand {
    with_wall_clock(command).env("FAKETIME", offset)
}

fn with_wall_clock(command: &TwgCommand) -> TwgCommand {
    let places = ["x86_64", "aarch64"].map(|cpu| format!("/usr/lib/{cpu}-linux-gnu/faketime"));
    command
        .clone()
        .env("LD_LIBRARY_PATH", places.join(":"))
        .env("LD_PRELOAD", "libfaketime.so.1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_NO_CACHE", "1")
}

/// A32: a clock that jumps causes one refresh, not one for every command. The login goes on when
/// the clock jumps back.
#[test]
fn a_jump_costs_one_refresh() {
    for offset in ["+1d", "-1d"] {
        let sandbox = Sandbox::start();
        sandbox.sign_in(&[]);
        let token = sandbox.twg(["auth", "token"]);
        for _ in 0..20 {
            at(&token, offset).run().expect_success();
        }
        assert_eq!(sandbox.refreshes().len(), 1, "{offset}");
        for _ in 0..20 {
            token.run().expect_success();
        }
        assert_eq!(sandbox.refreshes().len(), 2, "{offset} and back");
        let status = sandbox.twg(["auth", "status"]).run();
        status.expect_success();
        assert!(sandbox.accepts(sandbox.record().access_token()));
        assert_eq!(sandbox.grants()[0]["reuses"], 0);
    }
}

/// A clock far in the future does not make a login look ended: only the server can say that.
#[test]
fn a_jump_ends_no_login() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    for offset in ["+400d", "-400d"] {
        at(&sandbox.twg(["auth", "token"]), offset).run().expect_success();
        assert!(sandbox.record().members()["ended"].is_null(), "{offset}");
    }
    sandbox.twg(["auth", "token"]).run().expect_success();
}

/// An interrupted refresh, then a clock change: the boot clock tells the age of the attempt, so
/// that neither the quarantine nor the leeway is over at once.
#[test]
fn the_boot_clock_tells_the_age_of_an_intent() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    sandbox.switch("fault.refresh", "502-after*1");
    sandbox.twg(["auth", "refresh"]).run().expect_code(75);
    assert_eq!(sandbox.refreshes().len(), 1);
    // By the wall clock, that was a day ago, or will be tomorrow.
    for offset in ["+1d", "-1d"] {
        let waiting = at(&sandbox.twg(["auth", "refresh"]), offset).start();
        waiting.wait_for_stderr(|text| {
            text.contains("Waiting for an interrupted refresh").then_some(())
        });
        waiting.kill();
    }
    assert_eq!(sandbox.refreshes().len(), 1, "the quarantine is not over");
    let repaired = at(&sandbox.twg(["auth", "refresh"]), "+1d").run();
    repaired.expect_success().expect_stderr("An interrupted refresh was repaired.");
    let family = &sandbox.grants()[0];
    assert_eq!((&family["replays"], &family["reuses"]), (&1.into(), &0.into()));
}

/// Without a boot session to compare with, there is only the wall clock. If it shows a time before
/// the intent, the age is unknown and the whole quarantine is waited out. The login lives in every
/// case.
#[test]
fn without_a_boot_session_the_wall_clock_is_believed_with_care() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    sandbox.switch("fault.refresh", "502-after*1");
    sandbox.twg(["auth", "refresh"]).run().expect_code(75);
    sandbox.change_record(|record| record["pending"]["host"] = serde_json::json!({}));
    let waiting = at(&sandbox.twg(["auth", "refresh"]), "-1d").start();
    waiting
        .wait_for_stderr(|text| text.contains("Waiting for an interrupted refresh").then_some(()));
    waiting.kill();
    // A day later the leeway seems over, and the old token too: there is nothing to lose.
    at(&sandbox.twg(["auth", "refresh"]), "+1d").run().expect_success();
    assert_eq!(sandbox.grants()[0]["reuses"], 0);
}

/// The clock is set forward by a day while a process waits for the end of the interrupted request:
/// the process waits on.
#[test]
fn a_clock_that_is_set_during_the_quarantine() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let server = ScriptedServer::answering({
        let asked = Arc::clone(&asked);
        move |_: &Request| {
            asked.lock().unwrap().push(Instant::now());
            match asked.lock().unwrap().len() {
                1 => Reply::reset(),
                _ => Reply::json(
                    "200 OK",
                    r#"{"access_token":"new-access","refresh_token":"new","expires_in":3600}"#,
                ),
            }
        }
    });
    let home = TempHome::new();
    server.sign_in(&home, &server.record(2800, 3600));
    let mut provider = server.provider_file();
    provider["reuse_leeway_seconds"] = 9.into();
    home.write_config("providers/scripted.json", provider.to_string());
    let offset = home.path().join("offset");
    std::fs::write(&offset, "+0").unwrap();
    let refresh = with_wall_clock(&home.twg(["auth", "refresh", "scripted"]))
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .start();
    refresh
        .wait_for_stderr(|text| text.contains("Waiting for an interrupted refresh").then_some(()));
    std::fs::write(&offset, "+1d").unwrap();
    refresh.wait().expect_success();
    let record = Record::read(&home.config_dir().join("connections/scripted/default.conf"));
    let issued_at = record.members()["tokens"]["issued_at"].as_u64().unwrap();
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert!(issued_at > now + 80_000_000, "the program believed its clock");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    // The quarantine, a third of the leeway, counts from just before the first request.
    assert!(asked[1] - asked[0] > Duration::from_millis(2500), "{:?}", asked[1] - asked[0]);
}

/// Two hours pass while the process waits for the response. The response still counts, and the
/// lifetime of the new token counts from before the request.
#[test]
fn a_sleep_while_the_server_answers() {
    let server = ScriptedServer::answering(|_: &Request| {
        Reply::json(
            "200 OK",
            r#"{"access_token":"new-access","refresh_token":"new-refresh","expires_in":3600}"#,
        )
        .held()
    });
    let home = TempHome::new();
    server.sign_in(&home, &server.record(2800, 3600));
    let offset = home.path().join("offset");
    std::fs::write(&offset, "+0").unwrap();
    let refresh = with_wall_clock(&home.twg(["auth", "refresh", "scripted"]))
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .start();
    let _ = server.wait_for_requests(1);
    std::fs::write(&offset, "+2h").unwrap();
    server.release();
    refresh.wait().expect_success();
    let path = home.config_dir().join("connections/scripted/default.conf");
    let record = Record::read(&path);
    assert_eq!(record.access_token(), "new-access");
    let times = &record.members()["tokens"];
    let (issued, expires) =
        (times["issued_at"].as_u64().unwrap(), times["expires_at"].as_u64().unwrap());
    assert_eq!(expires - issued, 3_600_000);
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert!(issued <= now, "from before the request, and not from after the sleep");
}
