//! The credentials of this user: which one a command uses, where each is kept, and how it stays alive.

pub(crate) mod admin_key;
pub(crate) mod agents;
pub(crate) mod binding;
pub(crate) mod bitbucket_token;
pub(crate) mod clients;
pub(crate) mod connection;
pub(crate) mod private_file;
pub(crate) mod providers;
pub(crate) mod refresh;
pub(crate) mod source;
