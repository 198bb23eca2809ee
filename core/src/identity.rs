//! Who an access token acts for: Atlassian's `/me`, Bitbucket's `/2.0/user`, OpenID Connect's userinfo.

use alloc::string::String;

use serde::Serialize;
use serde_json::Value;

use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse, TransportError};
use crate::json::{FromJson, Members, Mistakes};
use crate::provider::ProviderProfile;
use crate::resource::{
    Authorization, ResourceRequest, TokenAudience, resource_answer, shown_member,
};
use crate::text::displayable;

/// The account, every text of it escaped for display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Stable and opaque.
    pub id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// If the scopes show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `active`, if the provider says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl FromJson for Account {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            id: members.required("id"),
            name: members.optional("name"),
            email: members.optional("email"),
            status: members.optional("status"),
        }
    }
}

impl Account {
    /// The name, or else the e-mail address, or else the id.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.id)
    }

    pub(crate) fn of(answer: &Value, profile: &ProviderProfile) -> Result<Self, Error> {
        let members = profile.identity.clone().unwrap_or_default();
        // Some servers number their accounts.
        let number = || answer.get(&members.id)?.as_u64().map(|number| alloc::format!("{number}"));
        let id = shown_member(answer, &members.id).or_else(number).ok_or_else(|| {
            Error::PeerMisbehaved {
                endpoint: Endpoint::Identity,
                what: alloc::format!("there is no '{}' in it", members.id),
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

/// Whether `text` can be the e-mail address of an account. Only what would be a danger elsewhere is refused; whether
/// there is such an account is for the server to say. RFC 7617 section 2: "a user-id containing a colon character is
/// invalid".
#[must_use]
pub fn is_email(text: &str) -> bool {
    text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c == ':')
        && displayable(text) == text
        && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

/// Asks who an access token acts for.
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
        // Where the login found the account's name, if there was one.
        let in_profile = || self.profile.identity.as_ref()?.url.as_ref();
        let url = userinfo.or_else(in_profile).ok_or_else(|| {
            let name = &self.profile.display_name;
            Error::Configuration(alloc::format!("{name} does not tell who an account is"))
        })?;
        TokenAudience::new(&self.profile, Some(url)).get(url, authorization)
    }

    fn answer(&mut self, answer: Result<HttpResponse, TransportError>) -> Result<Account, Error> {
        let answer = resource_answer(answer, Endpoint::Identity)?;
        Account::of(&answer, &self.profile)
    }
}
