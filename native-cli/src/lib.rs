//! `twg`, the native shell around `twg-core`.
//!
//! [`main`] first checks whether the command asks for a token that is still fresh. Scripts and
//! agents do this all day, so nothing is initialised for it, not even the parser of the command
//! line.

#![warn(clippy::wildcard_enum_match_arm)]

mod advice;
mod cli;
mod commands;
mod completion;
mod config_dir;
mod context;
mod credentials;
mod driver;
mod effects;
mod environment;
mod failure;
mod installation;
mod options;
mod output;
mod person;
mod reference;
mod system;
mod usage;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::context::Context;
use crate::environment::env;
use crate::failure::{Exit, Failure};

#[doc(hidden)]
pub use driver::for_benches;

/// The whole program. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    system::hardening::forbid_core_dumps();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if commands::auth_token::print_if_fresh(arguments.get(1..).unwrap_or_default()) {
        return ExitCode::SUCCESS;
    }
    let arguments = by_name(arguments);
    if completion::answer(&arguments, cli::completable) {
        return ExitCode::SUCCESS;
    }
    let cli = match cli::parse(&arguments) {
        Ok(cli) => cli,
        Err(exit_code) => return exit_code,
    };
    let json = cli.global.json;
    let result = config_dir::ConfigDir::resolve(&env)
        .map_err(|error| Failure::configuration(error.to_string()))
        .and_then(|config| {
            let mut context = Context::new(config, &cli.global);
            let code = cli::run(&mut context, cli.command)?;
            context.unless_interrupted()?;
            Ok(code)
        });
    match result {
        Ok(_) if output::is_incomplete() => ExitCode::from(Exit::Failed as u8),
        Ok(code) => code,
        Err(failure) => {
            failure.report(&mut effects::terminal::Terminal::new(&env), json);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

/// docker finds its helpers by name: started as `docker-credential-twg` (a link), this program is
/// such a helper.
fn by_name(arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|name| Path::new(name).file_stem());
    if name.is_none_or(|name| name != "docker-credential-twg") {
        return arguments;
    }
    let helper = ["twg", "auth", "docker-credential"].map(OsString::from);
    helper.into_iter().chain(arguments.into_iter().skip(1)).collect()
}
