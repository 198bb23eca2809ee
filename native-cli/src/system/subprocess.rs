//! Programs that this one starts. None of them gets the credentials in the environment.

use std::ffi::OsStr;
use std::process::Command;

use crate::environment::{self, HOME};

/// A program with this environment, but without its secrets, and with the home directory.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in environment::secrets() {
        command.env_remove(name);
    }
    // This program determined the home directory, so that its children need not.
    if let (None, Some(home)) = (environment::exactly(HOME), environment::env(HOME)) {
        command.env(HOME, home);
    }
    command
}
