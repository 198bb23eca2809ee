//! Against real sockets. Tests that depend on the environment run in a process of their own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use twg_core::http::MAX_RESPONSE_BYTES;
use twg_core::secret::Secret;
use twg_core::time::Span;

use super::*;

const CANARY: &str = "canary-s3cr3t";

fn post(url: impl Into<String>) -> HttpRequest {
    let headers = vec![
        ("content-type", Secret::new("application/x-www-form-urlencoded")),
        ("authorization", Secret::new(format!("Basic {CANARY}"))),
    ];
    let body = Secret::new(format!("refresh_token={CANARY}"));
    HttpRequest::new(Method::Post, url.into(), headers, body)
}

fn send_with(client: &HttpClient, request: HttpRequest) -> Result<HttpResponse, TransportError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(client.send(request));
    // An error never contains what was sent.
    if let Err(error) = &result {
        let told = format!("{error:?} {}", error.failure());
        assert!(!told.contains(CANARY) && !told.contains("query"), "{told}");
    }
    runtime.shutdown_background();
    result
}

fn send(request: HttpRequest) -> Result<HttpResponse, TransportError> {
    send_with(&HttpClient::new(), request)
}

/// Sends these bytes to one connection after another. Returns what each sent.
fn server(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token?query=1", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let requests = answers.into_iter().map(|answer| {
            let (mut stream, _) = listener.accept().unwrap();
            let request = request(&mut stream);
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Write);
            request
        });
        let requests = requests.collect();
        // There is no further connection.
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
        requests
    });
    (url, thread)
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let done = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |l| l.parse().unwrap())
        });
        if n == 0 || done {
            return text.into_owned();
        }
    }
}

#[test]
fn a_response_is_returned_unchanged() {
    let (url, server) = server(vec![
        b"HTTP/1.1 400 No\r\nContent-Length: 5\r\nX-A: b\r\nx-a: c\r\n\r\n{\"a\"}".to_vec(),
    ]);
    let answer = send(post(url)).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (400, &b"{\"a\"}"[..]));
    assert_eq!(answer.header("x-a"), Some("b"));
    let sent = server.join().unwrap().remove(0);
    assert!(sent.starts_with("POST /token?query=1 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("user-agent: {USER_AGENT}\r\n")), "{sent}");
    assert!(sent.ends_with(&format!("\r\n\r\nrefresh_token={CANARY}")), "{sent}");
}

/// A23: a redirect is a response like any other, and is not followed.
#[test]
fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let head =
            format!("HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
        let (url, server) = server(vec![head.into_bytes()]);
        assert_eq!(send(post(url)).unwrap().status, status);
        assert_eq!(server.join().unwrap().len(), 1);
    }
}

/// A24: there is no cache, and no connection is used twice.
#[test]
fn every_request_is_sent_anew() {
    let answer = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=999\r\nContent-Length: 0\r\n\r\n";
    let (url, server) = server(vec![answer.to_vec(), answer.to_vec()]);
    let client = HttpClient::new();
    let get = || HttpRequest { method: Method::Get, body: Secret::default(), ..post(url.clone()) };
    assert_eq!(send_with(&client, get()).unwrap().status, 200);
    assert_eq!(send_with(&client, get()).unwrap().status, 200);
    assert_eq!(server.join().unwrap().len(), 2);
}

#[test]
fn what_may_have_arrived_is_told_apart_from_what_did_not() {
    use TransportError::{NotSent, Unknown};
    use TransportFailure as F;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(send(post(format!("http://{closed}/?query"))).unwrap_err(), NotSent(F::Connect));
    assert_eq!(send(post(format!("https://{closed}/?query"))).unwrap_err(), NotSent(F::Connect));
    assert_eq!(
        send(post("https://no-such-host.invalid/?query")).unwrap_err(),
        NotSent(F::NameResolution)
    );
    let broken: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"not HTTP at all\r\n\r\n",
    ];
    for answer in broken {
        let (url, server) = server(vec![answer.to_vec()]);
        assert_eq!(send(post(url)).unwrap_err(), Unknown(F::Interrupted), "{answer:?}");
        assert_eq!(server.join().unwrap().len(), 1);
    }
    // A server that does not speak TLS.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/?query", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 No\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(send(post(url)).unwrap_err(), NotSent(F::Tls));
    server.join().unwrap();
}

#[test]
fn a_large_response_is_refused() {
    let max = MAX_RESPONSE_BYTES as usize;
    for (size, fits) in [(max, true), (max + 1, false)] {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(answer.len() + size, b'x');
        let (url, _server) = server(vec![answer]);
        match send(post(url)) {
            Ok(answer) => assert!(fits && answer.body.len() == max),
            Err(error) => {
                assert!(!fits);
                assert_eq!(error, TransportError::Unknown(TransportFailure::TooLarge));
            }
        }
    }
}

/// A request's own limits take precedence.
#[test]
fn a_request_has_limits_of_its_own() {
    let (url, _server) = server(vec![b"HTTP/1.1 200 OK\r\n\r\n12345".to_vec()]);
    let small = HttpRequest { max_response_bytes: 4, ..post(url) };
    let too_large = TransportError::Unknown(TransportFailure::TooLarge);
    assert_eq!(send(small).unwrap_err(), too_large);
    // The kernel accepts the connection, and no program does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?query", listener.local_addr().unwrap());
    let hasty = HttpRequest { timeout: Span::from_millis(50), ..post(url) };
    let late = TransportError::Unknown(TransportFailure::Timeout);
    assert_eq!(send(hasty).unwrap_err(), late);
}

