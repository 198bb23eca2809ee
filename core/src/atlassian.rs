//! What only Atlassian has: sites, and the addresses of their APIs.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::credential::{ConnectionKey, Damaged, RecordUpdate};
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{Machine, Next, Outcome, Running};
use crate::http::{HttpRequest, HttpResponse, TransportError};
use crate::json::{FromJson, Members, Mistakes};
use crate::provider::ProviderProfile;
use crate::resource::{
    Authorization, ResourceRequest, TokenAudience, host_of, resource_answer, shown_member,
};
use crate::text::displayable;
use crate::time::Now;

/// One container that a token reaches, every text of it escaped for display.
///
/// "Note, the id is not unique across containers (that is, two entries in the results can have the same id), so
/// you may need to infer the type of container from its scopes." (Atlassian, OAuth 2.0 (3LO) apps)
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// The cloud id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where people find it.
    pub url: String,
    /// What the token may do there.
    pub scopes: Vec<String>,
}

impl FromJson for Site {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            id: members.required("id"),
            name: members.required("name"),
            url: members.required("url"),
            scopes: members.or_default("scopes"),
        }
    }
}

impl Site {
    /// Whether a person who writes `text` may mean this site: its id, name, address, host or the first
    /// part of its host.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let host = host_of(&self.url);
        let prefix = host.as_deref().and_then(|host| host.split('.').next());
        [Some(self.id.as_str()), Some(&self.name), Some(&self.url), host.as_deref(), prefix]
            .into_iter()
            .flatten()
            .any(|name| name.trim_end_matches('/').eq_ignore_ascii_case(text.trim_end_matches('/')))
    }
}

/// Reads the list of accessible resources, in the server's order, which has no meaning.
///
/// # Errors
/// [`Error::PeerMisbehaved`] if it is not a list of objects with an `id`.
pub fn parse_sites(answer: &Value) -> Result<Vec<Site>, Error> {
    let misbehaved =
        |what: &str| Error::PeerMisbehaved { endpoint: Endpoint::Sites, what: what.to_owned() };
    let entries = answer.as_array().ok_or_else(|| misbehaved("it is not a list"))?;
    entries
        .iter()
        .map(|entry| {
            let id =
                shown_member(entry, "id").ok_or_else(|| misbehaved("an entry in it has no id"))?;
            let scopes = entry.get("scopes").and_then(Value::as_array).into_iter().flatten();
            Ok(Site {
                name: shown_member(entry, "name").unwrap_or_else(|| id.clone()),
                url: shown_member(entry, "url").unwrap_or_default(),
                scopes: scopes.filter_map(Value::as_str).map(displayable).collect(),
                id,
            })
        })
        .collect()
}

/// Asks which sites an access token reaches.
#[derive(Clone, Debug)]
pub struct SitesRequest {
    profile: ProviderProfile,
}

impl SitesRequest {
    /// A request for a token of `profile`.
    #[must_use]
    pub const fn new(profile: ProviderProfile) -> Self {
        Self { profile }
    }
}

impl ResourceRequest for SitesRequest {
    type Answer = Vec<Site>;

    fn request(
        &self,
        authorization: &Authorization,
        _userinfo: Option<&EndpointUrl>,
    ) -> Result<HttpRequest, Error> {
        let url = self.profile.sites.as_ref().ok_or_else(|| {
            Error::Configuration(alloc::format!("{} has no sites", self.profile.display_name))
        })?;
        TokenAudience::new(&self.profile, None).get(url, authorization)
    }

    fn answer(&mut self, answer: Result<HttpResponse, TransportError>) -> Result<Vec<Site>, Error> {
        parse_sites(&resource_answer(answer, Endpoint::Sites)?)
    }
}

/// Chooses the site that commands use when none is named.
pub type UseSiteFlow = Running<UseSite>;

/// The transitions of [`UseSiteFlow`].
#[derive(Debug)]
pub struct UseSite {
    update: RecordUpdate,
}

impl UseSiteFlow {
    /// A flow that keeps `site` as the default of the connection, and `sites` as its list.
    #[must_use]
    pub fn choose(key: ConnectionKey, sites: Vec<Site>, site: String) -> Self {
        let update = RecordUpdate::new(key, Damaged::Refuse, move |old| {
            let mut new = old?.clone();
            new.sites = sites;
            new.default_site = Some(site);
            Some(new)
        });
        Self::new(UseSite { update })
    }
}

impl Machine for UseSite {
    /// Whether there was a record to keep it in.
    type Output = Result<bool, Error>;

    fn start(&mut self, now: Now) -> Next<Self::Output> {
        let next = self.update.start(now);
        next.and_then(|updated| Next::Done(updated.map(|updated| updated.new.is_some())))
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Next<Self::Output> {
        let next = self.update.advance(outcome, now);
        next.and_then(|updated| Next::Done(updated.map(|updated| updated.new.is_some())))
    }
}
