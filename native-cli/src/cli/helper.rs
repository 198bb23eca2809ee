//! The operations of the helper protocols.

use clap::ValueEnum;

/// What git asks its credential helpers (gitcredentials(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GitOperation {
    /// Print the credential for what stands on standard input
    Get,
    /// A credential worked: nothing is to be done
    Store,
    /// A credential did not work
    Erase,
}

/// What docker asks its credential helpers (docker/docker-credential-helpers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DockerOperation {
    /// Print the credential for the server on standard input
    Get,
    /// Keep a credential: not what this helper does
    Store,
    /// Forget a credential: not what this helper does
    Erase,
    /// Print which servers there are credentials for
    List,
}
