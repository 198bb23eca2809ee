//! The operations of the helper protocols.

use std::convert::Infallible;

use clap::ValueEnum;

/// What git asks its credential helpers (gitcredentials(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GitOperation {
    /// Print the credential for what stands on standard input
    Get,
    /// A credential did not work
    Erase,
    /// A credential worked, or anything else: "If a helper receives any other operation, it should silently ignore
    /// the request. This leaves room for future operations to be added".
    Other,
}

impl GitOperation {
    pub(super) fn parse(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "get" => Self::Get,
            "erase" => Self::Erase,
            _ => Self::Other,
        })
    }
}

/// What docker asks its credential helpers (docker/docker-credential-helpers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DockerOperation {
    /// Print the credential for the server on standard input
    Get,
    /// Keep a credential: only the one that is there already
    Store,
    /// Forget a credential: not what this helper does
    Erase,
    /// Print which servers there are credentials for
    List,
}
