//! `twg`, the native shell around `twg-core`.
//!
//! [`main`] first looks whether it is asked for a token that is still fresh, the one thing that scripts
//! and agents ask all day; for that nothing is initialised, not even the parser of the command line.

mod admin_key;
mod agents;
mod binding;
mod bitbucket;
mod cli;
mod clients;
mod commands;
mod completion;
mod config_dir;
mod context;
mod credential_source;
mod driver;
mod effects;
mod failure;
mod installation;
mod manual;
#[doc(hidden)]
pub mod measured;
mod narration;
mod output;
mod providers;
mod refresh;
mod release;
mod sandbox;
mod stored_file;
mod surroundings;
mod written_file;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::context::{Context, env};
use crate::failure::{Exit, Failure};

/// The whole program: its exit code.
#[must_use]
pub fn main() -> ExitCode {
    effects::hardening::forbid_core_dumps();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if commands::auth_token::print_if_fresh(arguments.get(1..).unwrap_or_default()) {
        return ExitCode::SUCCESS;
    }
    let arguments = by_name(arguments);
    if completion::answer(&arguments) {
        return ExitCode::SUCCESS;
    }
    let cli = match cli::Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&error, cli::wants_json(&arguments)),
    };
    // Also behind `twg sandbox`, whose arguments are another command line.
    let json = cli.global.json || cli::wants_json(&arguments);
    let result = config_dir::ConfigDir::resolve(&env)
        .map_err(|error| Failure::configuration(error.to_string()))
        .and_then(|config| {
            let mut context = Context::new(config, &cli::Global { json, ..cli.global });
            let code = commands::run(&mut context, cli.command)?;
            context.unless_interrupted()?;
            Ok(code)
        });
    match result {
        Ok(_) if output::is_incomplete() => ExitCode::from(Exit::Failed as u8),
        Ok(code) => code,
        Err(failure) => {
            failure.report(&mut effects::terminal::Terminal::new(&env), json);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// docker looks for its helpers by name: under the name `docker-credential-twg` (a link), this program is one.
fn by_name(arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|name| Path::new(name).file_stem());
    if name.is_none_or(|name| name != "docker-credential-twg") {
        return arguments;
    }
    let helper = ["twg", "auth", "docker-credential"].map(OsString::from);
    helper.into_iter().chain(arguments.into_iter().skip(1)).collect()
}

/// clap's own words and exit codes: 0 for `--help` and `--version`, 2 for a mistake.
pub(crate) fn explain_usage(error: &clap::Error, json: bool) -> ExitCode {
    if error.exit_code() != 0 && json {
        let text = error.render().to_string();
        let said = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                "a subcommand is missing".to_owned()
            }
            // The names of missing arguments stand in lines of their own.
            _ => {
                let said = text.split("\n\n").next().unwrap_or_default();
                let said = said.trim_start_matches("error: ").split_whitespace();
                said.collect::<Vec<_>>().join(" ")
            }
        };
        let failure = Failure::usage(twg_core::text::displayable(&said))
            .or_hint("Run `twg --help` to see what can be typed.");
        failure.report(&mut effects::terminal::Terminal::new(&env), true);
        return ExitCode::from(Exit::Usage as u8);
    }
    // A closed pipe (`twg --help | head -1`) is no reason to complain.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}
