//! Requests and replies as data, and which file answers which path.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::world::World;
use super::{admin, api, authorize, bitbucket, consent, control, device, discovery, revoke, token};

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Request {
    /// The method, in capitals.
    pub(super) method: String,
    /// The path as it came.
    pub(super) path: String,
    /// The query parameters.
    pub(super) query: Params,
    /// The parameters of a form or JSON body.
    pub(super) params: Params,
    /// Whether the body says that it is JSON.
    pub(super) is_json: bool,
    /// Whether the body is neither a form nor a JSON object of scalars, though it says so.
    pub(super) malformed: bool,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Puts a request together. Header names are in lower case.
    pub(super) fn new(
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

    /// The first header with this name, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// The bearer token.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// User name and password of Basic authentication, decoded as RFC 6749 section 2.3.1 wants it
    /// for clients.
    pub(super) fn basic(&self) -> Option<(String, String)> {
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

/// Parameters in the order they came.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

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
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A parameter that is there twice, which RFC 6749 section 3.1 forbids.
    pub(super) fn repeated(&self) -> Option<&str> {
        let names = || self.0.iter().map(|(name, _)| name.as_str());
        names()
            .enumerate()
            .find(|(at, name)| names().skip(at + 1).any(|one| one == *name))
            .map(|(_, name)| name)
    }
}

/// A reply.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(super) body: Vec<u8>,
    /// How it went, for the log: an error code, or `ok`.
    pub(super) outcome: Cow<'static, str>,
}

impl Reply {
    /// A JSON document.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json".into())],
            body: value.to_string().into_bytes(),
            outcome: if status < 400 { "ok".into() } else { status.to_string().into() },
        }
    }

    /// An OAuth error, RFC 6749 section 5.2.
    pub(super) fn error(status: u16, error: &str, description: &str) -> Self {
        let mut reply =
            Self::json(status, &json!({ "error": error, "error_description": description }));
        reply.outcome = error.to_owned().into();
        reply
    }

    /// A parameter is missing.
    pub(super) fn missing(name: &str) -> Self {
        Self::error(400, "invalid_request", &format!("Missing required parameter: {name}"))
    }

    /// A page without any of the protection that [`super::pages`] adds.
    pub(super) fn html(status: u16, html: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "text/html; charset=utf-8".into())],
            body: html.into(),
            outcome: if status < 400 { "ok".into() } else { status.to_string().into() },
        }
    }

    /// No body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), outcome: "ok".into() }
    }

    /// A redirect. 303, so that the browser does not send the form on to the client, as it would
    /// with 307: RFC 9700 section 4.12.
    pub(super) fn redirect(location: &str) -> Self {
        Self::empty(303).header("Location", location)
    }

    /// The same with one more header.
    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with another word for the log.
    #[must_use]
    pub(super) fn outcome(mut self, outcome: impl Into<Cow<'static, str>>) -> Self {
        self.outcome = outcome.into();
        self
    }
}

/// Either is an answer; `Err` only saves `return`.
pub(super) type Answer = Result<Reply, Reply>;

/// Answers a request that has the right Host.
pub(super) fn route(world: &mut World, request: &Request) -> Reply {
    let handler: fn(&mut World, &Request) -> Answer =
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => |world, _| Ok(discovery::front_page(world)),
            ("GET", "/favicon.ico") => |_, _| Ok(Reply::empty(204)),
            (
                "GET",
                "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server",
            ) => |world, _| Ok(discovery::metadata(world)),
            ("GET", "/.well-known/jwks.json") => {
                |_, _| Ok(Reply::json(200, &json!({ "keys": [] })))
            }
            ("GET", "/authorize") => authorize::page,
            ("POST", "/consent") => consent::step,
            ("GET", "/oauth/activate") => device::activation_page,
            ("POST", "/oauth/activate") => device::activate,
            ("POST", "/oauth/device/code") => device::authorize,
            ("POST", "/oauth/token") => token::exchange,
            ("POST", "/oauth/revoke") => revoke::revoke,
            ("GET", "/userinfo") => api::userinfo,
            ("GET", "/me") => api::me,
            ("GET", "/oauth/token/accessible-resources") => api::accessible_resources,
            ("GET", "/bitbucket/site/oauth2/authorize") => bitbucket::page,
            ("POST", "/bitbucket/site/oauth2/access_token") => bitbucket::exchange,
            ("OPTIONS", path) if api::is_api(path) => |_, _| Ok(api::preflight()),
            ("GET", path) if path.starts_with("/bitbucket/2.0/") => bitbucket::api,
            ("GET", path) if path.starts_with("/admin/v1/") => admin::answer,
            (_, path) if path.starts_with("/ex/") => api::product,
            (_, path) if path.starts_with("/sites/") => api::site,
            (_, path) if path.starts_with("/_sandbox/") => control::answer,
            _ => |_, request| Err(not_found(request)),
        };
    let reply = handler(world, request).unwrap_or_else(|refused| refused);
    if api::is_api(&request.path) { api::allow_origins(reply) } else { reply }
}

fn not_found(request: &Request) -> Reply {
    const KNOWN: &[&str] = &[
        "/authorize",
        "/consent",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/device/code",
        "/oauth/activate",
    ];
    if KNOWN.contains(&request.path.as_str()) {
        return Reply::error(405, "invalid_request", "Method not allowed");
    }
    Reply::json(404, &json!({ "code": 404, "message": "Not Found" }))
}
