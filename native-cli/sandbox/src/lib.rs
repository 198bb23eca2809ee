//! `twg sandbox`: a faithful local look-alike of Atlassian's authorization server and API.
//!
//! One loopback origin serves everything that a client of auth.atlassian.com, api.atlassian.com and
//! bitbucket.org meets: real HTTP, real pages, real rotation of refresh tokens. A switch exists for
//! each behaviour that is only reported or inferred, and for each fault that a client must survive.
//! It ships with `twg`, so that anyone can run everything without an Atlassian app and can test their
//! own clients.
//!
//! [`start()`] runs a server in a thread of its own. [`approve()`] plays the user in front of its pages.
//! A request goes from `server.rs` to `routes.rs` (host, faults, log, saving) and on to one file per
//! endpoint. All of them work on the `World` of `world.rs`. `families.rs` has every rule about refresh
//! tokens.

#![warn(clippy::wildcard_enum_match_arm)]

mod activation;
mod admin;
mod api;
mod approve;
mod authorize;
mod bitbucket;
mod clients;
mod consent;
mod control;
mod cors;
mod device;
mod discovery;
mod error;
mod families;
mod faults;
mod grant_type;
mod http;
mod log;
mod pages;
mod payload;
mod people;
mod plain_http;
mod products;
mod redirect;
mod revoke;
mod routes;
mod server;
mod start;
mod state;
mod store;
mod switches;
#[cfg(test)]
mod tests;
mod ticket;
mod token_endpoint;
mod tokens;
mod values;
mod world;

pub use approve::{Approval, approve};
pub use clients::{
    BITBUCKET_CLIENT, BITBUCKET_SECRET, DEVICE_CLIENT, THREE_LO_CLIENT, THREE_LO_SECRET,
};
pub use error::SandboxError;
pub use start::{Options, Running, start};
pub use switches::{Row, Switches};

/// The clients, keys and tokens that every sandbox accepts, for help texts and the README.
/// They open nothing but a sandbox.
pub fn describe_clients() -> String {
    format!(
        "Clients:\n  \
         {DEVICE_CLIENT}\n    public; device grant, or authorization code with PKCE\n    \
         redirect URI http://127.0.0.1:PORT{path} with any port\n  \
         {THREE_LO_CLIENT}, secret {THREE_LO_SECRET}\n    confidential; authorization code only\n  \
         {BITBUCKET_CLIENT}, secret {BITBUCKET_SECRET}\n    consumer of Bitbucket\n\
         Keys:\n  \
         {admin}\n    admin API key: bearer token at /admin/v1/...\n  \
         {email}:{api}\n    Basic authentication at /ex/jira and /ex/confluence\n  \
         {email}:{classic}\n    Basic authentication at /sites/NAME\n  \
         {email}:{bitbucket}\n    Basic authentication at /bitbucket/2.0\n",
        path = clients::CALLBACK_PATH,
        admin = admin::ADMIN_KEY,
        email = people::MIA.email,
        api = api::API_TOKEN,
        classic = api::CLASSIC_API_TOKEN,
        bitbucket = bitbucket::BITBUCKET_API_TOKEN,
    )
}
