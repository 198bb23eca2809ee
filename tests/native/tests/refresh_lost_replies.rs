//! The server rotates the token, and its response does not arrive. With a leeway the login
//! survives. Without one, the user learns exactly what happened.
//!
//! The quarantine of 20 seconds is real here, so the cases run in parallel.

use std::thread;

use twg_tests::{Browser, OidcProvider, Record, Reply, Request, Sandbox, ScriptedServer, TempHome};

/// What happens to the response, as a switch of the sandbox. The server has carried out each
/// request.
const LOST: [&str; 5] = ["drop-after", "cut", "502-after", "delay:19000", "huge"];

/// The response is lost, and the user's token has expired. The same command brings the login back,
/// or the next command where a second request at once would not help.
#[test]
fn with_a_leeway_the_login_survives() {
    let cases = LOST.map(|fault| {
        thread::spawn(move || {
            let sandbox = Sandbox::start();
            sandbox.sign_in(&[]);
            sandbox.age_tokens(3700);
            sandbox.switch("fault.refresh", &format!("{fault}*1"));
            let mut token = sandbox.twg(["auth", "token"]).run();
            if token.code() == Some(75) {
                token.expect_stderr("The connection is kept; the next command repairs it.");
                assert!(!sandbox.record().members()["pending"].is_null(), "{fault}");
                token = sandbox.twg(["auth", "token"]).run();
            }
            token.expect_success().expect_stderr("An interrupted refresh was repaired.");
            assert_eq!(token.stdout.trim_end(), sandbox.record().access_token(), "{fault}");
            assert!(sandbox.accepts(sandbox.record().access_token()), "{fault}");
            // Lost once, sent again once within the leeway; after that the rotation goes on.
            let family = &sandbox.grants()[0];
            let counts = (&family["rotations"], &family["replays"], &family["reuses"]);
            assert_eq!(counts, (&1.into(), &1.into(), &0.into()), "{fault}: {family}");
            sandbox.twg(["auth", "refresh", "--force"]).run().expect_success();
            assert_eq!(sandbox.refreshes().len(), 3, "{fault}");
        })
    });
    for case in cases {
        case.join().expect("the case passed");
    }
}

/// A token that still works is served at once. A background process of the interrupted command
/// repairs the login in time.
#[test]
fn a_live_token_is_served_and_the_login_is_repaired_behind_the_scenes() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    sandbox.switch("fault.refresh", "drop-after*1");
    let token = sandbox.twg(["auth", "token"]).run();
    token.expect_success().expect_stderr("the refresh was interrupted after it was sent");
    assert_eq!(token.stdout.trim_end(), before.access_token());
    let pending = sandbox.record().members()["pending"].clone();
    assert_eq!(pending["attempt"], 1, "{pending}");
    // More commands of the same kind: nothing is sent before the quarantine is over.
    for _ in 0..5 {
        let token = sandbox.twg(["auth", "token"]).run();
        assert_eq!(token.expect_success().stdout.trim_end(), before.access_token());
    }
    assert_eq!(sandbox.refreshes().len(), 1);
    // The second one is the recovery's.
    let refreshes = || sandbox.refreshes().len();
    let _ = sandbox.wait_for_requests_to("/oauth/token", 3);
    assert_eq!(refreshes(), 2);
    // The recovery saves its tokens before it gives up the lock that this command waits for.
    sandbox.twg(["auth", "refresh"]).run().expect_success();
    let after = sandbox.record();
    assert_ne!(after.access_token(), before.access_token());
    assert!(after.members()["pending"].is_null());
    assert_eq!(refreshes(), 2);
    assert_eq!(sandbox.grants()[0]["reuses"], 0);
}

