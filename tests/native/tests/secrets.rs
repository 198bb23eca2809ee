//! Canaries: tokens, codes, verifiers and client secrets that the test knows, and every place where
//! they must not appear.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use twg_tests::{
    Browser, Reply, Request, ScriptedServer, TempHome, TwgCommand, TwgOutput, answer_to,
};

const ACCESS: &str = "canary-access-token";
const REFRESH: &str = "canary-refresh-token";
const CODE: &str = "canary-authorization-code";
const DEVICE: &str = "canary-device-code";
const SECRET: &str = "canary-client-secret";
/// Part of each of them. The program chooses the verifier itself; the test reads it from the token
/// request.
const CANARY: &str = "canary-";

struct Place {
    home: TempHome,
    server: ScriptedServer,
}

/// A normal response, unless `instead` returns another one.
fn answer(request: &Request, instead: &impl Fn(&Request) -> Option<Reply>) -> Reply {
    instead(request).unwrap_or_else(|| match request.target.as_str() {
        "/device" => Reply::json(
            "200 OK",
            &json!({
                "device_code": DEVICE, "user_code": "ABCD-EFGH", "expires_in": 600, "interval": 1,
                "verification_uri": "https://example.com/activate",
            })
            .to_string(),
        ),
        "/token" => Reply::json(
            "200 OK",
            &json!({
                "access_token": ACCESS, "refresh_token": REFRESH, "token_type": "Bearer",
                "expires_in": 3600,
            })
            .to_string(),
        ),
        "/me" => Reply::json("200 OK", r#"{"sub":"1","name":"Ada"}"#),
        _ => Reply::json("200 OK", ""),
    })
}

impl Place {
    fn new(instead: impl Fn(&Request) -> Option<Reply> + Send + 'static) -> Self {
        let server = ScriptedServer::answering(move |request| answer(request, &instead));
        let home = TempHome::new();
        let mut file = server.provider_file();
        file["client"] = json!({ "secret": "required" });
        home.write_config("providers/scripted.json", file.to_string());
        let client = json!({ "schema_version": 1, "client_id": "me", "client_secret": SECRET });
        home.write_config("clients/scripted.conf", client.to_string());
        Self { home, server }
    }

    /// twg with every setting that makes programs print more.
    fn twg(&self, args: &[&str]) -> TwgCommand {
        let twg = self.home.twg(args).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        twg.env("TWG_LOG", "trace").env("TWG_DEBUG", "1")
    }

    fn loopback(&self, command: &TwgCommand) -> TwgOutput {
        let login = command.start();
        let url = answer_to(&login.wait_for_address(), &[("code", CODE)]);
        assert!(!Browser::new().open(&url).body.contains(CANARY));
        assert_nowhere_in_proc();
        login.wait()
    }

    fn verifiers(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests.iter().filter_map(|request| request.field("code_verifier")).collect()
    }

    /// None of the canaries is in the output.
    fn assert_kept(&self, output: &TwgOutput) {
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(CANARY), "{output}");
            for verifier in self.verifiers() {
                assert!(!text.contains(&verifier), "{output}");
            }
        }
    }
}

/// None of the canaries is in the command line of any process.
fn assert_nowhere_in_proc() {
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Other processes come and go.
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        assert!(!line.contains(CANARY), "{line}");
    }
}

/// A24, A62, A85: no output of a command contains a secret, in success or failure. Only `auth
/// token` prints its token. On the disk a token is in the record and nowhere else.
#[test]
fn no_command_shows_a_secret() {
    let place = Place::new(|_| None);
    let device = place.twg(&["login", "scripted", "--device"]).run();
    device.expect_success().expect_stderr("ABCD-EFGH");
    place.assert_kept(&device);
    for args in [&["--force"][..], &["--force", "--json"]] {
        let login = place.twg(&["login", "scripted", "--loopback"]).args(args);
        let login = place.loopback(&login);
        place.assert_kept(login.expect_success());
    }
    assert_eq!(place.verifiers().len(), 2);
    for args in [
        &["login", "scripted"][..],
        &["login", "scripted", "--explain"],
        &["login", "scripted", "--explain", "--json"],
        &["whoami", "scripted"],
        &["whoami", "scripted", "--json"],
        &["auth", "status", "scripted"],
        &["auth", "status", "scripted", "--json"],
        &["doctor", "scripted"],
        &["doctor", "scripted", "--json"],
        &["auth", "token", "--nonsense"],
        &["auth", "refresh", "scripted", "--force"],
        &["auth", "refresh", "scripted", "--force", "--json"],
        &["api", "--provider", "scripted", &place.server.url("/me")],
        &["api", "--provider", "scripted", &place.server.url("/me"), "--json"],
    ] {
        place.assert_kept(&place.twg(args).run());
    }
    let token = place.twg(&["auth", "token", "scripted"]).run();
    assert_eq!(token.stdout, format!("{ACCESS}\n"));
    assert_eq!(place.home.files_with(ACCESS), ["config/connections/scripted/default.conf"]);
    assert_eq!(place.home.files_with(SECRET), ["config/clients/scripted.conf"]);
    for once in [CODE, DEVICE] {
        assert_eq!(place.home.files_with(once), [""; 0], "{once}");
    }
    place.assert_kept(&place.twg(&["logout", "scripted"]).run());
    assert_eq!(place.home.files_with("canary-access"), [""; 0]);
}

