//! The sites that a connection reaches, and its default site.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::credential::{ConnectionKey, Site};
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{Machine, Next, Outcome, Running};
use crate::http::{HttpRequest, HttpResponse, TransportError};
use crate::provider::ProviderProfile;
use crate::record_update::{Damaged, RecordUpdate};
use crate::resource::{
    Authorization, ResourceRequest, TokenAudience, resource_answer, shown_member,
};
use crate::text::displayable;
use crate::time::Now;

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
            let id = shown_member(entry, "id")
                .ok_or_else(|| misbehaved("it has an entry without an id"))?;
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
