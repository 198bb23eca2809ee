//! Programs that this one starts: none of them gets the credentials that stand in its environment.

use std::ffi::OsStr;
use std::process::Command;

use crate::environment::{self, HOME};

/// A program, in this environment without what is secret in it, and with the home directory.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in environment::secrets() {
        command.env_remove(name);
    }
    // This program found it out, so that its children need not.
    if let (None, Some(home)) = (environment::exactly(HOME), environment::env(HOME)) {
        command.env(HOME, home);
    }
    command
}
