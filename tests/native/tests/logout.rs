//! Signing out: what is sent to the server, what stays here, and what is reported.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use serde_json::{Value, json};
use twg_tests::{
    Browser, Record, RefusingAddress, Reply, Request, Sandbox, ScriptedServer, TempHome, answer_to,
};

/// A home with a login at a server that sends scripted responses to revocations.
struct Place {
    home: TempHome,
    server: ScriptedServer,
}

impl Place {
    fn new(mut revoke: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let server = ScriptedServer::answering(move |request| match request.target.as_str() {
            "/token" => Reply::json(
                "200 OK",
                r#"{"access_token":"an-access-token","refresh_token":"a-refresh-token","token_type":"bearer","expires_in":3600}"#,
            ),
            "/me" => Reply::json("200 OK", r#"{"sub":"1","name":"Ada"}"#),
            _ => revoke(request),
        });
        let home = TempHome::new();
        home.write_config("providers/scripted.json", server.provider_file().to_string());
        let login = home.twg(["login", "scripted", "--loopback"]).start();
        let answer = answer_to(&login.wait_for_address(), &[("code", "the-code")]);
        let _page = Browser::new().open(&answer);
        login.wait().expect_success();
        Self { home, server }
    }

    fn record_path(&self) -> PathBuf {
        self.home.config_dir().join("connections/scripted/default.conf")
    }

    fn revocations(&self) -> Vec<Request> {
        let requests = self.server.requests();
        requests.into_iter().filter(|request| request.target == "/revoke").collect()
    }
}

/// A66, A67: by POST in a form, the refresh token first, then the access token, each with its hint.
/// Status 200 means success, for every body.
#[test]
fn both_tokens_are_revoked_in_order() {
    let place = Place::new(|_| Reply::http("200 OK", "text/html", "<h1>never heard of it</h1>"));
    let output = place.home.twg(["logout", "scripted"]).run();
    output
        .expect_success()
        .expect_stderr("The refresh token was revoked at the server")
        .expect_stderr("The access token was revoked at the server")
        .expect_stderr("the credentials here are deleted");
    let sent: Vec<_> = place
        .revocations()
        .iter()
        .map(|request| {
            assert_eq!(request.method, "POST");
            assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
            ["token", "token_type_hint", "client_id"].map(|name| request.field(name).unwrap())
        })
        .collect();
    let client = "scripted-client";
    assert_eq!(
        sent,
        [["a-refresh-token", "refresh_token", client], ["an-access-token", "access_token", client]]
    );
    assert!(!place.record_path().exists());
    place.home.twg(["logout", "scripted"]).run().expect_success().expect_stderr("nothing to do");
    assert_eq!(place.revocations().len(), 2);
}

/// A68: a server that does not confirm leaves a tombstone without any secret.
#[test]
fn an_unconfirmed_revocation_leaves_a_tombstone_without_secrets() {
    for (reply, said) in [
        (Reply::http_with("503 Service Unavailable", &[("retry-after", "120")], ""), "HTTP 503"),
        (Reply::http("502 Bad Gateway", "text/html", "<h1>502</h1>"), "HTTP 502"),
        (Reply::reset(), "request to the revocation endpoint failed"),
        (Reply::http_with("302 Found", &[("location", "https://evil.example/")], ""), "302"),
        (Reply::json("401 Unauthorized", r#"{"error":"invalid_client"}"#), "invalid_client"),
    ] {
        let place = Place::new(move |_| reply.clone());
        let output = place.home.twg(["logout", "scripted"]).run();
        output
            .expect_code(1)
            .expect_stderr("The refresh token may still be valid: ")
            .expect_stderr("The access token may still be valid: ")
            .expect_stderr(said)
            .expect_stderr("may work elsewhere for another 59 min")
            .expect_stderr("the credentials here are deleted");
        let left = std::fs::read_to_string(place.record_path()).unwrap();
        assert!(!left.contains("a-refresh-token") && !left.contains("an-access-token"), "{left}");
        let left = Record::read(&place.record_path());
        assert_eq!(left.members()["ended"]["reason"], "signed_out_unconfirmed");
        place.home.twg(["auth", "token", "scripted"]).run().expect_code(77);
        let status = place.home.twg(["auth", "status", "scripted"]).run();
        status.expect_code(77);
        assert!(status.stdout.contains("did not confirm"), "{status}");
        // A tombstone is not a login, so there is nothing to sign out of.
        assert_eq!(place.revocations().len(), 2);
        place.home.twg(["logout", "scripted"]).run().expect_success();
        assert_eq!(place.revocations().len(), 2);
    }
}

#[test]
fn signing_out_offline() {
    let place = Place::new(|_| Reply::close());
    let refusing = RefusingAddress::new();
    let text = std::fs::read_to_string(place.record_path()).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["server"]["revocation_endpoint"] = refusing.url("/revoke").into();
    std::fs::write(place.record_path(), record.to_string()).unwrap();
    let output = place.home.twg(["logout", "scripted", "--json"]).run();
    let told = &output.expect_code(1).json()["connections"][0];
    assert_eq!(told["state"], "signed_out");
    assert!(
        told["refreshToken"]["unconfirmed"]
            .as_str()
            .unwrap()
            .contains("request to the revocation endpoint failed")
    );
    place.home.twg(["auth", "token", "scripted"]).run().expect_code(77);
}

/// A69: a server that does not revoke this kind of token still gets the request for the other one.
#[test]
fn a_kind_of_token_that_is_not_revoked() {
    let place = Place::new(|request| {
        if request.field("token_type_hint").as_deref() == Some("access_token") {
            Reply::json("400 Bad Request", r#"{"error":"unsupported_token_type"}"#)
        } else {
            Reply::json("200 OK", "")
        }
    });
    let output = place.home.twg(["logout", "scripted"]).run();
    output
        .expect_success()
        .expect_stderr("The refresh token was revoked")
        .expect_stderr("does not let apps revoke the access token")
        .expect_stderr("may work elsewhere");
    assert!(!place.record_path().exists());
}

/// A70: the lock is held from the first look to the removal, so that no process restores the login.
#[test]
fn logout_holds_the_lock() {
    let place = Place::new(|_| Reply::json("200 OK", "").held());
    let first = place.home.twg(["logout", "scripted"]).start();
    let _asked = place.server.wait_for_requests(3);
    let lock = File::open(place.record_path().with_extension("conf.lock")).unwrap();
    assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)), "between the two tokens too");
    let second = place.home.twg(["logout", "scripted"]).start();
    place.server.release();
    let _asked = place.server.wait_for_requests(4);
    assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    place.server.release();
    first.wait().expect_success();
    second.wait().expect_success().expect_stderr("nothing to do");
    lock.try_lock().unwrap();
    assert_eq!(place.revocations().len(), 2, "the second logout had nothing to revoke");
}

#[test]
fn all_connections_at_once() {
    let sandbox = Sandbox::start_with(&["revoke-ends-grant=off"]);
    sandbox.sign_in(&[]);
    sandbox.sign_in(&["--connection", "work"]);
    let path = sandbox.config_dir().join("connections/atlassian/work.conf");
    let tokens = [sandbox.record(), Record::read(&path)];
    assert!(sandbox.grants().iter().all(|family| family["alive"] == true));
    let output = sandbox.twg(["logout", "--all", "--json"]).run();
    let told = output.expect_success().json();
    assert_eq!(told["ok"], true);
    let names: Vec<_> = told["connections"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "{told}");
    for name in names {
        assert_eq!(
            (&name["refreshToken"], &name["accessToken"]),
            (&json!("revoked"), &json!("revoked"))
        );
    }
    assert!(sandbox.grants().iter().all(|family| family["alive"] == false));
    assert!(!tokens.iter().any(|record| sandbox.accepts(record.access_token())));
    assert!(!path.exists() && !sandbox.config_dir().join("auth.conf").exists());
    sandbox.twg(["logout", "--all"]).run().expect_success();
    sandbox.twg(["logout", "--all", "--connection", "work"]).run().expect_code(2);
}

/// A provider that does not revoke at all, as reported of Atlassian's 3LO apps: 404.
#[test]
fn a_server_without_revocation() {
    let sandbox = Sandbox::start_with(&["revocation=off"]);
    sandbox.sign_in(&[]);
    let token = sandbox.record().access_token().to_owned();
    let output = sandbox.twg(["logout"]).run();
    output.expect_code(1).expect_stderr("may still be valid").expect_stderr("not_found");
    let left = std::fs::read_to_string(sandbox.config_dir().join("auth.conf")).unwrap();
    assert!(!left.contains(&token), "{left}");
    sandbox.switch("revocation", "on");
    sandbox.sign_in(&[]);
    sandbox.twg(["auth", "token"]).run().expect_success();
}

#[test]
fn an_unreadable_record_is_set_aside_and_reported() {
    let sandbox = Sandbox::start();
    std::fs::write(sandbox.config_dir().join("auth.conf"), "torn {").unwrap();
    let output = sandbox.twg(["logout"]).run();
    output.expect_success().expect_stderr("auth.conf.damaged-").expect_stderr("delete it");
    sandbox.twg(["logout"]).run().expect_success().expect_stderr("nothing to do");
}
