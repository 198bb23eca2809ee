//! `twg doctor`: checks login, store, network and installation. It refreshes a token that is due, as every command
//! does. It changes nothing else that is stored, unless `--fix` is given.

mod bundle;
mod check;
mod fix;
mod network;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::{Value, json};
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::provider::{Grant, ProviderProfile};
use twg_core::refresh::{How, Need};

use self::check::Check;
use self::fix::Fix;
use super::auth_status::Status;
use super::login::client_source;
use super::upkeep::{self, Health};
use crate::context::Context;
use crate::credentials::clients;
use crate::credentials::connection::Chosen;
use crate::credentials::connection::Connection;
use crate::credentials::source::{self, Source};
use crate::credentials::{providers, refresh};
use crate::effects::clock;
use crate::environment::{PATH, env};
use crate::failure::{Exit, Failure};
use crate::output::{print_json, print_lines};
use crate::system::host;

/// `twg doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg doctor                        check everything
  twg doctor --fix                  and repair what it can
  twg doctor --bundle report.json   write a report for a bug")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Repair what needs no decision from you; no connection is deleted
    #[arg(long)]
    pub(crate) fix: bool,
    /// Write a report for a bug to a new file, without tokens, names and sites
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<Option<PathBuf>>,
    /// For the second process of the lock check: `try` or `hold`
    #[arg(long, hide = true, requires = "probe_file")]
    pub(crate) probe_lock: Option<String>,
    /// Which lock
    #[arg(long, hide = true, requires = "probe_lock")]
    pub(crate) probe_file: Option<PathBuf>,
}

