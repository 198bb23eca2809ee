//! One file per command.

mod admin;
mod api;
mod auth_refresh;
pub(crate) mod auth_status;
pub(crate) mod auth_token;
mod bitbucket;
mod completions;
mod doctor;
mod git_setup;
mod helper;
mod login;
mod logout;
mod man;
mod sandbox;
mod setup;
mod sites;
mod uninstall;
mod update;
mod upkeep;
mod whoami;

pub(crate) use bitbucket::TOKEN_PAGE;

use std::future::Future;
use std::process::ExitCode;

use crate::cli::{Auth, Command, SetupPart};
use crate::context::Context;
use crate::failure::Failure;

/// Starts a command.
pub(crate) fn run(context: &mut Context, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Login(arguments) => block_on(login::run(context, &arguments))?,
        Command::Logout(arguments) => block_on(logout::run(context, &arguments))?,
        Command::Whoami(connection) => {
            let key = connection.key(context)?;
            block_on(whoami::run(context, &key))?
        }
        Command::Sites(arguments) => block_on(sites::run(context, arguments))?,
        Command::Api(arguments) => block_on(api::run(context, &arguments))?,
        Command::Doctor(arguments) => block_on(doctor::run(context, &arguments))?,
        Command::Auth(Auth::Status(connection)) => {
            let key = connection.key(context)?;
            auth_status::run(context, &key)
        }
        Command::Auth(Auth::Token(connection)) => {
            let key = connection.key(context)?;
            block_on(auth_token::run(context, &key))?
        }
        Command::Auth(Auth::Refresh(arguments)) => {
            block_on(auth_refresh::run(context, &arguments))?
        }
        Command::Auth(Auth::GitCredential { operation, connection }) => {
            block_on(helper::git::run(context, operation, connection.as_deref()))?
        }
        Command::Auth(Auth::DockerCredential { operation }) => {
            helper::docker::run(context, operation)
        }
        Command::Auth(Auth::ExecCredential(connection)) => {
            let key = connection.key(context)?;
            block_on(helper::exec::run(context, &key))?
        }
        Command::Auth(Auth::Process(connection)) => {
            let key = connection.key(context)?;
            block_on(helper::process::run(context, &key))?
        }
        Command::Setup(arguments) => match arguments.part {
            None => block_on(setup::run(context))?,
            Some(SetupPart::Bitbucket(arguments)) => {
                block_on(bitbucket::setup(context, &arguments))?
            }
        },
        Command::Upkeep(what) => block_on(upkeep::run(context, &what))?,
        Command::Update(arguments) => block_on(update::run(context, &arguments))?,
        Command::Uninstall(arguments) => block_on(uninstall::run(context, &arguments))?,
        Command::Admin(what) => block_on(admin::run(context, what))?,
        Command::Sandbox(arguments) => sandbox::run(context, arguments),
        Command::Completions { shell } => Ok(completions::run(context, shell)),
        Command::Man(arguments) => man::run(context, &arguments),
    }
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
