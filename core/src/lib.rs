//! The sans-IO core of `twg`: every OAuth flow, every decision about a credential, and no I/O.
//!
//! Start with [`flow`], the boundary between this crate and the shells that use it. Then [`login`],
//! which puts the parts together. The core reads no clock, no randomness, no environment and no file;
//! it starts no thread and never panics on input. `clippy.toml` beside this crate bans the ways to do so.

#![no_std]
#![forbid(unsafe_code)]
// A new variant must not slip through an older `_`.
#![warn(clippy::wildcard_enum_match_arm)]

extern crate alloc;

pub mod api;
pub mod atlassian;
pub mod authorization_server;
pub mod authorized;
pub mod client;
pub mod credential;
mod discovery;
pub mod endpoint_url;
pub mod entropy;
pub mod error;
pub mod flow;
pub mod fresh;
pub mod grant;
pub mod helper;
pub mod http;
pub mod identity;
pub mod json;
pub mod login;
pub mod logout;
pub mod metadata;
pub mod oauth_error;
pub mod pkce;
pub mod plan;
pub mod provider;
mod record_update;
pub mod refresh;
pub mod resource;
pub mod revocation;
pub mod schedule;
pub mod scope;
pub mod secret;
pub mod text;
pub mod time;
pub mod token_endpoint;
pub mod upkeep;
