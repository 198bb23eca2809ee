//! The settings by which git asks `twg` for the credentials of Bitbucket.

use std::path::Path;

use twg_core::atlassian::bitbucket::git_server;
use twg_core::endpoint_url::EndpointUrl;
use twg_core::provider::ProviderProfile;

use crate::context::Context;
use crate::driver::interruptible;
use crate::environment::{self, CONFIG_DIR};
use crate::failure::Failure;
use crate::installation;
use crate::system::git;

/// Whether git asks `twg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum GitState {
    Configured,
    NotConfigured,
    /// The user has another helper for Bitbucket, which stays.
    AnotherHelper,
    NotInstalled,
}

impl GitState {
    /// For programs.
    pub(in crate::commands) const fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::NotConfigured => "not_configured",
            Self::AnotherHelper => "another_helper",
            Self::NotInstalled => "not_installed",
        }
    }
}

/// Configures git if the user agrees, else shows how. A failure is only a warning.
pub(in crate::commands) async fn offer(
    context: &mut Context,
    profile: &ProviderProfile,
    agreed: bool,
) -> Result<GitState, Failure> {
    let Some(server) = git_server(profile) else { return Ok(GitState::NotConfigured) };
    let key = key(server);
    let helper = helper(context, &installation::launcher()?);
    let mut all = match git::helpers() {
        Ok(Some(all)) => all,
        Ok(None) => return Ok(GitState::NotInstalled),
        Err(error) => {
            context.warn(format!("The configuration of git cannot be read: {error}"));
            return Ok(GitState::NotConfigured);
        }
    };
    let found = all.remove(&key).unwrap_or_default();
    // The empty one makes git ignore its helpers for all servers: git would give them the token, and they would store
    // it in their own files.
    let wanted = ["", helper.as_str()];
    if found == wanted {
        return Ok(GitState::Configured);
    }
    if let Some(other) = found.iter().find(|helper| !helper.is_empty() && !is_ours(helper)) {
        let other = twg_core::text::displayable(other);
        context.say(format!("  git asks another helper for {}: {other}", server.host()));
        tell(context, &key, &helper);
        return Ok(GitState::AnotherHelper);
    }
    // In the sandbox, the setting would stay in the user's git configuration.
    let agrees = agreed || !context.in_sandbox && ask(context, server).await?;
    if !agrees {
        tell(context, &key, &helper);
        return Ok(GitState::NotConfigured);
    }
    match git::set_helpers(&key, &wanted) {
        Ok(()) => {
            let host = server.host();
            context.achieved(format!("git now gets its {host} credentials from twg"));
            Ok(GitState::Configured)
        }
        Err(error) => {
            context.warn(format!("git could not be configured: {error}"));
            tell(context, &key, &helper);
            Ok(GitState::NotConfigured)
        }
    }
}

/// The settings by which git asks only this program, for this configuration directory and its sandbox; with `of_all`,
/// for every one.
///
/// # Errors
/// Why git's settings are unknown, for people.
pub(in crate::commands) fn configured(
    context: &Context,
    of_all: bool,
) -> Result<Vec<String>, String> {
    let here = directory(context);
    // The settings of the sandbox always contain its directory.
    let sandbox = named(context.config.sandbox().path());
    let is_meant = |helper: &String| of_all || is_of(helper, &here) || is_of(helper, &sandbox);
    let is_ours_alone = |helpers: &[String]| {
        helpers.iter().any(|helper| is_ours(helper) && is_meant(helper))
            && helpers.iter().all(|helper| helper.is_empty() || is_ours(helper))
    };
    let all = git::helpers()?.unwrap_or_default().into_iter();
    Ok(all.filter(|(_, helpers)| is_ours_alone(helpers)).map(|(key, _)| key).collect())
}

