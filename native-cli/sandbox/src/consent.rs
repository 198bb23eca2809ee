//! What the user is asked before a client gets anything: organization, site, permissions.
//!
//! Both ways in lead here: the authorization page, and the page where a device's code is entered.

use std::collections::BTreeSet;

use crate::device;
use crate::families::Ending;
use crate::http::{Handled, Request, Response};
use crate::pages::{self, Choice, Form};
use crate::people::{self, MIA, Organization, Site};
use crate::redirect;
use crate::state::{Agreed, Grant};
use crate::ticket::{Consent, Purpose, Ticket};
use crate::values::Decision;
use crate::world::World;

/// Asks the user, unless the switch `decision` denies everything.
pub(crate) fn ask_or_deny(world: &mut World, consent: Consent) -> Handled {
    match world.switches.decision {
        Decision::Ask => ask(world, consent),
        Decision::Deny => finish(world, consent, None),
    }
}

/// Shows the next page of the question. Without a choice there is no page: "Select your Atlassian
/// organization if you have more than one".
pub(crate) fn ask(world: &mut World, mut consent: Consent) -> Handled {
    let organizations = consent.organizations();
    if let (None, [only]) = (consent.organization, organizations.as_slice()) {
        consent.organization = Some(only);
    }
    let sites = consent.sites();
    if let (None, [only]) = (consent.site, sites.as_slice()) {
        consent.site = Some(only);
    }
    if consent.organization.is_none() && !organizations.is_empty() {
        choose_organization(world, consent, &organizations)
    } else if consent.site.is_none() && !sites.is_empty() {
        choose_site(world, consent, &sites)
    } else {
        review(world, consent)
    }
}

fn choose_organization(
    world: &mut World,
    consent: Consent,
    organizations: &[&Organization],
) -> Handled {
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
    Ok(pages::choose(
        "Select your organization",
        consent.client.name,
        "Organization",
        "You select the site on the next page.",
        &options,
        &form(world, consent)?,
    ))
}

fn choose_site(world: &mut World, consent: Consent, sites: &[&Site]) -> Handled {
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
    Ok(pages::choose(
        "Select a site",
        consent.client.name,
        "Use the app on",
        "The app keeps its access to sites that you selected before.",
        &options,
        &form(world, consent)?,
    ))
}

fn review(world: &mut World, consent: Consent) -> Handled {
    let (client, site) = (consent.client.name, consent.site.map(|site| site.host));
    let scopes: Vec<_> =
        consent.scopes.iter().map(|scope| (scope.clone(), people::meaning(scope))).collect();
    let form = form(world, consent)?;
    let then = match &form.leads_to {
        Some(target) => format!("Your decision takes you back to {target}."),
        None => "After your decision, go back to your device.".into(),
    };
    Ok(pages::permissions(client, site, &scopes, &then, &form))
}

/// The form of a page that goes on with this question.
fn form(world: &mut World, consent: Consent) -> Result<Form, Response> {
    let leads_to = consent.leads_to();
    let now = world.now();
    let ticket = world.tickets.put(Ticket::Consent(Box::new(consent)), now)?;
    Ok(Form { ticket, leads_to })
}

/// `POST /consent`: the user pressed a button on one of the pages above.
pub(crate) fn step(world: &mut World, request: &Request) -> Handled {
    let now = world.now();
    let Ticket::Consent(mut consent) = world.tickets.take(request, now)? else {
        return Err(pages::wrong_step());
    };
    let action = request.params.get("action").unwrap_or_default();
    if action == "deny" {
        return finish(world, *consent, None);
    }
    let wrong = || pages::message(400, "Wrong choice", "This page does not offer that choice.");
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

/// Hands over the decision: to the device code, or through the browser to the client.
fn finish(world: &mut World, consent: Consent, agreed: Option<Agreed>) -> Handled {
    match consent.purpose {
        Purpose::Device(hash) => Ok(device::decide(world, &hash, agreed)),
        Purpose::Code { redirect, named_redirect, challenge } => match agreed {
            Some(agreed) => redirect::send_code(
                world,
                consent.client,
                &redirect,
                named_redirect,
                challenge,
                agreed,
            ),
            None => {
                let text = "User did not authorize the request";
                Ok(redirect::refuse(world, &redirect, "access_denied", text))
            }
        },
    }
}
