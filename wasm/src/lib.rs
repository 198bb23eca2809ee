//! The core as a WebAssembly module, for hosts that are not Rust. Thin: shapes and their translation, no decision.
//!
//! - [`wire`]: the shapes, declared in `wire/wire.ts`;
//! - [`AnyFlow`]: any of the core's flows, driven in these shapes;
//! - `plugin`: the plain module around it, which imports nothing;
//! - `bindgen`, a feature: the npm package's module around it, instead of the plain one.

#[cfg(feature = "bindgen")]
pub mod bindgen;
mod flow;
#[cfg(not(feature = "bindgen"))]
pub mod plugin;
pub mod wire;

pub use flow::{AnyFlow, Seed, Steps, may_have_token, status};
