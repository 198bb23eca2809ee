//! What can be run, as the program itself tells it.

use crate::home::TempHome;

/// The names that the commands have in the manual, `auth-status`: those that can be run. Some only hold others.
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
    // These two do something by themselves, too.
    let runs = |name: &str| ["sites", "setup"].contains(&name) || !holds(name);
    names.iter().filter(|name| runs(name)).cloned().collect()
}
