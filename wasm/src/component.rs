//! The component, for hosts of the component model: the same flows, typed by `wit/twg.wit`.

use std::cell::RefCell;

use serde::Serialize;
use twg_core::json::{self, FromJson};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;
use zeroize::Zeroizing;

use crate::wire::{self, CoreError, FlowRequest, HostError, HostErrorCode, Outcome, Profile};
use crate::{AnyFlow, Seed};
use bindings::exports::twg::auth::flows;

mod bindings {
    wit_bindgen::generate!({ world: "twg", path: "wit" });

    export!(Component with_types_in self);
    use super::Component;
}

struct Component;

/// One flow. Calls do not overlap: an instance serves one thread.
struct Flow(RefCell<AnyFlow>);

impl flows::Guest for Component {
    type Flow = Flow;

    fn status(
        record: String,
        profile: String,
        wall: u64,
        chance: u8,
    ) -> Result<Result<String, String>, flows::Mistake> {
        let record = Secret::new(record);
        let profile: Profile = read("profile", &profile)?;
        let status = crate::status(record.expose(), &profile, UnixTime::from_millis(wall), chance);
        Ok(match status {
            Ok(status) => Ok(written(&status)),
            Err(error) => Err(written(&CoreError::from(&error))),
        })
    }
}

impl flows::GuestFlow for Flow {
    fn new(request: String, entropy: Vec<u8>) -> Result<flows::Flow, flows::Mistake> {
        let (request, entropy) = (Secret::new(request), Zeroizing::new(entropy));
        let octets = <[u8; 64]>::try_from(&**entropy);
        let octets = octets.map_err(|_| mistake(HostError::malformed("entropy")))?;
        let request: FlowRequest = read("request", request.expose())?;
        let flow = AnyFlow::new(request, &Seed::new(Zeroizing::new(octets)));
        Ok(flows::Flow::new(Self(RefCell::new(flow))))
    }

    fn begin(&self, now: flows::Now) -> Result<String, flows::Mistake> {
        let step = self.0.borrow_mut().begin(now.into());
        step.map(|step| written(&step)).map_err(mistake)
    }

    fn resume(&self, id: u64, outcome: String, now: flows::Now) -> Result<String, flows::Mistake> {
        let outcome = Secret::new(outcome);
        let outcome: Outcome = read("outcome", outcome.expose())?;
        let step = self.0.borrow_mut().resume(id, outcome, now.into());
        step.map(|step| written(&step)).map_err(mistake)
    }

    fn suspend(&self) -> Option<String> {
        self.0.borrow().suspend().map(|text| text.expose().to_owned())
    }
}

impl From<flows::Now> for wire::Now {
    fn from(now: flows::Now) -> Self {
        Self::new(now.wall, now.uptime)
    }
}

fn read<T: FromJson>(what: &str, json: &str) -> Result<T, flows::Mistake> {
    json::parse(json).map_err(|_| mistake(HostError::malformed(what)))
}

/// It cannot fail: all maps have text as keys.
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn mistake(error: HostError) -> flows::Mistake {
    let code = match error.code {
        HostErrorCode::StaleStep => flows::MistakeCode::StaleStep,
        HostErrorCode::WrongOutcome => flows::MistakeCode::WrongOutcome,
        HostErrorCode::NotWaiting => flows::MistakeCode::NotWaiting,
        HostErrorCode::Malformed => flows::MistakeCode::Malformed,
    };
    flows::Mistake { code, message: error.message }
}
