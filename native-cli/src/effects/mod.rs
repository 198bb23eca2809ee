//! Performs what the flows of the core ask for: one file per effect.
//!
//! Nothing here knows a protocol or decides what a failure means: each effect reports it in the
//! core's words ([`twg_core::flow`]) and cleans up when it is dropped.

pub(crate) mod browser;
pub(crate) mod client_form;
pub(crate) mod clock;
pub(crate) mod file_store;
pub(crate) mod http;
mod local_server;
pub(crate) mod lock;
pub(crate) mod loopback;
pub(crate) mod record_store;
pub(crate) mod recovery;
pub(crate) mod stage;
pub(crate) mod terminal;
pub(crate) mod user_agent;
