//! How the help of all commands looks. What it says is made from the parser.

use clap::Command;

/// The groups in which `twg --help` lists the commands: the heading, and the first command below it. The order of
/// the commands is that of [`super::Command`].
pub(super) const GROUPS: [(&str, &str); 6] = [
    ("Sign in", "login"),
    ("Use", "sites"),
    ("For programs", "auth"),
    ("Keep alive", "upkeep"),
    ("This installation", "setup"),
    ("Try and learn", "sandbox"),
];

/// The parser, with its commands in groups. clap has one heading for all of them.
pub(super) fn in_groups(cli: Command) -> Command {
    let cli = with_headings(cli);
    let (header, literal) = (*cli.get_styles().get_header(), *cli.get_styles().get_literal());
    let list = cli.clone().help_template("{subcommands}").render_help().ansi().to_string();
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for line in list.lines() {
        let is = |name: &str| line.trim_start().starts_with(&format!("{literal}{name}{literal:#}"));
        if let Some((heading, _)) = GROUPS.iter().find(|(_, first)| is(first)) {
            template.push_str(&format!("\n{header}{heading}:{header:#}\n"));
        }
        template.push_str(&format!("{line}\n"));
    }
    cli.help_template(
        template + &format!("\n{header}Options:{header:#}\n{{options}}{{after-help}}"),
    )
}

/// The notes below the help of each command have headings as clap's own, which are lines that end in a colon.
fn with_headings(command: Command) -> Command {
    let header = *command.get_styles().get_header();
    let styled = |line: &str| match line.ends_with(':') && !line.starts_with(' ') {
        true => format!("{header}{line}{header:#}"),
        false => line.to_owned(),
    };
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let notes: Vec<_> = notes.lines().map(styled).collect();
    let command = if notes.is_empty() { command } else { command.after_help(notes.join("\n")) };
    command.mut_subcommands(with_headings)
}
