//! Discovery of the endpoints of an authorization server. RFC 8414, OpenID Connect Discovery 1.0.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use crate::authorization_server::AuthorizationServer;
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{Effect, Machine, Next, Outcome};
use crate::http::{HttpRequest, HttpResponse, Method};
use crate::metadata::AuthorizationServerMetadata;
use crate::provider::{Endpoints, ProviderProfile};
use crate::secret::Secret;
use crate::time::Now;

/// The two places where a server may keep its metadata, in the order in which they are tried.
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

/// Finds the endpoints: in the profile, and in the issuer's metadata if the profile does not have them all.
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
                    retry_after: response.retry_after(),
                }
            } else {
                misbehaved(format!("HTTP {}; is '{issuer}' really the issuer?", response.status))
            });
        }
        let metadata =
            AuthorizationServerMetadata::parse(issuer, &response.body).map_err(misbehaved)?;
        // Without a token endpoint no grant can end. The user must learn that before approving.
        let AuthorizationServerMetadata { endpoints, userinfo, iss_parameter, .. } = metadata;
        AuthorizationServer::new(&self.profile, endpoints, userinfo, iss_parameter)
            .ok_or_else(|| misbehaved("it names no token_endpoint".to_owned()))
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
            // `ProviderProfile::check` refuses a profile with neither a token endpoint nor an issuer.
            _ => Next::Done(
                AuthorizationServer::new(&self.profile, Endpoints::default(), None, false)
                    .ok_or(Error::OutOfOrder),
            ),
        }
    }

    fn advance(&mut self, outcome: Outcome, _now: Now) -> Next<Self::Output> {
        let (Outcome::Http(answer), Some(issuer)) = (outcome, self.profile.issuer.clone()) else {
            return Next::Done(Err(Error::OutOfOrder));
        };
        match answer {
            Err(error) => Next::Done(Err(Error::Transport { endpoint: Endpoint::Metadata, error })),
            // Not here; try the other place.
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
}
