//! Tests of the test helpers themselves.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use twg_tests::{Browser, OidcProvider, Page, RefusingAddress, Reply, ScriptedServer, TempHome};
use url::Url;

const REDIRECT_URI: &str = "http://127.0.0.1:49999/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn authorization_url(server: &OidcProvider, client: &str) -> Url {
    let mut url = Url::parse(&server.url("/auth")).unwrap();
    url.query_pairs_mut()
        .append_pair("client_id", client)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("response_type", "code")
        .append_pair("scope", "openid profile email offline_access")
        .append_pair("prompt", "consent")
        .append_pair("state", "the state")
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER)))
        .append_pair("code_challenge_method", "S256");
    url
}

fn exchange(server: &OidcProvider, code: &str, basic: Option<(&str, &str)>) -> Page {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    if basic.is_none() {
        fields.push(("client_id", OidcProvider::PUBLIC_CLIENT));
    }
    Browser::new().post_form(&server.url("/token"), &fields, basic)
}

fn refresh(server: &OidcProvider, token: &str) -> Page {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", OidcProvider::PUBLIC_CLIENT),
    ];
    Browser::new().post_form(&server.url("/token"), &fields, None)
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}")).to_owned()
}

#[test]
fn the_authorization_server_describes_itself() {
    let server = OidcProvider::start();
    let metadata = server.metadata();
    assert_eq!(metadata["issuer"], server.issuer());
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    for endpoint in [
        "token",
        "authorization",
        "device_authorization",
        "revocation",
        "introspection",
        "userinfo",
    ] {
        let url = text(&metadata, &format!("{endpoint}_endpoint"));
        assert!(url.starts_with(server.issuer()), "{url}");
    }
}

#[test]
fn a_user_signs_in_and_refresh_tokens_rotate_without_leeway() {
    let server = OidcProvider::start();
    let browser = Browser::new().stop_before("http://127.0.0.1:49999/");
    let url = authorization_url(&server, OidcProvider::PUBLIC_CLIENT);
    let answer = server.approve(&browser, url.as_str());
    assert_eq!(answer.query("state").as_deref(), Some("the state"));
    assert_eq!(answer.query("iss").as_deref(), Some(server.issuer()));

    let response = exchange(&server, &answer.query("code").expect("a code"), None);
    assert_eq!(response.status, 200, "{response:?}");
    let first = response.json();
    let access = text(&first, "access_token");
    assert!(server.is_active(&access));
    let bearer = format!("Bearer {access}");
    let user = Browser::new().request("GET", &server.url("/me"), &[("authorization", &bearer)], "");
    assert_eq!(user.json()["name"], "Ada Lovelace");

    let second = refresh(&server, &text(&first, "refresh_token")).json();
    assert!(server.is_active(&text(&second, "refresh_token")));
    let reuse = refresh(&server, &text(&first, "refresh_token"));
    assert_eq!(reuse.status, 400);
    assert_eq!(reuse.json()["error"], "invalid_grant");
    assert!(!server.is_active(&text(&second, "refresh_token")), "reuse ends the whole grant");
    assert!(!server.is_active(&text(&second, "access_token")), "reuse ends the whole grant");
}

#[test]
fn a_user_who_is_signed_in_already_only_consents() {
    let server = OidcProvider::start();
    let browser = Browser::new().stop_before("http://127.0.0.1:49999/");
    let url = authorization_url(&server, OidcProvider::PUBLIC_CLIENT);
    let first = server.approve(&browser, url.as_str()).query("code");
    assert!(!browser.open(url.as_str()).has_field("password"));
    let second = server.approve(&browser, url.as_str()).query("code");
    assert!(first.is_some() && second.is_some() && first != second);
}

