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
mod payload;
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
mod values;
mod world;

use std::fmt;

pub use approve::approve;
pub use clients::{
    BITBUCKET_CLIENT, BITBUCKET_SECRET, DEVICE_CLIENT, THREE_LO_CLIENT, THREE_LO_SECRET,
};
pub use server::{Options, Running, start};
pub use switches::Switches;

/// Why the look-alike cannot do it: a sentence for people.
#[derive(Debug)]
pub struct SandboxError(String);

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SandboxError {}

/// The clients, keys and tokens that every look-alike knows, for help texts and the README.
/// They open nothing but a look-alike.
pub fn describe_clients() -> String {
    format!(
        "clients:\n  \
         {DEVICE_CLIENT}\n    public; device grant, or authorization code with PKCE; any port of \
         http://127.0.0.1:PORT{path}\n  \
         {THREE_LO_CLIENT}, secret {THREE_LO_SECRET}\n    confidential; authorization code only\n  \
         {BITBUCKET_CLIENT}, secret {BITBUCKET_SECRET}\n    Bitbucket consumer\n\
         keys:\n  \
         {admin}\n    admin API key, as bearer token of /admin/v1/...\n  \
         {email}:{api}\n    Basic authentication of /ex/jira and /ex/confluence\n  \
         {email}:{classic}\n    Basic authentication of /sites/NAME\n  \
         {email}:{bitbucket}\n    Basic authentication of /bitbucket/2.0\n",
        path = clients::CALLBACK_PATH,
        admin = admin::ADMIN_KEY,
        email = people::MIA.email,
        api = api::API_TOKEN,
        classic = api::CLASSIC_API_TOKEN,
        bitbucket = bitbucket::BITBUCKET_API_TOKEN,
    )
}
