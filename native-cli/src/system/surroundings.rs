//! Where this process runs: facts for the login planner, which makes the decision.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;

use twg_core::plan::Surroundings;

use crate::environment::{AGENTS, BROWSER, CI, CONTAINERS, DISPLAYS, SSH, TWG_BROWSER, WSL};

/// Collects the facts. An agent is a hint and never a boundary, because it can hide or pretend.
/// Variables of an ssh-agent or a gpg-agent are not a hint of a coding agent.
pub(crate) fn look(env: impl Fn(&str) -> Option<OsString>) -> Surroundings {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let wsl = WSL.into_iter().any(set);
    let ssh = SSH.into_iter().any(set);
    let named_browser = [TWG_BROWSER, BROWSER].into_iter().any(set);
    let display = DISPLAYS.into_iter().any(set);
    Surroundings {
        terminal: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        ssh,
        wsl,
        container: CONTAINERS.into_iter().any(set)
            || Path::new("/.dockerenv").exists()
            || Path::new("/run/.containerenv").exists(),
        ci: env(CI).is_some_and(|ci| !matches!(ci.to_str(), Some("" | "0" | "false"))),
        agent: AGENTS.iter().find(|(name, _)| set(name)).map(|(_, agent)| (*agent).to_owned()),
        // With a display that ssh forwards, the browser runs on this machine and is slow.
        browser: named_browser
            || wsl
            || cfg!(any(windows, target_os = "macos")) && !ssh
            || display && !ssh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_with(vars: &[(&str, &str)]) -> Surroundings {
        look(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    #[test]
    fn an_ssh_agent_is_no_coding_agent() {
        let here =
            look_with(&[("SSH_AUTH_SOCK", "/x"), ("GPG_AGENT_INFO", "/y"), ("SSH_AGENT_PID", "1")]);
        assert_eq!(here.agent, None);
        assert!(!here.ssh);
        assert_eq!(look_with(&[("CLAUDECODE", "1")]).agent.as_deref(), Some("Claude Code"));
        assert_eq!(look_with(&[("CLAUDECODE", "")]).agent, None);
    }

    #[test]
    fn ci_that_says_false_is_none() {
        assert!(look_with(&[("CI", "true")]).ci);
        assert!(!look_with(&[("CI", "false")]).ci);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_forwarded_display_opens_no_browser() {
        assert!(look_with(&[("DISPLAY", ":0")]).browser);
        assert!(!look_with(&[("DISPLAY", ":10"), ("SSH_CONNECTION", "a b c d")]).browser);
        assert!(look_with(&[("BROWSER", "echo"), ("SSH_CONNECTION", "a b c d")]).browser);
        assert!(look_with(&[("WSL_DISTRO_NAME", "Debian")]).browser);
        assert!(!look_with(&[]).browser);
    }
}