#[test]
fn confidential_clients_authenticate() {
    let server = OidcProvider::start();
    let browser = Browser::new().stop_before("http://127.0.0.1:49999/");
    let (id, secret) = OidcProvider::BASIC_CLIENT;
    let answer = server.approve(&browser, authorization_url(&server, id).as_str());
    let code = answer.query("code").expect("a code");
    let wrong = exchange(&server, &code, Some((id, "wrong")));
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &Value::from("invalid_client")));
    let right = exchange(&server, &code, Some((id, secret)));
    assert_eq!(right.status, 200, "{right:?}");

    let (id, secret) = OidcProvider::POST_CLIENT;
    let answer = server.approve(&browser, authorization_url(&server, id).as_str());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &answer.query("code").expect("a code")),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("client_id", id),
        ("client_secret", secret),
    ];
    let right = browser.post_form(&server.url("/token"), &fields, None);
    assert_eq!(right.status, 200, "{right:?}");
}

#[test]
fn a_user_declines() {
    let server = OidcProvider::start();
    let browser = Browser::new().stop_before("http://127.0.0.1:49999/");
    let url = authorization_url(&server, OidcProvider::PUBLIC_CLIENT);
    let answer = server.decline(&browser, url.as_str());
    assert_eq!(answer.query("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.query("state").as_deref(), Some("the state"));
}

#[test]
fn the_authorization_server_insists_on_pkce() {
    let server = OidcProvider::start();
    let browser = Browser::new().stop_before("http://127.0.0.1:49999/");
    let url = authorization_url(&server, OidcProvider::PUBLIC_CLIENT);
    let without: Vec<_> = url.query_pairs().filter(|(k, _)| !k.starts_with("code_")).collect();
    let url = Url::parse_with_params(&server.url("/auth"), without).unwrap();
    assert_eq!(browser.open(url.as_str()).query("error").as_deref(), Some("invalid_request"));
}

fn start_device_login(server: &OidcProvider) -> Value {
    let fields = [("client_id", OidcProvider::PUBLIC_CLIENT), ("scope", "openid offline_access")];
    Browser::new().post_form(&server.url("/device/auth"), &fields, None).json()
}

fn poll(server: &OidcProvider, device_code: &str) -> Value {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device_code),
        ("client_id", OidcProvider::PUBLIC_CLIENT),
    ];
    Browser::new().post_form(&server.url("/token"), &fields, None).json()
}

#[test]
fn a_user_approves_a_device() {
    let server = OidcProvider::start();
    let login = start_device_login(&server);
    let device_code = text(&login, "device_code");
    assert_eq!(poll(&server, &device_code)["error"], "authorization_pending");
    let (uri, code) = (text(&login, "verification_uri"), text(&login, "user_code"));
    let page = server.approve_device(&Browser::new(), &uri, &code);
    assert!(page.text().contains("Sign-in Success"), "{page:?}");
    let tokens = poll(&server, &device_code);
    assert!(server.is_active(&text(&tokens, "refresh_token")));
}

#[test]
fn a_user_approves_a_device_by_the_complete_address() {
    let server = OidcProvider::start();
    let login = start_device_login(&server);
    let page = Browser::new().open(&text(&login, "verification_uri_complete")).submit();
    assert!(page.text().contains(&text(&login, "user_code")), "{page:?}");
    let page = page.press("Continue").fill("login", "ada").fill("password", "x").press("Sign-in");
    assert!(page.press("Continue").text().contains("Sign-in Success"));
    assert!(server.is_active(&text(&poll(&server, &text(&login, "device_code")), "access_token")));
}

#[test]
fn a_user_declines_a_device() {
    let server = OidcProvider::start();
    let login = start_device_login(&server);
    let (uri, code) = (text(&login, "verification_uri"), text(&login, "user_code"));
    let _aborted = server.decline_device(&Browser::new(), &uri, &code);
    assert_eq!(poll(&server, &text(&login, "device_code"))["error"], "access_denied");
}

