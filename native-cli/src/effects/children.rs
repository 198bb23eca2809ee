//! What every program that is started here has in common.

use std::ffi::OsStr;
use std::process::Command;

/// Keeps the credentials of this program's environment out of another's.
pub(super) fn without_secrets(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        command.env_remove(name);
    }
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
