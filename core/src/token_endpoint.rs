//! The token endpoint: requests and responses. RFC 6749 sections 3.2 and 5.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::client::{Client, RequestStyle, authenticated_request};
use crate::credential::{IssuedBy, Tokens};
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse};
use crate::json;
use crate::oauth_error::OAuthError;
use crate::provider::{LONGEST_TOKEN_LIFETIME, ProviderProfile};
use crate::scope::ScopeSeparator;
use crate::secret::Secret;
use crate::text::printable;
use crate::time::{Span, UnixTime};

/// The token endpoint of one server, and the form of its requests.
///
/// Every grant goes through it, so that the peculiarities of one server's token requests and responses are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEndpoint {
    /// Where it is.
    pub url: EndpointUrl,
    /// How a client talks to it.
    pub(crate) style: RequestStyle,
    scope_separator: ScopeSeparator,
    sends_redirect_uri: bool,
}

/// What a client presents for tokens. RFC 6749 sections 4.1.3 and 6, RFC 8628 section 3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantType {
    AuthorizationCode,
    DeviceCode,
    RefreshToken,
}

impl GrantType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl TokenEndpoint {
    /// The endpoint at `url` of the server that `profile` describes.
    pub(crate) fn new(url: EndpointUrl, profile: &ProviderProfile) -> Self {
        Self {
            url,
            style: RequestStyle {
                authentication: profile.client.authentication,
                format: profile.token_request_format,
            },
            scope_separator: profile.scope_separator,
            sends_redirect_uri: profile.token_request_has_redirect_uri,
        }
    }

    /// The endpoint that issued stored tokens. RFC 6749 section 10.4: a refresh token goes to the server that
    /// issued it, and nowhere else. So the URL comes from the record, and a profile that describes another server by
    /// now is ignored.
    pub(crate) fn that_issued(server: &IssuedBy, profile: Option<&ProviderProfile>) -> Self {
        let profile = profile.filter(|profile| profile.is_of(server));
        Self {
            url: server.token_endpoint.clone(),
            style: RequestStyle {
                authentication: server.client_authentication,
                format: profile.map(|profile| profile.token_request_format).unwrap_or_default(),
            },
            scope_separator: profile.map(|profile| profile.scope_separator).unwrap_or_default(),
            sends_redirect_uri: false,
        }
    }

