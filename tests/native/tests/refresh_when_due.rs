//! When commands refresh, and with what result: automatically, once, and never while the token is
//! fresh.

use twg_tests::{Browser, OidcProvider, Record, Reply, Request, Sandbox, ScriptedServer, TempHome};

/// A33, A32: before 75 % of the lifetime nothing is sent. After that, the next command that needs a
/// token refreshes, once.
#[test]
fn every_command_refreshes_when_that_is_due() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2690);
    let commands: [&[&str]; 7] = [
        &["auth", "refresh"],
        &["auth", "token"],
        &["auth", "token", "--json"],
        &["whoami"],
        &["sites"],
        &["api", "/rest/api/3/myself"],
        &["login"],
    ];
    for command in commands {
        let before = sandbox.record();
        sandbox.twg(command).run().expect_success();
        assert_eq!(sandbox.record(), before, "{command:?}");
    }
    assert!(sandbox.refreshes().is_empty());
    for (count, command) in (1..).zip(commands) {
        // Due, and expired.
        let before = sandbox.record();
        sandbox.age_tokens(if count % 2 == 1 { 2710 } else { 3610 });
        sandbox.twg(command).run().expect_success();
        let after = sandbox.record();
        assert_ne!(after.access_token(), before.access_token(), "{command:?}");
        assert_ne!(after.refresh_token(), before.refresh_token(), "{command:?}");
        assert_eq!(after.generation(), before.generation() + 1, "{command:?}");
        assert_eq!(after.members()["pending"], serde_json::Value::Null);
        assert_eq!(after.members()["account"], before.members()["account"]);
        assert_eq!(after.members()["sites"], before.members()["sites"]);
        assert!(sandbox.accepts(after.access_token()));
        assert_eq!(sandbox.refreshes().len(), count, "{command:?}");
    }
    let family = &sandbox.grants()[0];
    assert_eq!((&family["replays"], &family["reuses"]), (&0.into(), &0.into()), "{family}");
    let left = std::fs::read_dir(sandbox.config_dir()).unwrap();
    let left: Vec<_> = left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("stage") || name.contains("tmp")), "{left:?}");
}

#[test]
fn a_forced_refresh_says_what_it_did() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let fresh = sandbox.twg(["auth", "refresh"]).run();
    fresh.expect_success().expect_stderr("is fresh").expect_stderr("a refresh is due in 44 min");
    assert_eq!(fresh.stdout, "");
    let forced = sandbox.twg(["auth", "refresh", "--force"]).run();
    forced.expect_success().expect_stderr("✔ Refreshed atlassian");
    let json = sandbox.twg(["auth", "refresh", "--force", "--json"]).run();
    let json = json.expect_success().json();
    assert_eq!((&json["schemaVersion"], &json["result"]), (&1.into(), &"refreshed".into()));
    let json = sandbox.twg(["auth", "refresh", "--json"]).run().json();
    assert_eq!(json["result"], "fresh");
    assert_eq!(sandbox.refreshes().len(), 2);
    TempHome::new().twg(["auth", "refresh"]).run().expect_code(77).expect_stderr("`twg login`");
}

/// A29: a response without a refresh token keeps the old one. A28: one without scopes keeps the
/// scopes.
#[test]
fn members_missing_from_a_response_stay() {
    let sandbox = Sandbox::start_with(&["omit-on-refresh=refresh_token+scope+token_type"]);
    sandbox.sign_in(&[]);
    let before = sandbox.record();
    for _ in 0..3 {
        sandbox.twg(["auth", "refresh", "--force"]).run().expect_success();
    }
    let after = sandbox.record();
    assert_eq!(after.refresh_token(), before.refresh_token());
    assert_eq!(after.scopes(), before.scopes());
    assert_ne!(after.access_token(), before.access_token());
}

