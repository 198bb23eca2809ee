//! The command line: the commands, and the function that runs each. The arguments of a command are in its file in
//! [`crate::commands`].

mod help;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    admin, api, auth_refresh, auth_status, auth_token, completions, doctor, help as help_command,
    helper, login, logout, man, sandbox, setup, sites, uninstall, update, upkeep, whoami,
};
use crate::completion::candidates;
use crate::context::Context;
use crate::credentials::connection::Connection;
use crate::failure::Failure;
use crate::options::Global;
use crate::usage;

/// The credential stack that never loses a login.
#[derive(Debug, Parser)]
#[command(
    name = "twg",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  twg sandbox --approve login   try it: sign in to a look-alike of Atlassian
  twg login                     sign in to Atlassian
  twg api /rest/api/3/myself    call Jira
  twg auth token                print an access token that works

Learn more:
  twg help COMMAND              what a command does, with examples
  twg help TOPIC                a topic: exit-codes, environment or files
  twg man COMMAND               the manual"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order in which `twg --help` lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in
    Login(login::Login),
    /// Sign out: revoke the tokens, then delete them here
    Logout(logout::Logout),
    /// Show who is signed in
    #[command(after_help = whoami::EXAMPLES)]
    Whoami(Connection),
    /// Manage the admin API key of an organization
    #[command(subcommand)]
    Admin(admin::Admin),
    /// List your Atlassian sites, or choose the default one
    Sites(sites::Sites),
    /// Send a request to the provider's API and print the response
    Api(api::Api),
    /// Show, refresh and hand out tokens
    #[command(subcommand)]
    Auth(Auth),
    /// Refresh connections in the background
    #[command(subcommand)]
    Upkeep(upkeep::Upkeep),
    /// Check login, store, network and installation
    Doctor(doctor::Doctor),
    /// Prepare this machine: sign in, completions, scheduled upkeep
    Setup(setup::Setup),
    /// Install the newest version
    Update(update::Update),
    /// Remove the upkeep, the credentials and this program
    Uninstall(uninstall::Uninstall),
    /// Print a completion script
    Completions(completions::Completions),
    /// Run a local look-alike of Atlassian, or a command against it
    Sandbox(sandbox::Sandbox),
    /// Show the manual
    Man(man::Man),
    /// Show the help of a command, or a topic
    Help(help_command::Help),
}

/// `twg auth ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Show the state of a connection, without any request
    #[command(after_help = auth_status::EXAMPLES)]
    Status(Connection),
    /// Print a live access token, refreshed if that is due
    #[command(after_help = auth_token::EXAMPLES)]
    Token(Connection),
    /// Refresh if that is due, or repair an interrupted refresh
    Refresh(auth_refresh::Refresh),
    /// Act as git's credential helper for bitbucket.org
    GitCredential(helper::git::GitCredential),
    /// Act as docker's credential helper
    DockerCredential(helper::docker::DockerCredential),
    /// Print a live access token as kubectl's ExecCredential
    #[command(after_help = helper::exec::EXAMPLES)]
    ExecCredential(Connection),
    /// Print a live access token for a `credential_process`
    #[command(after_help = helper::process::EXAMPLES)]
    Process(Connection),
    /// Sign in, as `twg login` does
    Login(login::Login),
    /// Sign out, as `twg logout` does
    Logout(logout::Logout),
}

/// The parser.
pub(crate) fn command() -> clap::Command {
    help::in_groups(Cli::command())
}

/// Parses a command line.
///
/// # Errors
/// The exit code, after the mistake was shown.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, ExitCode> {
    let json = usage::wants_json(arguments);
    let typed = command().try_get_matches_from(arguments);
    let cli = typed.and_then(|typed| Cli::from_arg_matches(&typed));
    let mut cli =
        cli.map_err(|error| usage::explain(&error, json, &usage::command(arguments, &command())))?;
    // Also after `twg sandbox`, whose arguments are another command line.
    cli.global.json |= json;
    Ok(cli)
}

