//! Requests and responses as data.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

/// A request, read whole.
#[derive(Debug)]
pub(crate) struct Request {
    /// The method, in capitals.
    pub(crate) method: String,
    /// The path as the client sent it.
    pub(crate) path: String,
    /// The query parameters.
    pub(crate) query: Params,
    /// The parameters of a form or JSON body.
    pub(crate) params: Params,
    /// Whether the body says that it is JSON.
    pub(crate) is_json: bool,
    /// Whether the body says that it is JSON, but is not a JSON object.
    malformed: bool,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A request of these parts. Header names are in lower case.
    pub(crate) fn new(
        method: &str,
        path: &str,
        query: &str,
        headers: Vec<(String, String)>,
        body: &[u8],
    ) -> Self {
        let mut request = Self {
            method: method.into(),
            path: path.into(),
            query: Params::from_form(query.as_bytes()),
            params: Params::default(),
            is_json: false,
            malformed: false,
            headers,
        };
        let kind = request.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        request.is_json = kind == "application/json";
        if request.is_json {
            match Params::from_json(body) {
                Some(params) => request.params = params,
                None => request.malformed = true,
            }
        } else if kind == "application/x-www-form-urlencoded" {
            request.params = Params::from_form(body);
        }
        request
    }

    /// Refuses a body that cannot be read, and a parameter that occurs twice: "parameters MUST NOT be
    /// included more than once", RFC 6749 section 3.2.
    pub(crate) fn check(&self) -> Result<(), Response> {
        if self.malformed {
            return Err(Response::unreadable());
        }
        let Some(name) = self.params.repeated() else {
            return Ok(());
        };
        let text = format!("The parameter {name} occurs twice.");
        Err(Response::error(400, "invalid_request", &text))
    }

    /// The first header with this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// The bearer token.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// User name and password of Basic authentication, form-decoded as RFC 6749 section 2.3.1 requires
    /// for clients.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let (scheme, encoded) = self.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((form_decoded(user), form_decoded(password)))
    }
}

/// Undoes `application/x-www-form-urlencoded` for one value.
fn form_decoded(text: &str) -> String {
    let Some((value, _)) = form_urlencoded::parse(text.as_bytes()).next() else {
        return String::new();
    };
    // A `=` or `&` would be encoded; text with a bare one was not encoded at all.
    if text.contains(['=', '&']) { text.into() } else { value.into_owned() }
}

/// Parameters in the order of the request.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    fn from_form(bytes: &[u8]) -> Self {
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into(), value.into());
        Self(form_urlencoded::parse(bytes).map(owned).collect())
    }

    fn from_json(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let mut params = Vec::new();
        for (name, value) in value.as_object()? {
            if let Some(text) = value.as_str() {
                params.push((name.clone(), text.into()));
            } else if value.is_number() || value.is_boolean() {
                params.push((name.clone(), value.to_string()));
            }
        }
        Some(Self(params))
    }

    /// The parameter, unless it is empty: "Parameters sent without a value MUST be treated as if
    /// they were omitted", RFC 6749 section 3.1.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The scopes: separated by spaces, each once.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let mut scopes: Vec<String> = Vec::new();
        for scope in self.get("scope").unwrap_or_default().split_ascii_whitespace() {
            if !scopes.iter().any(|one| one == scope) {
                scopes.push(scope.into());
            }
        }
        scopes
    }

    /// A parameter that occurs twice, which RFC 6749 section 3.1 forbids.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let names = || self.0.iter().map(|(name, _)| name.as_str());
        names()
            .enumerate()
            .find(|(at, name)| names().skip(at + 1).any(|one| one == *name))
            .map(|(_, name)| name)
    }
}

/// A response of the sandbox.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The result for the log: an error code, or `ok`.
    pub(crate) outcome: Cow<'static, str>,
}

impl Response {
    /// A JSON document.
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json".into())],
            body: value.to_string().into_bytes(),
            outcome: if status < 400 { "ok".into() } else { status.to_string().into() },
        }
    }

    /// An OAuth error, RFC 6749 section 5.2.
    pub(crate) fn error(status: u16, error: &str, description: &str) -> Self {
        let mut response =
            Self::json(status, &json!({ "error": error, "error_description": description }));
        response.outcome = error.to_owned().into();
        response
    }

    /// The error for a body that cannot be read.
    pub(crate) fn unreadable() -> Self {
        Self::error(400, "invalid_request", "The body cannot be read.")
    }

    /// The error for a missing parameter.
    pub(crate) fn missing(name: &str) -> Self {
        Self::error(400, "invalid_request", &format!("Missing required parameter: {name}"))
    }

    /// An HTML page without the protection that [`crate::pages`] adds.
    pub(crate) fn html(status: u16, html: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "text/html; charset=utf-8".into())],
            body: html.into(),
            outcome: if status < 400 { "ok".into() } else { status.to_string().into() },
        }
    }

    /// A response without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), outcome: "ok".into() }
    }

    /// A redirect. 303, so that the browser does not send the form on to the client, as it would
    /// with 307: RFC 9700 section 4.12.
    pub(crate) fn redirect(location: &str) -> Self {
        Self::empty(303).header("Location", location)
    }

    /// The same response with one more header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same response with another result for the log.
    #[must_use]
    pub(crate) fn outcome(mut self, outcome: impl Into<Cow<'static, str>>) -> Self {
        self.outcome = outcome.into();
        self
    }
}

/// What an endpoint returns. Both are a response; `Err` lets an endpoint use `?`.
pub(crate) type Handled = Result<Response, Response>;
