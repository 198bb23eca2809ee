//! Requests to the loopback redirect URI of a running login, wanted and unwanted. The login
//! survives every wrong one, and then succeeds with the right one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use twg_tests::{Browser, Page, RunningTwg, Sandbox};
use url::Url;

/// A login that waits for its redirect.
struct Waiting<'a> {
    sandbox: &'a Sandbox,
    login: RunningTwg,
    address: Url,
}

impl<'a> Waiting<'a> {
    fn start(sandbox: &'a Sandbox) -> Self {
        let login = sandbox.twg(["login", "--loopback", "--force"]).start();
        let address = Url::parse(&login.wait_for_address()).expect("an address");
        Self { sandbox, login, address }
    }

    fn asked(&self, name: &str) -> String {
        let found = self.address.query_pairs().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.address)).1.into_owned()
    }

    fn redirect_uri(&self) -> Url {
        Url::parse(&self.asked("redirect_uri")).expect("an address")
    }

    fn listener(&self) -> SocketAddr {
        self.redirect_uri().socket_addrs(|| None).expect("a loopback literal")[0]
    }

    /// The redirect that would complete the login; it is not followed.
    fn right_one(&self) -> Url {
        let browser = Browser::new().stop_before(self.redirect_uri().as_str());
        self.sandbox.approve(&browser, self.address.as_str()).url
    }

    /// The response to a request with these parameters.
    fn redirected(&self, parameters: &[(&str, &str)]) -> Page {
        let url = Url::parse_with_params(self.redirect_uri().as_str(), parameters).expect("a URL");
        Browser::new().open(url.as_str())
    }

    /// Sends a raw request and returns the first line of the response.
    fn raw(&self, head: &str) -> String {
        let mut connection = TcpStream::connect(self.listener()).expect("it listens");
        connection.write_all(head.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }

    fn ends_well(self) {
        let right = self.right_one();
        assert_eq!(Browser::new().open(right.as_str()).status, 200);
        self.login.wait().expect_success();
        assert_eq!(self.sandbox.requests_to("/oauth/token").len(), 1, "one code, one exchange");
    }
}

/// A5, A6, A7: only a redirect with the right state counts, with a code or with an error.
/// Incidents: openclaude CVE-2026-42073, hono CVE-2026-81888.
#[test]
fn forged_redirects_are_ignored() {
    let sandbox = Sandbox::start();
    let waiting = Waiting::start(&sandbox);
    let state = waiting.asked("state");
    let wrong = [
        vec![("code", "forged"), ("state", "wrong")],
        vec![("code", "forged")],
        vec![("code", "forged"), ("state", "")],
        vec![("code", "forged"), ("state", &state[1..])],
        vec![("error", "access_denied")],
        vec![("error", "access_denied"), ("state", "wrong")],
        vec![("error", "access_denied"), ("error_description", "\u{1b}[2J")],
        vec![("code", "forged"), ("state", "wrong"), ("state", &state)],
        vec![("x", "y")],
    ];
    for parameters in &wrong {
        let page = waiting.redirected(parameters);
        assert_eq!(page.status, 200, "{page:?}");
    }
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 0, "no forged code was exchanged");
    waiting.ends_well();
}

/// A38, A41: the page is static and forbids everything; the listener ends with the login.
#[test]
fn the_page_echoes_nothing_and_the_listener_ends_with_the_login() {
    let sandbox = Sandbox::start();
    let waiting = Waiting::start(&sandbox);
    let canary = "<script>canary</script>";
    let forged =
        waiting.redirected(&[("code", canary), ("error", canary), ("next", "//evil.example")]);
    assert!(!forged.body.contains("canary") && !forged.body.contains("evil"), "{forged:?}");
    let listener = waiting.listener();
    let right = waiting.right_one();
    let page = Browser::new().open(right.as_str());
    assert_eq!(page.body, forged.body, "the same page in both cases");
    assert!(page.redirects.is_empty());
    let csp = page.header("content-security-policy").unwrap();
    assert!(
        csp.starts_with("default-src 'none'") && csp.contains("frame-ancestors 'none'"),
        "{csp}"
    );
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    waiting.login.wait().expect_success();
    TcpStream::connect(listener).unwrap_err();
}

