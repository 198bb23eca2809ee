//! Help and mistakes on the command line, in clap's words.

use std::ffi::OsString;
use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::ErrorKind;

use crate::effects::terminal::{Terminal, wants_color};
use crate::environment::env;
use crate::failure::{Exit, Failure};
use crate::output::print_text;

/// Shows what clap says of a command line, and returns the exit code: 0 for help and the version, 2 for a mistake.
/// `command` is the command that was typed, such as `twg login`.
pub(crate) fn explain(error: &clap::Error, json: bool, command: &str) -> ExitCode {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if error.exit_code() == 0 || is_help && !json {
        print_help(&error.render());
        return ExitCode::SUCCESS;
    }
    let mut terminal = Terminal::new(&env);
    if json {
        let failure = Failure::usage(twg_core::text::displayable(&in_one_line(error)))
            .or_hint(format!("Run `{command} --help` to see what can be typed."));
        failure.report(&mut terminal, true);
    } else {
        let text = terminal.styled(&error.render());
        // clap ends with: For more information, try '--help'.
        let (before, after) = text.rsplit_once("--help").unwrap_or((&text, ""));
        let option = if after.is_empty() { String::new() } else { format!("{command} --help") };
        terminal.line(format!("{before}{option}{after}").trim_end());
    }
    ExitCode::from(Exit::Usage as u8)
}

/// Prints help on standard output, with colors if a terminal there has them.
pub(crate) fn print_help(help: &StyledStr) {
    let color = wants_color(&env, stdout().is_terminal());
    let text = if color { help.ansi().to_string() } else { help.to_string() };
    print_text(&text);
}

/// The command that a command line means, as far as the parser knows its words: `twg auth token`.
pub(crate) fn command(arguments: &[OsString], cli: &Command) -> String {
    let mut name = cli.get_name().to_owned();
    let mut command = cli;
    for word in arguments.iter().skip(1) {
        if let Some(below) = command.find_subcommand(word) {
            command = below;
            name = format!("{name} {}", below.get_name());
        }
    }
    name
}

fn in_one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "A subcommand is missing".to_owned();
    }
    // The names of missing arguments are on their own lines.
    let text = error.render().to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = said.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

/// Whether `--json` is on a command line, also on one that cannot be parsed.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|a| *a != "--").any(|argument| argument == "--json")
}
