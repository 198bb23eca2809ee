//! One file per command, with its arguments.

pub(crate) mod admin;
pub(crate) mod api;
pub(crate) mod auth_refresh;
pub(crate) mod auth_status;
pub(crate) mod auth_token;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod help;
pub(crate) mod helper;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod man;
pub(crate) mod sandbox;
pub(crate) mod setup;
pub(crate) mod sites;
pub(crate) mod uninstall;
pub(crate) mod update;
pub(crate) mod upkeep;
pub(crate) mod whoami;
