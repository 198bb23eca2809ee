//! `twg api`: the request, the output, and the exit code.

use serde_json::Value;
use twg_tests::{Reply, Request, Sandbox, ScriptedServer, TempHome};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A whole request to the sandbox's Jira.
#[test]
fn a_site_s_jira() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let myself = sandbox.twg(["api", "/rest/api/3/myself"]).run();
    assert_eq!(parsed(&myself.expect_success().stdout)["displayName"], Sandbox::USER);
    assert_eq!(myself.stderr, "");
    let same = sandbox.twg(["api", "get", "rest/api/3/myself", "--site", "krystof-design"]).run();
    assert_eq!(same.expect_success().stdout, myself.stdout);
    let made = sandbox.twg(["api", "/rest/api/3/issue", "-f", "summary=x"]).run();
    assert_eq!(parsed(&made.expect_success().stdout)["key"], "DES-1");
    let json = sandbox.twg(["api", "/me", "--json"]).run().expect_success().json();
    assert_eq!((&json["status"], &json["ok"]), (&200.into(), &true.into()));
    assert_eq!(json["body"]["name"], Sandbox::USER);
    let nowhere = sandbox.twg(["api", "/rest/api/3/myself", "--site", "nowhere"]).run();
    nowhere.expect_code(2).expect_stderr("No site 'nowhere'").expect_stderr("krystof-design");
    assert!(!nowhere.stderr.contains("TWG_SITE"), "{nowhere}");
    let untyped = sandbox.twg(["api", "/rest/api/3/myself"]).env("TWG_SITE", "nowhere").run();
    untyped
        .expect_code(2)
        .expect_stderr("No site 'nowhere' in this connection (named by TWG_SITE)");
    // A25: a response about missing scopes is printed, explained, and not tried again.
    sandbox.clear_log();
    let spaces = sandbox.twg(["api", "/wiki/api/v2/spaces"]).run();
    spaces.expect_code(1).expect_stderr("lacks a scope").expect_stderr("`twg login --force");
    assert!(spaces.stdout.contains("scope does not match"), "{spaces}");
    assert!(sandbox.refreshes().is_empty());
    let missing = sandbox.twg(["api", "/rest/api/3/nothing", "--json"]).run();
    let missing = missing.expect_code(1).json();
    assert_eq!((&missing["status"], &missing["ok"]), (&404.into(), &false.into()));
    assert_eq!(missing["error"]["code"], "NOT_FOUND");
    // An expired token.
    sandbox.age_tokens(3700);
    sandbox.twg(["api", "/rest/api/3/myself"]).run().expect_success();
    assert_eq!(sandbox.refreshes().len(), 1);
    TempHome::new().twg(["api", "/rest/api/3/myself"]).run().expect_code(77);
}

/// A server that returns each request to its sender, and a home with a connection to it.
fn echo() -> (ScriptedServer, TempHome) {
    let server = ScriptedServer::answering(|request: &Request| {
        let body = serde_json::json!({
            "method": request.method,
            "target": request.target,
            "body": request.text(),
            "type": request.header("content-type"),
            "length": request.header("content-length"),
            "bearer": request.header("authorization").is_some(),
        });
        Reply::json("200 OK", &body.to_string())
    });
    let home = TempHome::new();
    server.sign_in(&home, &server.record(10, 3600));
    (server, home)
}