/// Runs the command. Succeeds if no check is bad. Not being signed in is bad.
pub(crate) async fn run(context: &mut Context, arguments: &Doctor) -> Result<ExitCode, Failure> {
    if let (Some(what), Some(file)) = (&arguments.probe_lock, &arguments.probe_file) {
        return store::run_probe(context, file, what).await;
    }
    let chosen = arguments.connection.chosen(context)?;
    let key = &chosen.key;
    let profile = providers::load(context, key.provider())?;
    let fixes =
        if arguments.fix { fix::everything(context, &profile, key).await? } else { Vec::new() };
    let stored = context.credential(key);
    // An interrupted refresh is reported as found, before the next check repairs it.
    let interrupted =
        refresh_check(context, key, &profile, stored.as_ref().ok().and_then(Option::as_ref));
    let is_needed = !matches!(source::find(context, &chosen), Ok(Source::Given(_)));
    let (credential, login) = login_check(context, key, stored, is_needed).await?;
    let status =
        Status { key, profile: &profile, credential: credential.as_ref(), now: clock::read() };
    let mut checks = vec![Check::note("version", version())];
    checks.extend(source_check(context, &chosen, profile.clone()).await?);
    checks.push(login);
    checks.extend(interrupted);
    checks.extend(horizon_check(&status));
    checks.extend(machine_checks(context, &status).await?);

    let healthy = checks.iter().all(Check::is_good);
    let bundle = match &arguments.bundle {
        Some(file) => Some(bundle::write(context, file.as_deref(), &status, &checks)?),
        None => None,
    };
    if context.json {
        print_document(context, &status, &checks, &fixes, bundle.as_deref());
    } else if let Some(file) = &bundle {
        print_lines(&[file.display().to_string()]);
        context.say("Check it before you send it: names and sites were removed.");
    } else {
        tell(context, &status, &checks, is_needed);
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// The client, the store, the network, the installation, and the other credentials of the main provider.
async fn machine_checks(context: &mut Context, status: &Status<'_>) -> Result<Vec<Check>, Failure> {
    let (key, profile) = (status.key, status.profile);
    let mut checks = vec![
        client_check(context, profile),
        store::prove_replace(context, key),
        store::prove_lock(context, key).await,
        store::privacy_check(context),
        boot_check(),
    ];
    if profile.grants.contains(&Grant::AuthorizationCode) {
        checks.push(network::port_check(profile));
    }
    checks.push(network::network_settings());
    checks.push(network::prove_server(context, profile).await?);
    if let Some(credential) = status.credential {
        checks.extend(network::prove_token(context, key, profile, credential).await?);
    }
    checks.push(duplicates_on_path());
    checks.push(match upkeep::health(context) {
        Health::Good(found) => Check::of("upkeep", Ok(found)),
        Health::Off(why) => Check::note("upkeep", why),
        Health::Broken(why) => {
            Check::of("upkeep", Err(format!("{why}; `twg upkeep enable` repairs it")))
        }
    });
    if key.provider() == providers::DEFAULT {
        checks.extend(network::prove_bitbucket(context).await?);
        checks.extend(network::prove_admin_key(context).await?);
    }
    Ok(checks)
}

fn print_document(
    context: &Context,
    status: &Status<'_>,
    checks: &[Check],
    fixes: &[Fix],
    bundle: Option<&Path>,
) {
    let program = context.person.program;
    let healthy = checks.iter().all(Check::is_good);
    let checks: Vec<Value> = checks.iter().map(|check| check.to_json(program)).collect();
    let fixes = fixes.iter();
    let fixes = fixes.map(|f| json!({ "name": f.name, "fixed": f.fixed, "what": f.what }));
    print_json(&json!({
        "schemaVersion": 1,
        "ok": healthy,
        "status": status.to_json(),
        "checks": checks,
        "fixes": fixes.collect::<Vec<_>>(),
        "bundle": bundle,
    }));
}

fn tell(context: &mut Context, status: &Status<'_>, checks: &[Check], is_needed: bool) {
    let program = context.person.program;
    let mut lines = status.lines(context);
    lines.push(String::new());
    lines.extend(checks.iter().map(|check| check.line(program)));
    print_lines(&lines);
    for remedy in checks.iter().flat_map(|check| &check.remedy) {
        context.say_lines(remedy);
    }
    if let Some(hint) = status.hint(context).filter(|_| is_needed) {
        context.person.terminal.line(&hint);
    }
}

fn version() -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("twg {} ({build}, {arch}-{os})", env!("CARGO_PKG_VERSION"))
}

/// The credential of the environment, if there is one, used once. It wins over the stored connection.
async fn source_check(
    context: &mut Context,
    chosen: &Chosen,
    profile: ProviderProfile,
) -> Result<Option<Check>, Failure> {
    let given = match source::find(context, chosen) {
        Ok(Source::Given(given)) => given,
        Ok(Source::Stored) => return Ok(None),
        Err(failure) => return Ok(Some(Check::failed("credential", failure))),
    };
    let used = format!("{}; it wins over the stored connection", given.describe());
    Ok(Some(match given.account(context, profile, &used).await {
        Ok(account) => {
            Check::of("credential", Ok(format!("{used}; it belongs to {}", account.shown())))
        }
        Err(failure) if failure.cause.is_interruption() => return Err(failure),
        Err(failure) => Check::failed("credential", failure),
    }))
}

/// The credential as every command would use it, refreshed if that is due, and the check of it.
async fn login_check(
    context: &mut Context,
    key: &ConnectionKey,
    stored: Result<Option<StoredCredential>, Failure>,
    is_needed: bool,
) -> Result<(Option<StoredCredential>, Check), Failure> {
    let bad = |what: String| Check::of("login", Err(what));
    let stored = match stored {
        Ok(Some(stored)) => stored,
        Ok(None) if !is_needed => return Ok((None, Check::note("login", "none is stored"))),
        Ok(None) => return Ok((None, bad("not signed in".to_owned()))),
        Err(failure) => return Ok((None, Check::failed("login", failure))),
    };
    let place = context.records.place(key);
    let used = format!("the stored connection is used ({place})");
    Ok(match refresh::attempt(context, key, Need::Live).await? {
        Ok(refreshed) => {
            let check = match refreshed.how {
                How::StillFresh => Check::of("login", Ok(used)),
                How::Adopted | How::Refreshed => {
                    Check::of("login", Ok(format!("{used}; a refresh was due and succeeded")))
                }
                How::Recovered => {
                    Check::of("login", Ok(format!("{used}; an interrupted refresh was repaired")))
                }
                How::NotRefreshed(error) => {
                    let doing = format!("{used}; a refresh is due and failed");
                    Check::failed("login", refresh::failure(context, key, &doing, &error))
                }
            };
            (Some(refreshed.credential), check)
        }
        Err(error) => {
            let failure = refresh::failure(context, key, &used, &error);
            // Read again, because the refresh may have found that the login has ended.
            let stored = context.credential(key).ok().flatten().unwrap_or(stored);
            (Some(stored), Check::failed("login", failure))
        }
    })
}

/// An interrupted refresh: when it began, and how long it can be repaired.
fn refresh_check(
    context: &Context,
    key: &ConnectionKey,
    profile: &ProviderProfile,
    stored: Option<&StoredCredential>,
) -> Option<Check> {
    let status = Status { key, profile, credential: stored, now: clock::read() };
    let interruption = status.interruption()?;
    let id = &stored?.pending.as_ref()?.id;
    let kept = store::leftovers(context, key, id);
    let found = kept.map_or(interruption.clone(), |kept| format!("{interruption}; {kept}"));
    Some(Check::note("refresh", found))
}

/// The end of the login, if it is near.
fn horizon_check(status: &Status<'_>) -> Option<Check> {
    status.is_near_end().then(|| Check::of("horizon", Err(status.login_line().unwrap_or_default())))
}

/// Whether the age of an interrupted refresh comes from a clock that cannot be set.
fn boot_check() -> Check {
    let host = host::this();
    if host.boot.is_some() {
        Check::of("clock", Ok("clock changes cannot disturb a repair".to_owned()))
    } else {
        Check::note("clock", "a clock change can disturb a repair: this system has no boot ID")
    }
}

fn client_check(context: &Context, profile: &ProviderProfile) -> Check {
    match clients::find(context, profile, None) {
        Ok(Some(known)) => Check::of(
            "client",
            Ok(format!(
                "{} (from {})",
                known.client,
                client_source(context, &profile.name, &known)
            )),
        ),
        Ok(None) => Check::note("client", "no client ID is stored yet; `twg login` asks for it"),
        Err(failure) => Check::of("client", Err(failure.message)),
    }
}

fn duplicates_on_path() -> Check {
    let name = if cfg!(windows) { "twg.exe" } else { "twg" };
    let path = env(PATH).unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .filter(|file| file.is_file())
        .collect();
    found.dedup();
    let mut real: Vec<PathBuf> = found.iter().filter_map(|file| file.canonicalize().ok()).collect();
    real.sort();
    real.dedup();
    let list = || found.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
    match real.len() {
        0 => Check::note("path", "twg is not on PATH"),
        1 => Check::of("path", Ok(format!("one twg: {}", twg_core::text::displayable(&list())))),
        _ => Check::note(
            "path",
            format!(
                "twg is on PATH several times; the first one wins: {}",
                twg_core::text::displayable(&list())
            ),
        ),
    }
}
