//! Who an access token acts for: Atlassian's `/me`, Bitbucket's `/2.0/user`, OpenID Connect's userinfo.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{Effect, Machine, Next, Outcome, Running};
use crate::provider::ProviderProfile;
use crate::resource::{TokenAudience, resource_answer, shown_member};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The account, every text of it escaped for display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stable and opaque.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// If the scopes show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `active`, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl Account {
    /// The name, or else the e-mail address, or else the id.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.id)
    }

    pub(crate) fn from_json(answer: &Value, profile: &ProviderProfile) -> Result<Self, Error> {
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

/// Asks who an access token acts for.
pub type IdentityFlow = Running<IdentityRequest>;

/// The transitions of [`IdentityFlow`].
#[derive(Debug)]
pub struct IdentityRequest {
    profile: ProviderProfile,
    url: EndpointUrl,
    access_token: Secret,
}

impl IdentityFlow {
    /// A flow for a token of `profile`; `url` is where the login found the account's name.
    #[must_use]
    pub fn for_token(profile: ProviderProfile, url: EndpointUrl, access_token: Secret) -> Self {
        Self::new(IdentityRequest::new(profile, url, access_token))
    }
}

impl IdentityRequest {
    pub(crate) const fn new(
        profile: ProviderProfile,
        url: EndpointUrl,
        access_token: Secret,
    ) -> Self {
        Self { profile, url, access_token }
    }
}

impl Machine for IdentityRequest {
    type Output = Result<Account, Error>;

    fn start(&mut self, _now: UnixTime) -> Next<Self::Output> {
        let audience = TokenAudience::new(&self.profile, Some(&self.url));
        match audience.get(&self.url, &self.access_token) {
            Ok(request) => Next::Perform(Effect::SendHttp(request)),
            Err(error) => Next::Done(Err(error)),
        }
    }

    fn advance(&mut self, outcome: Outcome, _now: UnixTime) -> Next<Self::Output> {
        let Outcome::Http(answer) = outcome else {
            return Next::Done(Err(Error::OutOfOrder));
        };
        let account = resource_answer(answer, Endpoint::Identity)
            .and_then(|answer| Account::from_json(&answer, &self.profile));
        Next::Done(account)
    }
}