/// The settings of [`configured`] for the Bitbucket of this configuration.
///
/// # Errors
/// Those of [`configured`].
pub(in crate::commands) fn configured_here(context: &Context) -> Result<Vec<String>, String> {
    let profile = crate::credentials::bitbucket_token::profile(context).ok();
    let here = profile.as_ref().and_then(git_server).map(key);
    let mut keys = configured(context, false)?;
    keys.retain(|key| Some(key) == here.as_ref());
    Ok(keys)
}

/// Removes settings of git. Returns whether all of them are removed.
pub(in crate::commands) fn withdraw(
    context: &mut Context,
    keys: &Result<Vec<String>, String>,
) -> bool {
    let results: Vec<_> = match keys {
        Ok(keys) => keys.iter().map(|key| git::unset_helpers(key)).collect(),
        Err(error) => vec![Err(error.clone())],
    };
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        context.warn(format!("git may still ask twg: {error}"));
    }
    let is_done = results.iter().all(Result::is_ok);
    if is_done && !results.is_empty() {
        context.achieved("git no longer asks twg");
    }
    is_done
}

async fn ask(context: &mut Context, server: &EndpointUrl) -> Result<bool, Failure> {
    if !context.person.may_ask || !context.person.terminal.can_ask() {
        return Ok(false);
    }
    let question = format!("Let git use this token for {}? [Y/n]", server.host());
    let answer = interruptible(context.person.terminal.ask(&question)).await??;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

fn tell(context: &mut Context, key: &str, helper: &str) {
    context.say("  To let git use the token:");
    context.say(format!("    git config --global --replace-all {key} ''"));
    context.say(format!("    git config --global --add {key} {}", quoted(helper)));
}

/// The name of git's setting for a server.
fn key(server: &EndpointUrl) -> String {
    let scheme = server.as_str().split(':').next().unwrap_or_default();
    format!("credential.{scheme}://{}.helper", server.host())
}

/// The command that git runs, with `sh` on every system.
fn helper(context: &Context, launcher: &Path) -> String {
    let directory = directory(context);
    format!("!{directory}{} auth git-credential", word(launcher))
}

/// The text before the program if the configuration directory is not the usual one, because git may start in another
/// environment.
fn directory(context: &Context) -> String {
    let is_chosen = context.in_sandbox || environment::is_set(CONFIG_DIR);
    if is_chosen { named(context.config.path()) } else { String::new() }
}

fn named(path: &Path) -> String {
    format!("TWG_CONFIG_DIR={} ", word(path))
}

/// Whether a helper of twg is for the configuration directory in `directory`.
fn is_of(helper: &str, directory: &str) -> bool {
    let command = helper.trim_start_matches('!');
    if directory.is_empty() {
        !command.starts_with("TWG_CONFIG_DIR=")
    } else {
        command.starts_with(directory)
    }
}

/// A path for the shell. In the one of git for Windows a backslash escapes, and a slash works.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    quoted(&if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() })
}

fn is_ours(helper: &str) -> bool {
    let program =
        helper.strip_prefix('!').and_then(|rest| rest.strip_suffix(" auth git-credential"));
    let name = program.map(|program| program.trim_matches('\'').rsplit(['/', '\\']).next());
    matches!(name.flatten(), Some("twg" | "twg.exe"))
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_have_credential_helpers_too() {
        for ours in [
            "!twg auth git-credential",
            "!'/a b/twg' auth git-credential",
            "!/x/twg.exe auth git-credential",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "!gh auth git-credential",
            "!/usr/bin/gh auth git-credential",
            "store",
            "!nottwg auth git-credential",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted("/usr/bin/twg"), "/usr/bin/twg");
        assert_eq!(quoted("/home/my name/$(x)/twg"), "'/home/my name/$(x)/twg'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_setting_is_of_one_server() {
        let key = |url| key(&EndpointUrl::parse(url).unwrap());
        assert_eq!(key("https://bitbucket.org/x"), "credential.https://bitbucket.org.helper");
        assert_eq!(key("http://127.0.0.1:8080/x"), "credential.http://127.0.0.1:8080.helper");
    }
}
