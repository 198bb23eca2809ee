//! With real connections, from browsers and from other programs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use twg_core::time::Span;

use super::super::clock;
use super::*;

fn target(port: Option<u16>) -> RedirectTarget {
    RedirectTarget { port, path: "/callback".to_owned() }
}

fn within(millis: u64) -> UnixTime {
    clock::now().plus(Span::from_millis(millis))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Sends bytes and reads the response until the connection is closed.
pub(in super::super) fn exchange(authority: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Listens while `browser` is used from another thread, with the authority (`127.0.0.1:1234`).
fn listening<T: Send>(
    millis: u64,
    browser: impl FnOnce(&str) -> T + Send,
) -> (Result<Secret, UserAgentError>, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut listener = runtime.block_on(async { RedirectListener::bind(&target(None)).unwrap() });
    let uri = listener.redirect_uri();
    let authority = uri.trim_start_matches("http://").trim_end_matches("/callback");
    std::thread::scope(|scope| {
        let browser = scope.spawn(move || browser(authority));
        let received = runtime.block_on(listener.receive(within(millis)));
        drop((listener, runtime));
        (received, browser.join().unwrap())
    })
}

/// A36, A37, A44: the redirect URI is what is bound; a free port is found; a registered port that
/// is busy is an error, and no other is tried. A38: the port is free again afterwards.
#[test]
fn the_port_is_ours_alone_while_it_is_needed() {
    block_on(async {
        let listener = RedirectListener::bind(&target(None)).unwrap();
        let uri = listener.redirect_uri();
        let port =
            uri.strip_prefix("http://127.0.0.1:").unwrap().strip_suffix("/callback").unwrap();
        let port: u16 = port.parse().unwrap();
        assert_ne!(port, 0);
        assert_eq!(
            RedirectListener::bind(&target(Some(port))).unwrap_err(),
            UserAgentError::PortBusy(port)
        );
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
        drop(listener);
        let again = RedirectListener::bind(&target(Some(port))).unwrap();
        assert_eq!(again.redirect_uri(), uri);
    });
}

/// A38, A41: the whole URL is returned, and the page is always the same: static, inert, and without
/// anything that was sent.
#[test]
fn a_redirect_is_received_and_its_page_says_nothing() {
    let query = "code=C0DE%22%3Cscript%3E&state=ST4TE&iss=https%3A%2F%2Fa";
    let (received, answer) = listening(10_000, |authority| {
        exchange(
            authority,
            &format!(
                "GET /callback?{query} HTTP/1.1\r\nHost: {authority}\r\nSec-Fetch-Dest: document\r\n\
                 Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n\r\n"
            ),
        )
    });
    let url = received.unwrap();
    assert!(url.expose().starts_with("http://127.0.0.1:"));
    assert!(url.expose().ends_with(&format!("/callback?{query}")));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status(&answer), body), (200, PAGE));
    assert!(!answer.contains("C0DE") && !answer.contains("ST4TE"));
    assert!(!body.contains("<script") && !body.contains("http-equiv") && !body.contains("src="));
    let head = head.to_ascii_lowercase();
    for field in [
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "connection: close",
        "content-type: text/html; charset=utf-8",
    ] {
        assert!(head.contains(&format!("\r\n{field}")), "{field}: {head}");
    }
    assert!(!head.contains("location:") && !head.contains("access-control"));
}

/// A39, A40 and the incidents rmcp RUSTSEC-2026-0189 and mitmweb CVE-2018-14505: only the redirect
/// of a person's browser has an effect. No other request ends the wait.
#[test]
fn everything_else_is_inert() {
    let huge = "x".repeat(80 * 1024);
    let (received, answers) = listening(20_000, |authority| {
        let mut answers = Vec::new();
        for (expected, what, request) in refused() {
            let request = request.replace("HOST", authority);
            let request = request.replace("PORT", authority.rsplit(':').next().unwrap());
            answers.push((expected, what, exchange(authority, &request)));
        }
        // This one is too long to be read; hyper refuses it in its own words.
        let refused =
            exchange(authority, &get("").replace("a=1", &huge).replace("HOST", authority));
        assert!(!refused.starts_with("HTTP/1.1 200"), "{refused}");
        assert_eq!(status(&exchange(authority, &get("").replace("HOST", authority))), 200);
        answers
    });
    for (expected, what, answer) in answers {
        let got = status(&answer);
        assert_eq!(got, expected, "{what}: {answer}");
        if got != 400 || !answer.contains("content-length: 0") {
            assert!(
                answer.contains("content-security-policy: default-src 'none'"),
                "{what}: {answer}"
            );
        }
        assert!(answer.ends_with("\r\n\r\n"), "{what}: {answer}");
    }
    assert!(received.unwrap().expose().ends_with("/callback?a=1"));
}

