//! `twg upkeep run`: refreshes every connection that is due soon, looks for an update at most daily, and
//! tells the user what they must do themselves. It never downloads anything.

use std::process::{Command, ExitCode};

use clap::Args;
use serde_json::{Value, json};
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::error::Error;
use twg_core::flow::{LockError, StoreError};
use twg_core::refresh::{How, Need};
use twg_core::schedule::{UPKEEP_WINDOW, near_end};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;
use twg_core::upkeep::Upkeep as State;

use super::{kept_by_schedule, load, lock_path, state_path};
use crate::context::{Context, login_command, shown};
use crate::credentials::{providers, refresh};
use crate::effects::clock;
use crate::effects::file_store::Expected;
use crate::environment::CONFIG_DIR;
use crate::failure::{Cause, Exit, Failure};
use crate::installation::release;
use crate::installation::release::Version;
use crate::output::print_json;
use crate::system::notification::{self, Notification};
use crate::system::tool::System;
use crate::system::{entropy, subprocess};

/// `twg upkeep run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A variable for the run, NAME=VALUE, for schedulers that cannot set one
    #[arg(long, value_name = "NAME=VALUE", hide = true)]
    pub(crate) environment: Vec<String>,
}

/// The result for a connection.
enum Tended {
    /// A refresh is not due soon.
    Fresh,
    Refreshed,
    /// It has no tokens, or none that can be refreshed.
    Skipped,
    Failed(Box<Failure>),
}

/// Runs the command. A failure of one connection does not stop the others, but decides the exit code.
pub(super) async fn run(context: &mut Context, arguments: &Run) -> Result<ExitCode, Failure> {
    if !arguments.environment.is_empty() {
        return run_again_with(&arguments.environment);
    }
    // Without a terminal, only failures are shown.
    context.person.quiet |= !context.here.terminal;
    context.files.prepare_dir(&state_path(context)).map_err(|error| not_noted(&error))?;
    // If two start at once, one is enough.
    let only_one = context.files.claim_alone(&lock_path(context));
    let Some(_only_one) = only_one.map_err(|error| not_noted(&error))? else {
        if context.json {
            let connections: [Value; 0] = [];
            print_json(&json!({
                "schemaVersion": 1, "ok": true, "connections": connections, "availableVersion": null,
            }));
        } else {
            context.say("The upkeep is already running: nothing to do");
        }
        return Ok(ExitCode::SUCCESS);
    };
    let mut state = load(context);
    let mut notifications = Vec::new();
    let mut reports = Vec::new();
    let mut failed: Option<Exit> = None;
    let keys = context.records.list();
    state.keep_only(|told| keys.iter().any(|key| key.to_string() == told));
    for key in &keys {
        let tended = tend(context, key).await?;
        if let Tended::Failed(failure) = &tended {
            failed.get_or_insert(failure.exit());
        }
        tell(context, key, &tended);
        reports.push(to_json(key, &tended));
        notifications.extend(end_of_login(context, key, &mut state));
    }
    look_for_update(context, &mut state).await?;
    let now = clock::now();
    notifications.extend(state.take_reminder(now).as_deref().and_then(update_notification));
    state.ran(now, failed.is_none());
    // First stored, then shown: a notification that is not stored would be shown every 12 minutes.
    let text = Secret::new(state.to_json());
    let noted = context.files.replace(&state_path(context), Expected::Anything, &text);
    noted.map_err(|error| not_noted(&error))?;
    for notification in &notifications {
        // Without a desktop, it is shown in the terminal.
        if notification::show(notification, &System).is_err() {
            context.say(format!("{}: {}", notification.title, notification.body));
        }
    }
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "ok": failed.is_none(),
            "connections": reports,
            "availableVersion": state.available_version,
        }));
    }
    Ok(failed.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit as u8)))
}

/// The same run with these variables. Only variables that `enable` stores are allowed.
fn run_again_with(environment: &[String]) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::internal(format!("Cannot start twg: {error}"));
    let mut command: Command = subprocess::command(std::env::current_exe().map_err(failed)?);
    command.args(["upkeep", "run"]);
    for pair in environment {
        let known =
            |name: &str| name == CONFIG_DIR || kept_by_schedule().any(|known| known == name);
        match pair.split_once('=') {
            Some((name, value)) if known(name) => command.env(name, value),
            _ => return Err(Failure::usage("--environment does not take this variable")),
        };
    }
    let status = command.status().map_err(failed)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(Exit::Failed as u8)))
}

