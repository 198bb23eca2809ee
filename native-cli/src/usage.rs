//! Mistakes on the command line, in clap's words.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::effects::terminal::Terminal;
use crate::environment::env;
use crate::failure::{Exit, Failure};

/// Explains what clap says of a command line. The exit code: 0 for `--help` and `--version`, 2 for a mistake.
pub(crate) fn explain(error: &clap::Error, json: bool) -> ExitCode {
    if error.exit_code() != 0 && json {
        let failure = Failure::usage(twg_core::text::displayable(&in_one_line(error)))
            .or_hint("Run `twg --help` to see what can be typed.");
        failure.report(&mut Terminal::new(&env), true);
        return ExitCode::from(Exit::Usage as u8);
    }
    // A closed pipe (`twg --help | head -1`) is no reason to complain.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

fn in_one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a subcommand is missing".to_owned();
    }
    // The names of missing arguments stand in lines of their own.
    let text = error.render().to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = said.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

/// Whether `--json` stands on a command line, also on one that cannot be parsed.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|a| *a != "--").any(|argument| argument == "--json")
}
