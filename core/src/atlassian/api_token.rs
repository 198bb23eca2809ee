//! API tokens of Atlassian accounts: for scripts that use no connection.
//!
//! A classic token works at the site's own URL. A token with scopes works where access tokens do, at
//! `api.atlassian.com/ex/...`, so that the site's cloud ID must be known.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use serde_json::Value;

use crate::credential::Account;
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse, Method, TransportError};
use crate::provider::ProviderProfile;
use crate::resource::{
    Authorization, ResourceRequest, TokenAudience, resource_answer, shown_member,
};
use crate::secret::Secret;
use crate::text::printable;

/// The kind of an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMode {
    /// A token that may do everything that its user may.
    Classic,
    /// A token with scopes.
    Scoped,
}

impl TokenMode {
    /// The mode of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "classic" => Some(Self::Classic),
            "scoped" => Some(Self::Scoped),
            _ => None,
        }
    }

    /// `classic` or `scoped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Scoped => "scoped",
        }
    }
}

/// A site that is known by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSite {
    /// The `acme` of `acme.atlassian.net`.
    pub name: String,
    /// Where it is.
    pub url: EndpointUrl,
}

impl NamedSite {
    /// The site that a person calls `text`: `acme`, `acme.atlassian.net` or the whole URL.
    ///
    /// # Errors
    /// [`Error::Configuration`] if that is not a site of this provider.
    pub fn of(profile: &ProviderProfile, text: &str) -> Result<Self, Error> {
        let refused = |why: String| Error::Configuration(format!("'{}' {why}", printable(text)));
        let Some(template) = &profile.site_address else {
            return Err(refused("cannot be a site: this provider has no sites".to_owned()));
        };
        let (before, after) = template.split_once("{site}").unwrap_or((template, ""));
        let host_before = before.split_once("://").map_or(before, |(_, rest)| rest);
        let name = text.trim_end_matches('/');
        let name = name.strip_prefix(before).unwrap_or(name);
        let name = name.strip_prefix(host_before).unwrap_or(name);
        let name = name.strip_suffix(after).unwrap_or(name).to_ascii_lowercase();
        let is_label = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !is_label {
            let example = template.replace("{site}", "acme");
            return Err(refused(format!(
                "is not the name of a site, such as the acme in {example}"
            )));
        }
        let url = EndpointUrl::parse(&template.replace("{site}", &name));
        let url = url.map_err(|bad| refused(format!("is not a site: {bad}")))?;
        Ok(Self { name, url })
    }
}

/// Asks for the cloud ID of a site. Needs no token, and sends none.
#[derive(Clone, Debug)]
pub struct CloudIdRequest {
    site: EndpointUrl,
}

impl CloudIdRequest {
    /// A request to that site.
    #[must_use]
    pub const fn new(site: EndpointUrl) -> Self {
        Self { site }
    }
}

impl ResourceRequest for CloudIdRequest {
    type Answer = String;

    fn request(
        &self,
        _authorization: &Authorization,
        _userinfo: Option<&EndpointUrl>,
    ) -> Result<HttpRequest, Error> {
        let headers = alloc::vec![("accept", Secret::new("application/json"))];
        let url = format!("{}/_edge/tenant_info", self.site.as_str());
        Ok(HttpRequest::new(Method::Get, url, headers, Secret::default()))
    }

    fn answer(&mut self, answer: Result<HttpResponse, TransportError>) -> Result<String, Error> {
        let answer = resource_answer(answer, Endpoint::Sites)?;
        shown_member(&answer, "cloudId").ok_or_else(|| Error::PeerMisbehaved {
            endpoint: Endpoint::Sites,
            what: "it has no 'cloudId'".to_owned(),
        })
    }
}

/// Asks Jira for the account of a token: `/me` is for access tokens only.
#[derive(Clone, Debug)]
pub struct MyselfRequest {
    audience: TokenAudience,
    url: EndpointUrl,
}

impl MyselfRequest {
    /// The path, below a site.
    pub const PATH: &str = "/rest/api/3/myself";

    /// A request to that URL, which is [`Self::PATH`] of a site.
    #[must_use]
    pub const fn new(audience: TokenAudience, url: EndpointUrl) -> Self {
        Self { audience, url }
    }
}

impl ResourceRequest for MyselfRequest {
    type Answer = Account;

    fn request(
        &self,
        authorization: &Authorization,
        _userinfo: Option<&EndpointUrl>,
    ) -> Result<HttpRequest, Error> {
        self.audience.get(&self.url, authorization)
    }

    fn answer(&mut self, answer: Result<HttpResponse, TransportError>) -> Result<Account, Error> {
        let answer = resource_answer(answer, Endpoint::Identity)?;
        let id = shown_member(&answer, "accountId").ok_or_else(|| Error::PeerMisbehaved {
            endpoint: Endpoint::Identity,
            what: "it has no 'accountId'".to_owned(),
        })?;
        let status = answer.get("active").and_then(Value::as_bool);
        Ok(Account {
            id,
            name: shown_member(&answer, "displayName"),
            email: shown_member(&answer, "emailAddress"),
            status: status.map(|active| if active { "active" } else { "inactive" }.to_owned()),
        })
    }
}
