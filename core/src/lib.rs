//! The sans-IO core of `twg`: every OAuth flow, every decision about a credential, and no I/O.
//!
//! Start with [`flow`], the boundary between this crate and the shells that use it. The core reads
//! no clock, no randomness, no environment and no file; it starts no thread and never panics on
//! input. `clippy.toml` beside this crate bans the ways to do so.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod credential;
pub mod flow;
pub mod http;
pub mod secret;
pub mod time;
