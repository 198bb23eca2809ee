//! The npm package's module: the flows as a JavaScript class.
//!
//! Everything goes through JSON, whose reader and writer the module has anyway. So a misspelt member is an error, as in the
//! plain module, `undefined` counts as absent, and the module is a tenth smaller than with serde-wasm-bindgen.

use serde::Serialize;
use twg_core::credential::Generation;
use twg_core::error::Error;
use twg_core::json::{self, FromJson};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::wire::{self, FlowRequest, HostError, HttpResponse, Millis, Now, Outcome, Profile};
use crate::{AnyFlow, Seed};

#[wasm_bindgen(typescript_custom_section)]
const DECLARATIONS: &str = include_str!("wire/wire.ts");

/// One flow. Its methods throw an `Error` with the `code` of a `HostError` if they are called wrongly.
#[wasm_bindgen]
pub struct Flow(AnyFlow);

#[wasm_bindgen]
impl Flow {
    /// A flow that has not begun. `entropy` is 64 random octets that are never used again; the browser's or Node's own
    /// if there are none.
    ///
    /// # Errors
    /// `MALFORMED`
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "FlowRequest")] request: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "Uint8Array")] entropy: Option<Vec<u8>>,
    ) -> Result<Self, JsValue> {
        let request: FlowRequest = read("request", &request)?;
        Ok(Self(AnyFlow::new(request, &seed(entropy.map(Zeroizing::new))?)))
    }

    /// The first step; later, the step that the flow waits for.
    ///
    /// # Errors
    /// `NOT_WAITING`, `MALFORMED`
    #[wasm_bindgen(unchecked_return_type = "Step")]
    pub fn begin(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Now")] now: JsValue,
    ) -> Result<JsValue, JsValue> {
        let now: Now = read("time", &now)?;
        self.0.begin(now).map_err(|mistake| thrown(&mistake)).and_then(|step| write(&step))
    }

    /// The next step. After a mistake, the flow still waits for the same step.
    ///
    /// # Errors
    /// Any `HostError`.
    #[wasm_bindgen(unchecked_return_type = "Step")]
    pub fn resume(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "number")] id: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Outcome")] outcome: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Now")] now: JsValue,
    ) -> Result<JsValue, JsValue> {
        let id: u64 = read("id", &id)?;
        let outcome: Outcome = read("outcome", &outcome)?;
        let now: Now = read("time", &now)?;
        let step = self.0.resume(id, outcome, now);
        step.map_err(|mistake| thrown(&mistake)).and_then(|step| write(&step))
    }

    /// The flow as text, if it waits for its user. The text holds secrets.
    #[must_use]
    pub fn suspend(&self) -> Option<String> {
        self.0.suspend().map(|text| text.expose().to_owned())
    }
}

/// What a record says at that time. `chance`, out of 255, spreads the times at which schedulers wake up.
///
/// # Errors
/// `RECORD_UNUSABLE`, `CONFIGURATION`, `MALFORMED`
#[wasm_bindgen(unchecked_return_type = "Status")]
pub fn status(
    record: &str,
    #[wasm_bindgen(unchecked_param_type = "string | ProviderProfile")] profile: JsValue,
    #[wasm_bindgen(unchecked_param_type = "number")] now: JsValue,
    chance: Option<u8>,
) -> Result<JsValue, JsValue> {
    let profile: Profile = read("profile", &profile)?;
    let now: Millis = read("time", &now)?;
    match crate::status(record, &profile, now.into(), chance.unwrap_or(0)) {
        Ok(status) => write(&status),
        Err(error) => Err(failed(&error)),
    }
}

/// Whether access tokens of that provider may be sent to that URL: https (or loopback), and exactly one of its hosts.
///
/// # Errors
/// `CONFIGURATION`, `MALFORMED`
#[wasm_bindgen(js_name = mayHaveToken)]
pub fn may_have_token(
    #[wasm_bindgen(unchecked_param_type = "string | ProviderProfile")] profile: JsValue,
    url: &str,
) -> Result<bool, JsValue> {
    let profile: Profile = read("profile", &profile)?;
    crate::may_have_token(&profile, url).map_err(|error| failed(&error))
}

/// Whether another access token may help after this response. Of its header fields, only `www-authenticate` counts.
///
/// # Errors
/// `MALFORMED`
#[wasm_bindgen(js_name = rejectsToken)]
pub fn rejects_token(
    #[wasm_bindgen(unchecked_param_type = "HttpResponse")] response: JsValue,
) -> Result<bool, JsValue> {
    let response: HttpResponse = read("response", &response)?;
    Ok(twg_core::resource::rejects_token(&response.into()))
}

/// The generation that a record names, as a decimal number; `undefined` if it names none. JavaScript's own reader would round
/// a number above 2^53.
#[wasm_bindgen(js_name = generationOf)]
#[must_use]
pub fn generation_of(record: &str) -> Option<String> {
    Generation::of_record(record).map(|generation| generation.get().to_string())
}

/// The version of twg.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn seed(given: Option<Zeroizing<Vec<u8>>>) -> Result<Seed, JsValue> {
    let mut octets = Zeroizing::new([0; 64]);
    match given {
        Some(given) if given.len() == octets.len() => octets.copy_from_slice(&given),
        Some(_) => return Err(thrown(&HostError::malformed("entropy"))),
        None => getrandom::fill(&mut octets[..])
            .map_err(|_| js_sys::Error::new("there is no source of random numbers"))?,
    }
    Ok(Seed::new(octets))
}

fn read<T: FromJson>(what: &str, given: &JsValue) -> Result<T, JsValue> {
    let malformed = || thrown(&HostError::malformed(what));
    let json = js_sys::JSON::stringify(given).ok().and_then(|json| json.as_string());
    let json = Zeroizing::new(json.ok_or_else(malformed)?);
    json::parse(&json).map_err(|_| malformed())
}

fn write(value: &impl Serialize) -> Result<JsValue, JsValue> {
    // It cannot fail: all maps have text as keys.
    let json = Zeroizing::new(serde_json::to_string(value).unwrap_or_default());
    js_sys::JSON::parse(&json)
}

fn thrown(mistake: &HostError) -> JsValue {
    error_with(mistake.code.as_str(), &mistake.message)
}

fn failed(error: &Error) -> JsValue {
    let error = wire::CoreError::from(error);
    error_with(error.code(), error.message())
}

fn error_with(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    // It cannot fail for a new Error.
    let _ = js_sys::Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