    /// A request for tokens. `parameters` are those of the grant's RFC, beside `grant_type` and the client's.
    pub(crate) fn request(
        &self,
        client: &Client,
        grant_type: GrantType,
        parameters: &[(&'static str, &str)],
    ) -> HttpRequest {
        let mut all = alloc::vec![("grant_type", grant_type.as_str())];
        all.extend_from_slice(parameters);
        // OAuth 2.0 requires the redirect URI again, OAuth 2.1 does not.
        all.retain(|(name, _)| *name != "redirect_uri" || self.sends_redirect_uri);
        let style = match grant_type {
            // RFC 8628 section 3.4 defines it as a form, even if the server wants JSON elsewhere.
            GrantType::DeviceCode => RequestStyle::form(self.style.authentication),
            GrantType::AuthorizationCode | GrantType::RefreshToken => self.style,
        };
        authenticated_request(&self.url, client, style, all)
    }

    /// Scopes as one parameter, for this server's other endpoints too.
    pub(crate) fn joined(&self, scopes: &[String]) -> String {
        self.scope_separator.join(scopes)
    }

    /// What a response means.
    ///
    /// # Errors
    /// As [`TokenResponse::parse`].
    pub(crate) fn parse(&self, response: &HttpResponse) -> Result<TokenResponse, Error> {
        TokenResponse::parse(response, self.scope_separator)
    }
}

/// Tokens, as the server issued them.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// Opaque to a client. RFC 6749 section 1.4.
    pub access_token: Secret,
    /// The lifetime that the server gave, if it is readable; at most a year.
    pub expires_in: Option<Span>,
    /// The next refresh token, if there is one.
    pub refresh_token: Option<Secret>,
    /// The granted scopes; `None` if the server did not say, which means "as requested".
    pub scopes: Option<Vec<String>>,
    /// After how long without use the refresh token ends, if the server said so.
    pub refresh_expires_in: Option<Span>,
    /// After how long the connection ends in any case, if the server said so.
    pub authorization_expires_in: Option<Span>,
}

impl TokenResponse {
    /// Reads a response.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is an OAuth error, [`Error::Unavailable`] for a failing server,
    /// [`Error::NotOAuth`] if it is not from a token endpoint, [`Error::PeerMisbehaved`] for a broken success.
    pub fn parse(response: &HttpResponse, separator: ScopeSeparator) -> Result<Self, Error> {
        let members = json_answer(response, Endpoint::Token)?;
        let misbehaved =
            |what: &str| Error::PeerMisbehaved { endpoint: Endpoint::Token, what: what.to_owned() };

        let access_token = token(&members, "access_token")
            .map_err(misbehaved)?
            .ok_or_else(|| misbehaved("it has no access_token"))?;
        // RFC 6749 section 7.1: "The client MUST NOT use an access token if it does not understand the token
        // type." Section 5.1: "Value is case insensitive." Atlassian leaves it out.
        match members.get("token_type") {
            None | Some(Value::Null) => {}
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
            Some(Value::String(kind)) => {
                return Err(misbehaved(&format!(
                    "it has the unknown token_type '{}'",
                    printable(kind)
                )));
            }
            Some(_) => return Err(misbehaved("its token_type is not a string")),
        }
        let refresh_token = token(&members, "refresh_token").map_err(misbehaved)?;
        // Bitbucket says `scopes`.
        let scopes = ["scope", "scopes"]
            .iter()
            .find_map(|name| members.get(*name)?.as_str())
            .map(|text| separator.split(text));
        Ok(Self {
            access_token,
            expires_in: members.get("expires_in").and_then(lifetime),
            refresh_token,
            scopes,
            // The draft's name, and the one that several servers had before it.
            refresh_expires_in: ["refresh_token_timeout", "refresh_token_expires_in"]
                .iter()
                .find_map(|name| members.get(*name).and_then(seconds)),
            authorization_expires_in: members.get("authorization_expires_in").and_then(seconds),
        })
    }

