//! HTTP as data: what a flow asks a shell to send, and what the shell reports back.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::secret::Secret;
use crate::time::Span;

/// The largest response body, unless its request says otherwise. The shell cuts off a larger one and reports
/// [`TransportFailure::TooLarge`]. Token responses with 64 KiB tokens fit many times over.
pub const MAX_RESPONSE_BYTES: u32 = 1024 * 1024;

/// How long an exchange may take, from connecting to the last byte, unless its request says otherwise.
pub const REQUEST_TIMEOUT: Span = Span::from_secs(30);

/// One request. The shell sends it exactly once: no redirects followed, no retries, no cache.
///
/// `Debug` shows the method and the URL without its query; headers and body may hold credentials.
#[derive(Clone)]
pub struct HttpRequest {
    /// The request method.
    pub method: Method,
    /// An absolute `https` URL (`http` only on loopback), already checked by the core.
    pub url: String,
    /// Header fields in order, each name in lower case.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body, empty for `GET`.
    pub body: Secret,
    /// How long the exchange may take, from connecting to the last byte. The shell gives up then.
    pub timeout: Span,
    /// How large the body of the response may be, in bytes.
    pub max_response_bytes: u32,
    /// Whether the request spends the refresh token of a stored connection: its response may be the only copy of the
    /// next one. Once sent, it is not aborted by a signal.
    ///
    /// A sign-in spends its code only once too. But an aborted sign-in loses nothing that was stored, and its user
    /// may want to end it while the server is silent, so those requests can be aborted.
    pub single_use: bool,
}

impl HttpRequest {
    /// A request with the usual limits that can be repeated.
    #[must_use]
    pub const fn new(
        method: Method,
        url: String,
        headers: Vec<(&'static str, Secret)>,
        body: Secret,
    ) -> Self {
        Self {
            method,
            url,
            headers,
            body,
            timeout: REQUEST_TIMEOUT,
            max_response_bytes: MAX_RESPONSE_BYTES,
            single_use: false,
        }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &url)
            .finish_non_exhaustive()
    }
}

/// The request methods that the flows use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `HEAD`
    Head,
}

impl Method {
    /// The method as it stands in the request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// A complete response. `Debug` shows the status only; the body may hold credentials.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header fields with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`HttpRequest::max_response_bytes`].
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first value of the header field `name` (given in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `Retry-After` in seconds. RFC 9110 section 10.2.3; the date form is rare and ignored.
    pub(crate) fn retry_after(&self) -> Option<Span> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(Span::from_secs(seconds))
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Drop for HttpResponse {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.body);
    }
}

/// No complete response came. What matters to a flow is whether the server may have acted: a
/// single-use code or refresh token may be spent after [`TransportError::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// No byte of the request can have reached the server.
    NotSent(TransportFailure),
    /// The request may have been received and acted upon.
    Unknown(TransportFailure),
}

impl TransportError {
    /// What went wrong.
    #[must_use]
    pub const fn failure(&self) -> &TransportFailure {
        match self {
            Self::NotSent(failure) | Self::Unknown(failure) => failure,
        }
    }
}

/// Why there is no response, as far as the shell knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// The host name has no IP address.
    NameResolution,
    /// The connection was refused or could not be made.
    Connect,
    /// The server's certificate is not trusted, or TLS failed otherwise.
    Tls,
    /// It took longer than [`HttpRequest::timeout`].
    Timeout,
    /// The connection broke before the response was complete.
    Interrupted,
    /// The response is larger than [`HttpRequest::max_response_bytes`].
    TooLarge,
    /// Anything else. The text is the shell's, for people; it holds no URL query, header or body.
    Other(String),
}

impl fmt::Display for TransportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameResolution => f.write_str("the host name could not be resolved"),
            Self::Connect => f.write_str("the server could not be reached"),
            Self::Tls => f.write_str(
                "TLS failed; if a corporate proxy inspects TLS, point SSL_CERT_FILE at its \
                 certificate",
            ),
            Self::Timeout => f.write_str("no complete response came in time"),
            Self::Interrupted => f.write_str("the response broke off before it was complete"),
            Self::TooLarge => f.write_str("the response is too large"),
            Self::Other(text) => f.write_str(text),
        }
    }
}
