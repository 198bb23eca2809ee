//! Candidates for arguments: providers, connections, sites, switches.

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use twg_core::credential::ConnectionKey;
use twg_core::credential::Site;
use twg_core::provider::BUNDLED;
use twg_core::text::is_plain_name;
use twg_sandbox::Switches;

use crate::config_dir::ConfigDir;
use crate::context::Context;
use crate::environment::env;
use crate::options::Global;

/// These names as candidates.
pub(crate) fn of(names: fn() -> Vec<String>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || named(names().into_iter()))
}

/// The names of the commands below a command, at every depth.
pub(crate) fn commands(command: &Command) -> Vec<String> {
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    inner.flat_map(|inner| [vec![inner.get_name().to_owned()], commands(inner)].concat()).collect()
}

/// The operations of git. More may follow in the future.
pub(crate) fn git_operations() -> ArgValueCandidates {
    ArgValueCandidates::new(|| named(["get", "store", "erase"].map(str::to_owned).into_iter()))
}

/// Candidates for `PROVIDER`.
pub(crate) fn providers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let own = config().map(|config| config.own_providers()).unwrap_or_default();
        let bundled = BUNDLED.iter().map(|(name, _)| (*name).to_owned());
        named(bundled.chain(own))
    })
}

/// Candidates for `--connection`: the connections of all providers.
pub(crate) fn connections() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let keys = config().map(|config| config.stored_connections()).unwrap_or_default();
        named(keys.iter().map(|key| key.connection().to_owned()))
    })
}

/// Candidates for `--site`: the known sites of all connections.
pub(crate) fn sites() -> ArgValueCandidates {
    ArgValueCandidates::new(|| named(known_sites().iter().filter_map(typable)))
}

/// Candidates for `--switch`.
pub(crate) fn switches() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let rows = Switches::defaults().into_iter();
        rows.flat_map(|row| {
            let values: Vec<_> = row.form.split('|').filter(|value| is_plain_name(value)).collect();
            // A single one is not a value, but the name of one, such as `seconds`.
            let values = if values.len() > 1 { values } else { vec![""] };
            let candidate = |value| {
                CompletionCandidate::new(format!("{}={value}", row.name))
                    .help(Some(row.meaning.into()))
            };
            values.into_iter().map(candidate).collect::<Vec<_>>()
        })
        .collect()
    })
}

fn named(names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let mut sorted: Vec<String> = Vec::new();
    for name in names {
        if let Err(place) = sorted.binary_search(&name) {
            sorted.insert(place, name);
        }
    }
    sorted.into_iter().map(CompletionCandidate::new).collect()
}

/// The configuration directory; that of the sandbox if the command is for it.
fn config() -> Option<ConfigDir> {
    let config = ConfigDir::resolve(&env).ok()?;
    let is_for_sandbox = std::env::args_os().any(|word| word == "sandbox");
    Some(if is_for_sandbox { config.sandbox() } else { config })
}

fn known_sites() -> Vec<Site> {
    let Some(config) = config() else { return Vec::new() };
    let context = Context::new(config, &Global::default());
    let sites =
        |key: &ConnectionKey| context.credential(key).ok().flatten().map(|c| c.sites.clone());
    context.records.list().iter().filter_map(sites).flatten().collect()
}

/// The shortest safe text for a site. The owner of a site chooses its name, and a candidate ends up on the command line
/// of a shell, so it must contain nothing that has a meaning there.
fn typable(site: &Site) -> Option<String> {
    let host = site.url.split("//").nth(1).map(|rest| rest.split('/').next().unwrap_or(rest));
    [Some(site.name.as_str()), host, Some(site.id.as_str())]
        .into_iter()
        .flatten()
        .find(|name| is_word(name))
        .map(str::to_owned)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_have_no_meaning_in_a_shell() {
        let site = |name: &str, url: &str, id: &str| Site {
            id: id.to_owned(),
            name: name.to_owned(),
            url: url.to_owned(),
            scopes: Vec::new(),
        };
        let of = |name, url, id| typable(&site(name, url, id));
        assert_eq!(of("acme", "https://acme.example", "1").as_deref(), Some("acme"));
        for name in ["Acme Inc", "$(id)", "`id`", "a;b", "-rf", "a'b", "*", "~", "a\nb", "", "é"] {
            let found = of(name, "https://acme.example/x", "1");
            assert_eq!(found.as_deref(), Some("acme.example"), "{name}");
        }
        assert_eq!(of("a b", "https://$(id)/", "12-34").as_deref(), Some("12-34"));
        assert_eq!(of("a b", "nothing", "$(id)"), None);
    }
}
