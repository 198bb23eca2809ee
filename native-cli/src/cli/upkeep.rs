//! `twg upkeep ...`

use clap::{Args, Subcommand};

/// What can be done about the scheduled upkeep.
#[derive(Debug, Subcommand)]
pub(crate) enum Upkeep {
    /// Let this system's scheduler run it every 12 minutes
    Enable,
    /// Show whether it is scheduled, and what its last run found
    Status,
    /// Run it once: refresh what will be due soon, look for an update at most daily
    Run(Run),
    /// Do not run it any more
    Disable,
}

/// `twg upkeep run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What the environment must have, for schedulers that give a program none: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE", hide = true)]
    pub(crate) environment: Vec<String>,
}