    /// The tokens as they are kept. `issued_at` is when they were requested. What the response leaves out is
    /// taken from `earlier`, or else from the request.
    ///
    /// RFC 6749 section 6: "The authorization server MAY issue a new refresh token, in which case the client
    /// MUST discard the old refresh token and replace it with the new refresh token." So without a new one,
    /// the old one is kept.
    pub(crate) fn into_tokens(
        self,
        issued_at: UnixTime,
        assumed_lifetime: Span,
        requested_scopes: &[String],
        earlier: Option<&Tokens>,
    ) -> Tokens {
        let lifetime = self.expires_in.unwrap_or(assumed_lifetime);
        Tokens {
            access_token: self.access_token,
            refresh_token: self
                .refresh_token
                .or_else(|| earlier.and_then(|tokens| tokens.refresh_token.clone())),
            // RFC 6749 section 5.1: scope is "OPTIONAL, if identical to the scope requested by the client", and
            // a refresh that names no scope asks for the old ones (section 6).
            scopes: self.scopes.unwrap_or_else(|| {
                earlier.map_or_else(|| requested_scopes.to_vec(), |tokens| tokens.scopes.clone())
            }),
            issued_at,
            expires_at: issued_at.plus(lifetime),
            refresh_expires_at: self.refresh_expires_in.map(|span| issued_at.plus(span)),
            lifetime_assumed: self.expires_in.is_none(),
        }
    }
}

/// The JSON object of a successful response from an endpoint of the authorization server.
///
/// The OAuth error decides what a response means, not the status alone: a proxy's 403 page is not a refusal, and
/// Atlassian's `invalid_grant` comes with 403, its `slow_down` with 429.
pub(crate) fn json_answer(
    response: &HttpResponse,
    endpoint: Endpoint,
) -> Result<Map<String, Value>, Error> {
    let unavailable = || Error::Unavailable {
        endpoint,
        status: response.status,
        retry_after: response.retry_after(),
    };
    if response.status >= 500 {
        return Err(unavailable());
    }
    let body = json::object_in(&response.body);
    if let Some(error) = body.as_ref().and_then(OAuthError::from_json) {
        // A rate limit has many codes; only those of RFC 8628 and of a dead grant mean something else.
        let limited = response.status == 429 && !error.is_answer_to_poll();
        let trouble = limited || error.is_transient();
        return Err(if trouble { unavailable() } else { Error::Refused(error) });
    }
    match (response.status, body) {
        (200..=299, Some(members)) => Ok(members),
        (300..=399, _) => Err(Error::redirected(endpoint, response.status)),
        (429, _) => Err(unavailable()),
        (status, _) => Err(Error::NotOAuth { endpoint, status }),
    }
}

/// A token member. RFC 6749 Appendix A.12: `access-token = 1*VSCHAR`, so it is safe in a header.
fn token(members: &Map<String, Value>, name: &'static str) -> Result<Option<Secret>, &'static str> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.bytes().all(|b| matches!(b, b' '..=b'~')) => {
            Ok(Some(Secret::new(text.as_str())))
        }
        Some(Value::String(_)) => Err("it has a token with characters that tokens cannot have"),
        Some(_) => Err("it has a token that is not a string"),
    }
}

/// `expires_in`, which servers send as a number, a float or a string. Nonsense counts as absent, zero and less as
/// expired, and nothing as forever.
fn lifetime(value: &Value) -> Option<Span> {
    Some(seconds(value)?.min(LONGEST_TOKEN_LIFETIME))
}

