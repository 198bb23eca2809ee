//! How the browser takes the user's decision to the client, RFC 6749 section 4.1.2.

use crate::clients::Client;
use crate::http::{Handled, Response};
use crate::state::{Agreed, Code};
use crate::ticket::Redirect;
use crate::tokens;
use crate::values::{Iss, StateEcho};
use crate::world::World;

/// Sends a code. The token request must name the redirect URI if `named_redirect` says so.
pub(crate) fn send_code(
    world: &mut World,
    client: &Client,
    redirect: &Redirect,
    named_redirect: bool,
    challenge: Option<String>,
    agreed: Agreed,
) -> Handled {
    let code = tokens::opaque(world.switches.code_bytes)?;
    let expires = world.now().saturating_add(world.switches.code_expires.millis());
    world.change().codes.insert(
        tokens::hash(&code),
        Code {
            client: client.id.into(),
            redirect_uri: named_redirect.then(|| redirect.written.clone()),
            challenge,
            agreed,
            expires,
            used: false,
            family: None,
        },
    );
    Ok(send(world, redirect, &[("code", &code)]))
}

/// Sends an error, RFC 6749 section 4.1.2.1.
pub(crate) fn refuse(
    world: &World,
    redirect: &Redirect,
    error: &str,
    description: &str,
) -> Response {
    send(world, redirect, &[("error", error), ("error_description", description)])
        .outcome(error.to_owned())
}

/// The redirect with these parameters; the switches decide about `state` and `iss`.
fn send(world: &World, redirect: &Redirect, parameters: &[(&str, &str)]) -> Response {
    let mut uri = redirect.uri.clone();
    {
        let mut query = uri.query_pairs_mut();
        query.extend_pairs(parameters);
        match (&redirect.state, world.switches.redirect_state) {
            (Some(state), StateEcho::Echo) => {
                query.append_pair("state", state);
            }
            (_, StateEcho::Wrong) => {
                query.append_pair("state", "not-the-state-that-was-sent");
            }
            (None, StateEcho::Echo) | (_, StateEcho::Omit) => {}
        }
        match world.switches.iss {
            Iss::On => {
                query.append_pair("iss", &world.base_url);
            }
            Iss::Wrong => {
                query.append_pair("iss", "https://another-issuer.example");
            }
            Iss::Off | Iss::Missing => {}
        }
    }
    Response::redirect(uri.as_str()).header("Cache-Control", "no-store")
}
