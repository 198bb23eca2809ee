//! The command line: what can be typed, and which command it starts.

mod admin;
mod bitbucket;
mod helper;
mod setup;
mod upkeep;

pub(crate) use admin::{Admin, AdminAuth, AdminLogin};
pub(crate) use bitbucket::Bitbucket;
use clap::{Args, Parser, Subcommand, ValueHint};
pub(crate) use helper::{DockerOperation, GitOperation};
pub(crate) use setup::{Setup, SetupPart, Uninstall, Update};
use twg_core::credential::ConnectionKey;

pub(crate) use upkeep::{Run as UpkeepRun, Upkeep};

use crate::context::Context;
use crate::failure::Failure;
use crate::providers;
use crate::{binding, completion};

/// The credential stack that never loses a login.
#[derive(Debug, Parser)]
#[command(name = "twg", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more: what is done, where, and how long it takes
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Answer every question that could be answered with yes
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Never ask; fail instead
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in
    Login(Login),
    /// Sign out: revoke the tokens, then forget them
    Logout(Logout),
    /// Show who is signed in
    Whoami(Connection),
    /// List the Atlassian sites that the login reaches, or choose the default one
    Sites(Sites),
    /// Send any request to the provider's API, and print what it answers
    Api(Api),
    /// Show how things are, and prove that they work
    Doctor(Doctor),
    /// Credentials for programs
    #[command(subcommand)]
    Auth(Auth),
    /// Make this machine ready: sign in, completions, scheduled upkeep
    Setup(Setup),
    /// Keep the login alive in the background
    #[command(subcommand)]
    Upkeep(Upkeep),
    /// Install the newest version
    Update(Update),
    /// Remove the scheduled upkeep, the credentials and this program
    Uninstall(Uninstall),
    /// For administrators of an organization
    #[command(subcommand)]
    Admin(Admin),
    /// Run the local look-alike of Atlassian, or a command against it
    Sandbox(Sandbox),
    /// Print the script that makes a shell complete what is typed
    #[command(after_help = "\
Examples:
  source <(twg completions bash)                        in ~/.bashrc
  source <(twg completions zsh)                         in ~/.zshrc, after compinit
  twg completions fish | source                         in ~/.config/fish/config.fish
  twg completions powershell | Out-String | Invoke-Expression    in $PROFILE")]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Show the manual
    Man(Man),
}

/// One connection.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The provider
    #[arg(default_value = providers::DEFAULT, hide_default_value = false, add = completion::providers())]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// Which of several accounts at one provider.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionName {
    /// Which of several accounts at the provider
    #[arg(long, value_name = "NAME", add = completion::connections())]
    pub(crate) connection: Option<String>,
}

impl ConnectionName {
    /// The connection of a provider that is meant: the one that is named, else the one that this directory is
    /// bound to, else the usual one.
    pub(crate) fn key(&self, context: &Context, provider: &str) -> Result<ConnectionKey, Failure> {
        context.connection_named.set(self.connection.is_some());
        let bound = match &self.connection {
            None if provider == providers::DEFAULT => context.binding()?,
            _ => None,
        };
        let name = bound.as_ref().and_then(|binding| binding.connection.as_ref());
        let name = self.connection.as_ref().or(name);
        let key = ConnectionKey::new(provider, name.map_or(ConnectionKey::DEFAULT, String::as_str));
        key.map_err(|error| match &bound {
            Some(binding) => binding::unusable(&binding.file, &error.to_string()),
            None => Failure::usage(error.to_string()),
        })
    }
}

impl Connection {
    pub(crate) fn key(&self, context: &Context) -> Result<ConnectionKey, Failure> {
        self.name.key(context, &self.provider)
    }
}

/// `twg login`
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Sign in again; the old login is kept until the new one is saved
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Print the address, open nothing
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Sign in with a code, in a browser on any device
    #[arg(long, conflicts_with = "loopback")]
    pub(crate) device: bool,
    /// Sign in with a browser on this machine
    #[arg(long)]
    pub(crate) loopback: bool,
    /// Ask for these scopes, separated by commas or spaces
    #[arg(long, value_name = "A,B")]
    pub(crate) scopes: Option<String>,
    /// Use this site by default: its name, address or id
    #[arg(long, add = completion::sites())]
    pub(crate) site: Option<String>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) timeout: u32,
    /// Use this client id instead of the stored one
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Ask for the client id (and secret) again
    #[arg(long, conflicts_with = "client_id")]
    pub(crate) new_client: bool,
    /// Only show which way of signing in would be chosen, and why
    #[arg(long)]
    pub(crate) explain: bool,
}

/// `twg doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Repair what can be repaired without a decision; no login is ever deleted
    #[arg(long)]
    pub(crate) fix: bool,
    /// Write all of it to a new file for a bug report: without tokens, names, addresses of people and sites
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<Option<std::path::PathBuf>>,
    /// For the second process of the doctor itself: `try` or `hold` the lock
    #[arg(long, hide = true, requires = "probe_file")]
    pub(crate) probe_lock: Option<String>,
    /// Which lock
    #[arg(long, hide = true, requires = "probe_lock")]
    pub(crate) probe_file: Option<std::path::PathBuf>,
}

