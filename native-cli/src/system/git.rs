//! The user's own git configuration: which helpers git asks for credentials.

use std::collections::BTreeMap;
use std::io;

use super::tool::{Ended, Invocation, Runner, System, trouble};

/// The settings `credential.URL.helper`, each with its helpers in order. An empty helper makes git
/// ignore those before it. `None` if git is not installed.
///
/// # Errors
/// A description of the problem.
pub(crate) fn helpers() -> Result<Option<BTreeMap<String, Vec<String>>>, String> {
    let invocation = config(&["-z", "--get-regexp", r"^credential\..+\.helper$"]);
    let ended = match System.run(&invocation) {
        // git-config(1): "exits with error code 1" if the key was not found.
        Ok(ended) if matches!(ended.code, Some(0 | 1)) => ended,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => return Err(trouble(&invocation, &result)),
    };
    let mut helpers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // git-config(1), `-z`: "always end values with the null character (instead of a newline). Use newline instead as
    // a delimiter between key and value."
    for (key, helper) in
        ended.stdout.split_terminator('\0').filter_map(|pair| pair.split_once('\n'))
    {
        helpers.entry(key.to_owned()).or_default().push(helper.to_owned());
    }
    Ok(Some(helpers))
}

/// Makes these the only helpers under `key`, or leaves none, because an incomplete list could keep
/// git from asking any helper. So they are collected under a name that means nothing to git, which
/// git then renames in one step.
///
/// # Errors
/// A description of the problem.
pub(crate) fn set_helpers(key: &str, helpers: &[&str]) -> Result<(), String> {
    // This also removes an incomplete draft. Most often there is neither.
    let _ = unset_helpers(key);
    let draft = draft(key);
    for helper in helpers {
        run(&["--add", &format!("{draft}.helper"), helper])?;
    }
    run(&["--rename-section", &draft, section(key)])
}

/// Removes all helpers under `key`.
///
/// # Errors
/// A description of the problem.
pub(crate) fn unset_helpers(key: &str) -> Result<(), String> {
    let _ = run(&["--remove-section", &draft(key)]);
    run(&["--unset-all", key])
}

fn section(key: &str) -> &str {
    key.strip_suffix(".helper").unwrap_or(key)
}

/// The name under which the helpers for this key are collected.
fn draft(key: &str) -> String {
    section(key).replacen("credential", "twg-draft", 1)
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let invocation = config(arguments);
    let result = System.run(&invocation);
    if result.as_ref().is_ok_and(Ended::well) { Ok(()) } else { Err(trouble(&invocation, &result)) }
}

fn config(arguments: &[&str]) -> Invocation {
    arguments.iter().fold(Invocation::new("git", &["config", "--global"]), |invocation, word| {
        invocation.arg(word)
    })
}
