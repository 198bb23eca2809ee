//! The core as a WebAssembly module. For now it proves one thing, in CI: the core compiles for
//! `wasm32-unknown-unknown` and imports nothing from its host.

pub use twg_core::*;
