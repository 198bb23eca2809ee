//! What the user is asked before a client gets anything: organization, site, permissions.
//!
//! Both ways in, the authorization page and the device activation page, lead here. Each page holds a
//! ticket in a hidden field that works once. Another web page cannot read it, so it cannot send the
//! form in the user's name (RFC 9700 section 4.7).

use std::collections::BTreeSet;

use super::authorize::{self, Redirect};
use super::clients::{Client, Realm};
use super::device;
use super::grants::{Ending, Millis};
use super::http::{Answer, Reply, Request};
use super::pages::{self, Choice, Form};
use super::people::{self, MIA, Organization, Product, Site};
use super::state::{Agreed, Grant};
use super::tokens;
use super::world::World;

/// How long a page waits for a click.
const PAGE_LIFETIME: Millis = 30 * 60 * 1000;

/// Open pages at most; the oldest is forgotten.
const OPEN_PAGES: usize = 500;

/// What a page was shown for.
pub(super) enum Ticket {
    /// To enter a user code.
    Activation,
    /// To agree to something.
    Consent(Box<Consent>),
}

/// The pages that wait.
#[derive(Default)]
pub(super) struct Tickets(Vec<(String, Millis, Ticket)>);

impl Tickets {
    /// A new page. Returns the value for its form.
    pub(super) fn put(&mut self, ticket: Ticket, now: Millis) -> Result<String, Reply> {
        if self.0.len() >= OPEN_PAGES {
            self.0.remove(0);
        }
        let name = tokens::name()?;
        self.0.push((name.clone(), now.saturating_add(PAGE_LIFETIME), ticket));
        Ok(name)
    }

    /// The page that a form came from. It works once.
    pub(super) fn take(&mut self, request: &Request, now: Millis) -> Result<Ticket, Reply> {
        let used_up = || {
            pages::message(
                400,
                "This page is no longer valid",
                "It was already used, or it is too old. Go back to where you started and try again.",
            )
            .outcome("stale_page")
        };
        let name = request.params.get("ticket").ok_or_else(used_up)?;
        let at = self.0.iter().position(|(one, _, _)| one == name).ok_or_else(used_up)?;
        let (_, expires, ticket) = self.0.remove(at);
        if now < expires { Ok(ticket) } else { Err(used_up()) }
    }
}

/// What happens when the user has decided.
pub(super) enum Purpose {
    /// The browser goes back to the client with a code.
    Code {
        /// Where to.
        redirect: Redirect,
        /// Whether the request named the redirect URI, so that the token request must too.
        named_redirect: bool,
        /// The PKCE challenge.
        challenge: Option<String>,
    },
    /// The device code with this hash gets its answer.
    Device(String),
}

/// A question to the user on its way through the pages.
pub(super) struct Consent {
    /// Who asks.
    pub(super) client: &'static Client,
    /// For what.
    pub(super) scopes: Vec<String>,
    /// What for.
    pub(super) purpose: Purpose,
    /// The chosen organization.
    pub(super) organization: Option<&'static Organization>,
    /// The chosen site.
    pub(super) site: Option<&'static Site>,
}

impl Consent {
    fn wants(&self, site: &Site) -> bool {
        self.client.realm == Realm::Atlassian
            && self
                .scopes
                .iter()
                .filter_map(|scope| Product::of_scope(scope))
                .any(|product| product.is_on(site))
    }

    fn organizations(&self) -> Vec<&'static Organization> {
        let wanted =
            |organization: &&Organization| organization.sites.iter().any(|site| self.wants(site));
        people::ORGANIZATIONS.iter().filter(wanted).collect()
    }

    fn sites(&self) -> Vec<&'static Site> {
        let sites = self.organization.map(|organization| organization.sites).unwrap_or_default();
        sites.iter().filter(|site| self.wants(site)).collect()
    }

    fn leads_to(&self) -> Option<String> {
        match &self.purpose {
            Purpose::Code { redirect, .. } => Some(redirect.origin()),
            Purpose::Device(_) => None,
        }
    }
}

