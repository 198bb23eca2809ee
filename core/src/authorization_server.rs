//! An authorization server whose endpoints are known: what a connection is bound to.

use crate::credential::IssuedBy;
use crate::endpoint_url::EndpointUrl;
use crate::provider::{Endpoints, IssParameter, ProviderProfile};
use crate::token_endpoint::TokenEndpoint;

/// The endpoints of a server, decided once at the start of a sign-in.
///
/// RFC 9700 section 4.4.2: "clients MUST store, for each authorization request, the issuer they sent the
/// authorization request to and bind this information to the user agent."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// The issuer identifier, if the server has one.
    pub issuer: Option<EndpointUrl>,
    /// RFC 6749 section 3.1.
    pub authorization: Option<EndpointUrl>,
    /// RFC 6749 section 3.2. Required, because no grant can end without it.
    pub token: TokenEndpoint,
    /// RFC 8628 section 3.1.
    pub device_authorization: Option<EndpointUrl>,
    /// RFC 7009 section 2.
    pub revocation: Option<EndpointUrl>,
    /// OpenID Connect's endpoint for the account's name.
    pub userinfo: Option<EndpointUrl>,
    /// Whether it sends `iss`.
    pub iss_parameter: IssParameter,
}

impl AuthorizationServer {
    /// From a profile, completed by the metadata of its issuer. The profile wins, because a person wrote it on
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
