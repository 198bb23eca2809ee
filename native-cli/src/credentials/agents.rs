//! How a coding agent can refresh from inside its sandbox: the configuration of each known agent,
//! with the real directory in it.

use std::path::{Path, PathBuf};

use serde_json::json;
use twg_core::credential::ConnectionKey;

use crate::context::{Context, arguments};
use crate::environment::{CONFIG_DIR, env, home_dir};

/// The advice for any agent.
pub(crate) fn fallback(context: &Context, key: &ConnectionKey) -> String {
    let command = format!("twg auth refresh{}", arguments(key));
    let place = "in a terminal outside the coding agent";
    match env(CONFIG_DIR).filter(|dir| !dir.is_empty()) {
        // Without the variable, the command would use another connection.
        Some(_) => twg_core::text::inert(&format!(
            "Run `{command}` {place}, with TWG_CONFIG_DIR set to {}.",
            context.config.path().display()
        )),
        None => format!("Run `{command}` {place}."),
    }
}

/// How to give the running agent write access to the directory of a connection; `None` if no known
/// agent runs. The detection is a convenience: nothing depends on it.
pub(crate) fn advice(context: &Context, key: &ConnectionKey) -> Option<String> {
    let agent = context.here.agent.as_deref()?;
    let home = home_dir(&env);
    let dir = directory(context, key);
    let snippet = snippet(agent, &dir, home.as_deref());
    Some(match snippet {
        Some(snippet) => twg_core::text::inert_lines(&snippet),
        None => twg_core::text::inert(&format!(
            "To refresh from inside {agent}, its sandbox must allow writes to {}.",
            dir.display()
        )),
    })
}

/// The directory that must be writable: the record's, or that of the file that the record links to.
fn directory(context: &Context, key: &ConnectionKey) -> PathBuf {
    let record = context.config.record_path(key);
    let real = std::fs::canonicalize(&record).ok();
    let real_dir = real.as_deref().and_then(Path::parent);
    let config = context.config.path();
    let config = std::fs::canonicalize(config).unwrap_or_else(|_| config.to_owned());
    match real_dir {
        Some(dir) if !dir.starts_with(&config) => dir.to_owned(),
        _ => config,
    }
}

/// The configuration of an agent, as its documentation and TWG's have it.
fn snippet(agent: &str, dir: &Path, home: Option<&Path>) -> Option<String> {
    let absolute = dir.to_str()?;
    // `~` where the agent's documentation has it, so that one file serves several machines.
    let short = home
        .and_then(|home| dir.strip_prefix(home).ok())
        .and_then(Path::to_str)
        .filter(|_| cfg!(unix))
        .map_or_else(|| absolute.to_owned(), |rest| format!("~/{rest}"));
    Some(match agent {
        "Codex" => format!(
            "Add or merge this in ~/.codex/config.toml:\n\n\
             default_permissions = \"twg-workspace\"\n\n\
             [permissions.twg-workspace]\n\
             extends = \":workspace\"\n\n\
             [permissions.twg-workspace.filesystem]\n\
             {} = \"write\"\n\n\
             (Permission profiles replace sandbox_mode and sandbox_workspace_write: do not set both.)",
            // TOML escapes a basic string as JSON does.
            json!(short),
        ),
        "Claude Code" => format!(
            "Add or merge this in ~/.claude/settings.json:\n\n{:#}",
            json!({ "sandbox": { "enabled": true, "filesystem": { "allowWrite": [short] } } }),
        ),
        "Cursor" => format!(
            "Add or merge this in ~/.cursor/sandbox.json:\n\n{:#}",
            json!({ "type": "workspace_readwrite", "additionalReadwritePaths": [absolute] }),
        ),
        // Its documentation has no form for Windows.
        "Gemini CLI" if cfg!(unix) && !absolute.contains([':', ',']) => format!(
            "For container sandboxing, add the directory as a read-write mount:\n\n\
             SANDBOX_MOUNTS={absolute}:{absolute}:rw",
        ),
        _ => return None,
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn for_agent(agent: &str, dir: &str) -> Option<String> {
        snippet(agent, Path::new(dir), Some(Path::new("/home/mia")))
    }

    /// The four snippets of the documentation, with a real path.
    #[test]
    fn each_agent_gets_its_own() {
        let dir = "/home/mia/.config/twg";
        let codex = for_agent("Codex", dir).unwrap();
        assert!(
            codex.contains("[permissions.twg-workspace.filesystem]\n\"~/.config/twg\" = \"write\"")
        );
        assert!(codex.contains("extends = \":workspace\""));
        let claude = for_agent("Claude Code", dir).unwrap();
        let settings: serde_json::Value =
            serde_json::from_str(claude.split_once("\n\n").unwrap().1).unwrap();
        assert_eq!(settings["sandbox"]["filesystem"]["allowWrite"][0], "~/.config/twg");
        assert_eq!(settings["sandbox"]["enabled"], true);
        let cursor = for_agent("Cursor", dir).unwrap();
        let settings: serde_json::Value =
            serde_json::from_str(cursor.split_once("\n\n").unwrap().1).unwrap();
        assert_eq!(settings["additionalReadwritePaths"][0], dir);
        assert!(for_agent("Gemini CLI", dir).unwrap().ends_with(&format!("{dir}:{dir}:rw")));
        assert_eq!(for_agent("Copilot CLI", dir), None);
    }

    /// Outside the home directory there is no `~`, and no path can break out of its string.
    #[test]
    fn any_path_is_written_so_that_it_stays_one() {
        assert!(for_agent("Claude Code", "/srv/twg").unwrap().contains("\"/srv/twg\""));
        let odd = "/srv/a\"] = 1 #";
        assert!(for_agent("Codex", odd).unwrap().contains(r#""/srv/a\"] = 1 #" = "write""#));
        assert_eq!(for_agent("Gemini CLI", "/srv/a:b"), None);
    }
}
