//! Replays `tests/scenarios` through the core: compiled for this machine, and as the plain module and the component in
//! wasmtime.

pub mod component;
pub mod host;
pub mod json;
pub mod module;
pub mod names;
pub mod notation;
pub mod replay;
pub mod scenario;
