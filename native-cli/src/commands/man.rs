//! `twg man`: the manual, a page for each command, made from what the parser knows.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man as Page;
use roff::{Inline, Roff, bold, roman};
use serde_json::json;

use crate::cli::{Cli, Man};
use crate::context::Context;
use crate::effects::child;
use crate::effects::terminal::print_data;
use crate::failure::Failure;
use crate::manual::{ENVIRONMENT, EXIT_STATUS, FILES};
use crate::output::print_json;

/// Runs the command.
pub(crate) fn run(context: &mut Context, arguments: &Man) -> Result<ExitCode, Failure> {
    let cli = built();
    if let Some(dir) = &arguments.dir {
        return write_all(context, &cli, dir);
    }
    let command = find(&cli, &arguments.command)?;
    let text = page(command);
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "name": file_name(command), "page": text }));
    } else if !(io::stdout().is_terminal() && show(&text)) {
        let _ = print_data(text.as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

/// The parser, with the names that each command has in the manual.
fn built() -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

fn find<'a>(cli: &'a Command, words: &[String]) -> Result<&'a Command, Failure> {
    let mut command = cli;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let word = twg_core::text::displayable(word);
            Failure::usage(format!("There is no command '{word}'"))
                .or_hint("`twg --help` lists the commands.")
        })?;
    }
    Ok(command)
}

fn write_all(context: &mut Context, cli: &Command, dir: &Path) -> Result<ExitCode, Failure> {
    let shown = context.config.display(dir);
    let failed = |error: &io::Error| {
        Failure::internal(format!("Cannot write the manual to {shown}: {error}"))
            .or_hint("Name a directory that you can write: `twg man --dir DIR`.")
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(&error))?;
    let mut names = Vec::new();
    for command in all(cli) {
        let name = file_name(command);
        std::fs::write(dir.join(&name), page(command)).map_err(|error| failed(&error))?;
        names.push(name);
    }
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "ok": true, "dir": dir, "pages": names }));
    } else {
        context.achieved(&format!("{} pages of the manual are in {shown}", names.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// A command and those below it, as far as they are shown.
fn all(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(below.flat_map(all)).collect()
}

/// `twg-auth-token`
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn file_name(command: &Command) -> String {
    format!("{}.1", title(command))
}

fn page(command: &Command) -> String {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_page(command, &mut page);
    // Each section is written as if it were alone, with the same lines before it.
    let preamble = Roff::new().render();
    format!("{preamble}{}", String::from_utf8(page).unwrap_or_default().replace(&preamble, ""))
}

fn write_page(command: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let title = title(command).to_owned();
    // Between the page's section and the program there would be a date: pages of one version are the same, whenever
    // they are made.
    writeln!(out, ".TH {title} 1 \"\" \"twg {}\" \"twg manual\"", env!("CARGO_PKG_VERSION"))?;
    let has_options = command.get_arguments().any(|argument| !argument.is_hide_set());
    let has_commands = command.get_subcommands().any(|command| !command.is_hide_set());
    let rendered = Page::new(command.clone());
    rendered.render_name_section(out)?;
    rendered.render_synopsis_section(out)?;
    rendered.render_description_section(out)?;
    if has_options {
        rendered.render_options_section(out)?;
    }
    if has_commands {
        rendered.render_subcommands_section(out)?;
    }
    let mut rest = Roff::new();
    notes(&mut rest, command);
    table(&mut rest, "EXIT STATUS", &EXIT_STATUS);
    table(&mut rest, "ENVIRONMENT", &ENVIRONMENT);
    table(&mut rest, "FILES", &FILES);
    see_also(&mut rest, command, &title);
    out.write_all(rest.render().as_bytes())
}

/// What `--help` says below the options, as it is laid out there.
fn notes(page: &mut Roff, command: &Command) {
    let Some(notes) = command.get_after_help() else { return };
    page.control("SH", ["NOTES"]);
    page.control("nf", []);
    for line in notes.to_string().lines() {
        // A line that is empty or begins with a space is something else to troff.
        let spaces = line.len() - line.trim_start().len();
        page.text([roman(format!("{}{}", "\u{a0}".repeat(spaces), line.trim_start()))]);
    }
    page.control("fi", []);
}

fn table(page: &mut Roff, name: &str, rows: &[(&str, &str)]) {
    page.control("SH", [name]);
    for (term, meaning) in rows {
        page.control("TP", []);
        page.text([bold(*term)]);
        page.text([roman(*meaning)]);
    }
}

fn see_also(page: &mut Roff, command: &Command, own: &str) {
    let parent = own.rsplit_once('-').map(|(parent, _)| parent.to_owned());
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<_> = parent.into_iter().chain(below.map(|c| title(c).to_owned())).collect();
    if names.is_empty() {
        return;
    }
    page.control("SH", ["SEE ALSO"]);
    let mut line: Vec<Inline> = Vec::new();
    for (n, name) in names.iter().enumerate() {
        line.push(bold(name));
        line.push(roman(if n + 1 < names.len() { "(1), " } else { "(1)" }));
    }
    page.text(line);
}

/// Lets the system's reader show a page, with its pager. Whether there was one that did.
fn show(page: &str) -> bool {
    // That of macOS has no `-l`; what it has is mandoc.
    let readers: [(&str, &[&str]); 2] = [("man", &["-l", "-"]), ("mandoc", &["-a"])];
    let readers = if cfg!(target_os = "macos") { &readers[1..] } else { &readers[..] };
    cfg!(unix) && readers.iter().any(|(program, arguments)| pipe(program, arguments, page))
}

fn pipe(program: &str, arguments: &[&str], page: &str) -> bool {
    let child = child::command(program).args(arguments).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // It may end before it read everything: somebody pressed q.
        let _ = stdin.write_all(page.as_bytes());
    }
    child.wait().is_ok_and(|status| status.success())
}
