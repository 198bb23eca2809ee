//! `twg sandbox`: a faithful local look-alike of Atlassian's authorization server and API.
//!
//! One loopback origin serves everything that a client of auth.atlassian.com, api.atlassian.com and
//! bitbucket.org meets: real HTTP, real pages, real rotation of refresh tokens, with a switch for
//! each behaviour that is only reported or inferred, and for each fault that a client must survive.
//! It is shipped so that anyone can run everything without an Atlassian app, and so that our users
//! can test their own clients.
//!
//! [`start`] runs a server in a thread of its own. [`approve`] plays the user in front of its pages.
//! A request goes [`server`] -> [`world`] (faults, save, log) -> [`http`] (routes) -> one file per
//! endpoint. All rules about refresh tokens are in [`grants`].

mod admin;
mod api;
mod approve;
mod authorize;
mod bitbucket;
mod clients;
mod consent;
mod control;
mod device;
mod discovery;
mod faults;
mod grants;
mod http;
mod pages;
mod people;
mod plain_http;
mod revoke;
mod server;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod token;
mod tokens;
mod world;

use std::fmt;

pub(crate) use admin::ADMIN_KEY;
pub(crate) use api::API_TOKEN;
pub(crate) use approve::{Approval, approve};
pub(crate) use bitbucket::BITBUCKET_API_TOKEN;
pub(crate) use clients::{
    BITBUCKET_CLIENT, BITBUCKET_SECRET, CALLBACK_PATH, DEVICE_CLIENT, THREE_LO_CLIENT,
    THREE_LO_SECRET,
};
pub(crate) use control::HEADER as CONTROL_HEADER;
pub(crate) use server::{Options, Running, start};
pub(crate) use switches::Switches;

/// Why the look-alike cannot do it: a sentence for people.
#[derive(Debug)]
pub(crate) struct SandboxError(String);

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SandboxError {}
