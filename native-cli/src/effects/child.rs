//! Programs that this one starts: none of them gets the credentials that stand in its environment.

use std::ffi::OsStr;
use std::process::Command;

use crate::config_dir::HOME;
use crate::context::env;

/// A program, in this environment without what is secret in it, and with the home directory.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        command.env_remove(name);
    }
    // What this program found out, its children need not.
    if let (None, Some(home)) = (std::env::var_os(HOME), env(HOME)) {
        command.env(HOME, home);
    }
    command
}

/// Whether a variable holds a credential of ours.
fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.starts_with("TWG_")
        && ["TOKEN", "SECRET", "PASSWORD", "KEY"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_apart() {
        let secrets = [
            "TWG_TOKEN",
            "TWG_OAUTH_ACCESS_TOKEN",
            "TWG_BBC_TOKEN",
            "TWG_CLIENT_SECRET",
            "twg_token",
        ];
        assert!(secrets.iter().all(|name| is_secret(OsStr::new(name))));
        assert!(
            !["TWG_BROWSER", "TWG_CONFIG_DIR", "GITHUB_TOKEN"]
                .iter()
                .any(|n| is_secret(OsStr::new(n)))
        );
    }
}
