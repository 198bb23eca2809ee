//! The core as a WebAssembly module, for hosts that are not Rust. It translates shapes, and decides nothing.
//!
//! - [`wire`]: the shapes, declared in `wire/wire.ts`;
//! - [`AnyFlow`]: any of the core's flows, driven in these shapes;
//! - `plugin`: the plain module around it, which imports nothing;
//! - `bindgen`, a feature: the npm package's module around it, instead of the plain one;
//! - `component`, a feature: the component of `wit/twg.wit` around it, instead of the plain module.

#[cfg(feature = "bindgen")]
pub mod bindgen;
#[cfg(feature = "component")]
mod component;
mod flow;
#[cfg(not(any(feature = "bindgen", feature = "component")))]
pub mod plugin;
pub mod wire;

pub use flow::{AnyFlow, Seed, Steps, may_have_token, status};

/// The allocator of std is three times as large.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
