//! `twg admin ...`

use clap::{Args, Subcommand};

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
    Login(AdminLogin),
    /// Show whether an API key is stored, and whether it works
    Status,
    /// Forget the API key
    Logout,
}

/// `twg admin auth login`
#[derive(Debug, Args)]
pub(crate) struct AdminLogin {
    /// Your e-mail address
    #[arg(long)]
    pub(crate) email: String,
    /// The id of the organization: it stands in the address of its pages on admin.atlassian.com, behind /o/
    #[arg(long, value_name = "ID")]
    pub(crate) org: String,
    /// Read the key from standard input
    #[arg(long)]
    pub(crate) with_token: bool,
    /// The day on which the key expires, for a warning before that: YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<String>,
}