/// The parser for completion. In it, `sandbox` has the other commands too, which are parsed later, and `man` and `help`
/// know the names of the commands.
pub(crate) fn completable() -> clap::Command {
    let cli = Cli::command();
    let names = || candidates::commands(&Cli::command());
    let names_and_topics =
        || [candidates::commands(&Cli::command()), help_command::topics()].concat();
    let others: Vec<_> =
        cli.get_subcommands().filter(|other| other.get_name() != "sandbox").cloned().collect();
    cli.mut_subcommand("man", |man| {
        man.mut_arg("command", |command| command.add(candidates::of(names)))
    })
    .mut_subcommand("help", |help| {
        help.mut_arg("words", |words| words.add(candidates::of(names_and_topics)))
    })
    .mut_subcommand("sandbox", |sandbox| {
        let options = sandbox.get_arguments().filter(|arg| !arg.is_positional()).cloned();
        let options: Vec<_> = options.collect();
        let own = ["serve", "switches"].map(clap::Command::new);
        clap::Command::new("sandbox").args(options).subcommands(own).subcommands(others)
    })
}

/// Starts a command.
pub(crate) fn run(context: &mut Context, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Login(arguments) => block_on(login::run(context, &arguments))?,
        Command::Logout(arguments) => block_on(logout::run(context, &arguments))?,
        Command::Whoami(arguments) => block_on(whoami::run(context, &arguments))?,
        Command::Admin(what) => block_on(admin::run(context, what))?,
        Command::Sites(arguments) => block_on(sites::run(context, arguments))?,
        Command::Api(arguments) => block_on(api::run(context, &arguments))?,
        Command::Auth(auth) => run_auth(context, auth),
        Command::Upkeep(what) => block_on(upkeep::run(context, &what))?,
        Command::Doctor(arguments) => block_on(doctor::run(context, &arguments))?,
        Command::Setup(arguments) => block_on(setup::run(context, &arguments))?,
        Command::Update(arguments) => block_on(update::run(context, &arguments))?,
        Command::Uninstall(arguments) => block_on(uninstall::run(context, &arguments))?,
        Command::Completions(arguments) => Ok(completions::run(context, &arguments)),
        Command::Sandbox(arguments) => sandbox::run(context, arguments, parse_in_sandbox),
        Command::Man(arguments) => man::run(context, &arguments, self::command()),
        Command::Help(arguments) => help_command::run(context, &arguments, self::command()),
    }
}

fn run_auth(context: &mut Context, auth: Auth) -> Result<ExitCode, Failure> {
    match auth {
        Auth::Status(arguments) => auth_status::run(context, &arguments),
        Auth::Token(arguments) => block_on(auth_token::run(context, &arguments))?,
        Auth::Refresh(arguments) => block_on(auth_refresh::run(context, &arguments))?,
        Auth::GitCredential(arguments) => block_on(helper::git::run(context, &arguments))?,
        Auth::DockerCredential(arguments) => helper::docker::run(context, &arguments),
        Auth::ExecCredential(arguments) => block_on(helper::exec::run(context, &arguments))?,
        Auth::Process(arguments) => block_on(helper::process::run(context, &arguments))?,
        Auth::Login(arguments) => run(context, Command::Login(arguments)),
        Auth::Logout(arguments) => run(context, Command::Logout(arguments)),
    }
}

/// Parses the command line after `twg sandbox`.
fn parse_in_sandbox(arguments: &[OsString]) -> Result<sandbox::Inner, ExitCode> {
    let Cli { global, command } = parse(arguments)?;
    let is_sandbox = matches!(command, Command::Sandbox(_));
    let run = move |context: &mut Context| run(context, command);
    Ok(sandbox::Inner { global, is_sandbox, run: Box::new(run) })
}

/// Runs a command that waits for the network or for a person, on this thread.
fn block_on<T>(command: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("Cannot start the runtime: {error}")))?;
    let result = runtime.block_on(command);
    // A cancelled prompt may still block its thread in a read. The thread ends with the process.
    runtime.shutdown_background();
    Ok(result)
}
