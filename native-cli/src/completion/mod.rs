//! Completion in shells: what could be typed next. The script of a shell calls this program, which knows the
//! providers, connections and sites of this user. Nobody is asked, no lock is taken, and whatever is in the way
//! makes less to choose from, not noise on the line that is being typed.

pub(crate) mod candidates;

use std::ffi::OsString;

use clap::Command;
use clap_complete::env::{CompleteEnv, Shells};

use crate::environment::{self, COMPLETE as VARIABLE};

/// The script that teaches a shell to complete the command lines of `twg`.
pub(crate) fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&shell.to_string()) {
        // Writing to memory cannot fail.
        let _ = shell.write_registration(VARIABLE, "twg", "twg", "twg", &mut script);
    }
    String::from_utf8(script).unwrap_or_default()
}

/// Answers the script of a shell, if that is who asks. Whether it was. `command` makes what can be typed.
pub(crate) fn answer(typed: &[OsString], command: fn() -> Command) -> bool {
    if !environment::is_set(VARIABLE) {
        return false;
    }
    let here = std::env::current_dir().ok();
    let completer = CompleteEnv::with_factory(command).var(VARIABLE).completer("twg");
    // A shell that is not known, or a cursor that stands nowhere: there is nothing to choose from.
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
