//! `twg help`: the help of a command, as its `--help` shows it, and topics that are about all of them.

use std::process::ExitCode;

use clap::{Args, Command};
use serde_json::json;

use crate::context::Context;
use crate::environment;
use crate::failure::Failure;
use crate::output::print_json;
use crate::reference::{EXIT_STATUS, FILES};
use crate::usage::print_help;

/// `twg help`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg help               the commands
  twg help auth token    as `twg auth token --help`
  twg help exit-codes    what each exit code means
  twg help environment   the variables that twg reads
  twg help files         the files that twg keeps")]
pub(crate) struct Help {
    /// A command, or one of the topics exit-codes, environment and files
    #[arg(value_name = "COMMAND")]
    pub(crate) words: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(
    context: &Context,
    arguments: &Help,
    mut cli: Command,
) -> Result<ExitCode, Failure> {
    // Gives each command the name that its help shows.
    cli.build();
    let words = arguments.words.join(" ");
    let help = match topic(&words) {
        Some((title, rows)) => page(title, &rows).max_term_width(80).render_help(),
        None => find(&mut cli, &arguments.words)?.render_help(),
    };
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "name": words, "help": help.to_string() }));
    } else {
        print_help(&help);
    }
    Ok(ExitCode::SUCCESS)
}

/// The command that these words name.
pub(super) fn find<'a>(cli: &'a mut Command, words: &[String]) -> Result<&'a mut Command, Failure> {
    let mut command = cli;
    for word in words {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            let word = twg_core::text::displayable(word);
            Failure::usage(format!("There is no command '{word}'"))
                .or_hint("Run `twg help` to see the commands.")
        })?;
    }
    Ok(command)
}

/// The names of the topics.
pub(crate) fn topics() -> Vec<String> {
    ["environment", "exit-codes", "files"].map(str::to_owned).into()
}

type Rows = Vec<(String, &'static str)>;

/// The title of a topic, and its terms with their meanings.
fn topic(name: &str) -> Option<(&'static str, Rows)> {
    let owned = |rows: &[(&str, &'static str)]| {
        rows.iter().map(|(term, meaning)| ((*term).to_owned(), *meaning)).collect()
    };
    Some(match name {
        "environment" => ("Environment variables", environment::rows()),
        "exit-codes" => ("Exit codes", owned(&EXIT_STATUS)),
        "files" => ("Files", owned(&FILES)),
        _ => return None,
    })
}

/// A command whose help is a topic, so that clap folds its lines.
fn page(title: &str, rows: &Rows) -> Command {
    let command = Command::new("topic").help_template("{after-help}");
    let styles = command.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = format!("{header}{title}:{header:#}\n");
    for (term, meaning) in rows {
        text.push_str(&format!("  {literal}{term}{literal:#}\n      {meaning}\n"));
    }
    command.after_help(text)
}
