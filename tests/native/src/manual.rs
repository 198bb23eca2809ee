//! The commands, as the program itself lists them.

use crate::home::TempHome;

/// The commands that can be run, with their names in the manual, such as `auth-status`. Commands
/// that only group others, and second names of commands, are left out.
#[must_use]
pub fn commands() -> Vec<String> {
    let home = TempHome::new();
    let pages = home.twg(["man", "--json", "--dir"]).arg(home.path().join("man")).run();
    let pages = pages.expect_success().json();
    let names = pages["pages"].as_array().expect("pages").iter();
    let names: Vec<_> = names
        .filter_map(|name| name.as_str()?.strip_prefix("twg-")?.strip_suffix(".1"))
        .map(str::to_owned)
        .collect();
    let holds = |name: &str| names.iter().any(|other| other.starts_with(&format!("{name}-")));
    // These two have subcommands and can also be run themselves.
    let runs = |name: &str| ["sites", "setup"].contains(&name) || !holds(name);
    let is_alias = |name: &str| ["auth-login", "auth-logout"].contains(&name);
    names.iter().filter(|name| runs(name) && !is_alias(name)).cloned().collect()
}
