//! Faults: what can go wrong between the server and its client, to order.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::grant_type;
use crate::http::{Request, Response};

/// Where a fault can be put. A request may belong to several; the first that has a fault counts.
pub(crate) const ENDPOINTS: &[(&str, &str)] = &[
    ("refresh", "the token endpoint, for grant_type=refresh_token"),
    ("code", "the token endpoint, for grant_type=authorization_code"),
    ("poll", "the token endpoint, for polls with a device code"),
    ("token", "the token endpoint"),
    ("device", "the device authorization endpoint"),
    ("authorize", "the authorization, consent and activation pages"),
    ("revoke", "the revocation endpoint"),
    ("discovery", "the .well-known documents"),
    ("userinfo", "/userinfo"),
    ("me", "/me"),
    ("resources", "/oauth/token/accessible-resources"),
    ("api", "/ex/jira and /ex/confluence"),
    ("admin", "/admin"),
    ("bitbucket-token", "Bitbucket's token endpoint"),
    ("bitbucket", "Bitbucket's API"),
    ("all", "every endpoint"),
];

/// The kinds of fault with their meaning, for the help.
const KINDS: &[(&str, &str)] = &[
    ("drop-before", "reset the connection; the request is not carried out"),
    ("drop-after", "carry the request out (a refresh token is spent), then reset the connection"),
    ("cut", "carry it out, announce the whole body, send half of it"),
    ("delay:MS", "carry it out, answer after MS milliseconds"),
    ("502", "a gateway's HTML error page; not carried out"),
    ("502-after", "carried out, but a gateway answers 502"),
    ("503", "temporarily_unavailable; not carried out"),
    ("429:SECONDS", "too many requests, with Retry-After; not carried out"),
    ("html", "200 with an HTML page, as a captive portal sends; not carried out"),
    ("redirect", "302 to another path; not carried out"),
    ("huge", "carried out, then a body of 100 MB"),
    ("status:N", "status N with a JSON error; not carried out"),
];

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Close before carrying out.
    DropBefore,
    /// Carry out, then close.
    DropAfter,
    /// Half a body.
    Cut,
    /// Handled late, after this many milliseconds.
    Delay(u64),
    /// A gateway's 502 instead of carrying it out.
    BadGateway,
    /// A gateway's 502 although it was carried out.
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
            Self::Status(status) => Some(Response::error(status, "server_error", "To order.")),
            // The connection breaks, so this response is only for the log.
            Self::DropBefore => Some(Response::empty(503)),
            Self::DropAfter | Self::Cut | Self::Delay(_) | Self::BadGatewayAfter | Self::Huge => {
                None
            }
        }
    }
}

/// What a gateway says when the server behind it does not answer.
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
    /// How many more times; `None` for always.
    times: Option<u32>,
    /// As it was written.
    text: String,
}

/// The faults that wait for requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(BTreeMap<String, Waiting>);

impl Faults {
    /// Puts a fault at an endpoint: `KIND`, `KIND*TIMES`, or `none` to take it away.
    pub(crate) fn set(&mut self, endpoint: &str, value: &str) -> Result<(), String> {
        if !ENDPOINTS.iter().any(|(name, _)| *name == endpoint) {
            let names: Vec<_> = ENDPOINTS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "there is no endpoint {endpoint:?} for a fault, only {}",
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
            format!("there is no fault {kind:?}, only {}", kinds.join(", "))
        })?;
        self.0.insert(endpoint.into(), Waiting { kind, times, text: value.into() });
        Ok(())
    }

    /// Takes the fault for this request, if one waits. A counted one is counted down.
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

    /// What waits where, as it was written.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(endpoint, waiting)| (endpoint.as_str(), waiting.text.as_str()))
    }

    /// For the help.
    pub(crate) fn describe() -> String {
        let mut text = String::from(
            "fault.ENDPOINT=KIND[*TIMES]|none\n    a fault at an endpoint, always or TIMES times \
             [default: none]\n    endpoints:\n",
        );
        for (name, meaning) in ENDPOINTS {
            let _ = writeln!(text, "      {name:<16}{meaning}");
        }
        text.push_str("    kinds:\n");
        for (name, meaning) in KINDS {
            let _ = writeln!(text, "      {name:<16}{meaning}");
        }
        text
    }
}

/// The names under which faults for this request can wait, the most special one first.
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
