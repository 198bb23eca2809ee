//! A very small HTTP/1.1 client for loopback: one request per connection, no redirects.
//!
//! [`mod@crate::approve`] uses it as the user's browser, and [`mod@crate::start`] to find a running sandbox.
//! Both need no more: no proxies, no TLS.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use url::{Host, Url};

use crate::error::{SandboxError, reason};

/// How long one read or write may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum length of a response.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A response.
#[derive(Debug)]
pub(crate) struct PlainResponse {
    /// The status.
    pub(crate) status: u16,
    /// The `Location` header.
    pub(crate) location: Option<String>,
    /// The body as text.
    pub(crate) body: String,
}

/// The address of a loopback URL; `None` for any other.
pub(crate) fn loopback(url: &Url) -> Option<SocketAddr> {
    let clean = url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
    let ip = match url.host()? {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        // No look-up: it is this computer, even if the resolver says otherwise.
        Host::Domain("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Host::Domain(_) => return None,
    };
    let local = ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST;
    (clean && local).then(|| url.port_or_known_default().map(|port| (ip, port).into())).flatten()
}

/// Sends one request to a loopback URL, with an optional form.
pub(crate) fn send(
    method: &str,
    url: &Url,
    headers: &[(&str, &str)],
    form: Option<&str>,
) -> Result<PlainResponse, SandboxError> {
    let address =
        loopback(url).ok_or_else(|| SandboxError("The URL is not on this computer.".into()))?;
    let failed = |error: std::io::Error| {
        SandboxError(format!("{address} does not respond: {}", reason(&error)))
    };
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(failed)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/html\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(form) = form {
        request.push_str(&format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        ));
    }
    request.push_str("\r\n");
    request.push_str(form.unwrap_or_default());
    stream.write_all(request.as_bytes()).map_err(failed)?;

    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 8192];
    loop {
        if let Some(response) = parse(&bytes, false) {
            return Ok(response);
        }
        let read = match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            // A peer that closes early may have sent everything before.
            Err(error) if parse(&bytes, true).is_none() => return Err(failed(error)),
            Err(_) => break,
        };
        bytes.extend_from_slice(&chunk[..read]);
        if bytes.len() as u64 > LIMIT {
            return Err(SandboxError(format!("{address} sends more than {LIMIT} bytes.")));
        }
    }
    parse(&bytes, true)
        .ok_or_else(|| SandboxError(format!("{address} closed the connection without a response.")))
}

/// Reads a response; `None` if bytes are missing. At the end of the stream, no more will come.
fn parse(bytes: &[u8], at_end: bool) -> Option<PlainResponse> {
    let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..head_end]);
    let body = &bytes[head_end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let (mut location, mut length) = (None, None);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("location") {
            location = Some(value.trim().to_owned());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let complete = length.is_some_and(|length| body.len() >= length);
    (complete || at_end).then(|| PlainResponse {
        status,
        location,
        body: String::from_utf8_lossy(body).into_owned(),
    })
}
