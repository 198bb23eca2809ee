//! `twg logout`: revokes the tokens at the server, deletes them here, and reports both.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use twg_core::client::Registered;
use twg_core::credential::ConnectionKey;
use twg_core::error::Error;
use twg_core::logout::{LoggedOut, LogoutFlow};
use twg_core::revocation::Revocation;

use crate::context::{Context, login_command};
use crate::credentials::clients;
use crate::credentials::connection::Connection;
use crate::credentials::providers;
use crate::driver::drive;
use crate::effects::clock;
use crate::failure::{Exit, Failure};
use crate::output::{print_json, rfc3339};

/// `twg logout`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg logout                     sign out of Atlassian
  twg logout --connection work   sign out of one account
  twg logout --all               sign out of everything")]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Sign out of every connection of every provider
    #[arg(long, conflicts_with_all = ["provider", "connection"])]
    pub(crate) all: bool,
}

/// Runs the command. Deletes the tokens here in any case. Fails if the server offers revocation but did not confirm it,
/// because the tokens may still work elsewhere.
pub(crate) async fn run(context: &mut Context, arguments: &Logout) -> Result<ExitCode, Failure> {
    let keys = if arguments.all {
        context.records.list()
    } else {
        vec![arguments.connection.chosen(context)?.key]
    };
    if keys.is_empty() && !context.json {
        context.say("No connection is stored: nothing to do");
    }
    let done = sign_out_of(context, keys, arguments.all).await?;
    let exit = done.failed.or((!done.confirmed).then_some(Exit::Failed));
    if context.json {
        let connections = done.reports;
        print_json(
            &json!({ "schemaVersion": 1, "ok": exit.is_none(), "connections": connections }),
        );
    }
    Ok(exit.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit as u8)))
}

/// How signing out of several connections ended.
pub(super) struct SignedOut {
    /// For programs, one for each.
    reports: Vec<Value>,
    /// The servers confirmed every revocation that they offer.
    pub(super) confirmed: bool,
    /// The exit code of the first that is still here.
    pub(super) failed: Option<Exit>,
}

/// Signs out of connections. With `go_on`, it continues after a failure.
pub(super) async fn sign_out_of(
    context: &mut Context,
    keys: Vec<ConnectionKey>,
    go_on: bool,
) -> Result<SignedOut, Failure> {
    let mut all = SignedOut { reports: Vec::new(), confirmed: true, failed: None };
    for key in keys {
        match sign_out(context, &key).await {
            Ok(done) => {
                all.confirmed &= !is_unconfirmed(&done);
                if context.json {
                    all.reports.push(to_json(&key, &done));
                } else {
                    tell(context, &key, &done);
                }
            }
            Err(failed) if go_on && !failed.cause.is_interruption() => {
                if !context.json {
                    context.report(&failed);
                }
                all.reports.push(json!({
                    "provider": key.provider(),
                    "connection": key.connection(),
                    "state": "failed",
                    "error": { "code": failed.cause.code(), "message": failed.message },
                }));
                all.failed.get_or_insert(failed.exit());
            }
            Err(failed) => return Err(failed),
        }
    }
    Ok(all)
}

async fn sign_out(context: &mut Context, key: &ConnectionKey) -> Result<LoggedOut, Failure> {
    // A profile or a client that cannot be read must not prevent a sign-out.
    let registered = providers::load(context, key.provider()).ok().map(|profile| {
        let known = clients::find(context, &profile, None).ok().flatten();
        Registered { profile, client: known.map(|known| known.client) }
    });
    let flow = LogoutFlow::sign_out(key.clone(), registered);
    let done = drive(context, flow).await?;
    done.map_err(|error| {
        let kept = if matches!(error, Error::NotForgotten(_)) {
            "The credentials are still stored; they may no longer work."
        } else {
            "You are still signed in; nothing was revoked."
        };
        Failure::from_core("Could not sign out", &error, login_command(key)).keeping(kept)
    })
}

fn is_unconfirmed(done: &LoggedOut) -> bool {
    match done {
        LoggedOut::Done { refresh_token, access_token, .. } => {
            matches!(refresh_token, Revocation::Unconfirmed(_))
                || matches!(access_token, Revocation::Unconfirmed(_))
        }
        LoggedOut::WasNotSignedIn | LoggedOut::SetAside { .. } => false,
    }
}

fn tell(context: &mut Context, key: &ConnectionKey, done: &LoggedOut) {
    let (refresh_token, access_token, expires_at) = match done {
        LoggedOut::Done { refresh_token, access_token, expires_at } => {
            (refresh_token, access_token, expires_at)
        }
        LoggedOut::SetAside { place } => {
            context.achieved(format!("Signed out of {key}"));
            context
                .person
                .terminal
                .warning(&format!("The damaged file {place} may still hold tokens: delete it."));
            return;
        }
        LoggedOut::WasNotSignedIn => {
            context.say(format!("Not signed in to {key}: nothing to do"));
            return;
        }
    };
    for (name, revocation) in [("refresh token", refresh_token), ("access token", access_token)] {
        match revocation {
            Revocation::Revoked => {
                context.achieved(format!("The {name} was revoked at the server"))
            }
            Revocation::NothingToRevoke => {}
            Revocation::NotSupported => {
                context.say(format!("  The provider does not let apps revoke the {name}"));
            }
            Revocation::Unconfirmed(why) => {
                context.person.terminal.warning(&format!("The {name} may still be valid: {why}"))
            }
        }
    }
    let may_still_work = access_token.may_still_work();
    if let (true, Some(end)) = (may_still_work, expires_at) {
        let left = end.since(clock::now());
        context.say(format!("  The access token may work elsewhere for another {left}"));
    }
    context.achieved(format!("Signed out of {key}: the credentials here are deleted"));
}

fn to_json(key: &ConnectionKey, done: &LoggedOut) -> Value {
    let (state, place, tokens) = match done {
        LoggedOut::WasNotSignedIn => ("not_signed_in", None, None),
        LoggedOut::SetAside { place } => ("set_aside", Some(place), None),
        LoggedOut::Done { refresh_token, access_token, expires_at } => {
            ("signed_out", None, Some((refresh_token, access_token, expires_at)))
        }
    };
    json!({
        "provider": key.provider(),
        "connection": key.connection(),
        "state": state,
        "setAside": place,
        "refreshToken": tokens.map(|tokens| tokens.0),
        "accessToken": tokens.map(|tokens| tokens.1),
        "accessTokenExpiresAt": tokens.and_then(|tokens| tokens.2.map(rfc3339)),
    })
}
