//! Authorization server metadata: RFC 8414, and OpenID Connect Discovery 1.0.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use serde_json::Value;

use crate::authorization_server::AuthorizationServer;
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{Effect, Machine, Next, Outcome};
use crate::http::{HttpRequest, HttpResponse, Method};
use crate::json;
use crate::provider::{Endpoints, ProviderProfile};
use crate::secret::Secret;
use crate::text::printable;
use crate::time::Now;
use crate::token_endpoint::retry_after;

/// What a server says about itself, as far as the flows need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServerMetadata {
    /// Exactly the issuer that was asked for.
    pub issuer: EndpointUrl,
    /// The endpoints it names.
    pub endpoints: Endpoints,
    /// OpenID Connect's endpoint for the account's name.
    pub userinfo: Option<EndpointUrl>,
    /// `authorization_response_iss_parameter_supported`, RFC 9207 section 3.
    pub iss_parameter: bool,
}

impl AuthorizationServerMetadata {
    /// Reads a metadata document.
    ///
    /// # Errors
    /// What is wrong with it. Endpoints that are absent are not an error here.
    pub fn parse(issuer: &EndpointUrl, document: &[u8]) -> Result<Self, String> {
        let members =
            json::object_in(document).ok_or_else(|| "it is not a JSON object".to_owned())?;
        // RFC 8414 section 3.3: "The "issuer" value returned MUST be identical to the authorization server's
        // issuer identifier value into which the well-known URI string was inserted [...]. If these values are
        // not identical, the data contained in the response MUST NOT be used."
        match members.get("issuer").and_then(Value::as_str) {
            Some(said) if said == issuer.as_str() => {}
            Some(said) => {
                return Err(format!("it is for the issuer '{}', not '{issuer}'", printable(said)));
            }
            None => return Err("it names no issuer".to_owned()),
        }
        let endpoint = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            // A server elsewhere has no business on this machine's loopback.
            Some(Value::String(text)) => EndpointUrl::parse_beside(issuer, text)
                .map(Some)
                .map_err(|e| format!("its {name} '{}' cannot be used: {e}", printable(text))),
            Some(_) => Err(format!("its {name} is not a string")),
        };
        Ok(Self {
            issuer: issuer.clone(),
            endpoints: Endpoints {
                authorization: endpoint("authorization_endpoint")?,
                token: endpoint("token_endpoint")?,
                device_authorization: endpoint("device_authorization_endpoint")?,
                revocation: endpoint("revocation_endpoint")?,
            },
            userinfo: endpoint("userinfo_endpoint")?,
            iss_parameter: members
                .get("authorization_response_iss_parameter_supported")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        })
    }
}

/// The two places where a server may keep its metadata, to be tried in this order.
///
/// RFC 8414 section 3.1 inserts the well-known part before the issuer's path; OpenID Connect Discovery
/// section 4 appends it.
fn well_known_urls(issuer: &EndpointUrl) -> [String; 2] {
    let text = issuer.as_str().trim_end_matches('/');
    let path =
        issuer.url().map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let origin = text.strip_suffix(path.as_str()).unwrap_or(text);
    [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{text}/.well-known/openid-configuration"),
    ]
}

/// Finds out where the endpoints are: from the profile, and from the issuer where the profile is silent.
#[derive(Debug)]
pub(crate) struct Discovery {
    profile: ProviderProfile,
    attempt: usize,
}

impl Discovery {
    pub(crate) fn new(profile: &ProviderProfile) -> Self {
        Self { profile: profile.clone(), attempt: 0 }
    }

    fn request(&self, issuer: &EndpointUrl) -> Option<Effect> {
        let url = well_known_urls(issuer).get(self.attempt)?.to_string();
        let headers = vec![("accept", Secret::new("application/json"))];
        Some(Effect::SendHttp(HttpRequest::new(Method::Get, url, headers, Secret::default())))
    }