/// Without a leeway a lost response may end the login. The user learns exactly that, and later that
/// the login has ended.
#[test]
fn without_a_leeway_the_user_learns_what_happened() {
    let sandbox = Sandbox::start_with(&["leeway=0"]);
    sandbox.change_provider(|provider| provider["reuse_leeway_seconds"] = 0.into());
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    sandbox.switch("fault.refresh", "drop-after*1");
    let refresh = sandbox.twg(["auth", "refresh"]).run();
    refresh
        .expect_code(75)
        .expect_stderr("the refresh was interrupted after it was sent")
        .expect_stderr("if the server carried it out, the connection may have ended")
        .expect_stderr("the refresh is tried again when it is needed")
        .expect_stderr("`twg login --force` signs in again at once");
    // While the old token works, no token at risk is sent.
    let token = sandbox.twg(["auth", "token"]).run();
    assert_eq!(token.expect_success().stdout.trim_end(), before.access_token());
    assert_eq!(sandbox.refreshes().len(), 1);
    // When it has expired, there is nothing to lose.
    sandbox.age_tokens(1000);
    let over = sandbox.twg(["auth", "token"]).run();
    over.expect_code(77)
        .expect_stderr("the response to a refresh was lost")
        .expect_stderr("The stored connection is kept as it is.")
        .expect_stderr("`twg login`");
    assert_eq!(over.stdout, "");
    let json = sandbox.twg(["auth", "token", "--json"]).run();
    assert_eq!(json.expect_code(77).json()["error"]["code"], "AUTH_REVOKED");
    let status = sandbox.twg(["auth", "status"]).run();
    assert!(
        status.expect_code(77).stdout.contains("the response to a refresh was lost"),
        "{status}"
    );
    // The login is not tried again, and nothing is deleted.
    assert_eq!(sandbox.refreshes().len(), 2);
    let tombstone = sandbox.record();
    assert_eq!(tombstone.refresh_token(), before.refresh_token());
    assert_eq!(tombstone.members()["account"], before.members()["account"]);
    assert_eq!(tombstone.members()["ended"]["reason"], "interrupted");
    // The advice works.
    sandbox.sign_in(&[]);
    sandbox.twg(["whoami"]).run().expect_success();
}

/// The same with an independent certified server, behind a gateway that loses one response.
#[test]
fn a_strict_server_behind_a_bad_gateway() {
    let server = OidcProvider::start();
    let metadata = server.metadata();
    let token_endpoint = metadata["token_endpoint"].as_str().unwrap().to_owned();
    // The gateway passes the request on and responds with its own 502.
    let gateway = ScriptedServer::answering(move |request: &Request| {
        let fields: Vec<_> = ["grant_type", "refresh_token", "client_id"]
            .into_iter()
            .map(|name| (name, request.field(name).expect("a refresh request")))
            .collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = Browser::new().post_form(&token_endpoint, &fields, None);
        match answer.status {
            200 => Reply::http("502 Bad Gateway", "text/html", "<html>Bad gateway"),
            _ => Reply::json("400 Bad Request", &answer.text()),
        }
    });
    let home = TempHome::new();
    home.write_config("providers/oidc.json", server.provider_file().to_string());
    let login = home.twg(["login", "oidc", "--loopback"]).start();
    let _done = server.approve(&Browser::new(), &login.wait_for_address());
    login.wait().expect_success();
    let path = home.config_dir().join("connections/oidc/default.conf");
    let mut record = Record::read(&path).members().clone();
    record["server"]["token_endpoint"] = gateway.url("/token").into();
    std::fs::write(&path, record.to_string()).unwrap();

    let lost = home.twg(["auth", "refresh", "oidc", "--force"]).run();
    lost.expect_code(75).expect_stderr("HTTP 502").expect_stderr("the connection may have ended");
    let over = home.twg(["auth", "refresh", "oidc", "--force"]).run();
    over.expect_code(77)
        .expect_stderr("the response to a refresh was lost")
        .expect_stderr("`twg login oidc`");
    assert_eq!(gateway.requests().len(), 2);
}

/// A22: trouble is not a refusal. Everything is kept, and the same command works after the trouble.
#[test]
fn trouble_keeps_everything() {
    let cases = ["429:1", "503", "html", "redirect", "502", "drop-before"].map(|fault| {
        thread::spawn(move || {
            let sandbox = Sandbox::start();
            sandbox.sign_in(&[]);
            sandbox.age_tokens(2800);
            let before = sandbox.record();
            sandbox.switch("fault.refresh", fault);
            let refresh = sandbox.twg(["auth", "refresh"]).run();
            refresh.expect_code(75);
            let json = sandbox.twg(["auth", "token", "--json"]).run();
            assert_eq!(json.expect_success().json()["accessToken"], before.access_token());
            let during = sandbox.record();
            assert_eq!(during.members()["tokens"], before.members()["tokens"], "{fault}");
            assert_eq!(during.members()["pending"].is_null(), fault == "429:1", "{fault}");
            sandbox.switch("fault.refresh", "none");
            sandbox.twg(["auth", "refresh"]).run().expect_success();
            assert_ne!(sandbox.record().access_token(), before.access_token(), "{fault}");
            assert_eq!(sandbox.grants()[0]["reuses"], 0, "{fault}");
        })
    });
    for case in cases {
        case.join().expect("the case passed");
    }
}
