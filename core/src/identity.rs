//! The account of an access token: Atlassian's `/me`, Bitbucket's `/2.0/user`, OpenID Connect's userinfo.

use serde_json::Value;

use crate::credential::Account;
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse, TransportError};
use crate::provider::ProviderProfile;
use crate::resource::{
    Authorization, ResourceRequest, TokenAudience, resource_answer, shown_member,
};
use crate::text::displayable;

impl Account {
    pub(crate) fn of(answer: &Value, profile: &ProviderProfile) -> Result<Self, Error> {
        let members = profile.identity.clone().unwrap_or_default();
        // Some servers number their accounts.
        let number = || answer.get(&members.id)?.as_u64().map(|number| alloc::format!("{number}"));
        let id = shown_member(answer, &members.id).or_else(number).ok_or_else(|| {
            Error::PeerMisbehaved {
                endpoint: Endpoint::Identity,
                what: alloc::format!("it has no '{}'", members.id),
            }
        })?;
        Ok(Self {
            id,
            name: shown_member(answer, &members.name),
            email: shown_member(answer, &members.email),
            status: members.status.as_deref().and_then(|name| shown_member(answer, name)),
        })
    }
}

/// Whether `text` can be the e-mail address of an account. Only dangerous texts are refused; the server knows which
/// accounts exist. RFC 7617 section 2: "a user-id containing a colon character is invalid".
#[must_use]
pub fn is_email(text: &str) -> bool {
    text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c == ':')
        && displayable(text) == text
        && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

/// Asks for the account of an access token.
#[derive(Clone, Debug)]
pub struct IdentityRequest {
    profile: ProviderProfile,
}

impl IdentityRequest {
    /// A request for a token of `profile`.
    #[must_use]
    pub const fn new(profile: ProviderProfile) -> Self {
        Self { profile }
    }
}

impl ResourceRequest for IdentityRequest {
    type Answer = Account;

    fn request(
        &self,
        authorization: &Authorization,
        userinfo: Option<&EndpointUrl>,
    ) -> Result<HttpRequest, Error> {
        // The URL that the sign-in discovered comes first.
        let in_profile = || self.profile.identity.as_ref()?.url.as_ref();
        let url = userinfo.or_else(in_profile).ok_or_else(|| {
            let name = &self.profile.display_name;
            Error::Configuration(alloc::format!("the profile of {name} has no identity URL"))
        })?;
        TokenAudience::new(&self.profile, Some(url)).get(url, authorization)
    }

    fn answer(&mut self, answer: Result<HttpResponse, TransportError>) -> Result<Account, Error> {
        let answer = resource_answer(answer, Endpoint::Identity)?;
        Account::of(&answer, &self.profile)
    }
}
