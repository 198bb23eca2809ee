//! Requests with an access token. RFC 6750.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::authorization_server::AuthorizationServer;
use crate::endpoint_url::{EndpointUrl, host_and_port, parse_plain};
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse, Method, TransportError};
use crate::provider::ProviderProfile;
use crate::secret::Secret;
use crate::text::displayable;
use crate::token_endpoint::{redirected, retry_after};

/// The hosts that a provider's access tokens may be sent to. Nothing else ever gets one.
#[derive(Clone, Debug)]
pub struct TokenAudience {
    hosts: Vec<String>,
}

impl TokenAudience {
    /// The hosts that the profile names, those of its identity and site lists, and the discovered
    /// `userinfo_endpoint`.
    #[must_use]
    pub fn new(profile: &ProviderProfile, userinfo: Option<&EndpointUrl>) -> Self {
        let named = [
            profile.identity.as_ref().and_then(|identity| identity.url.as_ref()),
            profile.sites.as_ref(),
            userinfo,
        ];
        let hosts = named.into_iter().flatten().map(EndpointUrl::host);
        Self { hosts: hosts.chain(profile.api_hosts.iter().cloned()).collect() }
    }

    /// Whether `url` may be asked with an access token: https (or loopback), and exactly one of the
    /// hosts. `api.atlassian.com.evil`, `evilapi.atlassian.com`, user names, other ports and trailing
    /// dots are all somebody else.
    #[must_use]
    pub fn includes(&self, url: &str) -> bool {
        EndpointUrl::parse(url).is_ok_and(|url| self.hosts.contains(&url.host()))
    }

    /// A `GET` with the access token in the `Authorization` header, the only place where it may be.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the token must not go there.
    pub fn get(&self, url: &EndpointUrl, access_token: &Secret) -> Result<HttpRequest, Error> {
        if !self.includes(url.as_str()) {
            let host = url.host();
            return Err(Error::Configuration(alloc::format!(
                "'{host}' is not one of the provider's api_hosts, so it gets no access token"
            )));
        }
        let bearer = alloc::format!("Bearer {}", access_token.expose());
        Ok(HttpRequest {
            method: Method::Get,
            url: url.as_str().into(),
            headers: alloc::vec![
                ("accept", Secret::new("application/json")),
                ("authorization", Secret::new(bearer)),
            ],
            body: Secret::default(),
        })
    }
}

/// The JSON of a resource server's answer.
pub(crate) fn resource_answer(
    answer: Result<HttpResponse, TransportError>,
    endpoint: Endpoint,
) -> Result<Value, Error> {
    let response = answer.map_err(|error| Error::Transport { endpoint, error })?;
    match response.status {
        status @ 200..=299 => {
            serde_json::from_slice(&response.body).map_err(|_| Error::NotOAuth { endpoint, status })
        }
        401 => Err(Error::TokenRejected),
        403 => Err(Error::NotPermitted),
        status @ (429 | 500..) => {
            Err(Error::Unavailable { endpoint, status, retry_after: retry_after(&response) })
        }
        300..=399 => Err(redirected(endpoint, response.status)),
        status => Err(Error::PeerMisbehaved {
            endpoint,
            what: alloc::format!("HTTP {status}; is that its address?"),
        }),
    }
}

/// A member that is shown to people, escaped.
pub(crate) fn shown_member(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().filter(|text| !text.is_empty()).map(displayable)
}

/// The host of a web address, without complaint: for names of sites.
pub(crate) fn host_of(url: &str) -> Option<String> {
    parse_plain(url).filter(|url| url.has_host()).map(|url| host_and_port(&url))
}

/// Where the account's name is to be had.
pub(crate) fn identity_url(
    profile: &ProviderProfile,
    server: Option<&AuthorizationServer>,
) -> Option<EndpointUrl> {
    let own = profile.identity.as_ref().and_then(|identity| identity.url.clone());
    own.or_else(|| server.and_then(|server| server.userinfo.clone()))
}