/// A number of seconds, in any notation.
fn seconds(value: &Value) -> Option<Span> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => json::number_in(text)?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    if !seconds.is_finite() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates at both ends, and both ends are meant"
    )]
    Some(Span::from_secs(seconds as u64))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec;

    use super::*;

    fn answer(status: u16, body: &str) -> Result<TokenResponse, Error> {
        let response = HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() };
        TokenResponse::parse(&response, ScopeSeparator::Space)
    }

    fn lifetime_of(json: &str) -> Option<u64> {
        let body = format!(r#"{{"access_token":"t","expires_in":{json}}}"#);
        answer(200, &body).unwrap().expires_in.map(Span::as_secs)
    }

    /// A17: no `expires_in` panics or means forever.
    #[test]
    fn expires_in_of_every_shape() {
        assert_eq!(lifetime_of("3600"), Some(3600));
        assert_eq!(lifetime_of("3600.9"), Some(3600));
        assert_eq!(lifetime_of("\"3600\""), Some(3600));
        assert_eq!(lifetime_of("0"), Some(0));
        assert_eq!(lifetime_of("-5"), Some(0));
        assert_eq!(lifetime_of("1e300"), Some(365 * 86_400));
        assert_eq!(lifetime_of("18446744073709551615"), Some(365 * 86_400));
        for nonsense in ["null", "true", "\"soon\"", "\"inf\"", "\"NaN\"", "[]", "{}"] {
            assert_eq!(lifetime_of(nonsense), None, "{nonsense}");
        }
    }

    /// A16: token_type is case-insensitive; an unknown one makes the token unusable.
    #[test]
    fn token_types() {
        for bearer in ["Bearer", "bearer", "BEARER"] {
            let body = format!(r#"{{"access_token":"t","token_type":"{bearer}"}}"#);
            assert!(answer(200, &body).is_ok());
        }
        assert!(answer(200, r#"{"access_token":"t"}"#).is_ok());
        for other in [r#""mac""#, r#""DPoP""#, "7"] {
            let body = format!(r#"{{"access_token":"t","token_type":{other}}}"#);
            assert!(matches!(answer(200, &body), Err(Error::PeerMisbehaved { .. })));
        }
    }

    /// A18: a token is opaque and may be 64 KiB long.
    #[test]
    fn long_tokens() {
        let long = "x".repeat(65_536);
        let body = format!(r#"{{"access_token":"{long}","refresh_token":"{long}"}}"#);
        let tokens = answer(200, &body).unwrap();
        assert_eq!(tokens.access_token.expose(), long);
        assert_eq!(tokens.refresh_token.unwrap().expose(), long);
    }

    /// A19: unknown members are ignored. A20: granted scopes are taken from the response.
    #[test]
    fn members() {
        let tokens = answer(200, r#"{"access_token":"t","x":{"y":[1]},"scope":"a  b"}"#).unwrap();
        assert_eq!(tokens.scopes.unwrap(), ["a", "b"]);
        assert!(answer(200, r#"{"access_token":"t"}"#).unwrap().scopes.is_none());
        let bitbucket = answer(200, r#"{"access_token":"t","scopes":"account"}"#).unwrap();
        assert_eq!(bitbucket.scopes.unwrap(), ["account"]);
    }

    /// A22: the OAuth error decides what a response means, and a failing server is not a refusal.
    #[test]
    fn classification() {
        let grant =
            r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#;
        for status in [400, 401, 403] {
            let Err(Error::Refused(error)) = answer(status, grant) else { panic!("{status}") };
            assert!(error.is_invalid_grant());
        }
        let odd =
            r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#;
        let Err(Error::Refused(error)) = answer(403, odd) else { panic!() };
        assert!(error.is_invalid_grant() && !error.is_client_problem());
        let Err(Error::Refused(error)) = answer(401, r#"{"error":"invalid_client"}"#) else {
            panic!()
        };
        assert!(error.is_client_problem());
        for (status, body) in [
            (500, grant),
            (502, "<html>Bad gateway"),
            (503, ""),
            (429, ""),
            (400, r#"{"error":"temporarily_unavailable"}"#),
        ] {
            assert!(matches!(answer(status, body), Err(Error::Unavailable { .. })), "{body}");
        }
        for (status, body) in [
            (403, "<html>Blocked by your company"),
            (400, r#"{"error":"invalid_gra"#),
            (400, r#"{"error":""}"#),
            (200, "<html>Welcome"),
            (200, r#"{"access_token":"#),
            (200, "[]"),
        ] {
            assert!(matches!(answer(status, body), Err(Error::NotOAuth { .. })), "{body}");
        }
        for (status, body) in [
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":"a\r\nb"}"#),
            (302, ""),
        ] {
            assert!(matches!(answer(status, body), Err(Error::PeerMisbehaved { .. })), "{body}");
        }
    }

    /// A21: what the server says is escaped before it is shown.
    #[test]
    fn error_text_is_inert() {
        let error = answer(400, "{\"error\":\"x\\u001b[31m\",\"error_description\":\"\\u202e\"}");
        let shown = error.unwrap_err().to_string();
        assert!(shown.is_ascii() && !shown.contains('\u{1b}'), "{shown}");
    }

    /// A85: neither a token nor a raw response is in any `Debug` or error.
    #[test]
    fn nothing_is_shown() {
        let body = r#"{"access_token":"CANARY1","refresh_token":"CANARY2"}"#;
        let shown = format!("{:?}", answer(200, body));
        assert!(!shown.contains("CANARY"), "{shown}");
        let broken = r#"{"access_token":"CANARY1","refresh_token":7}"#;
        let shown = format!("{:?}", answer(200, broken));
        assert!(!shown.contains("CANARY"), "{shown}");
    }
}
