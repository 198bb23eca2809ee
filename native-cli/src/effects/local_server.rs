//! A web server for one browser on this machine. The redirect listener and the client form use it.
//!
//! Any web page can make the browser send requests here, and any program of any user can connect.
//! So each request must pass [`refusal`], every response has the strictest headers, nothing of a
//! request is echoed, and no client can make others wait.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use twg_core::flow::UserAgentError;
use twg_core::time::UnixTime;
use zeroize::Zeroize;

use super::clock;
use crate::system::os_error::words;
use crate::system::platform;

/// The longest request target. No known authorization code is longer than 2 KiB.
const MAX_TARGET_BYTES: usize = 16 * 1024;

/// The longest request head, and the longest body.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The time limit for one connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Browsers open a few connections in advance. Further ones wait.
const MAX_CONNECTIONS: usize = 32;

/// A listener on loopback. Dropping it frees the port.
#[derive(Debug)]
pub(super) struct LocalServer {
    listener: TcpListener,
    address: SocketAddr,
    connections: JoinSet<()>,
}

/// A request that passed [`refusal`].
#[derive(Debug)]
pub(super) struct LocalRequest<'a> {
    pub(super) method: &'a Method,
    /// Path and query as they were sent.
    pub(super) target: &'a str,
    pub(super) path: &'a str,
    pub(super) has_query: bool,
    pub(super) has_origin: bool,
    pub(super) body: &'a [u8],
}

/// The response to a request, and the result if the request was the expected one.
#[derive(Debug)]
pub(super) struct Reply<T> {
    pub(super) page: Page,
    pub(super) outcome: Option<T>,
}

/// A response.
#[derive(Clone, Debug)]
pub(super) struct Page {
    status: StatusCode,
    html: Bytes,
    csp: String,
    referrer: &'static str,
}

impl Page {
    /// A page of ours. Only its style sheet is allowed, by its hash.
    pub(super) fn html(html: impl Into<Bytes>) -> Self {
        let html = html.into();
        let text = String::from_utf8_lossy(&html);
        let style = text
            .split_once("<style>")
            .and_then(|(_, rest)| rest.split_once("</style>"))
            .map_or("", |(style, _)| style);
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        );
        drop(text);
        Self { status: StatusCode::OK, html, csp, referrer: "no-referrer" }
    }

    /// The same page with a form that posts to its own URL. Without a referrer, browsers would send
    /// `Origin: null`, so the referrer is sent to this origin (and to no other).
    pub(super) fn with_form(mut self) -> Self {
        self.csp = self.csp.replace("form-action 'none'", "form-action 'self'");
        self.referrer = "same-origin";
        self
    }

    /// A response without a page.
    pub(super) fn status(status: StatusCode) -> Self {
        let csp = "default-src 'none'; frame-ancestors 'none'".to_owned();
        Self { status, html: Bytes::new(), csp, referrer: "no-referrer" }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.html));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Ok(csp) = HeaderValue::try_from(self.csp) {
            headers.insert(header::CONTENT_SECURITY_POLICY, csp);
        }
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(self.referrer));
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::CONNECTION, "close"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl LocalServer {
    /// Binds a loopback IP address: 127.0.0.1, or [::1] where there is no IPv4. `port` is the
    /// registered one; without it, any free port.
    ///
    /// # Errors
    /// [`UserAgentError::PortBusy`] if another program has that port. No other port is
    /// tried, because the server would refuse it. [`UserAgentError::Unavailable`] if nothing can be
    /// bound at all.
    pub(super) fn bind(port: Option<u16>) -> Result<Self, UserAgentError> {
        let at = |ip: std::net::IpAddr| bind_at(SocketAddr::new(ip, port.unwrap_or(0)));
        let bound = match at(Ipv4Addr::LOCALHOST.into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                at(Ipv6Addr::LOCALHOST.into())
            }
            result => result,
        };
        let (listener, address) = bound.map_err(|error| {
            // On Windows, binding a port that the system has reserved or another program shares is
            // forbidden.
            let busy = error.kind() == io::ErrorKind::AddrInUse
                || cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied;
            match port {
                Some(port) if busy => UserAgentError::PortBusy(port),
                _ => UserAgentError::Unavailable(format!(
                    "cannot listen on 127.0.0.1: {}",
                    words(&error)
                )),
            }
        })?;
        Ok(Self { listener, address, connections: JoinSet::new() })
    }

    /// `http://127.0.0.1:PORT`, without a slash.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves requests until one has a result and its response was sent, or until the deadline. It
    /// can be called again; in between, browsers wait.
    ///
    /// # Errors
    /// [`UserAgentError::TimedOut`].
    pub(super) async fn serve<T: Send + 'static>(
        &mut self,
        deadline: UnixTime,
        handle: impl Fn(&LocalRequest<'_>) -> Reply<T> + Send + Sync + 'static,
    ) -> Result<T, UserAgentError> {
        let (done, mut outcomes) = mpsc::unbounded_channel();
        let authority: Arc<str> = self.address.to_string().into();
        let handle = Arc::new(handle);
        let serving = async {
            loop {
                tokio::select! {
                    biased;
                    Some(outcome) = outcomes.recv() => return outcome,
                    Some(_) = self.connections.join_next() => {}
                    accepted = self.listener.accept(),
                        if self.connections.len() < MAX_CONNECTIONS => match accepted {
                        Ok((stream, _)) => {
                            let (done, handle) = (done.clone(), Arc::clone(&handle));
                            let authority = Arc::clone(&authority);
                            self.connections.spawn(async move {
                                if let Some(outcome) = converse(stream, authority, handle).await {
                                    let _ = done.send(outcome);
                                }
                            });
                        }
                        // The connection is gone already, or there are no free descriptors for a
                        // moment.
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    },
                }
            }
        };
        clock::before(deadline, serving).await.ok_or(UserAgentError::TimedOut)
    }
}

