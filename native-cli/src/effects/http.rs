//! Sends requests. One builder makes all of them, so that certificates and proxies are the same
//! everywhere, and nothing is sent twice.

use std::cell::OnceCell;
use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect, retry};
use twg_core::http::{HttpRequest, HttpResponse, Method, TransportError, TransportFailure};
use twg_core::text::inert;
use url::{Host, Url};

#[cfg(any(windows, target_vendor = "apple"))]
use crate::environment;
use crate::system::os_error::words;

/// The limit for the first part of a request: name, connection, proxy and TLS. It is shorter than
/// any whole request, so that a timeout shows whether the request may have been sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The limit for any request.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

const USER_AGENT: &str = concat!("twg/", env!("CARGO_PKG_VERSION"));

/// Sends requests. Nothing is initialised before the first one, because loading certificates takes
/// milliseconds.
#[derive(Debug)]
pub(crate) struct HttpClient {
    total: Duration,
    connect: Duration,
    /// One per [`Route`].
    clients: [OnceCell<Client>; 3],
}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// TLS, through the proxy if the environment names one.
    Remote,
    /// TLS to this machine. A proxy could not reach it.
    LocalTls,
    /// Plain text within this machine. It needs no certificates, which a container may lack.
    LocalPlain,
}

impl HttpClient {
    /// A client that has not been used.
    pub(crate) const fn new() -> Self {
        Self::with_timeouts(LONGEST_TIMEOUT, CONNECT_TIMEOUT)
    }

    const fn with_timeouts(total: Duration, connect: Duration) -> Self {
        Self { total, connect, clients: [const { OnceCell::new() }; 3] }
    }

    /// Sends a request once, and reads the response.
    ///
    /// # Errors
    /// [`TransportError::NotSent`] only if the server cannot have seen any of the request:
    /// the URL is not allowed, or no connection was ready for it.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        self.send_watched(request, &mut |_| {}).await
    }

    /// As [`HttpClient::send`]. `watch` gets the size of the body so far, after each chunk.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn send_watched(
        &self,
        request: HttpRequest,
        watch: &mut dyn FnMut(usize),
    ) -> Result<HttpResponse, TransportError> {
        let url = checked(&request.url).map_err(TransportError::NotSent)?;
        let client = self.client_for(&url).map_err(TransportError::NotSent)?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
            Method::Head => reqwest::Method::HEAD,
        };
        let timeout = Duration::from_millis(request.timeout.as_millis()).min(self.total);
        let mut builder = client.request(method, url).headers(headers(&request)?).timeout(timeout);
        if !request.body.is_empty() {
            builder = builder.body(request.body.expose().to_owned());
        } else if matches!(request.method, Method::Post | Method::Put | Method::Patch) {
            // hyper sends no length for an empty body, and some servers require one (411).
            builder = builder.header(CONTENT_LENGTH, 0);
        }
        let mut response = builder.send().await.map_err(classify)?;
        let interrupted = |error: reqwest::Error| {
            TransportError::Unknown(if error.is_timeout() {
                TransportFailure::Timeout
            } else {
                TransportFailure::Interrupted
            })
        };
        let mut collected = HttpResponse {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.as_str().to_owned(), value)
                })
                .collect(),
            body: Vec::with_capacity(16 * 1024),
        };
        while let Some(chunk) = response.chunk().await.map_err(interrupted)? {
            if collected.body.len() + chunk.len() > request.max_response_bytes as usize {
                return Err(TransportError::Unknown(TransportFailure::TooLarge));
            }
            collected.body.extend_from_slice(&chunk);
            watch(collected.body.len());
        }
        Ok(collected)
    }

    /// The client for requests to this URL, for what [`HttpClient::send`] cannot do.
    ///
    /// # Errors
    /// [`TransportFailure`] if the certificates or proxies are configured wrongly.
    pub(crate) fn client_for(&self, url: &Url) -> Result<&Client, TransportFailure> {
        let route = match (url.scheme(), is_loopback(url)) {
            ("http", _) => Route::LocalPlain,
            (_, true) => Route::LocalTls,
            (_, false) => Route::Remote,
        };
        let [remote, local_tls, local_plain] = &self.clients;
        let cell = match route {
            Route::Remote => remote,
            Route::LocalTls => local_tls,
            Route::LocalPlain => local_plain,
        };
        if cell.get().is_none() {
            let _ = cell.set(self.build(route)?);
        }
        cell.get().ok_or_else(|| TransportFailure::Other("the HTTP client is missing".to_owned()))
    }

    fn build(&self, route: Route) -> Result<Client, TransportFailure> {
        // This fails if it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(self.total)
            .connect_timeout(self.connect)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // A kept connection may be closing while it is used again. Then it is unknown whether a
            // single-use token arrived.
            .pool_max_idle_per_host(0)
            .http1_only()
            .https_only(route != Route::LocalPlain);
        if route != Route::Remote {
            builder = builder.no_proxy();
        }
        builder = if route == Route::LocalPlain {
            builder.tls_certs_only([])
        } else {
            with_extra_roots(builder)?
        };
        builder.build().map_err(|error| {
            TransportFailure::Other(format!(
                "cannot prepare secure connections: {}; check SSL_CERT_FILE, SSL_CERT_DIR and the \
                 proxy variables",
                root_cause(&error.without_url())
            ))
        })
    }
}

