//! Signals while a refresh token may be spent and its successor is not yet saved: the process
//! finishes first.
#![cfg(unix)]

use rustix::process::{Pid, Signal, kill_process};
use twg_tests::{Record, Reply, Request, RunningTwg, ScriptedServer, TempHome};

/// A server that holds its first refresh response until the test releases it.
fn holding() -> ScriptedServer {
    let mut first = true;
    ScriptedServer::answering(move |request: &Request| {
        let reply = match request.target.as_str() {
            "/token" => Reply::json(
                "200 OK",
                r#"{"access_token":"new-access","refresh_token":"new-refresh","expires_in":3600}"#,
            ),
            _ => Reply::json("200 OK", r#"{"sub":"1","name":"Ada"}"#),
        };
        if request.target == "/token" && std::mem::take(&mut first) { reply.held() } else { reply }
    })
}

struct Place {
    server: ScriptedServer,
    home: TempHome,
}

impl Place {
    fn new(issued_ago: u64) -> Self {
        let (server, home) = (holding(), TempHome::new());
        server.sign_in(&home, &server.record(issued_ago, 3600));
        Self { server, home }
    }

    /// A command whose refresh request has arrived and has no response yet.
    fn held(&self, command: &[&str]) -> RunningTwg {
        let running = self.home.twg(command).start();
        let _ = self.server.wait_for_requests(1);
        running
    }

    fn record(&self) -> Record {
        Record::read(&self.home.config_dir().join("connections/scripted/default.conf"))
    }
}

fn send(running: &RunningTwg, signal: Signal) {
    let id = Pid::from_raw(running.id().cast_signed()).expect("a process id");
    kill_process(id, signal).expect("it can be signalled");
}

/// Ctrl-C, a closed terminal, a termination request: the requested tokens are saved first, and
/// nothing new begins.
#[test]
fn a_running_refresh_is_finished_first() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for command in [&["auth", "refresh", "scripted"][..], &["whoami", "scripted"]] {
            let place = Place::new(2800);
            let running = place.held(command);
            send(&running, signal);
            place.server.release();
            let output = running.wait();
            output.expect_code(130);
            assert_eq!(place.record().access_token(), "new-access", "{signal:?} {output}");
            assert_eq!(place.record().refresh_token(), Some("new-refresh"), "{signal:?}");
            assert!(place.record().members()["pending"].is_null(), "{signal:?}");
            assert_eq!(place.server.requests().len(), 1, "nothing new: {signal:?} {output}");
        }
    }
}

/// The output has only the cancellation, without a token or a result.
#[test]
fn an_interrupted_command_prints_only_the_cancellation() {
    for command in [&["auth", "refresh", "scripted", "--json"][..], &["auth", "token", "scripted"]]
    {
        let place = Place::new(3700);
        let running = place.held(command);
        send(&running, Signal::INT);
        place.server.release();
        let output = running.wait();
        output.expect_code(130);
        if command.contains(&"--json") {
            assert_eq!(output.json()["error"]["code"], "CANCELLED", "{output}");
        } else {
            assert_eq!(output.stdout, "", "{output}");
        }
        assert_eq!(place.record().refresh_token(), Some("new-refresh"));
    }
}

#[test]
fn it_says_that_it_finished_first() {
    let place = Place::new(2800);
    let running = place.held(&["auth", "refresh", "scripted"]);
    running.interrupt();
    place.server.release();
    running.wait().expect_code(130).expect_stderr("The running step was finished and saved first.");
}

/// SIGKILL gives no time to finish. The intent shows what happened, and the next command does what
/// is possible.
#[test]
fn a_killed_refresh_leaves_its_intent() {
    let place = Place::new(2800);
    let running = place.held(&["auth", "refresh", "scripted"]);
    running.kill();
    drop(running);
    let left = place.record();
    assert_eq!(left.access_token(), "old-access");
    let pending = &left.members()["pending"];
    assert_eq!(pending["attempt"], 1, "{pending}");
    assert_eq!(pending["refresh_token_sha256"].as_str().map(str::len), Some(64));
    assert!(!pending.to_string().contains("old-refresh"));
    // The access token works, and this server has no leeway: the token is served, and nothing is
    // sent.
    let token = place.home.twg(["auth", "token", "scripted"]).run();
    assert_eq!(token.expect_success().stdout, "old-access\n");
    assert_eq!(place.server.requests().len(), 1);
}

/// The quarantine protects nothing that Ctrl-C could harm: Ctrl-C ends it at once, and the next
/// command goes on.
#[test]
fn the_quarantine_can_be_interrupted() {
    let place = Place::new(2800);
    let running = place.held(&["auth", "refresh", "scripted"]);
    running.kill();
    drop(running);
    let waiting = place.home.twg(["auth", "refresh", "scripted", "--force"]).start();
    waiting
        .wait_for_stderr(|text| text.contains("Waiting for an interrupted refresh").then_some(()));
    let before = place.record();
    waiting.interrupt();
    waiting.wait().expect_code(130);
    assert_eq!(place.record(), before);
    assert_eq!(place.server.requests().len(), 1);
}

/// If the server accepts the token again, a background process does what the interrupted command
/// would have done. The user need not run another command in time.
#[test]
fn an_interrupted_quarantine_leaves_a_scheduled_recovery() {
    for signal in [Signal::INT, Signal::KILL] {
        let place = Place::new(2800);
        let mut provider = place.server.provider_file();
        provider["reuse_leeway_seconds"] = 9.into();
        place.home.write_config("providers/scripted.json", provider.to_string());
        let running = place.held(&["auth", "refresh", "scripted"]);
        running.kill();
        drop(running);
        let waiting = place.home.twg(["auth", "refresh", "scripted"]).start();
        waiting.wait_for_stderr(|text| {
            text.contains("Waiting for an interrupted refresh").then_some(())
        });
        send(&waiting, signal);
        let output = waiting.wait();
        if signal == Signal::INT {
            output
                .expect_code(130)
                .expect_stderr("a background process repairs")
                .expect_stderr("`twg auth status`");
        }
        assert!(place.record().members()["pending"].is_object(), "{output}");
        let requests = place.server.wait_for_requests(2);
        assert_eq!(requests[1].field("refresh_token").as_deref(), Some("old-refresh"));
        // Waits for the lock, and finds nothing to do.
        place.home.twg(["auth", "refresh", "scripted"]).run().expect_success();
        assert_eq!(place.record().refresh_token(), Some("new-refresh"));
        assert_eq!(place.server.requests().len(), 2);
    }
}
