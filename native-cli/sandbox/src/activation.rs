//! `/oauth/activate`: where the user enters the code of a device, RFC 8628 section 3.3.

use crate::clients::{self, Client, Realm};
use crate::consent;
use crate::families::Millis;
use crate::http::{Handled, Request};
use crate::pages::{self, Form};
use crate::state::Decided;
use crate::ticket::{Consent, Purpose, Ticket};
use crate::tokens;
use crate::world::World;

/// `GET /oauth/activate`: the page for the code.
pub(crate) fn page(world: &mut World, request: &Request) -> Handled {
    let code = tokens::normal_user_code(request.query.get("user_code").unwrap_or_default());
    show(world, &code, None)
}

/// `POST /oauth/activate`: the user entered a code.
pub(crate) fn enter(world: &mut World, request: &Request) -> Handled {
    let now = world.now();
    let Ticket::Activation = world.tickets.take(request, now)? else {
        return Err(pages::wrong_step());
    };
    let code = tokens::normal_user_code(request.params.get("user_code").unwrap_or_default());
    let Some((hash, client, scopes)) = waiting(world, &code, now) else {
        let wrong = "This code is wrong, was used before, or has expired.";
        return show(world, &code, Some(wrong)).map(|page| page.outcome("wrong_user_code"));
    };
    consent::ask(world, Consent::new(client, scopes, Purpose::Device(hash)))
}

fn show(world: &mut World, code: &str, wrong: Option<&str>) -> Handled {
    let now = world.now();
    let ticket = world.tickets.put(Ticket::Activation, now)?;
    Ok(pages::activate(code, wrong, &Form { ticket, leads_to: None }))
}

/// The device code that this user code belongs to, while it waits for a decision.
fn waiting(
    world: &World,
    user_code: &str,
    now: Millis,
) -> Option<(String, &'static Client, Vec<String>)> {
    let (hash, device) = world.state().devices.iter().find(|(_, device)| {
        device.user_code == user_code
            && now < device.expires
            && matches!(device.decision, Decided::Waiting)
    })?;
    let client = clients::find(&device.client, Realm::Atlassian)?;
    Some((hash.clone(), client, device.scopes.clone()))
}
