//! Servers that send an unexpected response. In each case the error says what happened, what was
//! kept and what to do next, and an earlier login is untouched.

use serde_json::{Value, json};
use twg_tests::{Browser, Record, Reply, Request, ScriptedServer, TempHome, TwgOutput, answer_to};

/// A home with an earlier login at the provider `scripted`, whose server then sends scripted
/// responses.
struct Place {
    home: TempHome,
    server: ScriptedServer,
    earlier: Record,
}

const TOKENS: &str = r#"{"access_token":"an-access-token","refresh_token":"a-refresh-token",
    "token_type":"bearer","expires_in":3600}"#;

fn good(request: &Request) -> Reply {
    let body = match request.target.as_str() {
        "/token" => TOKENS,
        "/me" => r#"{"sub":"1","name":"Ada"}"#,
        _ => "{}",
    };
    Reply::json("200 OK", body)
}

fn record(home: &TempHome) -> Record {
    Record::read(&home.config_dir().join("connections/scripted/default.conf"))
}

fn sign_in(home: &TempHome, args: &[&str]) -> TwgOutput {
    let login = home.twg(["login", "scripted", "--loopback"]).args(args).start();
    let answer = answer_to(&login.wait_for_address(), &[("code", "the-code")]);
    assert_eq!(Browser::new().open(&answer).status, 200);
    login.wait()
}

impl Place {
    /// `bad` gives the responses after the first login.
    fn new(mut bad: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let mut signed_in = false;
        let server = ScriptedServer::answering(move |request| {
            let reply = if signed_in { bad(request) } else { good(request) };
            signed_in |= request.target == "/me";
            reply
        });
        let home = TempHome::new();
        home.write_config("providers/scripted.json", server.provider_file().to_string());
        sign_in(&home, &[]).expect_success();
        let earlier = record(&home);
        Self { home, server, earlier }
    }

    fn change_provider(&self, change: impl FnOnce(&mut Value)) {
        let mut file = self.server.provider_file();
        change(&mut file);
        self.home.write_config("providers/scripted.json", file.to_string());
    }

    fn sign_in(&self, args: &[&str]) -> TwgOutput {
        sign_in(&self.home, args)
    }

    /// The login fails with this exit code and these texts; the earlier login is still there.
    fn fails(&self, output: &TwgOutput, code: i32, said: &[&str]) {
        output.expect_code(code).expect_stderr("Could not sign in to Scripted");
        output.expect_stderr("Your earlier sign-in is unchanged.");
        assert!(output.stderr.contains("`twg "), "no command to run next: {output}");
        for said in said {
            output.expect_stderr(said);
        }
        assert_eq!(output.stdout, "", "{output}");
        assert_eq!(record(&self.home), self.earlier);
        let token = self.home.twg(["auth", "token", "scripted"]).run();
        assert_eq!(token.expect_success().stdout, "an-access-token\n");
    }

    fn exchanges(&self) -> usize {
        self.server.requests().iter().filter(|request| request.target == "/token").count()
    }
}