/// A39, A40: another host name, another site's script, and anything except a GET of the exact path
/// are refused and change nothing. Incidents: rmcp RUSTSEC-2026-0189, CVE-2025-66414, mitmweb
/// CVE-2018-14505.
#[test]
fn other_hosts_origins_methods_and_paths_are_refused() {
    let sandbox = Sandbox::start();
    let waiting = Waiting::start(&sandbox);
    let (uri, state) = (waiting.redirect_uri(), waiting.asked("state"));
    let (path, host) = (uri.path(), waiting.listener());
    let good = format!("{path}?code=forged&state={state}");
    let port = host.port();
    for (head, status) in [
        (format!("GET {good} HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "403"),
        (format!("GET {good} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), "403"),
        (format!("GET {good} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), "403"),
        (format!("GET {good} HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n"), "403"),
        (format!("GET {good} HTTP/1.0\r\n\r\n"), "403"),
        (
            format!("GET {good} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\n\r\n"),
            "403",
        ),
        (format!("GET {good} HTTP/1.1\r\nHost: {host}\r\nOrigin: null\r\n\r\n"), "403"),
        (format!("GET {good} HTTP/1.1\r\nHost: {host}\r\nSec-Purpose: prefetch\r\n\r\n"), "503"),
        (format!("HEAD {good} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (format!("POST {good} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"), "405"),
        (format!("OPTIONS {good} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (format!("GET /favicon.ico HTTP/1.1\r\nHost: {host}\r\n\r\n"), "404"),
        (format!("GET /?code=forged&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "404"),
        (format!("GET {path}/?code=forged&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "404"),
    ] {
        let answer = waiting.raw(&head);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}{answer}");
    }
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 0);
    waiting.ends_well();
}

/// A35, A36, A37: the listener uses only the loopback address of the redirect URI and a port that
/// the system chose. A busy registered port is an error, and no other port is used.
#[test]
#[cfg(target_os = "linux")]
fn the_listener_is_on_loopback_and_a_busy_port_is_an_error() {
    let sandbox = Sandbox::start();
    let waiting = Waiting::start(&sandbox);
    let uri = waiting.redirect_uri();
    assert_eq!(uri.host_str(), Some("127.0.0.1"), "{uri}");
    let port = waiting.listener().port();
    // All listeners at this port, at any address: `sl local remote 0A ...`.
    let mut listening = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = std::fs::read_to_string(table).unwrap_or_default();
        for line in table.lines().skip(1) {
            let words: Vec<_> = line.split_whitespace().collect();
            if words[3] == "0A" && words[1].ends_with(&format!(":{port:04X}")) {
                listening.push(words[1].to_owned());
            }
        }
    }
    assert_eq!(listening, [format!("0100007F:{port:04X}")], "127.0.0.1 and nothing else");
    waiting.ends_well();

    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    sandbox.change_provider(|provider| provider["redirect"]["port"] = port.into());
    let before = sandbox.record();
    sandbox.clear_log();
    let refused = sandbox.twg(["login", "--loopback", "--force"]).run();
    refused
        .expect_code(78)
        .expect_stderr(&port.to_string())
        .expect_stderr("another program uses the local port")
        .expect_stderr("Your earlier sign-in is unchanged.")
        .expect_stderr("`twg login --force --device`");
    let json = sandbox.twg(["login", "--loopback", "--force", "--json"]).run();
    assert_eq!(json.expect_code(78).json()["error"]["code"], "PORT_BUSY");
    assert!(sandbox.log().is_empty());
    assert_eq!(sandbox.record(), before);
}

/// A3, A55: a redirect for one login is worth nothing to another login.
#[test]
fn the_answer_to_another_login_is_not_taken() {
    let sandbox = Sandbox::start();
    let (mine, other) = (Waiting::start(&sandbox), Waiting::start(&sandbox));
    for name in ["state", "code_challenge"] {
        assert_ne!(mine.asked(name), other.asked(name), "each attempt has its own");
    }
    let mut foreign = other.right_one();
    foreign.set_port(Some(mine.listener().port())).unwrap();
    assert_eq!(Browser::new().open(foreign.as_str()).status, 200);
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 0, "not exchanged");
    drop(other);
    mine.ends_well();
}

/// A8: a repeated parameter is not valid; with the right state it ends the login with that error.
#[test]
fn a_repeated_parameter_ends_the_login() {
    let sandbox = Sandbox::start();
    let waiting = Waiting::start(&sandbox);
    let state = waiting.asked("state");
    let _page = waiting.redirected(&[("code", "one"), ("code", "two"), ("state", &state)]);
    waiting
        .login
        .wait()
        .expect_code(1)
        .expect_stderr("more than once")
        .expect_stderr("Nothing was stored.");
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 0);
}

/// A47, A48, A49, A50: a wrong issuer in the redirect, and a missing one.
#[test]
fn a_wrong_or_missing_issuer_ends_the_login() {
    let discovered = |provider: &mut serde_json::Value| {
        provider.as_object_mut().unwrap().remove("endpoints");
        provider.as_object_mut().unwrap().remove("iss_parameter");
    };
    for (switch, said) in [("wrong", "it comes from the issuer"), ("missing", "it has no issuer")] {
        let sandbox = Sandbox::start_with(&[&format!("iss={switch}")]);
        sandbox.change_provider(discovered);
        let output = sandbox.finish(sandbox.twg(["login", "--loopback"]).start());
        output.expect_code(1).expect_stderr(said).expect_stderr("Nothing was stored.");
        output.expect_stderr("`twg login`");
        assert_eq!(sandbox.requests_to("/oauth/token").len(), 0, "the code goes nowhere");
        sandbox.switch("iss", "on");
        sandbox.sign_in(&[]);
    }
    // Not advertised, but sent.
    let sandbox = Sandbox::start_with(&["iss=on"]);
    sandbox.change_provider(|provider| provider["iss_parameter"] = "unsupported".into());
    let output = sandbox.finish(sandbox.twg(["login", "--loopback"]).start());
    output.expect_code(1).expect_stderr("which this server does not announce");
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 0);
}