/// A server that sends `refusal` for the old access token, and normal responses otherwise.
fn rejecting(refusal: Reply, always: bool) -> ScriptedServer {
    ScriptedServer::answering(move |request: &Request| match request.target.as_str() {
        "/token" => Reply::json(
            "200 OK",
            r#"{"access_token":"new-access","refresh_token":"new-refresh","expires_in":3600}"#,
        ),
        _ if always || request.header("authorization") == Some("Bearer old-access") => {
            refusal.clone()
        }
        _ => Reply::json("200 OK", r#"{"sub":"1","name":"Ada"}"#),
    })
}

fn count(server: &ScriptedServer, target: &str) -> usize {
    server.requests().iter().filter(|request| request.target == target).count()
}

/// A25: a 401 leads to one refresh and one retry, and no further.
#[test]
fn a_rejected_token_is_refreshed_once() {
    let unauthorized = || {
        let headers = [
            ("www-authenticate", "Bearer error=\"invalid_token\""),
            ("content-type", "text/plain"),
        ];
        Reply::http_with("401 Unauthorized", &headers, "no")
    };
    let (server, home) = (rejecting(unauthorized(), false), TempHome::new());
    server.sign_in(&home, &server.record(10, 3600));
    let whoami = home.twg(["whoami", "scripted"]).run();
    assert!(whoami.expect_success().stdout.contains("Ada"), "{whoami}");
    assert_eq!((count(&server, "/me"), count(&server, "/token")), (2, 1));

    let (server, home) = (rejecting(unauthorized(), true), TempHome::new());
    server.sign_in(&home, &server.record(10, 3600));
    let whoami = home.twg(["whoami", "scripted"]).run();
    whoami.expect_code(77).expect_stderr("no longer accepts the access token");
    assert_eq!((count(&server, "/me"), count(&server, "/token")), (2, 1));
    let path = home.config_dir().join("connections/scripted/default.conf");
    assert_eq!(Record::read(&path).access_token(), "new-access", "what was refreshed is kept");
}

/// A25: a missing scope leads to no refresh, because a new token would lack it too.
#[test]
fn a_missing_scope_is_not_refreshed() {
    let challenge = [("www-authenticate", "Bearer error=\"insufficient_scope\"")];
    for refusal in [
        Reply::http_with("403 Forbidden", &challenge, "no"),
        Reply::http_with("401 Unauthorized", &challenge, "no"),
        Reply::json(
            "401 Unauthorized",
            r#"{"code":401,"message":"Unauthorized; scope does not match"}"#,
        ),
    ] {
        let (server, home) = (rejecting(refusal, true), TempHome::new());
        server.sign_in(&home, &server.record(10, 3600));
        home.twg(["whoami", "scripted"]).run().expect_code(1).expect_stderr("does not allow this");
        assert_eq!((count(&server, "/me"), count(&server, "/token")), (1, 0));
    }
}

/// A30: the refresh token goes to the server that issued it, even if the provider file now names
/// another. The client's secret is not sent to a server that it does not belong to.
#[test]
fn the_refresh_token_goes_to_its_issuer() {
    let (issuer, other) = (rejecting(Reply::close(), false), rejecting(Reply::close(), false));
    let home = TempHome::new();
    issuer.sign_in(&home, &issuer.record(3700, 3600));
    let mut profile = other.provider_file();
    profile["client"]["secret"] = "required".into();
    home.write_config("providers/scripted.json", profile.to_string());
    let token = home.twg(["auth", "token", "scripted"]).env("TWG_SCRIPTED_CLIENT_SECRET", "s3cret");
    assert_eq!(token.run().expect_success().stdout, "new-access\n");
    assert!(other.requests().is_empty());
    let requests = issuer.requests();
    let [refresh] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(refresh.field("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(refresh.field("refresh_token").as_deref(), Some("old-refresh"));
    assert_eq!(refresh.field("client_id").as_deref(), Some("scripted-client"));
    assert_eq!((refresh.field("scope"), refresh.field("client_secret")), (None, None));
}

/// A certified server that rotates, and revokes the whole grant at any reuse.
#[test]
fn a_strict_server_is_content_with_many_refreshes() {
    let (server, home) = (OidcProvider::start(), TempHome::new());
    home.write_config("providers/oidc.json", server.provider_file().to_string());
    let login = home.twg(["login", "oidc", "--loopback"]).start();
    let _done = server.approve(&Browser::new(), &login.wait_for_address());
    login.wait().expect_success();
    let path = home.config_dir().join("connections/oidc/default.conf");
    for _ in 0..5 {
        let before = Record::read(&path);
        home.twg(["auth", "refresh", "oidc", "--force"]).run().expect_success();
        let after = Record::read(&path);
        assert!(!server.is_active(before.refresh_token().unwrap()));
        assert!(server.is_active(after.refresh_token().unwrap()));
        assert!(server.is_active(after.access_token()));
        let named = home.twg(["whoami", "oidc"]).run();
        assert!(named.expect_success().stdout.contains("Ada Lovelace"), "{named}");
    }
}

/// A22: a refused client is a configuration error, and the login is kept. A working token is served
/// meanwhile.
#[test]
fn a_client_that_is_refused_costs_nothing() {
    let sandbox = Sandbox::start();
    sandbox.use_client(Sandbox::THREE_LO_CLIENT);
    sandbox.sign_in(&[]);
    sandbox.use_client((Sandbox::THREE_LO_CLIENT.0, "wrong"));
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    let token = sandbox.twg(["auth", "token"]).run();
    token.expect_success().expect_stderr("invalid_client").expect_stderr("--new-client");
    assert_eq!(token.stdout.trim_end(), before.access_token());
    let refresh = sandbox.twg(["auth", "refresh"]).run();
    refresh.expect_code(78).expect_stderr("The connection is unchanged.");
    assert_eq!(sandbox.record().members(), before.members());
    sandbox.use_client(Sandbox::THREE_LO_CLIENT);
    sandbox.twg(["auth", "refresh"]).run().expect_success();
}
