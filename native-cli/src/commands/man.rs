//! `twg man`: the manual, with a page for each command, made from the parser.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use clap::{Arg, Args, Command, ValueHint};
use serde_json::json;

use super::help::find;
use crate::context::Context;
use crate::environment;
use crate::failure::Failure;
use crate::output::{print_json, print_text};
use crate::reference::{EXIT_STATUS, FILES};
use crate::system::subprocess;

/// `twg man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg man                                     about twg
  twg man auth token                          about a command
  twg man --dir ~/.local/share/man/man1       all pages, for `man twg-login`")]
pub(crate) struct Man {
    /// Command that the page is about
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Write all pages into this directory; name it man1 and put its parent on MANPATH
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub(crate) dir: Option<std::path::PathBuf>,
}

/// Runs the command.
pub(crate) fn run(
    context: &mut Context,
    arguments: &Man,
    mut cli: Command,
) -> Result<ExitCode, Failure> {
    // Gives each command the names that it has in the manual.
    cli.build();
    if let Some(dir) = &arguments.dir {
        return write_all(context, &mut cli, dir);
    }
    let command = find(&mut cli, &arguments.command)?;
    let text = page(command);
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "name": file_name(command), "page": text }));
    } else if !(io::stdout().is_terminal() && show(&text)) {
        print_text(&text);
    }
    Ok(ExitCode::SUCCESS)
}

fn write_all(context: &mut Context, cli: &mut Command, dir: &Path) -> Result<ExitCode, Failure> {
    let shown = context.config.display(dir);
    let failed = |error: io::Error| {
        Failure::internal(format!("Cannot write the manual to {shown}: {error}"))
            .or_hint("Name a directory that you can write: `twg man --dir DIR`.")
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut pages = Vec::new();
    collect(cli, &mut pages);
    for (name, page) in &pages {
        std::fs::write(dir.join(name), page).map_err(failed)?;
    }
    if context.json {
        let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
        print_json(&json!({ "schemaVersion": 1, "ok": true, "dir": dir, "pages": names }));
    } else {
        context.achieved(format!("{} pages of the manual are in {shown}", pages.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages of a command and of its visible subcommands.
fn collect(command: &mut Command, pages: &mut Vec<(String, String)>) {
    pages.push((file_name(command), page(command)));
    for below in command.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        collect(below, pages);
    }
}

/// `twg-auth-token`
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn file_name(command: &Command) -> String {
    format!("{}.1", title(command))
}

/// A page for troff. clap_mangen would write much the same, but adds 100 KB to the program.
fn page(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    let title = title(command).to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // The date before the version is empty, so that the pages of a version are always the same.
    let mut page =
        Page(format!(".TH {title} 1 \"\" \"twg {}\" \"twg manual\"\n", env!("CARGO_PKG_VERSION")));
    page.section("NAME");
    page.text(&format!("{title} - {about}"));
    page.section("SYNOPSIS");
    page.text(usage.trim_start_matches("Usage:").trim());
    page.section("DESCRIPTION");
    page.text(&format!("{about}."));
    arguments(&mut page, command);
    let below: Vec<_> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    if !below.is_empty() {
        page.section("COMMANDS");
    }
    for command in &below {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page.term(&format!("{}(1)", self::title(command)), &about);
    }
    if let Some(notes) = command.get_after_help() {
        page.section("NOTES");
        page.as_it_is(&notes.to_string());
    }
    let environment = environment::rows();
    let environment = environment.iter().map(|(names, meaning)| (names.as_str(), *meaning));
    page.table("EXIT STATUS", EXIT_STATUS);
    page.table("ENVIRONMENT", environment);
    page.table("FILES", FILES);
    let parent = title.rsplit_once('-').map(|(parent, _)| parent);
    let others = parent.into_iter().chain(below.iter().map(|command| self::title(command)));
    page.section("SEE ALSO");
    page.text(&others.map(|name| format!("{name}(1)")).collect::<Vec<_>>().join(", "));
    page.0
}

/// The arguments of the command, under the headings of `--help`.
fn arguments(page: &mut Page, command: &Command) {
    let shown = || command.get_arguments().filter(|argument| !argument.is_hide_set());
    let heading = |argument: &Arg| match argument.get_help_heading() {
        Some(heading) => heading.to_uppercase(),
        None if argument.is_positional() => "ARGUMENTS".to_owned(),
        None => "OPTIONS".to_owned(),
    };
    for name in ["ARGUMENTS", "OPTIONS", "GLOBAL OPTIONS"] {
        let arguments: Vec<_> = shown().filter(|argument| heading(argument) == name).collect();
        if !arguments.is_empty() {
            page.section(name);
        }
        for argument in arguments {
            let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
            let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let values = argument.get_possible_values();
            let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
            if !values.is_empty() && argument.get_action().takes_values() {
                meaning.push_str(&format!(" [{}]", values.join(", ")));
            }
            page.term(&format!("{short}{argument}"), &meaning);
        }
    }
}

/// The source of a page, line by line.
struct Page(String);

impl Page {
    fn section(&mut self, name: &str) {
        self.0.push_str(&format!(".SH \"{name}\"\n"));
    }

    /// A section of terms, each with its meaning.
    fn table<'a>(&mut self, name: &str, rows: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.section(name);
        for (term, meaning) in rows {
            self.term(term, meaning);
        }
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(&format!("{}\n", escaped(text)));
    }

    fn term(&mut self, term: &str, meaning: &str) {
        self.0.push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(term)));
        self.text(meaning);
    }

    /// Lines that must not be filled, such as examples.
    fn as_it_is(&mut self, text: &str) {
        self.0.push_str(".nf\n");
        for line in text.lines() {
            // A space at the beginning of a line and an empty line have a meaning in troff.
            let words = line.trim_start();
            let spaces = "\\ ".repeat(line.len() - words.len());
            let line = if line.is_empty() { "\\&".to_owned() } else { spaces + &escaped(words) };
            self.0.push_str(&format!("{line}\n"));
        }
        self.0.push_str(".fi\n");
    }
}

/// Text without requests for troff, whose hyphens and quotes can be copied.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// Lets the system's reader show a page. Returns whether one did.
fn show(page: &str) -> bool {
    // `man` of macOS has no `-l`, but macOS has mandoc.
    let readers: [(&str, &[&str]); 2] = [("man", &["-l", "-"]), ("mandoc", &["-a"])];
    let readers = if cfg!(target_os = "macos") { &readers[1..] } else { &readers[..] };
    cfg!(unix) && readers.iter().any(|(program, arguments)| pipe(program, arguments, page))
}

fn pipe(program: &str, arguments: &[&str], page: &str) -> bool {
    let child = subprocess::command(program).args(arguments).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // It may end before it has read everything, when the user presses q.
        let _ = stdin.write_all(page.as_bytes());
    }
    child.wait().is_ok_and(|status| status.success())
}