/// Refreshes one connection, if that will be due before the run after next.
async fn tend(context: &mut Context, key: &ConnectionKey) -> Result<Tended, Failure> {
    let stored = match context.credential(key) {
        Ok(stored) => stored,
        Err(failure) => return Ok(Tended::Failed(Box::new(failure))),
    };
    let alive = |stored: &StoredCredential| {
        stored.ended.is_none() && stored.tokens.as_ref().is_some_and(|t| t.refresh_token.is_some())
    };
    if !stored.as_ref().is_some_and(alive) {
        return Ok(Tended::Skipped);
    }
    let doing = "Could not refresh the connection";
    Ok(match refresh::attempt(context, key, Need::Due(UPKEEP_WINDOW)).await {
        Ok(Ok(refreshed)) => match refreshed.how {
            How::StillFresh | How::Adopted => Tended::Fresh,
            How::Refreshed | How::Recovered => Tended::Refreshed,
            // Another process is refreshing it.
            How::NotRefreshed(error)
                if matches!(*error, Error::Lock(LockError::TimedOut { .. })) =>
            {
                Tended::Fresh
            }
            How::NotRefreshed(error) => {
                Tended::Failed(Box::new(refresh::failure(context, key, doing, &error)))
            }
        },
        // Signed out in the meantime.
        Ok(Err(Error::NotSignedIn(_))) => Tended::Skipped,
        Ok(Err(error)) => Tended::Failed(Box::new(refresh::failure(context, key, doing, &error))),
        Err(failure) if failure.cause.is_interruption() => return Err(failure),
        Err(failure) => Tended::Failed(Box::new(failure)),
    })
}

/// Shows the result on the terminal. A failure is shown also without one, for the journal.
fn tell(context: &mut Context, key: &ConnectionKey, tended: &Tended) {
    let name = shown(key);
    match tended {
        Tended::Fresh => context.say(format!("{name}: fresh")),
        Tended::Refreshed => context.achieved(format!("Refreshed {name}")),
        Tended::Skipped => {}
        Tended::Failed(failure) if !context.json => {
            failure.report(&mut context.person.terminal, false)
        }
        Tended::Failed(_) => {}
    }
}

fn to_json(key: &ConnectionKey, tended: &Tended) -> Value {
    let (result, error) = match tended {
        Tended::Fresh => ("fresh", None),
        Tended::Refreshed => ("refreshed", None),
        Tended::Skipped => ("skipped", None),
        Tended::Failed(failure) => ("failed", Some(failure.to_json())),
    };
    json!({
        "provider": key.provider(),
        "connection": key.connection(),
        "result": result,
        "error": error,
    })
}

/// The notification of a login that has ended, or ends soon in spite of refreshes. Once for each.
fn end_of_login(context: &Context, key: &ConnectionKey, state: &mut State) -> Option<Notification> {
    let stored = context.credential(key).ok().flatten()?;
    let (name, login) = (shown(key), login_command(key));
    if let Some(ended) = &stored.ended {
        // After `twg logout` the user knows.
        let _ = stored.tokens.as_ref()?;
        return state.take_end_of_login(&key.to_string(), ended.at).then(|| Notification {
            title: format!("twg: the login at {name} has ended"),
            body: format!("Run `{login}` to sign in again."),
        });
    }
    let profile = providers::load(context, key.provider()).ok()?;
    let now = clock::now();
    let (end, _) = near_end(&stored, profile.login_lifetime, now)?;
    state.take_end_of_login(&key.to_string(), end).then(|| Notification {
        title: format!("twg: the login at {name} ends in {}", end.since(now)),
        body: format!("Run `{login} --force` before that."),
    })
}

/// Looks for an update, if that is due. A failure is ignored here; `twg update` shows it.
async fn look_for_update(context: &mut Context, state: &mut State) -> Result<(), Failure> {
    state.forget_installed(is_newer);
    let now: UnixTime = clock::now();
    if state.is_update_check_due(now) {
        let chance = entropy::fresh().map_or(0, |octets| octets[0]);
        let newer = match release::newer(context).await {
            Err(failure) if failure.cause.is_interruption() => return Err(failure),
            newer => newer.map_err(drop),
        };
        state.looked_for_update(now, newer, chance);
    }
    Ok(())
}

/// Whether a version is newer than this program.
fn is_newer(version: &str) -> bool {
    Version::parse(version).is_some_and(|version| version > Version::this())
}

fn update_notification(version: &str) -> Option<Notification> {
    // Checked again, because it comes from a server through a file.
    Version::parse(version).map(|version| Notification {
        title: format!("twg {version} is available"),
        body: "Run `twg update` to install it.".to_owned(),
    })
}

fn not_noted(error: &StoreError) -> Failure {
    let message = format!("Could not store the state of the upkeep: {error}");
    Failure::new(Cause::UpkeepNotStored(error.kind), message).or_hint(
        "Make that directory writable for this user; the next run starts within 12 minutes.",
    )
}
