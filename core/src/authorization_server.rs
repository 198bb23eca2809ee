//! An authorization server whose endpoints are known: what a login is bound to.

use crate::credential::IssuedBy;
use crate::endpoint_url::EndpointUrl;
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
    /// From a profile, and from what its issuer says where the profile is silent: a person wrote the profile on
    /// purpose. `None` without a token endpoint.
    pub(crate) fn new(
        profile: &ProviderProfile,
        found: Endpoints,
        found_userinfo: Option<EndpointUrl>,
        promises_iss: bool,
    ) -> Option<Self> {
        let given = profile.endpoints.clone();
        let userinfo = profile.identity.as_ref().and_then(|identity| identity.url.clone());
        Some(Self {
            issuer: profile.issuer.clone(),
            authorization: given.authorization.or(found.authorization),
            token: TokenEndpoint::new(given.token.or(found.token)?, profile),
            device_authorization: given.device_authorization.or(found.device_authorization),
            revocation: given.revocation.or(found.revocation),
            userinfo: userinfo.or(found_userinfo),
            iss_parameter: if promises_iss {
                IssParameter::Required
            } else {
                profile.iss_parameter
            },
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
