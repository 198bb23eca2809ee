//! Faults: what can go wrong between a server and its client, on request.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::grant_type;
use crate::http::{Request, Response};

/// The endpoints that can have a fault. A request may belong to several; the most special one that
/// has a fault counts.
pub(crate) const ENDPOINTS: &[(&str, &str)] = &[
    ("refresh", "Token endpoint, for grant_type=refresh_token"),
    ("code", "Token endpoint, for grant_type=authorization_code"),
    ("poll", "Token endpoint, for polls with a device code"),
    ("token", "Token endpoint"),
    ("device", "Device authorization endpoint"),
    ("authorize", "Pages: authorization, consent, activation"),
    ("revoke", "Revocation endpoint"),
    ("discovery", ".well-known documents"),
    ("userinfo", "/userinfo"),
    ("me", "/me"),
    ("resources", "/oauth/token/accessible-resources"),
    ("api", "/ex/jira and /ex/confluence"),
    ("admin", "/admin"),
    ("bitbucket-token", "Bitbucket's token endpoint"),
    ("bitbucket", "Bitbucket's API"),
    ("all", "Every endpoint"),
];

/// The kinds of fault with their meaning, for help texts.
const KINDS: &[(&str, &str)] = &[
    ("drop-before", "Reset the connection; not carried out"),
    ("drop-after", "Carried out (a refresh token is spent), then a reset"),
    ("cut", "Carried out; half of the announced body is sent"),
    ("delay:MS", "Carried out; the response comes after MS milliseconds"),
    ("502", "HTML error page of a gateway; not carried out"),
    ("502-after", "The same page, but carried out"),
    ("503", "temporarily_unavailable; not carried out"),
    ("429:SECONDS", "Too many requests, with Retry-After; not carried out"),
    ("html", "Page of a captive portal, status 200; not carried out"),
    ("redirect", "302 to another path; not carried out"),
    ("huge", "Carried out; the body has 100 MB"),
    ("status:N", "JSON error with status N; not carried out"),
];

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reset the connection instead of carrying the request out.
    DropBefore,
    /// Carry it out, then reset the connection.
    DropAfter,
    /// Send half of the body.
    Cut,
    /// Respond after this many milliseconds.
    Delay(u64),
    /// 502 of a gateway; not carried out.
    BadGateway,
    /// 502 of a gateway, but carried out.
    BadGatewayAfter,
    /// 503.
    Unavailable,
    /// 429 with this Retry-After.
    TooMany(u64),
    /// An HTML page with status 200.
    Html,
    /// 302.
    Redirect,
    /// 100 MB.
    Huge,
    /// Any status.
    Status(u16),
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        let (word, number) = match text.split_once(':') {
            Some((word, number)) => (word, Some(number.parse::<u64>().ok()?)),
            None => (text, None),
        };
        Some(match (word, number) {
            ("drop-before", None) => Self::DropBefore,
            ("drop-after", None) => Self::DropAfter,
            ("cut", None) => Self::Cut,
            ("delay", Some(millis)) => Self::Delay(millis),
            ("502", None) => Self::BadGateway,
            ("502-after", None) => Self::BadGatewayAfter,
            ("503", None) => Self::Unavailable,
            ("429", seconds) => Self::TooMany(seconds.unwrap_or(2)),
            ("html", None) => Self::Html,
            ("redirect", None) => Self::Redirect,
            ("huge", None) => Self::Huge,
            ("status", Some(status @ 200..=599)) => Self::Status(u16::try_from(status).ok()?),
            _ => return None,
        })
    }

    /// The response of a fault that keeps the request from being carried out.
    pub(crate) fn instead(self) -> Option<Response> {
        match self {
            Self::BadGateway => Some(bad_gateway()),
            Self::Unavailable => Some(
                Response::error(503, "temporarily_unavailable", "The service is unavailable.")
                    .header("Retry-After", "1"),
            ),
            Self::TooMany(seconds) => Some(
                Response::error(429, "too_many_requests", "Global limit has been reached")
                    .header("Retry-After", &seconds.to_string()),
            ),
            Self::Html => Some(Response::html(
                200,
                "<!doctype html><title>Wi-Fi</title><h1>Welcome to the airport Wi-Fi</h1>",
            )),
            Self::Redirect => {
                Some(Response::html(302, "Moved").header("Location", "/somewhere/else"))
            }
            Self::Status(status) => {
                Some(Response::error(status, "server_error", "A fault of the sandbox."))
            }
            // The connection breaks, so this response is only for the log.
            Self::DropBefore => Some(Response::empty(503)),
            Self::DropAfter | Self::Cut | Self::Delay(_) | Self::BadGatewayAfter | Self::Huge => {
                None
            }
        }
    }
}

