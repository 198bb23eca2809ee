//! Receives the redirect at the end of a sign-in in the browser. RFC 8252 section 7.3.

use hyper::{Method, StatusCode};
use twg_core::flow::{RedirectTarget, UserAgentError};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use super::local_server::{LocalServer, Page, Reply};

/// It does not say whether the sign-in succeeded. That is known only later, on the terminal.
const PAGE: &str = include_str!("pages/redirect.html");

/// The redirect URI of the browser. It is served until this is dropped.
///
/// RFC 8252 section 8.3: "open the network port only when starting the authorization request and
/// close it once the response is returned."
#[derive(Debug)]
pub(crate) struct RedirectListener {
    server: LocalServer,
    path: String,
}

impl RedirectListener {
    /// Starts to listen. Must be called inside a runtime.
    ///
    /// # Errors
    /// [`UserAgentError::PortBusy`] or [`UserAgentError::Unavailable`].
    pub(crate) fn bind(target: &RedirectTarget) -> Result<Self, UserAgentError> {
        let server = LocalServer::bind(target.port)?;
        Ok(Self { server, path: target.path.clone() })
    }

    /// The redirect URI, with the IP address and port that are bound.
    ///
    /// RFC 8252 section 8.3: "the use of localhost is NOT RECOMMENDED. Specifying a redirect URI
    /// with the loopback IP literal rather than localhost avoids inadvertently listening on network
    /// interfaces other than the loopback interface."
    pub(crate) fn redirect_uri(&self) -> String {
        format!("{}{}", self.server.origin(), self.path)
    }

    /// Waits for the redirect, and returns its whole URL. Every other request gets an empty
    /// response. It can be called again for another redirect.
    ///
    /// # Errors
    /// [`UserAgentError::TimedOut`].
    pub(crate) async fn receive(&mut self, deadline: UnixTime) -> Result<Secret, UserAgentError> {
        let (path, origin) = (self.path.clone(), self.server.origin());
        let page = Page::html(PAGE);
        let serving = self.server.serve(deadline, move |request| {
            let inert = |status| Reply { page: Page::status(status), outcome: None };
            if request.path != path {
                return inert(StatusCode::NOT_FOUND);
            }
            if request.method != Method::GET {
                return inert(StatusCode::METHOD_NOT_ALLOWED);
            }
            // A redirect always has a query. This is a user who opened the URL.
            if !request.has_query {
                return inert(StatusCode::BAD_REQUEST);
            }
            let url = Secret::new(format!("{origin}{}", request.target));
            Reply { page: page.clone(), outcome: Some(url) }
        });
        serving.await
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "loopback/tests.rs"]
mod tests;
