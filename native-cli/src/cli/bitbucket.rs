//! `twg setup bitbucket`

use clap::Args;

/// `twg setup bitbucket`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg setup bitbucket                                    enter the token, and let git use it
  pass bitbucket | twg setup bitbucket --with-token --email you@example.com
  twg setup bitbucket --remove                           forget it here")]
pub(crate) struct Bitbucket {
    /// Enter it again; the old one is kept until the new one is known to work
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Read the token from standard input
    #[arg(long)]
    pub(crate) with_token: bool,
    /// The e-mail address of the Atlassian account that the token belongs to, if it is not that of the login
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Print the address of the page for tokens, open nothing
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Let git use the token without asking
    #[arg(long)]
    pub(crate) git: bool,
    /// Forget the token here
    #[arg(long, conflicts_with_all = ["force", "with_token", "email", "git"])]
    pub(crate) remove: bool,
}