/// Shows the next page of the question. What leaves no choice is not asked: "Select your Atlassian
/// organization if you have more than one".
pub(super) fn ask(world: &mut World, mut consent: Consent) -> Answer {
    let client = consent.client.name;
    let leads_to = consent.leads_to();
    let organizations = consent.organizations();
    if consent.organization.is_none() && organizations.len() == 1 {
        consent.organization = organizations.first().copied();
    }
    let sites = consent.sites();
    if consent.site.is_none() && sites.len() == 1 {
        consent.site = sites.first().copied();
    }
    let now = world.now();
    if consent.organization.is_none() && !organizations.is_empty() {
        let details: Vec<_> = organizations
            .iter()
            .map(|organization| match organization.sites.len() {
                1 => "1 site".into(),
                many => format!("{many} sites"),
            })
            .collect();
        let options: Vec<_> = organizations
            .iter()
            .zip(&details)
            .map(|(organization, detail)| Choice {
                value: organization.id,
                name: organization.name,
                detail,
            })
            .collect();
        let ticket = world.tickets.put(Ticket::Consent(Box::new(consent)), now)?;
        return Ok(pages::choose(
            "Select your organization",
            client,
            "Organization",
            "You choose the site on the next page.",
            &options,
            &Form { ticket: &ticket, leads_to: leads_to.as_deref() },
        ));
    }
    if consent.site.is_none() && !sites.is_empty() {
        let options: Vec<_> = sites
            .iter()
            .map(|site| Choice {
                value: site.cloud_id,
                name: site.host,
                detail: match (site.jira, site.confluence) {
                    (true, true) => "Jira, Confluence",
                    (true, false) => "Jira",
                    (false, _) => "Confluence",
                },
            })
            .collect();
        let ticket = world.tickets.put(Ticket::Consent(Box::new(consent)), now)?;
        return Ok(pages::choose(
            "Select a site",
            client,
            "Use the app on",
            "Sites that you allowed this app earlier stay allowed.",
            &options,
            &Form { ticket: &ticket, leads_to: leads_to.as_deref() },
        ));
    }
    let scopes: Vec<_> =
        consent.scopes.iter().map(|scope| (scope.clone(), people::meaning(scope))).collect();
    let then = match &leads_to {
        Some(target) => format!("After you decide, you are sent back to {target}."),
        None => "After you decide, go back to your device.".into(),
    };
    let site = consent.site.map(|site| site.host);
    let ticket = world.tickets.put(Ticket::Consent(Box::new(consent)), now)?;
    let form = Form { ticket: &ticket, leads_to: leads_to.as_deref() };
    Ok(pages::permissions(client, site, &scopes, &then, &form))
}

/// `POST /consent`: a button of one of the pages above.
pub(super) fn step(world: &mut World, request: &Request) -> Answer {
    let now = world.now();
    let Ticket::Consent(mut consent) = world.tickets.take(request, now)? else {
        return Err(pages::message(400, "Wrong form", "This page belongs to another step."));
    };
    let action = request.params.get("action").unwrap_or_default();
    if action == "deny" {
        return finish(world, *consent, None);
    }
    let wrong = || pages::message(400, "Wrong choice", "This cannot be chosen here.");
    let choice = request.params.get("choice");
    if consent.organization.is_none() && !consent.organizations().is_empty() {
        let id = choice.ok_or_else(wrong)?;
        let chosen = consent.organizations().into_iter().find(|one| one.id == id);
        consent.organization = Some(chosen.ok_or_else(wrong)?);
        return ask(world, *consent);
    }
    if consent.site.is_none() && !consent.sites().is_empty() {
        let id = choice.ok_or_else(wrong)?;
        let chosen = consent.sites().into_iter().find(|one| one.cloud_id == id);
        consent.site = Some(chosen.ok_or_else(wrong)?);
        return ask(world, *consent);
    }
    if action != "accept" {
        return Err(wrong());
    }
    let agreed = agree(world, &consent);
    finish(world, *consent, Some(agreed))
}

/// The user accepted: the grant changes at once.
fn agree(world: &mut World, consent: &Consent) -> Agreed {
    let (client, account) = (consent.client.id, MIA.account);
    let narrow = world.switches.narrow_scopes.clone();
    let replaces = world.switches.second_consent_ends_first;
    let mut scopes = consent.scopes.clone();
    scopes.retain(|scope| !narrow.has(scope));
    let site = consent.site.map(|site| site.cloud_id.to_owned());
    let state = world.change();
    if replaces {
        state
            .families
            .end(Ending::Replaced, |family| family.client == client && family.account == account);
    }
    let existing =
        state.grants.iter_mut().find(|grant| grant.client == client && grant.account == account);
    match existing {
        Some(grant) => {
            grant.scopes.clone_from(&scopes);
            grant.sites.extend(site.clone());
        }
        None => state.grants.push(Grant {
            client: client.into(),
            account: account.into(),
            scopes: scopes.clone(),
            sites: BTreeSet::from_iter(site.clone()),
        }),
    }
    Agreed { account: account.into(), scopes, site }
}

/// Sends the decision to whoever waits for it.
pub(super) fn finish(world: &mut World, consent: Consent, agreed: Option<Agreed>) -> Answer {
    match consent.purpose {
        Purpose::Device(hash) => Ok(device::decide(world, &hash, agreed)),
        Purpose::Code { redirect, named_redirect, challenge } => {
            let Some(agreed) = agreed else {
                return Ok(redirect.refuse(
                    world,
                    "access_denied",
                    "User did not authorize the request",
                ));
            };
            authorize::send_code(world, consent.client, redirect, named_redirect, challenge, agreed)
        }
    }
}