    fn answered(
        &self,
        issuer: &EndpointUrl,
        response: &HttpResponse,
    ) -> Result<AuthorizationServer, Error> {
        let misbehaved =
            |what: String| Error::PeerMisbehaved { endpoint: Endpoint::Metadata, what };
        if response.status != 200 {
            return Err(if response.status >= 500 || response.status == 429 {
                Error::Unavailable {
                    endpoint: Endpoint::Metadata,
                    status: response.status,
                    retry_after: retry_after(response),
                }
            } else {
                misbehaved(format!("HTTP {}; is '{issuer}' really the issuer?", response.status))
            });
        }
        let metadata =
            AuthorizationServerMetadata::parse(issuer, &response.body).map_err(misbehaved)?;
        let server = AuthorizationServer::discovered(&self.profile, metadata);
        // Without it no grant can end, which the user should not learn after having approved.
        if server.endpoints.token.is_none() {
            return Err(misbehaved("it names no token_endpoint".to_owned()));
        }
        Ok(server)
    }
}

impl Machine for Discovery {
    type Output = Result<AuthorizationServer, Error>;

    fn start(&mut self, _now: Now) -> Next<Self::Output> {
        match &self.profile.issuer {
            Some(issuer) if self.profile.needs_discovery() => match self.request(issuer) {
                Some(request) => Next::Perform(request),
                None => Next::Done(Err(Error::OutOfOrder)),
            },
            _ => Next::Done(Ok(AuthorizationServer::from_profile(&self.profile))),
        }
    }

    fn advance(&mut self, outcome: Outcome, _now: Now) -> Next<Self::Output> {
        let (Outcome::Http(answer), Some(issuer)) = (outcome, self.profile.issuer.clone()) else {
            return Next::Done(Err(Error::OutOfOrder));
        };
        match answer {
            Err(error) => Next::Done(Err(Error::Transport { endpoint: Endpoint::Metadata, error })),
            // Not at this place, perhaps at the other.
            Ok(response)
                if matches!(response.status, 400..=499)
                    && response.status != 429
                    && self.attempt == 0 =>
            {
                self.attempt = 1;
                match self.request(&issuer) {
                    Some(request) => Next::Perform(request),
                    None => Next::Done(Err(Error::OutOfOrder)),
                }
            }
            Ok(response) => Next::Done(self.answered(&issuer, &response)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).unwrap()
    }

    /// A52: the well-known part is inserted before the issuer's path.
    #[test]
    fn well_known_places() {
        assert_eq!(
            well_known_urls(&url("https://a.example")),
            [
                "https://a.example/.well-known/oauth-authorization-server",
                "https://a.example/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            well_known_urls(&url("https://a.example/tenant/1/")),
            [
                "https://a.example/.well-known/oauth-authorization-server/tenant/1",
                "https://a.example/tenant/1/.well-known/openid-configuration"
            ]
        );
    }

    /// A51: metadata of another issuer is not used, not even one that differs by a slash.
    #[test]
    fn issuer_is_compared_exactly() {
        let issuer = url("https://a.example/t");
        let parse = |said: &str| {
            AuthorizationServerMetadata::parse(
                &issuer,
                format!(r#"{{"issuer":"{said}"}}"#).as_bytes(),
            )
        };
        assert!(parse("https://a.example/t").is_ok());
        for other in ["https://a.example/t/", "https://A.example/t", "https://a.example", ""] {
            assert!(parse(other).is_err(), "{other}");
        }
        assert!(AuthorizationServerMetadata::parse(&issuer, b"{}").is_err());
        assert!(AuthorizationServerMetadata::parse(&issuer, b"<html>").is_err());
    }

    /// A13: a discovered endpoint must be https, without a fragment.
    #[test]
    fn discovered_endpoints_are_checked() {
        let issuer = url("https://a.example");
        for bad in ["http://a.example/token", "javascript:1", "https://a.example/t#f"] {
            let document = format!(r#"{{"issuer":"https://a.example","token_endpoint":"{bad}"}}"#);
            assert!(AuthorizationServerMetadata::parse(&issuer, document.as_bytes()).is_err());
        }
    }
}