/// Requests that are refused: with which status, what each is, and the request.
fn refused() -> Vec<(u16, &'static str, String)> {
    vec![
        (
            403,
            "another host name",
            "GET /callback?a=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
        ),
        (
            403,
            "localhost is another name",
            "GET /callback?a=1 HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n".into(),
        ),
        (403, "another port", "GET /callback?a=1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n".into()),
        (403, "no host", "GET /callback?a=1 HTTP/1.0\r\n\r\n".into()),
        (403, "two hosts", "GET /callback?a=1 HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n".into()),
        (
            403,
            "as if to a proxy",
            "GET http://HOST/callback?a=1 HTTP/1.1\r\nHost: HOST\r\n\r\n".into(),
        ),
        (403, "foreign origin", get("Origin: https://evil.example")),
        (403, "opaque origin", get("Origin: null")),
        (403, "https origin", get("Origin: https://HOST")),
        (403, "an image", get("Sec-Fetch-Dest: image")),
        (403, "a frame", get("Sec-Fetch-Dest: iframe")),
        (403, "fetch()", get("Sec-Fetch-Dest: empty")),
        (503, "prefetch", get("Sec-Purpose: prefetch")),
        (503, "prerender", get("Sec-Purpose: prefetch;prerender")),
        (503, "Safari's preview", get("X-Purpose: preview")),
        (503, "older Chrome's prefetch", get("Purpose: prefetch")),
        (503, "Firefox's prefetch", get("X-Moz: prefetch")),
        (405, "HEAD", get("").replace("GET", "HEAD")),
        (405, "POST", get("Content-Length: 0").replace("GET", "POST")),
        (
            405,
            "preflight",
            get("Access-Control-Request-Private-Network: true").replace("GET", "OPTIONS"),
        ),
        (404, "favicon", get("").replace("/callback?a=1", "/favicon.ico")),
        (404, "the root", get("").replace("/callback?a=1", "/?code=1&state=2")),
        (404, "below the path", get("").replace("/callback?", "/callback/?")),
        (404, "another case", get("").replace("/callback?", "/Callback?")),
        (404, "another spelling", get("").replace("/callback?", "/%63allback?")),
        (404, "dots", get("").replace("/callback?", "/x/../callback?")),
        (400, "nothing said", get("").replace("?a=1", "")),
        (400, "an empty query", get("").replace("?a=1", "?")),
        (414, "a long URL", get("").replace("a=1", &"x".repeat(17 * 1024))),
        (400, "not HTTP", "hello\r\n\r\n".into()),
        (
            405,
            "both lengths: one request, and the rest is ignored",
            get("Content-Length: 4\r\nTransfer-Encoding: chunked\r\nX: y").replace("GET", "PUT"),
        ),
    ]
}

fn get(field: &str) -> String {
    let field = if field.is_empty() { String::new() } else { format!("{field}\r\n") };
    format!("GET /callback?a=1 HTTP/1.1\r\nHost: HOST\r\n{field}\r\n")
}

/// Programs that connect and send nothing, or an incomplete request, do not block the browser.
#[test]
fn a_stalled_connection_does_not_block_the_browser() {
    let (received, took) = listening(10_000, |authority| {
        let stalled: Vec<_> = (0..20)
            .map(|n| {
                let mut stream = TcpStream::connect(authority).unwrap();
                if n % 2 == 0 {
                    stream.write_all(b"GET /callback?a=").unwrap();
                }
                stream
            })
            .collect();
        let begun = Instant::now();
        let answer = exchange(authority, &get("").replace("HOST", authority));
        assert_eq!(status(&answer), 200);
        drop(stalled);
        begun.elapsed()
    });
    assert!(received.is_ok() && took < Duration::from_secs(2), "{took:?}");
}

/// A7: a redirect after the first one is received if the flow asks for another, and otherwise
/// refused.
#[test]
fn another_redirect_is_received_when_it_is_asked_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut listener = runtime.block_on(async { RedirectListener::bind(&target(None)).unwrap() });
    let authority = listener.server.origin().replace("http://", "");
    std::thread::scope(|scope| {
        let browser = scope.spawn(|| {
            let one = exchange(&authority, &get("").replace("HOST", &authority));
            let two =
                exchange(&authority, &get("").replace("HOST", &authority).replace("a=1", "a=2"));
            (status(&one), status(&two))
        });
        for end in ["?a=1", "?a=2"] {
            let url = runtime.block_on(listener.receive(within(10_000))).unwrap();
            assert!(url.expose().ends_with(end));
        }
        assert_eq!(browser.join().unwrap(), (200, 200));
    });
    let address = authority.clone();
    drop((listener, runtime));
    assert!(TcpStream::connect(address).is_err());
}

/// A38: there is no redirect.
#[test]
fn the_wait_ends_at_the_deadline() {
    let (received, ()) = listening(100, |_| ());
    assert_eq!(received.unwrap_err(), UserAgentError::TimedOut);
}