#[test]
fn a_timeout_tells_whether_the_request_was_sent() {
    let short = HttpClient::with_timeouts(Duration::from_millis(600), Duration::from_millis(200));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    // It accepts the connection and sends nothing, so TLS does not begin.
    let error = send_with(&short, post(format!("https://{address}/?query"))).unwrap_err();
    assert_eq!(error, TransportError::NotSent(TransportFailure::Timeout));
    let error = send_with(&short, post(format!("http://{address}/?query"))).unwrap_err();
    assert_eq!(error, TransportError::Unknown(TransportFailure::Timeout));
}

/// A13: https, or http to this machine.
#[test]
fn other_urls_are_refused_before_anything_is_sent() {
    for url in [
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://10.0.0.1/",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "",
    ] {
        let error = send(post(url)).unwrap_err();
        assert!(matches!(error, TransportError::NotSent(TransportFailure::Other(_))), "{url}");
    }
    for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "https://example.com"]
    {
        assert!(checked(url).is_ok(), "{url}");
    }
}

#[test]
fn a_header_cannot_smuggle_another() {
    let mut request = post("https://example.com/");
    request.headers.push(("x-a", Secret::new(format!("{CANARY}\r\nx-b: c"))));
    let error = send(request).unwrap_err();
    assert!(matches!(error, TransportError::NotSent(TransportFailure::Other(_))), "{error:?}");
}

/// Sends a request in another process, with other variables. Returns its result.
fn elsewhere(url: &str, vars: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "effects::http::tests::sends_one"]);
    let names =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];
    for name in names {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command.env("TWG_TEST_URL", url).envs(vars.iter().copied()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let told = output.split("<<").nth(1).unwrap_or_else(|| panic!("{output}"));
    told.split(">>").next().unwrap().to_owned()
}

#[test]
#[ignore = "started by the tests below"]
fn sends_one() {
    let url = std::env::var("TWG_TEST_URL").unwrap();
    let get = HttpRequest { method: Method::Get, body: Secret::default(), ..post(url) };
    let told = match send(get) {
        Ok(answer) => answer.status.to_string(),
        Err(error) => format!("{error:?}"),
    };
    crate::effects::terminal::print_data(format!("<<{told}>>").as_bytes()).unwrap();
}

#[test]
fn proxies_are_used_for_others_and_never_for_this_machine() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let (proxy, server) = server(vec![b"HTTP/1.1 403 No\r\n\r\n".to_vec()]);
        let told = elsewhere("https://example.invalid/?query", &[(name, &proxy)]);
        assert!(told.starts_with("NotSent(Other("), "{told}");
        let sent = server.join().unwrap().remove(0);
        assert!(sent.starts_with("CONNECT example.invalid:443 HTTP/1.1\r\n"), "{sent}");
        assert!(!sent.contains(CANARY));
    }
    let told = elsewhere(
        "https://example.invalid/",
        &[("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", ".invalid")],
    );
    assert_eq!(told, "NotSent(NameResolution)");
    let (url, server) = server(vec![b"HTTP/1.1 204 OK\r\n\r\n".to_vec()]);
    let proxy = "http://127.0.0.1:1";
    let vars = [("HTTP_PROXY", proxy), ("http_proxy", proxy), ("ALL_PROXY", proxy)];
    assert_eq!(elsewhere(&url, &vars), "204");
    assert_eq!(server.join().unwrap().len(), 1);
}

/// A server with a certificate that no system trusts, and that certificate.
struct TlsServer {
    child: Child,
    url: String,
    certificate: String,
    _dir: crate::effects::file_store::tests::Scratch,
}

impl TlsServer {
    fn start() -> Self {
        let dir = crate::effects::file_store::tests::scratch_dir();
        let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
        let config = dir.path().join("openssl.cnf");
        // Without it, openssl makes a certificate authority, which cannot be a server.
        std::fs::write(&config, "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
        let status = Command::new("openssl")
            .env("OPENSSL_CONF", &config)
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=twg test"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}"), "-key"])
            .arg(&key)
            .arg("-cert")
            .arg(&certificate)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let certificate = certificate.to_str().unwrap().to_owned();
        Self { child, url: format!("https://127.0.0.1:{port}/?query"), certificate, _dir: dir }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A27: the certificate chain is checked, and no setting turns this off. A certificate can only be
/// added.
#[test]
fn an_unknown_certificate_is_refused_unless_ssl_cert_file_has_it() {
    let server = TlsServer::start();
    assert_eq!(elsewhere(&server.url, &[]), "NotSent(Tls)");
    assert_eq!(elsewhere(&server.url, &[("SSL_CERT_FILE", &server.certificate)]), "200");
    // The certificate is good for another name only.
    let other = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(elsewhere(&other, &[("SSL_CERT_FILE", &server.certificate)]), "NotSent(Tls)");
    let told = elsewhere(&server.url, &[("SSL_CERT_FILE", "/nowhere")]);
    assert!(told.starts_with("NotSent(Other(") && told.contains("SSL_CERT_FILE"), "{told}");
}