/// On Linux the verifier reads `SSL_CERT_FILE` and `SSL_CERT_DIR` itself (rustls-native-certs), in
/// place of the system's certificates.
#[cfg(not(any(windows, target_vendor = "apple")))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on other systems")]
const fn with_extra_roots(
    builder: reqwest::ClientBuilder,
) -> Result<reqwest::ClientBuilder, TransportFailure> {
    Ok(builder)
}

/// The verifiers of macOS and Windows ignore `SSL_CERT_FILE`, so its certificates are added to
/// those they trust.
#[cfg(any(windows, target_vendor = "apple"))]
fn with_extra_roots(
    builder: reqwest::ClientBuilder,
) -> Result<reqwest::ClientBuilder, TransportFailure> {
    let Some(file) =
        environment::exactly(environment::SSL_CERT_FILE).filter(|file| !file.is_empty())
    else {
        return Ok(builder);
    };
    let unreadable = |error: String| {
        TransportFailure::Other(format!("cannot read the certificates in SSL_CERT_FILE: {error}"))
    };
    let pem = std::fs::read(file).map_err(|error| unreadable(words(&error)))?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| unreadable(error.without_url().to_string()))?;
    Ok(builder.tls_certs_merge(roots))
}

/// The core checked it already. This second check is made because the request leaves this machine.
fn checked(url: &str) -> Result<Url, TransportFailure> {
    let refuse = |why: &str| Err(TransportFailure::Other(format!("the URL {why}")));
    let Ok(url) = Url::parse(url) else { return refuse("is invalid") };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("contains a user name");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => refuse("is not https"),
    }
}

/// Whether the URL names this machine by a literal name, which no resolver can redirect.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn headers(request: &HttpRequest) -> Result<HeaderMap, TransportError> {
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        // The message does not contain the value, because it may be a secret.
        let refused = || {
            let text = format!("the header field {name} contains a forbidden character");
            TransportError::NotSent(TransportFailure::Other(text))
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| refused())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Whether the server may have seen the request. Only an error while the connection was made,
/// including TLS and proxy, excludes it: the request is written after that.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    if error.is_builder() {
        let text = format!("the request cannot be made: {}", root_cause(&error));
        return TransportError::NotSent(TransportFailure::Other(text));
    }
    if !error.is_connect() {
        return TransportError::Unknown(if error.is_timeout() {
            TransportFailure::Timeout
        } else {
            TransportFailure::Interrupted
        });
    }
    TransportError::NotSent(if error.is_dns() {
        TransportFailure::NameResolution
    } else if causes(&error).any(is_tls) {
        TransportFailure::Tls
    } else if error.is_timeout() {
        TransportFailure::Timeout
    } else if causes(&error).any(|cause| cause.is::<io::Error>()) {
        TransportFailure::Connect
    } else {
        // A proxy that refuses, for example.
        let text = format!("the connection could not be made: {}", root_cause(&error));
        TransportFailure::Other(text)
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An `io::Error` does not return the error inside it as its source, and that may be another
/// `io::Error`.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(carried) => is_tls(carried),
        None => error.is::<rustls::Error>(),
    }
}

/// The innermost message. Those around it repeat it.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let text = |cause: &(dyn Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(error) => words(error),
        None => cause.to_string(),
    };
    inert(&causes(error).last().map(text).unwrap_or_default())
}

#[cfg(test)]
#[cfg(unix)]
#[path = "http/tests.rs"]
mod tests;
