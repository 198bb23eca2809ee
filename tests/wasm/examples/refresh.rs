//! A Rust host of the plain module: one refresh, with a simulated store and server.
//! `cargo run -p twg-wasm-pack && cargo run -p twg-wasm-tests --example refresh`
//!
//! Your own host needs `src/module.rs` (the module and its memory) and the loop below.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use twg_wasm_tests::host::Host as _;
use twg_wasm_tests::module::{self, Plugin};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), wasmtime::Error> {
    let mut plugin = Plugin::new(module::compiled())?;
    let wall = now()["wall"].as_u64().unwrap_or_default();
    let mut record = record(wall).to_string();

    let request = json!({ "refresh": { "profile": "atlassian", "client_id": "example-client", "need": "live" } });
    // A real host takes 64 octets for each flow from the generator of its system.
    let entropy = "2a".repeat(64);
    let mut result = plugin.begin(&json!({ "request": request, "now": now(), "entropy": entropy }));
    let flow = u32::try_from(result["flow"].as_u64().unwrap_or_default())?;
    while let Some(step) = result["step"].get("perform") {
        println!("  {}", step["effect"]["type"]);
        let outcome = perform(&step["effect"], &mut record);
        let input = json!({ "id": step["id"], "outcome": outcome, "now": now() });
        result = plugin.resume(flow, &input);
    }
    plugin.end(flow);
    println!("{:#}", result["step"]["done"]);
    wasmtime::ensure!(result["step"]["done"]["ok"]["refreshed"]["access_token"] == "new-access");
    wasmtime::ensure!(record.contains("new-refresh"));
    Ok(())
}

/// The only part that touches the world.
fn perform(effect: &Value, record: &mut String) -> Value {
    match effect["type"].as_str().unwrap_or_default() {
        "load_record" => json!({ "loaded": { "ok": record } }),
        "acquire_lock" => json!({ "locked": { "ok": null } }),
        "replace_record" => {
            *record = effect["record"].as_str().unwrap_or_default().to_owned();
            json!({ "store": { "ok": null } })
        }
        "stage_reply" => json!({ "kept": { "ok": "memory" } }),
        "send_http" => {
            let body = r#"{"access_token":"new-access","refresh_token":"new-refresh","token_type":"Bearer","expires_in":3600}"#;
            json!({ "http": { "ok": { "status": 200, "headers": [], "body": body } } })
        }
        "release_lock" => json!("notified"),
        _ => json!({ "store": { "ok": null } }),
    }
}

fn now() -> Value {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({ "wall": u64::try_from(wall.as_millis()).unwrap_or_default() })
}

fn record(wall: u64) -> Value {
    let issued = wall - 3_000_000;
    json!({
        "schema_version": 1, "generation": 1, "provider": "atlassian", "connection": "default",
        "server": {
            "token_endpoint": "https://auth.atlassian.com/oauth/token",
            "client_authentication": "client_secret_post",
        },
        "client_id": "example-client",
        "login": { "at": issued, "grant": "device_code" },
        "tokens": {
            "access_token": "old-access", "refresh_token": "old-refresh", "scopes": ["read:me"],
            "issued_at": issued, "expires_at": wall + 600_000,
        },
    })
}