/// A85: the same for failures, with the response that holds the secret cut at any point.
#[test]
fn no_failure_shows_a_secret() {
    let torn = format!(r#"{{"access_token":"{ACCESS}","refresh_token":"{REFRESH}","expires_in":"#);
    let mac = format!(r#"{{"access_token":"{ACCESS}","token_type":"mac"}}"#);
    let nested = format!(r#"{{"access_token":{{"x":"{ACCESS}"}},"token_type":"bearer"}}"#);
    let control = format!(r#"{{"access_token":"{ACCESS}\r\nX: y","token_type":"bearer"}}"#);
    let page = format!("<h1>{ACCESS}</h1>");
    for reply in [
        Reply::json("200 OK", &torn),
        Reply::json("200 OK", &mac),
        Reply::json("200 OK", &nested),
        Reply::json("200 OK", &control),
        Reply::http("200 OK", "text/html", &page),
        Reply::http("500 Oops", "text/html", &page),
        Reply::json("400 Bad Request", r#"{"error":"invalid_grant"}"#),
        Reply::reset(),
    ] {
        let shown = format!("{reply:?}");
        let place = Place::new(move |request| (request.target == "/token").then(|| reply.clone()));
        let output = place.loopback(&place.twg(&["login", "scripted", "--loopback"]));
        assert_ne!(output.code(), Some(0), "{shown}: {output}");
        place.assert_kept(&output);
        let json = place.loopback(&place.twg(&["login", "scripted", "--loopback", "--json"]));
        place.assert_kept(&json);
    }
    // A refused token, and a server that is down.
    let place = Place::new(|request| {
        (request.target != "/token")
            .then(|| Reply::json("401 Unauthorized", r#"{"error":"invalid_token"}"#))
    });
    let login = place.loopback(&place.twg(&["login", "scripted", "--loopback"]));
    place.assert_kept(login.expect_success());
    for args in [["whoami", "scripted"], ["logout", "scripted"]] {
        let output = place.twg(&args).run();
        assert_ne!(output.code(), Some(0), "{output}");
        place.assert_kept(&output);
    }
}

/// A26: the access token is in the header of API requests, once, and in no URL. The secrets for the
/// token endpoint are in the body.
#[test]
fn tokens_travel_in_headers_and_bodies_only() {
    let place = Place::new(|_| None);
    place.loopback(&place.twg(&["login", "scripted", "--loopback"])).expect_success();
    place.twg(&["whoami", "scripted"]).run().expect_success();
    place.twg(&["logout", "scripted"]).run().expect_success();
    let requests = place.server.requests();
    let mut asked = 0;
    for request in &requests {
        assert!(!request.target.contains(CANARY), "{request:?}");
        for (name, value) in &request.headers {
            let may = request.target == "/me" && name == "authorization";
            assert!(may || !value.contains(CANARY), "{request:?}");
        }
        if request.target == "/me" {
            asked += 1;
            let bearer: Vec<_> =
                request.headers.iter().filter(|(name, _)| name == "authorization").collect();
            assert_eq!(bearer, [&("authorization".to_owned(), format!("Bearer {ACCESS}"))]);
            assert!(request.body.is_empty(), "{request:?}");
        } else {
            assert_eq!(request.method, "POST", "{request:?}");
            assert_eq!(request.field("access_token"), None);
        }
        assert_eq!(request.header("cookie"), None);
    }
    assert_eq!(asked, 2);
}

/// A child has no secret on its command line or in its environment, although twg's environment has
/// one.
#[test]
fn the_browser_gets_no_secret() {
    let place = Place::new(|_| None);
    let script = place.home.path().join("browser");
    let seen = place.home.path().join("seen");
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\n{{ echo \"$@\"; env; tr '\\0' '\\n' < /proc/$$/cmdline; ls -l /proc/$$/fd; }} \
             > '{0}.part' 2>&1\nmv '{0}.part' '{0}'\n",
            seen.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    // `false` follows the script, so twg reports that no browser was opened only after the script
    // has ended.
    let browser = format!("{0}:/bin/false", script.display());
    let login = place
        .twg(&["login", "scripted", "--loopback"])
        .env("TWG_CLIENT_ID", "me")
        .env("TWG_CLIENT_SECRET", SECRET)
        .env("TWG_OAUTH_ACCESS_TOKEN", "canary-embedders-token")
        .env("TWG_TOKEN", "canary-api-token")
        .env("TWG_BBC_TOKEN", "canary-bitbucket-token")
        .env("TWG_BROWSER", browser);
    std::fs::write(&script, std::fs::read_to_string(&script).unwrap() + "exit 1\n").unwrap();
    let login = login.start();
    login.wait_for_stderr(|text| text.contains("No browser was opened").then_some(()));
    let told = std::fs::read_to_string(&seen).unwrap();
    assert!(told.contains("/authorize?") && told.contains("HOME="), "it was run: {told}");
    assert!(!told.contains(CANARY), "{told}");
    // Standard streams and the shell's own files; no file of twg.
    assert!(!told.contains("socket:") && !told.contains(".conf"), "{told}");
    let url = answer_to(&login.wait_for_address(), &[("code", CODE)]);
    let _page = Browser::new().open(&url);
    place.assert_kept(login.wait().expect_success());
}

/// A crash leaves no memory image.
#[test]
#[cfg(target_os = "linux")]
fn no_core_is_dumped() {
    let place = Place::new(|request| (request.target == "/token").then_some(Reply::Silence));
    let login = place.twg(&["login", "scripted", "--device"]).start();
    let _polled = place.server.wait_for_requests(2);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", login.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<_> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
}
