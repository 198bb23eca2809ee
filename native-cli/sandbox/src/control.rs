//! `/_sandbox/...`: for tests; Atlassian has nothing like it. Every request needs the header
//! `X-Twg-Sandbox: control`. A web page can add it only after a preflight request, which fails.

use serde_json::{Map, Value, json};

use crate::families::{Ending, Families};
use crate::http::{Handled, Request, Response};
use crate::world::World;

/// The header that control requests carry, in lower case, and its value.
pub(crate) const HEADER: (&str, &str) = ("x-twg-sandbox", "control");

/// Where control requests go.
const PREFIX: &str = "/_sandbox/";

/// Whether a request to this path is a control request.
pub(crate) fn is_control(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Handles a control request.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    if request.header(HEADER.0) != Some(HEADER.1) {
        let text = "A control request needs the header X-Twg-Sandbox: control";
        return Err(Response::error(403, "forbidden", text));
    }
    let done = || Ok(Response::json(200, &json!({ "ok": true })));
    let wrong = |text: &str| Response::error(400, "invalid_request", text);
    match (request.method.as_str(), request.path.trim_start_matches(PREFIX)) {
        ("GET", "ping") => Ok(Response::json(
            200,
            &json!({ "sandbox": "twg", "instance": world.state().instance, "now": world.now() }),
        )),
        ("GET", "log") => Ok(Response::json(200, &json!(world.log.entries()))),
        ("DELETE", "log") => {
            world.log.clear();
            done()
        }
        ("GET", "grants") => Ok(Response::json(200, &grants(world))),
        ("GET", "switch") => Ok(Response::json(200, &switches(world))),
        ("POST", "switch") => {
            let name = request.query.get("name").ok_or_else(|| Response::missing("name"))?;
            let value = request.query.get("value").ok_or_else(|| Response::missing("value"))?;
            world.switches.set(name, value).map_err(|text| wrong(&text))?;
            done()
        }
        ("POST", "advance") => {
            let seconds: u64 = request
                .query
                .get("seconds")
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| wrong("seconds must be a whole number"))?;
            let state = world.change();
            state.advanced = state.advanced.saturating_add(seconds.saturating_mul(1000));
            done()
        }
        ("POST", "revoke-sessions") => {
            // An organization admin revokes all sessions: every token stops working.
            let state = world.change();
            state.families.end(Ending::SessionsRevoked, |_| true);
            for access in state.access.values_mut() {
                access.revoked = true;
            }
            done()
        }
        ("POST", "reset") => {
            // As after the first start, but with the same instance name, port and clock.
            let state = world.change();
            state.grants.clear();
            state.families = Families::default();
            state.access.clear();
            state.codes.clear();
            state.devices.clear();
            world.log.clear();
            done()
        }
        _ => Err(Response::error(404, "not_found", "Unknown control request")),
    }
}

/// Every family; its tokens as SHA-256.
fn grants(world: &World) -> Value {
    let state = world.state();
    let families: Vec<_> = state
        .families
        .iter()
        .map(|family| {
            json!({
                "id": family.id,
                "client_id": family.client,
                "account_id": family.account,
                "born": family.born,
                "alive": family.ended.is_none(),
                "ended": family.ended,
                "rotations": family.rotations,
                "replays": family.replays,
                "reuses": family.reuses,
                "unspent_sha256": family.unspent().collect::<Vec<_>>(),
                "access_tokens": state
                    .access
                    .values()
                    .filter(|access| access.family.as_ref() == Some(&family.id))
                    .count(),
            })
        })
        .collect();
    json!(families)
}

fn switches(world: &World) -> Value {
    let mut map: Map<String, Value> =
        world.switches.table().into_iter().map(|row| (row.name.into(), json!(row.value))).collect();
    for (endpoint, fault) in world.switches.faults.list() {
        map.insert(format!("fault.{endpoint}"), json!(fault));
    }
    Value::Object(map)
}
