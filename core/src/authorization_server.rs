//! An authorization server whose endpoints are known: what a login is bound to.

use crate::client::RequestStyle;
use crate::credential::IssuedBy;
use crate::endpoint_url::EndpointUrl;
use crate::metadata::AuthorizationServerMetadata;
use crate::provider::{Endpoints, IssParameter, ProviderProfile};
use crate::token_endpoint::TokenEndpoint;

/// Where to send what, decided once at the start of a login.
///
/// RFC 9700 section 4.4.2: "clients MUST store, for each authorization request, the issuer they sent the
/// authorization request to and bind this information to the user agent."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Who the server is, if it has an issuer identifier.
    pub issuer: Option<EndpointUrl>,
    /// RFC 6749 section 3.1.
    pub authorization: Option<EndpointUrl>,
    /// RFC 6749 section 3.2. Without it no grant can end, so no server is without one.
    pub token: TokenEndpoint,
    /// RFC 8628 section 3.1.
    pub device_authorization: Option<EndpointUrl>,
    /// RFC 7009 section 2.
    pub revocation: Option<EndpointUrl>,
    /// OpenID Connect's endpoint for the account's name.
    pub userinfo: Option<EndpointUrl>,
    /// What it does about `iss`.
    pub iss_parameter: IssParameter,
}

impl AuthorizationServer {
    /// From a profile that names every endpoint. `None` without a token endpoint.
    pub(crate) fn from_profile(profile: &ProviderProfile) -> Option<Self> {
        let issuer = profile.issuer.clone();
        let userinfo = profile.identity.as_ref().and_then(|identity| identity.url.clone());
        Self::new(profile, issuer, profile.endpoints.clone(), userinfo, profile.iss_parameter)
    }

    /// From a profile and what its issuer says; where both speak, the profile wins, because a person
    /// wrote it on purpose. `None` without a token endpoint.
    pub(crate) fn discovered(
        profile: &ProviderProfile,
        metadata: AuthorizationServerMetadata,
    ) -> Option<Self> {
        let (given, found) = (profile.endpoints.clone(), metadata.endpoints);
        let endpoints = Endpoints {
            authorization: given.authorization.or(found.authorization),
            token: given.token.or(found.token),
            device_authorization: given.device_authorization.or(found.device_authorization),
            revocation: given.revocation.or(found.revocation),
        };
        let given = profile.identity.as_ref().and_then(|identity| identity.url.clone());
        let userinfo = given.or(metadata.userinfo);
        let iss_parameter =
            if metadata.iss_parameter { IssParameter::Required } else { profile.iss_parameter };
        Self::new(profile, Some(metadata.issuer), endpoints, userinfo, iss_parameter)
    }

    fn new(
        profile: &ProviderProfile,
        issuer: Option<EndpointUrl>,
        endpoints: Endpoints,
        userinfo: Option<EndpointUrl>,
        iss_parameter: IssParameter,
    ) -> Option<Self> {
        let style = RequestStyle {
            authentication: profile.client.authentication,
            format: profile.token_request_format,
        };
        let Endpoints { authorization, token, device_authorization, revocation } = endpoints;
        let token = TokenEndpoint::new(token?, style, Some(profile));
        Some(Self {
            issuer,
            authorization,
            token,
            device_authorization,
            revocation,
            userinfo,
            iss_parameter,
        })
    }

    /// What a record keeps of the server.
    pub(crate) fn issued_by(&self) -> IssuedBy {
        IssuedBy {
            issuer: self.issuer.clone(),
            token_endpoint: self.token.url.clone(),
            revocation_endpoint: self.revocation.clone(),
            userinfo_endpoint: self.userinfo.clone(),
            client_authentication: self.token.style.authentication,
        }
    }
}
