//! Many processes when a token expires: one of them refreshes, and the others use its new token.

use std::collections::BTreeSet;

use twg_tests::{Record, Reply, Request, RunningTwg, Sandbox, ScriptedServer, TempHome};

const PROCESSES: usize = 64;

/// 64 processes need a token when it has expired: exactly one request, and one token for all.
#[test]
fn all_adopt_the_token_of_the_winner() {
    for command in [&["auth", "token"][..], &["auth", "token", "--json"]] {
        let sandbox = Sandbox::start();
        sandbox.sign_in(&[]);
        sandbox.age_tokens(3700);
        let running: Vec<_> = (0..PROCESSES).map(|_| sandbox.twg(command).start()).collect();
        let outputs: BTreeSet<_> = running
            .into_iter()
            .map(RunningTwg::wait)
            .map(|output| output.expect_success().stdout.clone())
            .collect();
        assert_eq!(sandbox.refreshes().len(), 1);
        assert_eq!(outputs.len(), 1);
        let printed = outputs.into_iter().next().unwrap();
        assert!(printed.contains(sandbox.record().access_token()));
        assert_eq!(sandbox.grants()[0]["reuses"], 0);
    }
}

/// 64 processes run `--force`. Those that wait for the lock share one refresh. Those that come
/// later refresh again, one after the other, each with the token of the one before.
#[test]
fn forced_refreshes_never_reuse_a_token() {
    let sandbox = Sandbox::start_with(&["leeway=0"]);
    sandbox.change_provider(|provider| provider["reuse_leeway_seconds"] = 0.into());
    sandbox.sign_in(&[]);
    let force = ["auth", "refresh", "--force"];
    let running: Vec<_> = (0..PROCESSES).map(|_| sandbox.twg(force).start()).collect();
    for output in running.into_iter().map(RunningTwg::wait) {
        output.expect_success();
    }
    let family = &sandbox.grants()[0];
    let requests = sandbox.refreshes().len();
    assert_eq!(family["rotations"], requests, "{family}");
    assert_eq!((&family["reuses"], &family["alive"]), (&0.into(), &true.into()));
    sandbox.twg(["whoami"]).run().expect_success();
}

/// A25: a token that the API rejects is refreshed once for all processes that notice.
#[test]
fn a_rejected_token_is_refreshed_once_for_all() {
    let server = ScriptedServer::answering(|request: &Request| match request.target.as_str() {
        "/token" => Reply::json(
            "200 OK",
            r#"{"access_token":"new-access","refresh_token":"new-refresh","expires_in":3600}"#,
        ),
        _ if request.header("authorization") == Some("Bearer new-access") => {
            Reply::json("200 OK", r#"{"sub":"1","name":"Ada"}"#)
        }
        _ => Reply::json("401 Unauthorized", "{}"),
    });
    let home = TempHome::new();
    server.sign_in(&home, &server.record(10, 3600));
    let running: Vec<_> = (0..16).map(|_| home.twg(["whoami", "scripted"]).start()).collect();
    for output in running.into_iter().map(RunningTwg::wait) {
        output.expect_success();
    }
    let refreshes = server.requests().iter().filter(|r| r.target == "/token").count();
    assert_eq!(refreshes, 1);
}

/// A server that never responds to a refresh.
fn silent() -> (ScriptedServer, TempHome) {
    let server = ScriptedServer::answering(|_| Reply::Silence);
    let home = TempHome::new();
    server.sign_in(&home, &server.record(2800, 3600));
    (server, home)
}

/// A process with a working token does not wait for another process's refresh. One without a
/// working token does. Other connections are not affected.
#[test]
fn a_busy_connection_holds_up_no_other() {
    let (server, home) = silent();
    let stuck = home.twg(["auth", "refresh", "scripted"]).start();
    let _ = server.wait_for_requests(1);
    let token = home.twg(["auth", "token", "scripted"]).run();
    assert_eq!(token.expect_success().stdout, "old-access\n");
    // The intent shows that a refresh is running, so this command sends no request.
    assert_eq!(server.requests().len(), 1);
    let mut other = server.record(10, 3600);
    other["connection"] = "other".into();
    home.write_config("connections/scripted/other.conf", other.to_string());
    let status = home.twg(["auth", "token", "scripted", "--connection", "other"]).run();
    status.expect_success();
    let lock = home.config_dir().join("connections/scripted/default.conf.lock");
    let holder = std::fs::read_to_string(lock).unwrap();
    assert_eq!(
        holder,
        format!("{} twg\n", stuck.id()),
        "an error after a long wait names this process"
    );
    stuck.kill();
}

/// Readers never see half a record: while refreshes replace it, each reader finds a whole one.
#[test]
fn readers_need_no_lock() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let path = sandbox.config_dir().join("auth.conf");
    let writer = sandbox.twg(["auth", "refresh", "--force"]);
    std::thread::scope(|scope| {
        let writing =
            scope.spawn(|| (0..40).for_each(|_| drop(writer.run().expect_success().clone())));
        let mut read = 0;
        while !writing.is_finished() {
            let record = Record::read(&path);
            assert!(record.generation() > 0 && !record.access_token().is_empty());
            read += 1;
        }
        assert!(read > 40, "{read}");
    });
}
