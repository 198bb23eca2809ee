//! `twg setup`, `twg update`, `twg uninstall`

use clap::{Args, Subcommand};

use super::Bitbucket;

/// `twg setup`
#[derive(Debug, Args)]
pub(crate) struct Setup {
    #[command(subcommand)]
    pub(crate) part: Option<SetupPart>,
}

/// `twg setup ...`
#[derive(Debug, Subcommand)]
pub(crate) enum SetupPart {
    /// Enter the Bitbucket token, unless one is stored
    Bitbucket(Bitbucket),
}

/// `twg update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Only look whether there is a newer version
    #[arg(long)]
    pub(crate) check: bool,
    /// Install this version instead of the newest
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
}

/// `twg uninstall`
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// Only show what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}