/// `twg logout`
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Sign out of every connection of every provider
    #[arg(long, conflicts_with_all = ["provider", "connection"])]
    pub(crate) all: bool,
}

/// `twg sites`
#[derive(Debug, Args)]
pub(crate) struct Sites {
    #[command(subcommand)]
    pub(crate) action: Option<SitesAction>,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// `twg sites ...`
#[derive(Debug, Subcommand)]
pub(crate) enum SitesAction {
    /// Use this site when none is named
    Use {
        /// Its name, address or id
        #[arg(add = completion::sites())]
        site: String,
        #[command(flatten)]
        name: ConnectionName,
    },
}

/// `twg api`
#[derive(Debug, Args)]
#[command(
    override_usage = "twg api [OPTIONS] [METHOD] <PATH>",
    after_help = "\
A path belongs to a site's product: /rest/api/3/myself is Jira's, /wiki/api/v2/spaces Confluence's.
The access token goes to the provider's own hosts only, also where an answer redirects elsewhere.

Examples:
  twg api /rest/api/3/myself
  twg api GET /rest/api/3/search/jql -f jql='assignee = currentUser()' -f fields=summary --site acme
  twg api GET /wiki/api/v2/spaces
  twg api POST /rest/api/3/issue --input issue.json
  twg api /me"
)]
pub(crate) struct Api {
    /// GET, POST, PUT, PATCH, DELETE or HEAD; if left out, POST with --input or -f, else GET
    #[arg(value_name = "METHOD")]
    pub(crate) method_or_path: String,
    /// A path of a site's product, or a whole address on one of the provider's hosts
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Send this along: in the query of GET, HEAD and DELETE, else as a member of a JSON object
    #[arg(short = 'f', long = "field", value_name = "KEY=VALUE")]
    pub(crate) fields: Vec<String>,
    /// Send this file, which is JSON; - for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "fields")]
    pub(crate) input: Option<std::path::PathBuf>,
    /// The site: its name, address or id
    #[arg(long, add = completion::sites())]
    pub(crate) site: Option<String>,
    /// The product that the path belongs to, if the path does not tell
    #[arg(long, value_enum)]
    pub(crate) product: Option<ApiProduct>,
    /// The provider; for others than Atlassian, give whole addresses
    #[arg(long, default_value = providers::DEFAULT, hide_default_value = true, add = completion::providers())]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// `--product`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ApiProduct {
    /// Jira
    Jira,
    /// Confluence
    Confluence,
}

/// `twg auth ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Show the state of the login
    Status(Connection),
    /// Print a live access token, refreshed if that is due
    Token(Connection),
    /// Refresh if that is due, or repair an interrupted refresh; nothing is sent while the token is fresh
    Refresh(Refresh),
    /// Be git's credential helper for bitbucket.org
    GitCredential {
        /// What git asks for: get, store or erase
        #[arg(value_parser = GitOperation::parse, add = completion::git_operations())]
        operation: GitOperation,
        /// Give git the access token of this login to Bitbucket, instead of the token of `twg setup bitbucket`
        #[arg(long, value_name = "NAME", add = completion::connections())]
        connection: Option<String>,
    },
    /// Be docker's credential helper
    DockerCredential {
        /// What docker asks for
        #[arg(value_enum)]
        operation: DockerOperation,
    },
    /// Print a live access token as kubectl's ExecCredential
    ExecCredential(Connection),
    /// Print a live access token as JSON, for programs with a `credential_process`
    Process(Connection),
}

/// `twg auth refresh`
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Refresh now, due or not: for repair
    #[arg(long, short)]
    pub(crate) force: bool,
    /// For the process that an interrupted refresh leaves behind: begin then, in milliseconds since 1970
    #[arg(long, hide = true, value_name = "MILLISECONDS", conflicts_with = "force")]
    pub(crate) recover_at: Option<u64>,
}

/// `twg sandbox`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg sandbox --approve login    sign in to the sandbox; nobody has to approve
  twg sandbox login              sign in to the sandbox and play the user yourself
  twg sandbox whoami             any command of twg, against the sandbox
  twg sandbox serve              run the sandbox for other programs, until Ctrl-C")]
pub(crate) struct Sandbox {
    /// Play the user: approve every sign-in
    #[arg(long)]
    pub(crate) approve: bool,
    /// Listen on this port instead of the usual one
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Behave differently; `twg sandbox switches` lists them
    #[arg(long = "switch", value_name = "NAME=VALUE", add = completion::switches())]
    pub(crate) switches: Vec<String>,
    /// `serve`, `switches`, or a command of twg
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<String>,
}

/// `twg man`
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command that the page is about, as it is typed
    #[arg(value_name = "COMMAND", add = completion::commands())]
    pub(crate) command: Vec<String>,
    /// Write the pages of all commands into this directory; `man` finds them if it is called man1 and the one above it is
    /// on MANPATH
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub(crate) dir: Option<std::path::PathBuf>,
}

/// Whether `--json` stands on a command line that could not be parsed.
pub(crate) fn wants_json(arguments: &[std::ffi::OsString]) -> bool {
    arguments.iter().take_while(|a| *a != "--").any(|argument| argument == "--json")
}