/// A22: an error of a proxy or a captive portal is not the server's, and may be temporary.
#[test]
fn a_token_endpoint_that_does_not_speak_oauth() {
    let html = "<!doctype html><h1>Welcome to the airport Wi-Fi</h1>";
    let torn = &TOKENS[..60];
    for (reply, code, said) in [
        (Reply::http("200 OK", "text/html", html), 75, "sent something unexpected"),
        (Reply::http("502 Bad Gateway", "text/html", html), 75, "HTTP 502"),
        (Reply::json("503 Service Unavailable", "{}"), 75, "HTTP 503"),
        (Reply::json("200 OK", torn), 75, "sent something unexpected"),
        (Reply::json("200 OK", "[]"), 75, "sent something unexpected"),
        (
            Reply::Bytes(b"SSH-2.0-nonsense\r\n".to_vec()),
            75,
            "request to the token endpoint failed",
        ),
        (Reply::reset(), 75, "request to the token endpoint failed"),
        (Reply::json("200 OK", r#"{"token_type":"bearer"}"#), 1, "access_token"),
        (Reply::json("400 Bad Request", r#"{"error":"invalid_grant"}"#), 77, "invalid_grant"),
        (Reply::json("401 Unauthorized", r#"{"error":"invalid_client"}"#), 78, "invalid_client"),
    ] {
        let shown = format!("{reply:?}");
        let place = Place::new(move |_| reply.clone());
        let output = place.sign_in(&["--force"]);
        assert_eq!(place.exchanges(), 2, "a code is never sent twice: {shown}");
        place.fails(&output, code, &[said]);
        let json = place.sign_in(&["--force", "--json"]);
        let error = &json.json()["error"];
        assert_eq!(error["retryable"], code == 75, "{shown}: {json}");
        assert!(error["kept"].as_str().unwrap().contains("unchanged"), "{json}");
    }
}

/// A16: a token of an unknown type is not used.
#[test]
fn an_unknown_token_type() {
    let mac = TOKENS.replace("bearer", "mac");
    let place = Place::new(move |_| Reply::json("200 OK", &mac));
    let output = place.sign_in(&["--force"]);
    place.fails(&output, 1, &["unknown token_type 'mac'"]);
}

/// A23: a redirect of the token endpoint is refused, and its target sees nothing of the code.
#[test]
fn redirects_of_the_token_endpoint_are_not_followed() {
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let target = ScriptedServer::answering(good);
        let location = target.url("/token");
        let place =
            Place::new(move |_| Reply::http_with(status, &[("location", &location)], TOKENS));
        let output = place.sign_in(&["--force"]);
        assert_eq!(target.connections(), 0, "{status}: {:?}", target.requests());
        let code = output.code().unwrap();
        assert!(matches!(code, 1 | 75), "{output}");
        place.fails(&output, code, &[]);
    }
}

/// A server cannot fill our memory: this process does not even have room for half of the response.
#[test]
fn an_endless_answer_is_cut_off() {
    let place = Place::new(|_| Reply::Endless { bytes: 100 << 20 });
    let login = place.home.twg(["login", "scripted", "--loopback", "--force"]);
    let login = login.behind(["sh", "-c", "ulimit -v 60000; exec \"$@\"", "sh"]).start();
    let answer = answer_to(&login.wait_for_address(), &[("code", "the-code")]);
    let _page = Browser::new().open(&answer);
    place.fails(&login.wait(), 75, &["the response is too large"]);
    let device = place.home.twg(["login", "scripted", "--device", "--force"]);
    let device = device.behind(["sh", "-c", "ulimit -v 60000; exec \"$@\"", "sh"]).run();
    place.fails(&device, 75, &["the response is too large"]);
}

/// Text from a server is inert on the terminal (A21). Incidents: gitoxide CVE-2024-43785,
/// CVE-2026-47090 (OSC 8).
#[test]
fn text_from_a_server_is_inert() {
    let error = json!({
        "error": "bad\u{1b}[2J", "error_uri": "https://evil.example/",
        "error_description": "\u{1b}]8;;https://evil.example\u{7}click\u{1b}]8;;\u{7} \u{202e}x\u{9b}2J\r\n✔ fine",
    });
    let place = Place::new(move |_| Reply::json("400 Bad Request", &error.to_string()));
    let output = place.sign_in(&["--force"]);
    place.fails(&output, 1, &["\\u{1b}"]);
    let bad = |c: char| c.is_control() && c != '\n' || c == '\u{202e}' || c == '✔';
    assert!(!output.stderr.contains(bad), "{:?}", output.stderr);
    assert!(!output.stderr.contains("error_uri"), "{output}");

    let name = json!({ "sub": "1", "name": "Eve\u{1b}[2J\u{202e}\r\nx" });
    let place = Place::new(move |request| match request.target.as_str() {
        "/me" => Reply::json("200 OK", &name.to_string()),
        _ => good(request),
    });
    let output = place.sign_in(&["--force"]);
    output.expect_success().expect_stderr("Authenticated as Eve\\u{1b}");
    let status = place.home.twg(["auth", "status", "scripted"]).run();
    let who = place.home.twg(["whoami", "scripted"]).run();
    for text in [&output.stderr, &status.stdout, &who.stdout] {
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'),
            "{text:?}"
        );
    }
}

#[test]
fn device_authorization_answers_that_cannot_be_used() {
    let ask = |member: &str, value: Value| {
        let mut answer = json!({
            "device_code": "x", "user_code": "ABCD", "verification_uri": "https://example.com/",
            "expires_in": 600, "interval": 1,
        });
        answer[member] = value;
        answer.to_string()
    };
    // Incidents: mcp-remote CVE-2025-6514, go-gh CVE-2025-48938, oidc-agent 5.3.8.
    for uri in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://example.com/",
        "\\\\host\\x",
        "--version",
        "$(id)",
    ] {
        let body = ask("verification_uri", uri.into());
        let place = Place::new(move |_| Reply::json("200 OK", &body));
        let device = place.home.twg(["login", "scripted", "--device", "--force"]);
        let output = device.env("TWG_BROWSER", "/bin/false").run();
        place.fails(&output, 1, &["verification_uri"]);
        assert!(!output.stderr.contains("No browser was opened"), "{output}");
    }
    let body = ask("user_code", Value::Null);
    let place = Place::new(move |_| Reply::json("200 OK", &body));
    let output = place.home.twg(["login", "scripted", "--device", "--force"]).run();
    place.fails(&output, 1, &["user_code"]);
}

/// A58, A59: the polls go on after "pending" and after trouble, in every form that servers send.
/// Another error ends them.
#[test]
fn polls_go_on_through_trouble_and_end_at_an_error() {
    let error = |code: &str| json!({ "error": code }).to_string();
    let mut polls = 0;
    let place = Place::new(move |request| {
        match (request.target.as_str(), request.field("grant_type")) {
            ("/device", _) => Reply::json(
                "200 OK",
                r#"{"device_code":"d","user_code":"U","verification_uri":"https://example.com/","expires_in":600,"interval":1}"#,
            ),
            ("/token", Some(grant)) if grant.ends_with("device_code") => {
                polls += 1;
                match polls {
                    1 => Reply::json("403 Forbidden", &error("authorization_pending")),
                    2 => Reply::json("400 Bad Request", &error("authorization_pending")),
                    3 => Reply::http("502 Bad Gateway", "text/html", "<h1>502</h1>"),
                    _ => Reply::json("400 Bad Request", &error("unauthorized_client")),
                }
            }
            _ => good(request),
        }
    });
    let output = place.home.twg(["login", "scripted", "--device", "--force"]).run();
    place.fails(&output, 78, &["unauthorized_client"]);
    assert_eq!(place.exchanges(), 5, "one of the first login, four polls");
}

mod discovery {
    use std::sync::{Arc, OnceLock};

    use super::*;

    fn discovered(document: impl Fn(&ScriptedServer) -> Reply) -> (Place, TwgOutput) {
        // The script needs the server's URL, so it is set after the start.
        let script = Arc::new(OnceLock::<Reply>::new());
        let place = Place::new({
            let script = Arc::clone(&script);
            move |request| match script.get() {
                Some(reply) if request.target.contains("/.well-known/") => reply.clone(),
                _ => good(request),
            }
        });
        script.set(document(&place.server)).expect("set once");
        place.change_provider(|file| {
            file["issuer"] = place.server.url("/tenant").into();
            file["endpoints"] = json!({});
        });
        let output = place.home.twg(["login", "scripted", "--loopback", "--force"]).run();
        (place, output)
    }

    /// A51, A52, A53: metadata of another issuer, metadata that is not JSON, a redirect and an
    /// endless document are not used, and no further request is sent.
    #[test]
    fn metadata_that_cannot_be_used() {
        let metadata = |server: &ScriptedServer, issuer: &str| {
            json!({
                "issuer": issuer,
                "authorization_endpoint": server.url("/authorize"),
                "token_endpoint": server.url("/token"),
            })
            .to_string()
        };
        type Document = Box<dyn Fn(&ScriptedServer) -> Reply>;
        let documents: [(Document, &str); 5] = [
            (
                Box::new(move |server| {
                    Reply::json("200 OK", &metadata(server, &server.url("/tenant/")))
                }),
                "issuer",
            ),
            (
                Box::new(move |server| {
                    Reply::json("200 OK", &metadata(server, "https://evil.example"))
                }),
                "evil.example",
            ),
            (Box::new(|_| Reply::http("200 OK", "text/html", "<h1>Wi-Fi</h1>")), "metadata"),
            (
                Box::new(|server| {
                    Reply::http_with("302 Found", &[("location", &server.url("/elsewhere"))], "")
                }),
                "metadata",
            ),
            (Box::new(|_| Reply::Endless { bytes: 100 << 20 }), "metadata"),
        ];
        for (document, said) in documents {
            let (place, output) = discovered(document);
            let code = output.code().unwrap();
            assert!(matches!(code, 1 | 75 | 78), "{output}");
            place.fails(&output, code, &[said]);
            let targets: Vec<_> =
                place.server.requests().into_iter().map(|request| request.target).collect();
            assert_eq!(targets[2], "/.well-known/oauth-authorization-server/tenant", "{targets:?}");
            assert!(targets[2..].iter().all(|to| to.contains("/.well-known/")), "{targets:?}");
        }
    }
}
