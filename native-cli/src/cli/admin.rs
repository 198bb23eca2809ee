//! `twg admin ...`

use clap::Subcommand;

/// What administrators can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// The admin API key of an organization
    #[command(subcommand)]
    Auth(AdminAuth),
}

/// `twg admin auth ...`
#[derive(Debug, Subcommand)]
pub(crate) enum AdminAuth {
    /// Enter the API key of an organization
    Login {
        /// Your e-mail address
        #[arg(long)]
        email: String,
        /// The id of the organization
        #[arg(long, value_name = "ID")]
        org: String,
    },
    /// Show whether an API key is stored, and whether it works
    Status,
    /// Forget the API key
    Logout,
}
