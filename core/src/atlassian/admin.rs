//! The admin API key of an organization: how it is used, and what Atlassian says about it.
//! <https://developer.atlassian.com/cloud/admin/organization/rest/>

use alloc::format;
use alloc::string::String;
use core::fmt;

use serde_json::Value;

use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::http::{HttpRequest, HttpResponse, Method, TransportError};
use crate::json::{self, FromJson, Mistakes};
use crate::provider::ProviderProfile;
use crate::resource::{Authorization, resource_answer};
use crate::secret::Secret;
use crate::text::displayable;

/// The ID of an organization, which is a part of URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgId(String);

impl OrgId {
    /// Letters, digits and hyphens: nothing that could lead a URL elsewhere.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (is_plain && (1..=64).contains(&text.len())).then(|| Self(text.into()))
    }

    /// The ID itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromJson for OrgId {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self::parse(&String::from_json(value, mistakes)).unwrap_or_else(|| {
            mistakes.note("not the ID of an organization");
            Self(String::new())
        })
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key is unknown, expired or revoked, or no admin API key at all.
    Key,
    /// The key works, but its user may not see this organization.
    NotPermitted,
    /// There is no such organization, or the key belongs to another one.
    NoSuchOrganization,
    /// A failure that says nothing about the key.
    Other(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str(
                "Atlassian does not accept the key: it is mistyped, expired or revoked, or it is not an admin API \
                 key (API tokens and access tokens do not work here)",
            ),
            Self::NotPermitted => f.write_str("the key may not see this organization"),
            Self::NoSuchOrganization => {
                f.write_str("there is no organization with this ID, or the key belongs to another one")
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// The request that shows whether a key works for an organization.
///
/// # Errors
/// [`Error::Configuration`] if the provider has no organizations.
pub fn check(profile: &ProviderProfile, org: &OrgId, key: &Secret) -> Result<HttpRequest, Error> {
    // The API host is that of the sites.
    let sites = profile.sites.as_ref().and_then(EndpointUrl::url).ok_or_else(|| {
        let name = &profile.display_name;
        Error::Configuration(format!("{name} has no organizations"))
    })?;
    let url = format!("{}/admin/v1/orgs/{}", sites.origin().ascii_serialization(), org.as_str());
    let authorization = Authorization::Bearer(key.clone()).header();
    let headers = alloc::vec![("accept", Secret::new("application/json")), authorization];
    Ok(HttpRequest::new(Method::Get, url, headers, Secret::default()))
}

/// What the response to [`check`] says: the name of the organization, escaped, if it has one.
///
/// # Errors
/// [`Refusal`]
pub fn checked(
    org: &OrgId,
    answer: Result<HttpResponse, TransportError>,
) -> Result<Option<String>, Refusal> {
    if let Ok(response) = &answer {
        // JSON comes from this API, or from the gateway before it. A page of HTML proves nothing about the key.
        match response.status {
            401 if json::object_in(&response.body).is_some() => return Err(Refusal::Key),
            403 if json::object_in(&response.body).is_some() => return Err(Refusal::NotPermitted),
            404 if json::object_in(&response.body).is_some() => {
                return Err(Refusal::NoSuchOrganization);
            }
            status @ (401 | 403 | 404) => {
                return Err(Refusal::Other(Error::NotOAuth { endpoint: Endpoint::Api, status }));
            }
            _ => {}
        }
    }
    let answer = resource_answer(answer, Endpoint::Api).map_err(Refusal::Other)?;
    let data = answer.get("data");
    if data.and_then(|data| data.get("id")).and_then(Value::as_str) != Some(org.as_str()) {
        return Err(Refusal::Other(Error::PeerMisbehaved {
            endpoint: Endpoint::Api,
            what: "it is about another organization".into(),
        }));
    }
    let name = data.and_then(|data| data.get("attributes")?.get("name")?.as_str());
    Ok(name.map(displayable))
}
