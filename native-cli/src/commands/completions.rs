//! `twg completions`: completion scripts for shells.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use crate::completion;
use crate::context::Context;
use crate::output::{print_json, print_text};

/// `twg completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(twg completions bash)   in ~/.bashrc
  source <(twg completions zsh)    in ~/.zshrc, after compinit
  twg completions fish | source    in ~/.config/fish/config.fish
  twg completions powershell | Out-String | Invoke-Expression   in $PROFILE")]
pub(crate) struct Completions {
    /// Shell that runs the script
    shell: Shell,
}

/// Runs the command. The script belongs to this version, so a shell runs this each time (`source <(twg completions
/// bash)`) and keeps no copy.
pub(crate) fn run(context: &Context, arguments: &Completions) -> ExitCode {
    let shell = arguments.shell;
    let script = completion::script(shell);
    if context.json {
        let shell = shell.to_string();
        print_json(&json!({ "schemaVersion": 1, "shell": shell, "script": script }));
    } else {
        print_text(&script);
    }
    ExitCode::SUCCESS
}