#[test]
fn a_browser_fills_in_every_kind_of_field() {
    let form = r#"<form action="/done?x=1" method="POST">
        <input name=a value="old"> <input type=hidden name=b value="&lt;b&gt;">
        <input type=checkbox name=c value=yes checked> <input type=checkbox name=d>
        <select name=e><option value=1>one<option selected>two</select>
        <textarea name=f>f f</textarea> <input type=submit name=g value="No">
        <button name=h value=i> Yes,  <b>please</b> </button></form>
        <input name=outside form=other><form id=other></form>"#;
    let server = ScriptedServer::start([
        Reply::http("200 OK", "text/html", form),
        Reply::http_with(
            "303 See Other",
            &[("location", "/end"), ("set-cookie", "s=1; Path=/")],
            "",
        ),
        Reply::http("200 OK", "text/html", "<p>The  end"),
    ]);
    let page = Browser::new().open(&server.url("/start")).fill("a", "new & ü").press("Yes, please");
    assert_eq!(page.text(), "The end");
    assert_eq!(page.url.path(), "/end");
    assert_eq!(page.redirects.len(), 1);
    let requests = server.requests();
    assert_eq!((requests[1].method.as_str(), requests[1].target.as_str()), ("POST", "/done?x=1"));
    assert_eq!(requests[1].text(), "a=new+%26+%C3%BC&b=%3Cb%3E&c=yes&e=two&f=f+f&h=i");
    assert_eq!(requests[1].field("a").as_deref(), Some("new & ü"));
    assert_eq!((requests[2].method.as_str(), requests[2].header("cookie")), ("GET", Some("s=1")));
}

mod scripted {
    use std::io::{ErrorKind, Read, Write};
    use std::thread;

    use super::*;

    fn send(server: &ScriptedServer) -> TcpStream {
        let mut connection = TcpStream::connect(server.address()).unwrap();
        connection.write_all(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n").unwrap();
        connection.write_all(b"abc").unwrap();
        connection
    }

    #[test]
    fn bytes_are_sent_as_they_are() {
        let server = ScriptedServer::start([Reply::Bytes(b"SSH-2.0-nonsense".to_vec())]);
        let mut answer = Vec::new();
        send(&server).read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"SSH-2.0-nonsense");
        assert_eq!(server.requests()[0].body, b"abc");
    }

