//! The component in wasmtime: the calls of the plain module, with types.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Engine, Result, Store};

use crate::host::Host;

mod bindings {
    wasmtime::component::bindgen!({ world: "twg", path: "../../wasm/wit" });
}

use bindings::exports::twg::auth::flows::{Mistake, MistakeCode, Now};

/// The component, loaded.
pub struct Typed {
    store: Store<()>,
    world: bindings::Twg,
    /// By number, from 1, as this host counts them.
    flows: Vec<Option<ResourceAny>>,
}

/// Where `cargo run -p twg-wasm-pack` puts it.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../js-pkg/wasm/twg_component.wasm")
}

/// The compiled component.
///
/// # Panics
/// If it does not exist.
pub fn compiled() -> &'static Component {
    static COMPILED: LazyLock<Component> = LazyLock::new(|| {
        let component = Component::from_file(&Engine::default(), path());
        component.expect("the component, which `cargo run -p twg-wasm-pack` builds")
    });
    &COMPILED
}

impl Typed {
    /// A new instance without flows.
    ///
    /// # Errors
    /// If it is another component.
    pub fn new(component: &Component) -> Result<Self> {
        let mut store = Store::new(component.engine(), ());
        // Nothing is linked: the component imports nothing.
        let world =
            bindings::Twg::instantiate(&mut store, component, &Linker::new(component.engine()))?;
        Ok(Self { store, world, flows: Vec::new() })
    }

    fn flow(&self, number: u32) -> Option<ResourceAny> {
        self.flows.get(usize::try_from(number).ok()?.checked_sub(1)?).copied().flatten()
    }
}

impl Host for Typed {
    fn begin(&mut self, input: &Value) -> Value {
        let flows = self.world.twg_auth_flows();
        let request = input["request"].to_string();
        let entropy = octets(input["entropy"].as_str().expect("digits"));
        let flow = flows.flow().call_new(&mut self.store, &request, &entropy).expect("no trap");
        let flow = match flow {
            Ok(flow) => flow,
            Err(mistake) => return refused(&mistake),
        };
        let step = flows.flow().call_begin(&mut self.store, flow, now(&input["now"]));
        self.flows.push(Some(flow));
        returned(self.flows.len(), step.expect("no trap"))
    }

    fn resume(&mut self, number: u32, input: &Value) -> Value {
        let Some(flow) = self.flow(number) else {
            return json!({ "error": { "code": "NOT_WAITING" } });
        };
        let id = input["id"].as_u64().expect("a number");
        let outcome = input["outcome"].to_string();
        let flows = self.world.twg_auth_flows();
        let step =
            flows.flow().call_resume(&mut self.store, flow, id, &outcome, now(&input["now"]));
        returned(number as usize, step.expect("no trap"))
    }

    fn suspend(&mut self, number: u32) -> Value {
        let flow = self.flow(number).expect("a flow that was begun");
        let flows = self.world.twg_auth_flows();
        let suspended = flows.flow().call_suspend(&mut self.store, flow).expect("no trap");
        json!({ "suspended": suspended })
    }

    fn end(&mut self, number: u32) {
        if let Some(flow) = self.flow(number) {
            self.flows[number as usize - 1] = None;
            flow.resource_drop(&mut self.store).expect("no trap");
        }
    }

    fn status(&mut self, input: &Value) -> Value {
        let flows = self.world.twg_auth_flows();
        let status = flows.call_status(
            &mut self.store,
            input["record"].as_str().expect("text"),
            &input["profile"].to_string(),
            input["now"].as_u64().expect("milliseconds"),
            u8::try_from(input["chance"].as_u64().unwrap_or_default()).expect("an octet"),
        );
        match status.expect("no trap") {
            Ok(Ok(status)) => json!({ "status": { "ok": parsed(&status) } }),
            Ok(Err(error)) => json!({ "status": { "error": parsed(&error) } }),
            Err(mistake) => refused(&mistake),
        }
    }
}

fn returned(flow: usize, step: std::result::Result<String, Mistake>) -> Value {
    match step {
        Ok(step) => json!({ "flow": flow, "step": parsed(&step) }),
        Err(mistake) => refused(&mistake),
    }
}

fn refused(mistake: &Mistake) -> Value {
    let code = match mistake.code {
        MistakeCode::StaleStep => "STALE_STEP",
        MistakeCode::WrongOutcome => "WRONG_OUTCOME",
        MistakeCode::NotWaiting => "NOT_WAITING",
        MistakeCode::Malformed => "MALFORMED",
    };
    json!({ "error": { "code": code, "message": mistake.message } })
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("a result is JSON")
}

fn now(now: &Value) -> Now {
    Now { wall: now["wall"].as_u64().unwrap_or_default(), uptime: now["uptime"].as_u64() }
}

fn octets(digits: &str) -> Vec<u8> {
    let octet = |pair: &[u8]| {
        let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
        digit(pair[0]).expect("a digit") << 4 | digit(pair[1]).expect("a digit")
    };
    digits.as_bytes().chunks_exact(2).map(octet).collect()
}
