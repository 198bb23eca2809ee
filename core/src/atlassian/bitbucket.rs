//! Bitbucket tokens: how one is used, and what Bitbucket says about it.
//!
//! Bitbucket has no part in Atlassian's OAuth yet. A person creates an API token (with scopes), or an access token
//! of a repository, project or workspace, and enters it here.

use serde_json::Value;

use crate::credential::Account;
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse, Method, TransportError};
use crate::json;
use crate::provider::ProviderProfile;
use crate::resource::{Authorization, TokenAudience, resource_answer};
use crate::secret::Secret;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person. It goes with the e-mail address of the account.
    ApiToken,
    /// A repository, project or workspace; or it is an OAuth access token. It goes without an e-mail address.
    AccessToken,
}

impl Kind {
    /// The kind of a token that a person entered. Access tokens begin like this, API tokens with `ATATT`
    /// \[observed\].
    #[must_use]
    pub fn of(token: &Secret) -> Self {
        if token.expose().starts_with("ATCTT") { Self::AccessToken } else { Self::ApiToken }
    }

    /// The user name that git sends with such a token.
    /// <https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/>
    #[must_use]
    pub const fn git_user(self) -> &'static str {
        match self {
            Self::ApiToken => "x-bitbucket-api-token-auth",
            Self::AccessToken => "x-token-auth",
        }
    }

    /// Whether git may get such a token for a repository whose URL has this user name. The name of the other kind asks
    /// for another token.
    #[must_use]
    pub fn suits(self, username: Option<&str>) -> bool {
        let other = match self {
            Self::ApiToken => Self::AccessToken,
            Self::AccessToken => Self::ApiToken,
        };
        username.is_none_or(|name| name != other.git_user())
    }
}

/// The request that shows whether a token works.
///
/// # Errors
/// [`Error::Configuration`] if the profile of Bitbucket has no identity URL.
pub fn check(
    profile: &ProviderProfile,
    email: Option<&str>,
    token: &Secret,
) -> Result<HttpRequest, Error> {
    let url = profile.identity.as_ref().and_then(|identity| identity.url.as_ref());
    let url = url.filter(|url| TokenAudience::new(profile, None).includes(url.as_str()));
    let url = url.ok_or_else(|| {
        Error::Configuration("the profile of Bitbucket has no identity URL on its API hosts".into())
    })?;
    let authorization = match Kind::of(token) {
        Kind::ApiToken => {
            let email = email.ok_or_else(|| {
                Error::Configuration("an API token needs the e-mail address of its account".into())
            })?;
            Authorization::Basic { user: email.into(), token: token.clone() }
        }
        Kind::AccessToken => Authorization::Bearer(token.clone()),
    };
    let headers = alloc::vec![("accept", Secret::new("application/json")), authorization.header()];
    Ok(HttpRequest::new(Method::Get, url.as_str().into(), headers, Secret::default()))
}

/// What the response to [`check`] says: the account. `None` if the token works, but its scopes do not show the account.
///
/// # Errors
/// [`Error::TokenRejected`] if Bitbucket does not know the token; any other error says nothing about it.
pub fn checked(
    profile: &ProviderProfile,
    answer: Result<HttpResponse, TransportError>,
) -> Result<Option<Account>, Error> {
    if let Ok(response) = &answer
        && response.status == 403
        && lacks_scope(response)
    {
        return Ok(None);
    }
    let answer = resource_answer(answer, Endpoint::Api)?;
    Account::of(&answer, profile).map(Some)
}

/// A token that may do something, but not this: `{"type":"error","error":{"message":"Your credentials lack one or more
/// required privilege scopes.",...}}`. Any other 403 may come from a proxy.
fn lacks_scope(response: &HttpResponse) -> bool {
    let message = |answer: Value| {
        let message = answer.get("error")?.get("message")?.as_str()?;
        Some(message.contains("scope"))
    };
    json::value_in(&response.body).and_then(message).unwrap_or_default()
}

/// The server that git may get the token for: that of Bitbucket's own pages.
#[must_use]
pub fn git_server(profile: &ProviderProfile) -> Option<&EndpointUrl> {
    profile.endpoints.authorization.as_ref()
}
