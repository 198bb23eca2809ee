//! HTTP as data: what a flow asks a shell to send, and what the shell reports back.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::secret::Secret;
use crate::time::Span;

/// An answer larger than this is cut off by the shell and reported as [`TransportFailure::TooLarge`].
/// Token answers with 64 KiB tokens fit many times over.
pub const MAX_RESPONSE_BYTES: u32 = 1024 * 1024;

/// How long one exchange may take, from connecting to the last byte.
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
}

impl Method {
    /// The method as it stands in the request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A complete answer. `Debug` shows the status only; the body may hold credentials.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header fields with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`MAX_RESPONSE_BYTES`].
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first value of the header field `name` (given in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
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

/// No complete answer came. What matters to a flow is whether the server may have acted: a
/// single-use code or refresh token may be spent after [`TransportError::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// Not one byte of the request can have reached the server.
    NotSent(TransportFailure),
    /// The request may have been received and acted upon.
    Unknown(TransportFailure),
}

impl TransportError {
    /// What went wrong, wherever the request got to.
    #[must_use]
    pub const fn failure(&self) -> &TransportFailure {
        match self {
            Self::NotSent(failure) | Self::Unknown(failure) => failure,
        }
    }
}

/// Why there is no answer, as far as the shell can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// The host name has no address.
    NameResolution,
    /// The connection was refused or could not be made.
    Connect,
    /// The server's certificate is not trusted, or TLS failed otherwise.
    Tls,
    /// It took longer than [`REQUEST_TIMEOUT`].
    Timeout,
    /// The connection broke before the answer was complete.
    Interrupted,
    /// The answer is larger than [`MAX_RESPONSE_BYTES`].
    TooLarge,
    /// Anything else. The text is the shell's, for people; it holds no URL query, header or body.
    Other(String),
}

impl fmt::Display for TransportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameResolution => f.write_str("the host name could not be resolved"),
            Self::Connect => f.write_str("the connection could not be made"),
            Self::Tls => f.write_str(
                "the secure connection failed; if a corporate proxy inspects TLS, point \
                 SSL_CERT_FILE at its certificate",
            ),
            Self::Timeout => write!(f, "no complete answer within {REQUEST_TIMEOUT}"),
            Self::Interrupted => f.write_str("the connection broke before the answer was complete"),
            Self::TooLarge => {
                write!(f, "the answer is larger than {} MiB", MAX_RESPONSE_BYTES >> 20)
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}
