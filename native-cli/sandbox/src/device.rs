//! The device grant, RFC 8628: `/oauth/device/code`, `/oauth/activate`, and the answer to a poll.

use serde_json::json;

use super::clients::{self, Client, Realm};
use super::consent::{self, Consent, Purpose, Ticket};
use super::grants::Millis;
use super::http::{Answer, Reply, Request};
use super::pages::{self, Form};
use super::state::{Agreed, Decided, Device};
use super::values::{Decision, DeviceErrors, SlowDown};
use super::world::World;
use super::{authorize, tokens};

/// The grant type of a poll.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Refuses clients that may not use the grant, as ordinary 3LO apps are refused.
fn check_enabled(world: &World, client: &Client) -> Result<(), Reply> {
    if client.device_grant && world.switches.device_grant {
        return Ok(());
    }
    Err(Reply::error(400, "invalid_client", "grant_type is not enabled for client"))
}

/// `POST /oauth/device/code`.
pub(super) fn authorize(world: &mut World, request: &Request) -> Answer {
    if request.malformed {
        return Err(Reply::error(400, "invalid_request", "The body cannot be read."));
    }
    if let Some(name) = request.params.repeated() {
        return Err(Reply::error(400, "invalid_request", &format!("{name} is there twice.")));
    }
    let id = request.params.get("client_id").map(str::to_owned);
    // A 3LO app is told that the grant is not enabled even when it sends no secret.
    if let Some(client) = id.as_deref().and_then(|id| clients::find(id, Realm::Atlassian)) {
        check_enabled(world, client)?;
    }
    let client = clients::authenticate(request, Realm::Atlassian, &world.switches)?;
    check_enabled(world, client)?;
    let scopes = authorize::scopes(request.params.get("scope"));
    if scopes.is_empty() {
        return Err(Reply::missing("scope"));
    }
    let device_code = tokens::opaque(0)?;
    let user_code = tokens::user_code()?;
    let (lifetime, interval) = (world.switches.device_expires, world.switches.device_interval);
    let expires = world.now().saturating_add(lifetime.millis());
    world.change().devices.insert(
        tokens::hash(&device_code),
        Device {
            client: client.id.into(),
            user_code: user_code.clone(),
            scopes,
            expires,
            interval: interval.millis(),
            polled: None,
            slow_downs: 0,
            decision: Decided::Waiting,
        },
    );
    let uri = format!("{}/oauth/activate", world.base_url);
    let mut body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": uri,
        "expires_in": lifetime.0,
        "interval": interval.0,
    });
    if world.switches.device_complete_uri {
        body["verification_uri_complete"] = format!("{uri}?user_code={user_code}").into();
    }
    Ok(Reply::json(200, &body).header("Cache-Control", "no-store"))
}

/// The answer to a poll: what the user agreed to and the device code's hash, or why not yet.
pub(super) fn poll(
    world: &mut World,
    request: &Request,
    client: &Client,
) -> Result<(Agreed, String), Reply> {
    check_enabled(world, client)?;
    let now = world.now();
    let rfc = world.switches.device_errors == DeviceErrors::Rfc;
    let status = |auth0| if rfc { 400 } else { auth0 };
    let code = request.params.get("device_code").ok_or_else(|| Reply::missing("device_code"))?;
    let hash = tokens::hash(code);
    let unknown = || Reply::error(status(403), "invalid_grant", "Invalid or expired device code.");
    let (switch, grows, deny) = (
        world.switches.slow_down,
        world.switches.slow_down_grows,
        world.switches.decision == Decision::Deny,
    );
    let state = world.change();
    let device = state
        .devices
        .get_mut(&hash)
        .filter(|device| device.client == client.id)
        .ok_or_else(unknown)?;
    if now >= device.expires {
        // Told once; then the code is unknown.
        state.devices.remove(&hash);
        return Err(Reply::error(
            status(403),
            "expired_token",
            "The device code has expired. Please start again.",
        ));
    }
    let too_fast = device.polled.is_some_and(|polled| now < polled.saturating_add(device.interval));
    let slow_down = match switch {
        SlowDown::Fast => too_fast,
        SlowDown::Once => too_fast || device.slow_downs == 0,
        SlowDown::Always => true,
        SlowDown::Never => false,
    };
    device.polled = Some(now);
    if slow_down {
        device.slow_downs += 1;
        if grows {
            device.interval = device.interval.saturating_add(5000);
        }
        let text = format!(
            "You are polling faster than the specified interval of {} seconds.",
            device.interval / 1000
        );
        return Err(Reply::error(status(429), "slow_down", &text));
    }
    if deny {
        device.decision = Decided::Denied;
    }
    match device.decision.clone() {
        Decided::Waiting => Err(Reply::error(
            status(403),
            "authorization_pending",
            "User has yet to authorize device code.",
        )),
        Decided::Denied => {
            state.devices.remove(&hash);
            Err(Reply::error(
                status(403),
                "access_denied",
                "The end-user denied the authorization request, it has been expired or it was \
                 canceled.",
            ))
        }
        Decided::Accepted(agreed) => {
            state.devices.remove(&hash);
            Ok((agreed, hash))
        }
    }
}

/// `GET /oauth/activate`: where the user enters the code.
pub(super) fn activation_page(world: &mut World, request: &Request) -> Answer {
    let code = tokens::normal_user_code(request.query.get("user_code").unwrap_or_default());
    show(world, &code, None)
}

fn show(world: &mut World, code: &str, wrong: Option<&str>) -> Answer {
    let now = world.now();
    let ticket = world.tickets.put(Ticket::Activation, now)?;
    Ok(pages::activate(code, wrong, &Form { ticket: &ticket, leads_to: None }))
}

/// `POST /oauth/activate`: the code was entered.
pub(super) fn activate(world: &mut World, request: &Request) -> Answer {
    let now = world.now();
    let Ticket::Activation = world.tickets.take(request, now)? else {
        return Err(pages::message(400, "Wrong form", "This page belongs to another step."));
    };
    let code = tokens::normal_user_code(request.params.get("user_code").unwrap_or_default());
    let found = waiting(world, &code, now);
    let Some((hash, client, scopes)) = found else {
        let wrong = "This code is wrong, was already used, or has expired.";
        return show(world, &code, Some(wrong)).map(|reply| reply.outcome("wrong_user_code"));
    };
    let purpose = Purpose::Device(hash);
    consent::ask(world, Consent { client, scopes, purpose, organization: None, site: None })
}

/// The device code that this user code stands for, as long as it waits for a decision.
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

/// The user has decided. The next poll will tell the client.
pub(super) fn decide(world: &mut World, hash: &str, agreed: Option<Agreed>) -> Reply {
    let now = world.now();
    let accepted = agreed.is_some();
    let device = world
        .change()
        .devices
        .get_mut(hash)
        .filter(|device| now < device.expires && matches!(device.decision, Decided::Waiting));
    let Some(device) = device else {
        let text = "The code was already used, or has expired. Start again on your device.";
        return pages::message(400, "Too late", text).outcome("expired_token");
    };
    device.decision = match agreed {
        Some(agreed) => Decided::Accepted(agreed),
        None => Decided::Denied,
    };
    if accepted {
        let text = "You can close this page and go back to your device.";
        pages::success("You are connected", text)
    } else {
        let text = "Your device gets no access. You can close this page.";
        pages::message(200, "Access denied", text).outcome("access_denied")
    }
}