    #[test]
    fn a_reset_is_a_reset() {
        let server = ScriptedServer::start([Reply::BytesThenReset(b"HTTP/1.1 200".to_vec())]);
        let error = send(&server).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_request_beyond_the_script_is_recorded_and_not_answered() {
        let server = ScriptedServer::start([]);
        let mut answer = Vec::new();
        send(&server).read_to_end(&mut answer).unwrap();
        assert_eq!((answer.len(), server.requests().len(), server.connections()), (0, 1, 1));
    }

    #[test]
    fn an_endless_body_ends_when_the_client_has_enough() {
        let server = ScriptedServer::start([Reply::Endless { bytes: 100 << 20 }]);
        let mut connection = send(&server);
        connection.read_exact(&mut [0; 1 << 20]).unwrap();
        drop(connection);
        // Its thread notices the end at the next write, so the amount sent is not checked.
        assert_eq!(server.wait_for_requests(1).len(), 1);
    }

    #[test]
    fn a_held_reply_is_sent_when_it_is_released() {
        let server = ScriptedServer::start([Reply::json("200 OK", "{}").held()]);
        let mut connection = send(&server);
        assert_eq!(server.wait_for_requests(1).len(), 1);
        connection.set_nonblocking(true).unwrap();
        assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        connection.set_nonblocking(false).unwrap();
        server.release();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
    }

    #[test]
    fn silence_lasts_until_the_server_goes() {
        let server = ScriptedServer::start([Reply::Silence]);
        let mut connection = send(&server);
        assert_eq!(server.wait_for_requests(1).len(), 1);
        let reading = thread::spawn(move || connection.read(&mut [0]));
        drop(server);
        assert_eq!(reading.join().unwrap().unwrap(), 0);
    }

    #[test]
    fn a_refusing_address_refuses() {
        let address = RefusingAddress::new();
        let url = Url::parse(&address.url("/")).unwrap();
        let error = TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_home_is_removed_when_it_is_dropped() {
    let home = TempHome::new();
    let path = home.path().to_owned();
    std::fs::create_dir(home.config_dir()).unwrap();
    drop(home);
    assert!(!path.exists());
}

#[cfg(unix)]
mod processes {
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    use twg_tests::{Pty, TempHome, repository};

    #[test]
    fn a_command_has_a_clean_environment() {
        let home = TempHome::new();
        let env =
            home.twg(["ignored"]).env("X", "1").env("X", "2").behind(["sh", "-c", "env; cat"]);
        let output = env.stdin("from stdin").run();
        let mut lines: Vec<_> = output.expect_success().stdout.lines().collect();
        lines.retain(|line| {
            !line.starts_with("PATH=")
                && !line.starts_with("PWD=")
                && !line.starts_with("_=")
                && !line.starts_with("SHLVL=")
        });
        lines.sort_unstable();
        let home_line = format!("HOME={}", home.path().display());
        let config_line = format!("TWG_CONFIG_DIR={}", home.config_dir().display());
        assert_eq!(lines, [home_line.as_str(), &config_line, "X=2", "from stdin"]);
    }

    #[test]
    fn the_authorization_server_ends_with_its_standard_input() {
        let home = TempHome::new();
        let server = repository().join("tests/oidc-provider/server.mjs");
        let start =
            [OsStr::new("sh"), OsStr::new("-c"), OsStr::new("exec node $0"), server.as_os_str()];
        home.twg([""; 0]).behind(start).run().expect_success();
    }

    #[test]
    fn the_built_twg_runs() {
        let home = TempHome::new();
        let output = home.twg(["--version"]).run();
        assert!(output.code().is_some(), "{output}");
    }

    #[test]
    fn a_running_program_can_be_watched_and_interrupted() {
        let home = TempHome::new();
        let script =
            "trap 'echo caught >&2; kill $!; exit 130' INT; sleep 600 & echo ready >&2; wait";
        let running = home.twg([""; 0]).behind(["sh", "-c", script]).start();
        running.wait_for_stderr(|text| text.contains("ready").then_some(()));
        running.interrupt();
        let output = running.wait();
        assert_eq!(output.expect_code(130).stderr, "ready\ncaught\n");
    }

    #[test]
    fn a_running_program_can_be_killed() {
        let home = TempHome::new();
        let running = home.twg([""; 0]).behind(["sh", "-c", "exec sleep 600"]).start();
        running.kill();
        assert_eq!(running.wait().code(), None);
    }

    fn terminal(script: &str) -> Pty {
        let args = ["-c", script].map(OsString::from);
        let path = std::env::var_os("PATH").unwrap();
        Pty::start(Path::new("/bin/sh"), &args, &[("PATH".into(), path)])
    }

    #[test]
    fn a_terminal_shows_what_is_typed_unless_the_program_hides_it() {
        let mut terminal = terminal(
            "test -t 0 && test -t 1 && test -t 2 || exit 9; printf 'Name: '; read name;
             printf 'Password: '; stty -echo; read secret; stty echo; printf '\\nHello %s %s' $name ${#secret}; exit 3",
        );
        terminal.wait_for("Name: ");
        terminal.send_line("Ada");
        terminal.wait_for("Name: Ada");
        terminal.wait_for("Password: ");
        terminal.wait_for_no_echo();
        terminal.send_line("geheim");
        terminal.wait_for("Hello Ada 6");
        assert_eq!(terminal.wait().code(), Some(3));
        assert!(!terminal.transcript().contains("geheim"));
        assert!(terminal.screen().contains("Hello Ada 6"), "the screen stays");
    }

    #[test]
    fn control_c_interrupts_the_program_in_a_terminal() {
        // After the signal, the kernel may discard terminal output, here `bye`,
        // unless a terminal mode prevents that.
        let mut terminal =
            terminal("stty noflsh; trap 'echo bye; exit 130' INT; echo ready; read x");
        terminal.wait_for("ready");
        terminal.send("\x03");
        assert_eq!(terminal.wait().code(), Some(130));
        assert!(terminal.screen().contains("bye"));
    }

    #[test]
    fn a_screen_shows_the_result_of_control_sequences() {
        let terminal = terminal("printf 'wrong\\r\\033[Kright \\033[1mbold\\033[0m'");
        terminal.wait_for("right bold");
        terminal.wait();
        assert_eq!(terminal.screen(), "right bold");
    }
}
