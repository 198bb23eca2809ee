//! The device grant, RFC 8628: `/oauth/device/code`, polls, and the user's decision.

use serde_json::json;

use crate::clients::{self, Client, Realm};
use crate::http::{Handled, Request, Response};
use crate::pages;
use crate::state::{Agreed, Decided, Device};
use crate::tokens;
use crate::values::{Decision, DeviceErrors, SlowDown};
use crate::world::World;

/// Refuses clients without the device grant, like ordinary 3LO apps.
fn check_enabled(world: &World, client: &Client) -> Result<(), Response> {
    if client.device_grant && world.switches.device_grant {
        return Ok(());
    }
    Err(Response::error(400, "invalid_client", "grant_type is not enabled for client"))
}

/// `POST /oauth/device/code`.
pub(crate) fn authorize(world: &mut World, request: &Request) -> Handled {
    request.check()?;
    // A 3LO app learns that the grant is not enabled even when it sends no secret.
    let id = request.params.get("client_id");
    if let Some(client) = id.and_then(|id| clients::find(id, Realm::Atlassian)) {
        check_enabled(world, client)?;
    }
    let client = clients::authenticate(request, Realm::Atlassian, &world.switches)?;
    check_enabled(world, client)?;
    let scopes = request.params.scopes();
    if scopes.is_empty() {
        return Err(Response::missing("scope"));
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
    Ok(Response::json(200, &body).header("Cache-Control", "no-store"))
}

/// A poll: what the user agreed to and the hash of the device code, or why there is no token yet.
pub(crate) fn poll(
    world: &mut World,
    request: &Request,
    client: &Client,
) -> Result<(Agreed, String), Response> {
    check_enabled(world, client)?;
    let now = world.now();
    let rfc = world.switches.device_errors == DeviceErrors::Rfc;
    let status = |auth0| if rfc { 400 } else { auth0 };
    let code = request.params.get("device_code").ok_or_else(|| Response::missing("device_code"))?;
    let hash = tokens::hash(code);
    let unknown =
        || Response::error(status(403), "invalid_grant", "Invalid or expired device code.");
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
        // The client learns this once. Afterwards the code is unknown.
        state.devices.remove(&hash);
        return Err(Response::error(
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
        return Err(Response::error(status(429), "slow_down", &text));
    }
    if deny {
        device.decision = Decided::Denied;
    }
    match device.decision.clone() {
        Decided::Waiting => Err(Response::error(
            status(403),
            "authorization_pending",
            "User has yet to authorize device code.",
        )),
        Decided::Denied => {
            state.devices.remove(&hash);
            Err(Response::error(
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

/// The user decided. The client learns it with its next poll.
pub(crate) fn decide(world: &mut World, hash: &str, agreed: Option<Agreed>) -> Response {
    let now = world.now();
    let accepted = agreed.is_some();
    let device = world
        .change()
        .devices
        .get_mut(hash)
        .filter(|device| now < device.expires && matches!(device.decision, Decided::Waiting));
    let Some(device) = device else {
        let text = "The code was used before, or has expired. Start again on your device.";
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
