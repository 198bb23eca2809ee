//! Helpers that read requests and make up responses.

use std::collections::BTreeMap;

use twg_core::http::{HttpRequest, HttpResponse, Method, TransportError, TransportFailure};

/// The result of a request.
pub(crate) struct Answer(pub(crate) Result<HttpResponse, TransportError>);

impl From<HttpResponse> for Answer {
    fn from(response: HttpResponse) -> Self {
        Self(Ok(response))
    }
}

impl From<TransportError> for Answer {
    fn from(error: TransportError) -> Self {
        Self(Err(error))
    }
}

/// A response with a JSON body.
pub(crate) fn json(status: u16, body: &str) -> HttpResponse {
    with_headers(status, &[("content-type", "application/json")], body)
}

/// A response as a proxy or a load balancer sends it.
pub(crate) fn html(status: u16) -> HttpResponse {
    with_headers(status, &[("content-type", "text/html")], "<html><h1>Something went wrong</h1>")
}

pub(crate) fn with_headers(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: body.as_bytes().to_vec(),
    }
}

/// An OAuth error.
pub(crate) fn oauth_error(status: u16, code: &str) -> HttpResponse {
    json(status, &format!(r#"{{"error":"{code}"}}"#))
}

pub(crate) const fn timeout() -> TransportError {
    TransportError::Unknown(TransportFailure::Timeout)
}

pub(crate) const fn connection_timeout() -> TransportError {
    TransportError::NotSent(TransportFailure::Timeout)
}

pub(crate) const fn broken() -> TransportError {
    TransportError::Unknown(TransportFailure::Interrupted)
}

/// What a test reads from a request.
pub(crate) trait Inspect {
    fn field(&self, name: &str) -> Option<&str>;
    fn form(&self) -> BTreeMap<String, String>;
    fn json_body(&self) -> BTreeMap<String, String>;
}

impl Inspect for HttpRequest {
    /// A header field, which must be there at most once.
    #[track_caller]
    fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| *n == name);
        let value = values.next().map(|(_, value)| value.expose());
        assert!(values.next().is_none(), "two fields are called {name}");
        value
    }

    /// The parameters of a form, each at most once (A8).
    #[track_caller]
    fn form(&self) -> BTreeMap<String, String> {
        assert_eq!(self.method, Method::Post);
        assert_eq!(self.field("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(self.field("accept"), Some("application/json"));
        once(url::form_urlencoded::parse(self.body.expose().as_bytes()))
    }

    #[track_caller]
    fn json_body(&self) -> BTreeMap<String, String> {
        assert_eq!(self.method, Method::Post);
        assert_eq!(self.field("content-type"), Some("application/json"));
        serde_json::from_str(self.body.expose()).expect("an object of strings")
    }
}

/// The parameters of a URL's query, each at most once (A8).
#[track_caller]
pub(crate) fn query(url: &str) -> BTreeMap<String, String> {
    once(url::Url::parse(url).expect("a URL").query_pairs())
}

#[track_caller]
fn once<'a>(
    pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in pairs {
        let before = all.insert(name.clone().into_owned(), value.into_owned());
        assert!(before.is_none(), "two fields are called {name}");
    }
    all
}

/// `(name, value)` pairs as a map, to compare with.
pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}
