//! git's own configuration, of this user: which helper it asks for a credential.

use std::io;
use std::process::{Command, Stdio};

use super::child;

/// The helpers that are configured under `credential.URL.helper`, in their order; an empty one makes git forget those
/// before it. `None` if there is no git.
pub(crate) fn helpers(key: &str) -> Option<Vec<String>> {
    let output = git(&["--get-all", key]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().map(str::to_owned).collect())
}

/// Makes these the only helpers under `key`, or leaves none: a part of them could keep git from asking anybody.
pub(crate) fn set_helpers(key: &str, helpers: &[&str]) -> io::Result<()> {
    for (at, helper) in helpers.iter().enumerate() {
        let how = if at == 0 { "--replace-all" } else { "--add" };
        run(&[how, key, helper]).inspect_err(|_| {
            let _ = unset_helpers(key);
        })?;
    }
    Ok(())
}

/// Removes all helpers under `key`.
pub(crate) fn unset_helpers(key: &str) -> io::Result<()> {
    run(&["--unset-all", key])
}

fn run(arguments: &[&str]) -> io::Result<()> {
    let output = git(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(twg_core::text::displayable(said.trim())))
}

fn git(arguments: &[&str]) -> Command {
    let mut command = child::command("git");
    command.args(["config", "--global"]).args(arguments).stdin(Stdio::null());
    command
}