/// What a gateway sends when the server behind it does not respond.
pub(crate) fn bad_gateway() -> Response {
    Response::html(
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
         Gateway</h1></center>\r\n<hr><center>AtlassianEdge</center>\r\n</body>\r\n</html>\r\n",
    )
}

/// A fault that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    kind: Kind,
    /// How often it still happens; `None` for always.
    times: Option<u32>,
    /// The fault as the user wrote it.
    text: String,
}

/// The faults that wait for requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(BTreeMap<String, Waiting>);

impl Faults {
    /// Sets the fault of an endpoint: `KIND`, `KIND*TIMES`, or `none` to remove it.
    pub(crate) fn set(&mut self, endpoint: &str, value: &str) -> Result<(), String> {
        if !ENDPOINTS.iter().any(|(name, _)| *name == endpoint) {
            let names: Vec<_> = ENDPOINTS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "Unknown endpoint {endpoint:?} of a fault; use one of {}",
                names.join(", ")
            ));
        }
        if matches!(value, "none" | "off") {
            self.0.remove(endpoint);
            return Ok(());
        }
        let (kind, times) = match value.split_once('*') {
            Some((kind, times)) => (
                kind,
                Some(times.parse().map_err(|_| format!("{times:?} is not a number of times"))?),
            ),
            None => (value, None),
        };
        let kind = Kind::parse(kind).ok_or_else(|| {
            let kinds: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
            format!("Unknown fault {kind:?}; use one of {}", kinds.join(", "))
        })?;
        self.0.insert(endpoint.into(), Waiting { kind, times, text: value.into() });
        Ok(())
    }

    /// The fault that this request meets, and how the user wrote it. Counts it down.
    pub(crate) fn take(&mut self, request: &Request) -> Option<(Kind, String)> {
        let endpoint =
            endpoints(request).into_iter().find(|endpoint| self.0.contains_key(*endpoint))?;
        let waiting = self.0.get_mut(endpoint)?;
        let taken = (waiting.kind, waiting.text.clone());
        if let Some(times) = &mut waiting.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.0.remove(endpoint);
            }
        }
        Some(taken)
    }

    /// Endpoint and fault as the user wrote them.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(endpoint, waiting)| (endpoint.as_str(), waiting.text.as_str()))
    }

    /// Form, endpoints and kinds, for help texts.
    pub(crate) fn describe() -> String {
        let mut text = String::from(
            "fault.ENDPOINT=KIND[*TIMES]|none [default: none]\n    Something goes wrong at an \
             endpoint, always or TIMES times\n    endpoints:\n",
        );
        for (name, meaning) in ENDPOINTS {
            let _ = writeln!(text, "      {name:<17}{meaning}");
        }
        text.push_str("    kinds:\n");
        for (name, meaning) in KINDS {
            let _ = writeln!(text, "      {name:<17}{meaning}");
        }
        text
    }
}

/// The names of this request's endpoints in [`ENDPOINTS`], the most special one first.
fn endpoints(request: &Request) -> Vec<&'static str> {
    let path = request.path.as_str();
    let mut names = match path {
        "/oauth/token" => match request.params.get("grant_type") {
            Some(grant_type::REFRESH_TOKEN) => vec!["refresh", "token"],
            Some(grant_type::AUTHORIZATION_CODE) => vec!["code", "token"],
            Some(grant_type::DEVICE_CODE) => vec!["poll", "token"],
            _ => vec!["token"],
        },
        "/oauth/device/code" => vec!["device"],
        "/oauth/revoke" => vec!["revoke"],
        "/userinfo" => vec!["userinfo"],
        "/me" => vec!["me"],
        "/oauth/token/accessible-resources" => vec!["resources"],
        "/bitbucket/site/oauth2/access_token" => vec!["bitbucket-token"],
        "/authorize" | "/consent" | "/oauth/activate" | "/bitbucket/site/oauth2/authorize" => {
            vec!["authorize"]
        }
        _ if path.starts_with("/.well-known/") => vec!["discovery"],
        _ if path.starts_with("/ex/") => vec!["api"],
        _ if path.starts_with("/admin/") => vec!["admin"],
        _ if path.starts_with("/bitbucket/") => vec!["bitbucket"],
        _ => vec![],
    };
    names.push("all");
    names
}
