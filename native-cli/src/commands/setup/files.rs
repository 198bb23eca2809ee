//! The files that `twg setup` writes for other programs, and `twg uninstall` removes.

use std::path::{Path, PathBuf};

use crate::environment::{SHELL, XDG_CONFIG_HOME, XDG_DATA_HOME, env, home_dir};
use crate::installation::marked_file::Comment;

/// A file for another program.
pub(crate) struct FileFor {
    /// The program that reads it, for people.
    pub(crate) whom: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) text: &'static str,
    pub(crate) comment: Comment,
}

/// Rules for coding agents, in the format of Agent Skills, which all of these read.
const SKILL: &str = include_str!("SKILL.md");

/// Coding agents, each with the directory that shows that it is used here.
const AGENTS: [(&str, &str); 5] = [
    ("Claude Code", ".claude"),
    ("Codex", ".codex"),
    ("Cursor", ".cursor"),
    ("Gemini CLI", ".gemini"),
    ("other coding agents", ".agents"),
];

/// The skill, for each coding agent that is used here.
pub(crate) fn skills() -> Vec<FileFor> {
    let Some(home) = home_dir(&env) else { return Vec::new() };
    let used = AGENTS.iter().filter(|(_, directory)| home.join(directory).is_dir());
    used.map(|(whom, directory)| FileFor {
        whom,
        path: home.join(directory).join("skills/twg/SKILL.md"),
        text: SKILL,
        comment: Comment::Html,
    })
    .collect()
}

/// The shells that read completions from a file in a known place. The file calls the program, so it fits every version.
pub(crate) fn completions() -> Vec<FileFor> {
    let Some(home) = home_dir(&env) else { return Vec::new() };
    let base = |variable: &str, usual: &str| {
        let set = env(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        set.unwrap_or_else(|| home.join(usual))
    };
    let data = base(XDG_DATA_HOME, ".local/share");
    let config = base(XDG_CONFIG_HOME, ".config");
    let of = |whom, path, text| FileFor { whom, path, text, comment: Comment::Hash };
    vec![
        of(
            "bash",
            data.join("bash-completion/completions/twg"),
            "command -v twg >/dev/null && source <(twg completions bash)\n",
        ),
        of(
            "zsh",
            data.join("zsh/site-functions/_twg"),
            "#compdef twg\n(( $+commands[twg] )) && source <(twg completions zsh)\n",
        ),
        of(
            "fish",
            config.join("fish/completions/twg.fish"),
            "type -q twg; and twg completions fish | source\n",
        ),
    ]
}

/// The name of the user's shell.
pub(crate) fn shell() -> Option<String> {
    let shell = env(SHELL)?;
    Path::new(&shell).file_name()?.to_str().map(str::to_owned)
}
