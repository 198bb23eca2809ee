//! For the npm package: the flows as a JavaScript class.

use serde::Serialize as _;
use serde::de::DeserializeOwned;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::wire::{FlowRequest, HostError, Now, Outcome, Profile};
use crate::{AnyFlow, Seed, wire};

#[wasm_bindgen(typescript_custom_section)]
const DECLARATIONS: &str = include_str!("wire/wire.ts");

/// One flow: what is to be done, one step at a time.
#[wasm_bindgen]
pub struct Flow(AnyFlow);

#[wasm_bindgen]
impl Flow {
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "FlowRequest")] request: JsValue,
        entropy: Option<Vec<u8>>,
    ) -> Result<Flow, JsValue> {
        let request: FlowRequest = read("request", request)?;
        Ok(Self(AnyFlow::new(request, &seed(entropy)?)))
    }

    #[wasm_bindgen(unchecked_return_type = "Step")]
    pub fn begin(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Now")] now: JsValue,
    ) -> Result<JsValue, JsValue> {
        let now: Now = read("time", now)?;
        self.0.begin(now).map_err(thrown).and_then(|step| write(&step))
    }

    #[wasm_bindgen(unchecked_return_type = "Step")]
    pub fn resume(
        &mut self,
        id: f64,
        #[wasm_bindgen(unchecked_param_type = "Outcome")] outcome: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Now")] now: JsValue,
    ) -> Result<JsValue, JsValue> {
        let outcome: Outcome = read("outcome", outcome)?;
        let now: Now = read("time", now)?;
        self.0.resume(id as u64, outcome, now).map_err(thrown).and_then(|step| write(&step))
    }

    pub fn suspend(&self) -> Option<String> {
        self.0.suspend().map(|text| text.expose().to_owned())
    }
}

#[wasm_bindgen(unchecked_return_type = "Status")]
pub fn status(
    record: &str,
    #[wasm_bindgen(unchecked_param_type = "string | ProviderProfile")] profile: JsValue,
    now: f64,
    chance: Option<u8>,
) -> Result<JsValue, JsValue> {
    let profile: Profile = read("profile", profile)?;
    let now = twg_core::time::UnixTime::from_millis(now as u64);
    match crate::status(record, &profile, now, chance.unwrap_or(0)) {
        Ok(status) => write(&status),
        Err(error) => Err(failed(&error)),
    }
}

#[wasm_bindgen(unchecked_return_type = "ProviderProfile")]
pub fn profile(
    #[wasm_bindgen(unchecked_param_type = "string | ProviderProfile")] name_or_profile: JsValue,
) -> Result<JsValue, JsValue> {
    let profile: Profile = read("profile", name_or_profile)?;
    match profile.read() {
        Ok(profile) => write(&profile),
        Err(error) => Err(failed(&error)),
    }
}

#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn seed(given: Option<Vec<u8>>) -> Result<Seed, JsValue> {
    let mut octets = Zeroizing::new([0; 64]);
    match given.map(Zeroizing::new) {
        Some(given) if given.len() == octets.len() => octets.copy_from_slice(&given),
        Some(_) => return Err(thrown(HostError::malformed("entropy"))),
        None => getrandom::fill(&mut octets[..]).map_err(|_| {
            JsValue::from(js_sys::Error::new("there is no random number generator"))
        })?,
    }
    Ok(Seed::new(octets))
}

fn read<T: DeserializeOwned>(what: &str, given: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(given).map_err(|_| thrown(HostError::malformed(what)))
}

fn write(value: &impl serde::Serialize) -> Result<JsValue, JsValue> {
    let serializer = Serializer::new().serialize_maps_as_objects(true);
    value.serialize(&serializer).map_err(|_| thrown(HostError::malformed("result")))
}

fn thrown(error: HostError) -> JsValue {
    error_with(error.code.as_str(), &error.message)
}

fn failed(error: &twg_core::error::Error) -> JsValue {
    let error = wire::CoreError::from(error);
    error_with(error.code(), error.message())
}

fn error_with(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    let _ = js_sys::Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