#[test]
fn methods_fields_and_bodies() {
    let (server, home) = echo();
    let things = server.url("/things");
    let ask = |words: &[&str], stdin: &str| {
        let command = home.twg(["api", "--provider", "scripted"]).args(words).stdin(stdin);
        parsed(&command.run().expect_success().stdout)
    };
    let got = ask(&[&things], "");
    assert_eq!((&got["method"], &got["target"]), (&"GET".into(), &"/things".into()));
    assert_eq!((&got["bearer"], &got["type"]), (&true.into(), &Value::Null));
    let got = ask(&["GET", &things, "-f", "jql=a = b & c", "-f", "n=1"], "");
    assert_eq!(got["target"], "/things?jql=a+%3D+b+%26+c&n=1");
    let got = ask(&["delete", &format!("{things}?a=1"), "-f", "b=2"], "");
    assert_eq!((&got["method"], &got["target"]), (&"DELETE".into(), &"/things?a=1&b=2".into()));
    let got = ask(&[&things, "-f", "summary=a=b", "-f", "empty="], "");
    assert_eq!((&got["method"], &got["type"]), (&"POST".into(), &"application/json".into()));
    assert_eq!(parsed(got["body"].as_str().unwrap())["summary"], "a=b");
    let got = ask(&["PUT", &things, "--input", "-"], r#"{"from":"stdin"}"#);
    assert_eq!((&got["method"], &got["body"]), (&"PUT".into(), &r#"{"from":"stdin"}"#.into()));
    // Some servers send 411 if a request could have a body and has no length.
    let got = ask(&["PUT", &things], "");
    assert_eq!((&got["body"], &got["length"]), (&"".into(), &"0".into()));
    let file = home.path().join("body.json");
    std::fs::write(&file, r#"["file"]"#).unwrap();
    let got = ask(&["patch", &things, "--input", file.to_str().unwrap()], "");
    assert_eq!((&got["method"], &got["body"]), (&"PATCH".into(), &r#"["file"]"#.into()));
    let head = home.twg(["api", "--provider", "scripted", "HEAD", &things]).run();
    assert!(head.expect_success().stdout.starts_with("HTTP 200\n"), "{head}");
    assert!(head.stdout.contains("content-type: application/json\n"));
    for words in [
        &["BREW", things.as_str()][..],
        &[&things, "-f", "novalue"],
        &[&things, "-f", "=x"],
        &[&things, "--input", "/nonexistent"],
        &["/rest/api/3/myself"],
        &["https://evil.example/"],
        &[],
    ] {
        let output = home.twg(["api", "--provider", "scripted"]).args(words).run();
        output.expect_code(2);
        assert_eq!(output.stdout, "", "{words:?}");
    }
}

/// A26: no redirect takes the token to another provider's host.
#[test]
fn redirects_do_not_carry_the_token_away() {
    let stranger = ScriptedServer::answering(|request: &Request| {
        Reply::json("200 OK", &format!("{{\"headers\":{:?}}}", request.headers.len()))
    });
    let target = stranger.url("/file");
    let server = ScriptedServer::answering(move |_: &Request| {
        Reply::http_with("302 Found", &[("location", &target)], "")
    });
    let home = TempHome::new();
    server.sign_in(&home, &server.record(10, 3600));
    let things = server.url("/things");
    let output = home.twg(["api", "--provider", "scripted", &things]).run();
    output.expect_success();
    let requests = stranger.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.header("authorization"), None);
    assert!(!format!("{request:?}").contains("old-access"));
    let posted = home.twg(["api", "--provider", "scripted", "POST", &things]).run();
    posted.expect_code(1).expect_stderr("a redirect; twg follows those of GET and HEAD only");
    assert_eq!(stranger.requests().len(), 1);
}

/// The exit code says who must act; the response is printed in every case.
#[test]
fn every_status_has_its_exit_code() {
    for (status, code) in [
        ("403 Forbidden", 1),
        ("404 Not Found", 1),
        ("409 Conflict", 1),
        ("429 Too Many", 75),
        ("500 Oops", 75),
        ("503 Later", 75),
    ] {
        let server =
            ScriptedServer::answering(move |_: &Request| Reply::json(status, r#"{"why":1}"#));
        let home = TempHome::new();
        server.sign_in(&home, &server.record(10, 3600));
        let output = home.twg(["api", "--provider", "scripted", &server.url("/x")]).run();
        output.expect_code(code).expect_stderr(&format!("HTTP {}", &status[..3]));
        assert_eq!(output.stdout, r#"{"why":1}"#);
    }
}

/// Numbers of an API keep their last digit, also inside another JSON document.
#[test]
fn numbers_are_not_rounded() {
    let body = r#"{"id":123456789012345678901234567890,"price":1.10}"#;
    let server = ScriptedServer::answering(move |_: &Request| Reply::json("200 OK", body));
    let home = TempHome::new();
    server.sign_in(&home, &server.record(10, 3600));
    let url = server.url("/x?key=secret");
    let output = home.twg(["api", "--provider", "scripted", &url, "--json"]).run();
    assert!(output.expect_success().stdout.contains(body), "{output}");
    assert!(!output.stdout.contains("secret"), "{output}");
    assert_eq!(output.json()["body"]["price"], 1.1);
}

/// After a lost response, twg advises to send the request again only if it changes nothing.
#[test]
fn an_answer_that_got_lost() {
    for (method, code) in [("POST", 1), ("DELETE", 1), ("GET", 75)] {
        let server = ScriptedServer::answering(|_: &Request| Reply::close());
        let home = TempHome::new();
        server.sign_in(&home, &server.record(10, 3600));
        let url = server.url("/x");
        let output = home.twg(["api", "--provider", "scripted", method, &url, "--json"]).run();
        let error = &output.expect_code(code).json()["error"];
        assert_eq!(error["retryable"], code == 75, "{output}");
        let kept = error["kept"].as_str().unwrap();
        assert_eq!(kept.contains("may have been carried out"), code == 1, "{output}");
        assert_eq!(server.requests().len(), 1);
    }
}
