//! With real connections.

use std::io::{Read, Write};
use std::net::TcpStream;

use twg_core::time::Span;

use super::super::clock;
use super::*;

const FORM: ClientForm<'_> = ClientForm {
    provider: "Ex<ample",
    console_url: "https://example.com/console?a=1&b=\"{secret}",
    redirect_uri: "http://127.0.0.1:8976/callback",
    secret: SecretField::Required,
};

fn exchange(authority: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response);
    response
}

fn post(authority: &str, path: &str, origin: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\n{origin}Content-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    exchange(authority, &request)
}

/// Fills the form in, as `browser` does with its authority and path.
fn collected<T: Send + 'static>(
    form: ClientForm<'_>,
    browser: impl FnOnce(&str, &str) -> T + Send + 'static,
) -> (Result<(String, Option<Secret>), UserAgentError>, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut thread = None;
    let result =
        runtime.block_on(collect(form, clock::now().plus(Span::from_secs(20)), async |url| {
            let url = url.strip_prefix("http://").unwrap();
            let (authority, path) = url.split_once('/').unwrap();
            let (authority, path) = (authority.to_owned(), format!("/{path}"));
            thread = Some(std::thread::spawn(move || browser(&authority, &path)));
        }));
    (result, thread.unwrap().join().unwrap())
}

#[test]
fn what_is_typed_is_handed_over_and_never_shown() {
    let (result, ()) = collected(FORM, |authority, path| {
        let get = |path: &str| {
            exchange(authority, &format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n"))
        };
        let ours = format!("Origin: http://{authority}\r\n");
        let body = "client_id=%20my-id%20&client_secret=s3cr3t%26%2B&other=x";
        // Without the path, a request gets no form and cannot submit one.
        for other in [
            "/",
            "/favicon.ico",
            &format!("{path}x"),
            &path[..path.len() - 1],
            &format!("{path}?a=1"),
        ] {
            assert!(get(other).starts_with("HTTP/1.1 404 "), "{other}");
            assert!(post(authority, other, &ours, body).starts_with("HTTP/1.1 404 "), "{other}");
        }
        // Another page cannot submit the form, even if it knows the path.
        for origin in ["", "Origin: null\r\n", "Origin: https://evil.example\r\n"] {
            assert!(post(authority, path, origin, body).starts_with("HTTP/1.1 403 "), "{origin}");
        }
        let shown = get(path);
        assert!(shown.starts_with("HTTP/1.1 200 "));
        assert!(shown.contains("form-action 'self'") && shown.contains("no-store"));
        assert!(shown.contains("referrer-policy: same-origin"));
        assert!(shown.contains("type=\"password\" required"));
        assert!(shown.contains("Ex&#60;ample") && !shown.contains("Ex<ample"));
        assert!(shown.contains("b=&#34;{secret}\""), "a value is not a template");
        // Invalid input leads to the form again, and is not repeated there.
        for wrong in [
            "",
            "client_id=my-id",
            "client_id=&client_secret=s3cr3t",
            "client_id=a+b&client_secret=s3cr3t",
            "client_id=a%0d%0ab&client_secret=s3cr3t",
            "client_id=a%00&client_secret=s3cr3t",
            "client_id=%C3%A4&client_secret=s3cr3t",
            "client_id=my-id&client_id=my-id&client_secret=s3cr3t",
        ] {
            let response = post(authority, path, &ours, wrong);
            assert!(response.contains("role=\"alert\""), "{wrong}: {response}");
            assert!(!response.contains("s3cr3t") && !response.contains("my-id"), "{response}");
        }
        let response = post(authority, path, &ours, body);
        assert!(response.ends_with(SAVED), "{response}");
    });
    let (id, secret) = result.unwrap();
    assert_eq!((id.as_str(), secret.unwrap().expose()), ("my-id", "s3cr3t&+"));
}

#[test]
fn a_secret_is_asked_for_only_where_there_can_be_one() {
    let with = |field| ClientForm { secret: field, ..FORM };
    assert!(render(&with(SecretField::Optional), "").contains("if the app has one"));
    assert!(!render(&with(SecretField::None), "").contains("type=\"password\""));
    let plain = ClientForm { console_url: "javascript:alert(1)", ..FORM };
    assert!(!render(&plain, "").contains("javascript"));
    let body = b"client_id=a&client_secret=";
    assert!(filled_in(body, SecretField::Required).is_none());
    assert!(filled_in(body, SecretField::Optional).unwrap().1.is_none());
    assert!(filled_in(b"client_id=a&client_secret=b", SecretField::None).unwrap().1.is_none());
    for page in [render(&FORM, ""), SAVED.to_owned()] {
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("style=\""));
    }
}
