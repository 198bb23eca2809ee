//! What the flows of the core ask for, done for real: one file per effect.
//!
//! Nothing here knows a protocol, and nothing here decides what a failure means: each part reports
//! it in the core's words ([`twg_core::flow`]) and cleans up after itself when it is dropped.

pub(crate) mod browser;
pub(crate) mod call;
pub(crate) mod child;
pub(crate) mod client_form;
pub(crate) mod clock;
pub(crate) mod entropy;
pub(crate) mod git;
pub(crate) mod hardening;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod interrupt;
mod local_server;
pub(crate) mod lock;
pub(crate) mod loopback;
pub(crate) mod notification;
mod platform;
pub(crate) mod privacy;
pub(crate) mod recovery;
pub(crate) mod scheduler;
pub(crate) mod stage;
pub(crate) mod store;
pub(crate) mod terminal;
