//! `/_sandbox/...`: for tests, not a part of the look-alike. Every request needs the header
//! `X-Twg-Sandbox: control`. A web page cannot add it without asking first, and is not allowed to.

use serde_json::{Map, Value, json};

use super::grants::Ending;
use super::http::{Answer, Reply, Request};
use super::world::World;

/// The header that control requests carry, in lower case, and its value.
pub(super) const HEADER: (&str, &str) = ("x-twg-sandbox", "control");

/// Whether a name from a request can stand in a log.
pub(super) fn is_harmless(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Answers a control request.
pub(super) fn answer(world: &mut World, request: &Request) -> Answer {
    if request.header(HEADER.0) != Some(HEADER.1) {
        let text = "Control requests carry the header X-Twg-Sandbox: control";
        return Err(Reply::error(403, "forbidden", text));
    }
    let done = || Ok(Reply::json(200, &json!({ "ok": true })));
    let wrong = |text: &str| Reply::error(400, "invalid_request", text);
    match (request.method.as_str(), request.path.trim_start_matches("/_sandbox/")) {
        ("GET", "ping") => Ok(Reply::json(
            200,
            &json!({ "sandbox": "twg", "instance": world.state().instance, "now": world.now() }),
        )),
        ("GET", "log") => Ok(Reply::json(200, &json!(world.log))),
        ("DELETE", "log") => {
            world.log.clear();
            done()
        }
        ("GET", "grants") => Ok(Reply::json(200, &grants(world))),
        ("GET", "switch") => Ok(Reply::json(200, &switches(world))),
        ("POST", "switch") => {
            let name = request.query.get("name").ok_or_else(|| Reply::missing("name"))?;
            let value = request.query.get("value").ok_or_else(|| Reply::missing("value"))?;
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
            // An organization admin revokes all sessions: no token survives, and no login.
            let state = world.change();
            state.families.end(Ending::SessionsRevoked, |_| true);
            for access in state.access.values_mut() {
                access.revoked = true;
            }
            done()
        }
        ("POST", "reset") => {
            // Back to the first start, but the same instance at the same port and time.
            let state = world.change();
            state.grants.clear();
            state.families = super::grants::Families::default();
            state.access.clear();
            state.codes.clear();
            state.devices.clear();
            world.log.clear();
            done()
        }
        _ => Err(Reply::error(404, "not_found", "There is no such control request.")),
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
