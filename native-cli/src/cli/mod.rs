//! The command line: which commands there are, and which function runs each. The arguments of a command stand in its
//! file in [`crate::commands`].

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    admin, api, auth_refresh, auth_status, auth_token, completions, doctor, helper, login, logout,
    man, sandbox, setup, sites, uninstall, update, upkeep, whoami,
};
use crate::completion::candidates;
use crate::context::Context;
use crate::credentials::connection::Connection;
use crate::failure::Failure;
use crate::options::Global;
use crate::usage;

/// The credential stack that never loses a login.
#[derive(Debug, Parser)]
#[command(name = "twg", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in
    Login(login::Login),
    /// Sign out: revoke the tokens, then forget them
    Logout(logout::Logout),
    /// Show who is signed in
    Whoami(Connection),
    /// List the Atlassian sites that the login reaches, or choose the default one
    Sites(sites::Sites),
    /// Send any request to the provider's API, and print what it answers
    Api(api::Api),
    /// Show how things are, and prove that they work
    Doctor(doctor::Doctor),
    /// Credentials for programs
    #[command(subcommand)]
    Auth(Auth),
    /// Make this machine ready: sign in, completions, scheduled upkeep
    Setup(setup::Setup),
    /// Keep the login alive in the background
    #[command(subcommand)]
    Upkeep(upkeep::Upkeep),
    /// Install the newest version
    Update(update::Update),
    /// Remove the scheduled upkeep, the credentials and this program
    Uninstall(uninstall::Uninstall),
    /// For administrators of an organization
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Run the local look-alike of Atlassian, or a command against it
    Sandbox(sandbox::Sandbox),
    /// Print the script that makes a shell complete what is typed
    Completions(completions::Completions),
    /// Show the manual
    Man(man::Man),
}

/// `twg auth ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Show the state of the login
    Status(Connection),
    /// Print a live access token, refreshed if that is due
    Token(Connection),
    /// Refresh if that is due, or repair an interrupted refresh; nothing is sent while the token is fresh
    Refresh(auth_refresh::Refresh),
    /// Be git's credential helper for bitbucket.org
    GitCredential(helper::git::GitCredential),
    /// Be docker's credential helper
    DockerCredential(helper::docker::DockerCredential),
    /// Print a live access token as kubectl's ExecCredential
    ExecCredential(Connection),
    /// Print a live access token as JSON, for programs with a `credential_process`
    Process(Connection),
}

/// Parses a command line.
///
/// # Errors
/// The exit code, after the mistake was explained.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, ExitCode> {
    let mut cli = Cli::try_parse_from(arguments)
        .map_err(|error| usage::explain(&error, usage::wants_json(arguments)))?;
    // Also behind `twg sandbox`, whose arguments are another command line.
    cli.global.json |= usage::wants_json(arguments);
    Ok(cli)
}

/// What can be typed: as [`Cli`], but that each command stands behind `sandbox` too, where it is parsed later, and
/// that `man` completes the names of commands.
pub(crate) fn completable() -> clap::Command {
    let cli = Cli::command();
    let names = || candidates::commands(&Cli::command());
    let others: Vec<_> =
        cli.get_subcommands().filter(|other| other.get_name() != "sandbox").cloned().collect();
    cli.mut_subcommand("man", |man| {
        man.mut_arg("command", |command| command.add(candidates::of(names)))
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
        Command::Sites(arguments) => block_on(sites::run(context, arguments))?,
        Command::Api(arguments) => block_on(api::run(context, &arguments))?,
        Command::Doctor(arguments) => block_on(doctor::run(context, &arguments))?,
        Command::Auth(auth) => run_auth(context, auth),
        Command::Setup(arguments) => block_on(setup::run(context, &arguments))?,
        Command::Upkeep(what) => block_on(upkeep::run(context, &what))?,
        Command::Update(arguments) => block_on(update::run(context, &arguments))?,
        Command::Uninstall(arguments) => block_on(uninstall::run(context, &arguments))?,
        Command::Admin(what) => block_on(admin::run(context, what))?,
        Command::Sandbox(arguments) => sandbox::run(context, arguments, parse_in_sandbox),
        Command::Completions(arguments) => Ok(completions::run(context, &arguments)),
        Command::Man(arguments) => man::run(context, &arguments, Cli::command()),
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
    }
}

/// The command line behind `twg sandbox`.
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
        .map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command);
    // A prompt that was given up may still block its thread in a read; it ends with the process.
    runtime.shutdown_background();
    Ok(result)
}
