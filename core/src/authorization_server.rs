//! An authorization server whose endpoints are known: what a login is bound to.

use alloc::string::String;

use serde::Serialize;
use serde_json::Value;

use crate::client::RequestStyle;
use crate::endpoint_url::EndpointUrl;
use crate::json::{FromJson, Members, Mistakes};
use crate::metadata::AuthorizationServerMetadata;
use crate::provider::{Endpoints, IssParameter, ProviderProfile};

/// Where to send what, decided once at the start of a login.
///
/// RFC 9700 section 4.4.2: "clients MUST store, for each authorization request, the issuer they sent the
/// authorization request to and bind this information to the user agent."
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorizationServer {
    /// Who the server is, if it has an issuer identifier.
    pub issuer: Option<EndpointUrl>,
    /// Where its endpoints are.
    pub endpoints: Endpoints,
    /// OpenID Connect's endpoint for the account's name.
    pub userinfo: Option<EndpointUrl>,
    /// What it does about `iss`.
    pub iss_parameter: IssParameter,
    pub(crate) style: RequestStyle,
}

impl FromJson for AuthorizationServer {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            issuer: members.optional("issuer"),
            endpoints: members.required("endpoints"),
            userinfo: members.optional("userinfo"),
            iss_parameter: members.required("iss_parameter"),
            style: members.required("style"),
        }
    }
}

impl AuthorizationServer {
    /// From a profile that names every endpoint.
    pub(crate) fn from_profile(profile: &ProviderProfile) -> Self {
        Self {
            issuer: profile.issuer.clone(),
            endpoints: profile.endpoints.clone(),
            userinfo: profile.identity.as_ref().and_then(|identity| identity.url.clone()),
            iss_parameter: profile.iss_parameter,
            style: RequestStyle {
                authentication: profile.client.authentication,
                format: profile.token_request_format,
            },
        }
    }

    /// From a profile and what its issuer says; where both speak, the profile wins, because a person
    /// wrote it on purpose.
    pub(crate) fn discovered(
        profile: &ProviderProfile,
        metadata: AuthorizationServerMetadata,
    ) -> Self {
        let from_profile = Self::from_profile(profile);
        let (given, found) = (from_profile.endpoints, metadata.endpoints);
        Self {
            issuer: Some(metadata.issuer),
            endpoints: Endpoints {
                authorization: given.authorization.or(found.authorization),
                token: given.token.or(found.token),
                device_authorization: given.device_authorization.or(found.device_authorization),
                revocation: given.revocation.or(found.revocation),
            },
            userinfo: from_profile.userinfo.or(metadata.userinfo),
            iss_parameter: if metadata.iss_parameter {
                IssParameter::Required
            } else {
                profile.iss_parameter
            },
            style: from_profile.style,
        }
    }

    /// The issuer, or else the token endpoint's host: whom the user signs in to, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        let url = self.issuer.as_ref().or(self.endpoints.token.as_ref());
        url.map(EndpointUrl::host).unwrap_or_default()
    }
}
