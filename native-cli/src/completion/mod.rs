//! Completion in shells. The script of a shell calls this program, which knows the providers, connections and sites of
//! this user. It sends no request and takes no lock. A problem only means fewer candidates: a message would disturb the
//! line that is being typed.

pub(crate) mod candidates;

use std::ffi::OsString;

use clap::Command;
use clap_complete::env::{CompleteEnv, Shells};

use crate::environment::{self, COMPLETE as VARIABLE};

/// The completion script of a shell.
pub(crate) fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&shell.to_string()) {
        // Writing to memory cannot fail.
        let _ = shell.write_registration(VARIABLE, "twg", "twg", "twg", &mut script);
    }
    String::from_utf8(script).unwrap_or_default()
}

/// Answers the completion script of a shell. Returns false if this program was not called by one. `command` makes the
/// parser.
pub(crate) fn answer(typed: &[OsString], command: fn() -> Command) -> bool {
    if !environment::is_set(VARIABLE) {
        return false;
    }
    let here = std::env::current_dir().ok();
    let completer = CompleteEnv::with_factory(command).var(VARIABLE).completer("twg");
    // For an unknown shell or an invalid position there are no candidates.
    let _ = completer.try_complete(typed, here.as_deref());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_calls_twg() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let script = script(*shell);
            assert!(script.contains("twg") && script.contains(VARIABLE), "{shell}: {script}");
        }
    }
}