fn bind_at(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = platform::bind_exclusively(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}

/// One connection, one request. The result is returned after the response was sent, so that
/// stopping the server does not cut off the page.
async fn converse<T, H>(stream: TcpStream, authority: Arc<str>, handle: Arc<H>) -> Option<T>
where
    H: Fn(&LocalRequest<'_>) -> Reply<T>,
{
    let slot = Mutex::new(None);
    let service = service_fn(|request| {
        let (slot, authority, handle) = (&slot, &authority, &handle);
        async move {
            let reply = respond(request, authority, handle.as_ref()).await;
            if reply.outcome.is_some() {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = reply.outcome;
            }
            Ok::<_, std::convert::Infallible>(reply.page.into_response())
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .half_close(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(64)
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A browser that closes the connection early was still sent here.
    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
    slot.into_inner().unwrap_or_else(PoisonError::into_inner)
}

async fn respond<T>(
    request: Request<Incoming>,
    authority: &str,
    handle: &impl Fn(&LocalRequest<'_>) -> Reply<T>,
) -> Reply<T> {
    let refuse = |status| Reply { page: Page::status(status), outcome: None };
    let (head, body) = request.into_parts();
    if let Some(status) = refusal(&head, authority) {
        return refuse(status);
    }
    let mut bytes = Vec::new();
    // No other request here has a body, so none is read.
    if head.method == Method::POST {
        let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE);
        };
        bytes = body.to_bytes().to_vec();
    }
    let reply = handle(&LocalRequest {
        method: &head.method,
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()),
        path: head.uri.path(),
        has_query: head.uri.query().is_some_and(|query| !query.is_empty()),
        has_origin: head.headers.contains_key(header::ORIGIN),
        body: &bytes,
    });
    bytes.zeroize();
    reply
}

/// Why a request is refused before it is handled.
fn refusal(head: &hyper::http::request::Parts, authority: &str) -> Option<StatusCode> {
    let headers = &head.headers;
    // Another host name is DNS rebinding, and only a proxy request names an authority.
    let host_is_ours = only(headers, &header::HOST).is_some_and(|host| host == authority);
    if !host_is_ours || head.uri.authority().is_some() {
        return Some(StatusCode::FORBIDDEN);
    }
    if headers.contains_key(header::ORIGIN)
        && only(headers, &header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"))
            != Some(authority)
    {
        return Some(StatusCode::FORBIDDEN);
    }
    // If the browser names the destination, it must be a page that the user sees, not an image or a
    // frame of another page.
    let destination = HeaderName::from_static("sec-fetch-dest");
    if headers.contains_key(&destination) && only(headers, &destination) != Some("document") {
        return Some(StatusCode::FORBIDDEN);
    }
    if is_prefetch(headers) {
        // Browsers then send the request again when the page is opened.
        return Some(StatusCode::SERVICE_UNAVAILABLE);
    }
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    (target > MAX_TARGET_BYTES).then_some(StatusCode::URI_TOO_LONG)
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        headers.get_all(*name).iter().any(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            ["prefetch", "prerender", "preview"]
                .iter()
                .any(|word| value.windows(word.len()).any(|part| part == word.as_bytes()))
        })
    })
}

/// The value of a field, unless it occurs twice.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
