//! The whole sandbox over real HTTP.

mod api;
mod faults;
mod refresh;
mod running;
mod sign_in;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::form_urlencoded;

use crate::clients::DEVICE_CLIENT;
use crate::{Options, Running, Switches, start};

/// The scopes that the default client asks for.
const SCOPES: &str = "read:me read:jira-work read:jira-user read:confluence-space.summary \
                      read:confluence-user offline_access";

/// A verifier and its challenge, RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A directory that dropping removes.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("twg-sandbox-test-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start_in(directory: &Path, switches: &str) -> Running {
    let switches = Switches::parse(switches).unwrap();
    start(Options { state_dir: directory.into(), port: None, switches }).unwrap()
}

/// A response.
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (one, value) = line.split_once(':')?;
            one.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Status, and error or `ok`.
    fn outcome(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or("ok").into())
    }

    /// A string of the JSON body.
    fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().into()
    }

    /// The hidden value of the page's form.
    fn ticket(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"ticket\" value=\"").unwrap();
        rest.split('"').next().unwrap().into()
    }
}

/// A sandbox for one test.
struct Sandbox {
    running: Running,
    directory: Directory,
}

impl Sandbox {
    fn new(switches: &str) -> Self {
        let directory = Directory::new();
        Self { running: start_in(&directory.0, switches), directory }
    }

    fn base(&self) -> &str {
        self.running.base_url()
    }

    /// Sends these bytes and reads to the end. `None` if no whole response came.
    fn raw(&self, bytes: &str) -> Option<Got> {
        let address: SocketAddr = self.base().trim_start_matches("http://").parse().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).ok()?;
        let response = String::from_utf8(response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Got { status, head: head.into(), body: body.into() })
    }

    /// `headers` end with CRLF each.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<Got> {
        let host = self.base().trim_start_matches("http://");
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn get(&self, path: &str, bearer: &str) -> Got {
        self.send("GET", path, &format!("Authorization: Bearer {bearer}\r\n"), "").unwrap()
    }

    fn page(&self, path: &str) -> Got {
        self.send("GET", path, "", "").unwrap()
    }

    fn try_post(&self, path: &str, form: &[(&str, &str)]) -> Option<Got> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", &body)
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Got {
        self.try_post(path, form).unwrap()
    }

    fn post_json(&self, path: &str, body: &Value) -> Got {
        let headers = "Content-Type: application/json; charset=utf-8\r\n";
        self.send("POST", path, headers, &body.to_string()).unwrap()
    }

    fn post_basic(&self, path: &str, client: (&str, &str), form: &[(&str, &str)]) -> Got {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let basic = STANDARD.encode(format!("{}:{}", client.0, client.1));
        let headers = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic {basic}\r\n"
        );
        self.send("POST", path, &headers, &body).unwrap()
    }

    fn control(&self, method: &str, path: &str) -> Value {
        let path = format!("/_sandbox/{path}");
        let got = self.send(method, &path, "X-Twg-Sandbox: control\r\n", "").unwrap();
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.json()
    }

    fn advance(&self, seconds: u64) {
        self.control("POST", &format!("advance?seconds={seconds}"));
    }

    fn switch(&self, name: &str, value: &str) {
        self.control("POST", &format!("switch?name={name}&value={value}"));
    }

    fn families(&self) -> Vec<Value> {
        self.control("GET", "grants").as_array().unwrap().clone()
    }

    fn device_code(&self) -> Got {
        self.post("/oauth/device/code", &[("client_id", DEVICE_CLIENT), ("scope", SCOPES)])
    }

    fn poll(&self, device_code: &str) -> Got {
        self.post(
            "/oauth/token",
            &[
                ("grant_type", crate::grant_type::DEVICE_CODE),
                ("device_code", device_code),
                ("client_id", DEVICE_CLIENT),
            ],
        )
    }

    /// A whole sign-in with a device code. `approve` plays the user.
    fn sign_in(&self) -> Tokens {
        let asked = self.device_code();
        crate::approve(&asked.text("verification_uri_complete"), self.base()).unwrap();
        Tokens::of(&self.poll(&asked.text("device_code")))
    }

    fn refresh(&self, token: &str) -> Got {
        self.try_refresh(token).unwrap()
    }

    fn try_refresh(&self, token: &str) -> Option<Got> {
        self.try_post(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", token),
                ("client_id", DEVICE_CLIENT),
            ],
        )
    }
}

/// The tokens of a sign-in.
struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(got: &Got) -> Self {
        assert_eq!(got.status, 200, "{}", got.body);
        Self { access: got.text("access_token"), refresh: got.text("refresh_token") }
    }
}

/// A redirect URI that receives one request. Returns the URI, and the thread that returns the request
/// line.
fn listen() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 65_536];
        let mut read = 0;
        while !bytes[..read].ends_with(b"\r\n\r\n") {
            read += stream.read(&mut bytes[read..]).unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").unwrap();
        String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap().to_owned()
    });
    (format!("http://127.0.0.1:{port}{}", crate::clients::CALLBACK_PATH), thread)
}

/// A query parameter of a request line or URL.
fn param(line: &str, name: &str) -> Option<String> {
    let query = line.split(' ').find(|word| word.contains('?'))?.split_once('?')?.1;
    form_urlencoded::parse(query.as_bytes())
        .find(|(one, _)| one == name)
        .map(|(_, value)| value.into_owned())
}

/// An authorization request of the public client.
fn authorize_url(base: &str, client: &str, redirect_uri: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("audience", "api.atlassian.com"),
            ("client_id", client),
            ("scope", SCOPES),
            ("redirect_uri", redirect_uri),
            ("state", "s t&ate"),
            ("response_type", "code"),
            ("prompt", "consent"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    format!("{base}/authorize?{query}")
}
