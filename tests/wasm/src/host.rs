//! A host of flows: the calls of the plain module, in any runtime.

use serde_json::Value;
use twg_wasm::plugin::Calls;

/// The calls of the plain module's ABI, without its memory.
pub trait Host {
    /// `twg_begin`
    fn begin(&mut self, input: &Value) -> Value;
    /// `twg_resume`
    fn resume(&mut self, flow: u32, input: &Value) -> Value;
    /// `twg_suspend`
    fn suspend(&mut self, flow: u32) -> Value;
    /// `twg_end`
    fn end(&mut self, flow: u32);
    /// `twg_status`
    fn status(&mut self, input: &Value) -> Value;
}

/// The same code, compiled for this machine.
#[derive(Default)]
pub struct Native(Calls);

impl Host for Native {
    fn begin(&mut self, input: &Value) -> Value {
        parsed(&self.0.begin(input.to_string().as_bytes()))
    }

    fn resume(&mut self, flow: u32, input: &Value) -> Value {
        parsed(&self.0.resume(flow, input.to_string().as_bytes()))
    }

    fn suspend(&mut self, flow: u32) -> Value {
        parsed(&self.0.suspend(flow))
    }

    fn end(&mut self, flow: u32) {
        self.0.end(flow);
    }

    fn status(&mut self, input: &Value) -> Value {
        parsed(&Calls::status(input.to_string().as_bytes()))
    }
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("a result is JSON")
}
