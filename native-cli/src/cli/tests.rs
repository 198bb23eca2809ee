//! What the help of every command must be, and that the commands that texts name exist.

use clap::error::ErrorKind;

use super::*;

/// The help of each command, with its name, as a terminal of this width shows it.
fn every_help(width: usize) -> Vec<(clap::Command, String)> {
    fn collect(command: &mut clap::Command, all: &mut Vec<(clap::Command, String)>) {
        let help = command.render_long_help().to_string();
        all.push((command.clone(), help));
        command.get_subcommands_mut().for_each(|below| collect(below, all));
    }
    let mut cli = help::in_groups(Cli::command().term_width(width));
    cli.build();
    let mut all = Vec::new();
    collect(&mut cli, &mut all);
    all
}

fn takes_arguments(command: &clap::Command) -> bool {
    let mut own = command.get_arguments().filter(|argument| {
        let is_own = !argument.is_global_set() && !argument.is_hide_set();
        is_own && !["help", "version"].contains(&argument.get_id().as_str())
    });
    own.next().is_some()
}

#[test]
fn every_help_fits_into_eighty_columns_and_has_examples() {
    let all = every_help(80);
    assert!(all.len() > 35, "{}", all.len());
    for (command, help) in &all {
        let name = command.get_display_name().unwrap_or_default();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        let has_examples = help.contains("Examples:\n");
        assert!(has_examples || !takes_arguments(command), "{name} has no examples");
    }
}

/// A narrow terminal folds lines between words: the words are the same.
#[test]
fn a_narrow_terminal_breaks_no_word() {
    let words = |help: &str| help.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for ((command, wide), (_, narrow)) in every_help(80).iter().zip(&every_help(40)) {
        assert_eq!(words(wide), words(narrow), "{command}");
        let folded = |line: &&str| line.chars().count() > 40 && !line.starts_with("Usage: ");
        let long: Vec<_> = narrow.lines().filter(folded).collect();
        assert!(long.iter().all(|line| line.split_whitespace().count() == 1), "{long:?}");
    }
}

#[test]
fn every_command_is_in_a_group() {
    let help = command().render_help().to_string();
    let headings: Vec<_> = help.lines().filter(|line| line.ends_with(':')).collect();
    let groups = help::GROUPS.map(|(heading, _)| format!("{heading}:"));
    assert_eq!(
        headings,
        [&groups[..], &["Options:", "Examples:", "Learn more:"].map(str::to_owned)].concat()
    );
}

/// Whether the parser knows the command and the options of a line, though not what values there are.
fn is_known(line: &str) -> Result<(), clap::Error> {
    // Words, of which one in single quotes may contain spaces.
    let mut words = vec![String::new()];
    for (number, piece) in line.split('\'').enumerate() {
        let mut parts = if number % 2 == 1 { vec![piece] } else { piece.split(' ').collect() };
        let first = parts.remove(0);
        words.last_mut().unwrap().push_str(first);
        words.extend(parts.into_iter().map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    if let [_, sandbox, inner, ..] = words.as_slice()
        && sandbox == "sandbox"
        && command().find_subcommand(inner).is_some()
    {
        words.remove(1);
    }
    match command().try_get_matches_from(words) {
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::DisplayHelp) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[test]
fn every_example_can_be_typed() {
    let mut count = 0;
    for (command, _) in every_help(80) {
        let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let long = notes.lines().find(|line| line.chars().count() > 80);
        assert_eq!(long, None, "an example that a terminal would fold");
        let examples = notes.split("Examples:\n").nth(1).unwrap_or_default();
        for line in examples.lines().take_while(|line| line.starts_with(' ')) {
            // The explanation follows several spaces, and the command may be inside one of a shell.
            let line = line.trim().split("  ").next().unwrap_or_default();
            let typed = line.find("twg ").map(|start| line[start..].split([')', '|']).next());
            let typed = typed.flatten().unwrap_or_else(|| panic!("no command: {line}"));
            is_known(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn every_command_that_a_message_names_exists() {
    let transcripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/native/transcripts");
    let mut texts = vec![include_str!("../commands/setup/SKILL.md").to_owned()];
    for entry in std::fs::read_dir(transcripts).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let mut count = 0;
    for text in texts {
        for named in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            if named.starts_with("twg ") {
                // A sentence may name a command without what it needs.
                let is_short =
                    |error: &clap::Error| error.kind() == ErrorKind::MissingRequiredArgument;
                let known = is_known(named).or_else(|e| if is_short(&e) { Ok(()) } else { Err(e) });
                known.unwrap_or_else(|error| panic!("{named}: {error}"));
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count}");
    assert!(is_known("twg auth tokn").is_err() && is_known("twg login --nonsense").is_err());
}

#[test]
fn mistakes_name_the_command() {
    let name = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        usage::command(&words, &command())
    };
    assert_eq!(name(&["twg", "--json", "auth", "tokn"]), "twg auth");
    assert_eq!(name(&["twg", "login", "auth"]), "twg login");
    assert_eq!(name(&["twg"]), "twg");
}
