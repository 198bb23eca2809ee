//! git's own configuration, of this user: which helpers it asks for credentials.

use std::collections::BTreeMap;

use super::call::{Call, Caller, Ended, System, trouble};

/// The settings `credential.URL.helper`, each with its helpers in their order; an empty one makes git forget those
/// before it. `None` if there is no git.
pub(crate) fn helpers() -> Option<BTreeMap<String, Vec<String>>> {
    let ended = System.call(&config(&["-z", "--get-regexp", r"^credential\..+\.helper$"])).ok()?;
    let mut helpers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // git-config(1), `-z`: "always end values with the null character (instead of a newline). Use newline instead as
    // a delimiter between key and value."
    for (key, helper) in
        ended.stdout.split_terminator('\0').filter_map(|pair| pair.split_once('\n'))
    {
        helpers.entry(key.to_owned()).or_default().push(helper.to_owned());
    }
    Some(helpers)
}

/// Makes these the only helpers under `key`, or leaves none: a part of them could keep git from asking anybody. So they
/// are collected under a name that git does not know, which it then replaces in one step.
///
/// # Errors
/// What did not work, for people.
pub(crate) fn set_helpers(key: &str, helpers: &[&str]) -> Result<(), String> {
    let section = key.strip_suffix(".helper").ok_or("no section")?;
    let draft = section.replacen("credential", "twg-draft", 1);
    // Of one that did not come to its end; most often there is none.
    let _ = run(&["--remove-section", &draft]);
    for helper in helpers {
        run(&["--add", &format!("{draft}.helper"), helper])?;
    }
    let _ = unset_helpers(key);
    run(&["--rename-section", &draft, section])
}

/// Removes all helpers under `key`.
///
/// # Errors
/// What did not work, for people.
pub(crate) fn unset_helpers(key: &str) -> Result<(), String> {
    run(&["--unset-all", key])
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let call = config(arguments);
    let result = System.call(&call);
    if result.as_ref().is_ok_and(Ended::well) { Ok(()) } else { Err(trouble(&call, &result)) }
}

fn config(arguments: &[&str]) -> Call {
    arguments.iter().fold(Call::new("git", &["config", "--global"]), |call, word| call.arg(word))
}
