//! `twg auth refresh`: refreshes if that is due, and repairs an interrupted refresh.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use twg_core::credential::ConnectionKey;
use twg_core::refresh::{How, Need, Refreshed};
use twg_core::schedule::due_at;
use twg_core::time::{Span, UnixTime};

use crate::context::{Context, shown};
use crate::credentials::connection::Connection;
use crate::credentials::refresh;
use crate::driver::interruptible;
use crate::effects::clock;
use crate::failure::Failure;
use crate::output::{print_json, rfc3339};

/// `twg auth refresh`
#[derive(Debug, Args)]
#[command(after_help = "\
While the token is fresh, twg sends no request.

Examples:
  twg auth refresh                     refresh if that is due
  twg auth refresh --connection work   the same for another connection
  twg auth refresh --force             refresh now, to repair a connection")]
pub(crate) struct Refresh {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Refresh now, due or not, to repair a connection
    #[arg(long, short)]
    pub(crate) force: bool,
    /// When to begin, in milliseconds since 1970, for the process that an interrupted refresh schedules
    #[arg(long, hide = true, value_name = "MILLISECONDS", conflicts_with = "force")]
    pub(crate) recover_at: Option<u64>,
}

/// Runs the command. Succeeds without a request if a refresh is not due.
pub(crate) async fn run(context: &mut Context, arguments: &Refresh) -> Result<ExitCode, Failure> {
    let key = arguments.connection.chosen(context)?.key;
    if let Some(at) = arguments.recover_at {
        return recover(context, &key, UnixTime::from_millis(at)).await;
    }
    let need = if arguments.force { Need::Now } else { Need::Due(Span::ZERO) };
    let refreshed = refresh::run(context, &key, need).await?;
    report(context, &key, &refreshed);
    Ok(ExitCode::SUCCESS)
}

/// The recovery of an interrupted refresh. The process that was interrupted scheduled it.
async fn recover(
    context: &mut Context,
    key: &ConnectionKey,
    at: UnixTime,
) -> Result<ExitCode, Failure> {
    // No person sees the output of this process. The next command reports what is wrong.
    let Ok(Some(only_one)) = context.records.claim_recovery(key) else {
        return Ok(ExitCode::SUCCESS);
    };
    interruptible(clock::wait_until(at, |_| ())).await?;
    // From here on, the lock of the connection excludes other processes. If this refresh is interrupted too, the
    // recovery that it schedules must be able to claim this.
    drop(only_one);
    refresh::run(context, key, Need::Due(Span::ZERO)).await?;
    Ok(ExitCode::SUCCESS)
}

fn report(context: &mut Context, key: &ConnectionKey, refreshed: &Refreshed) {
    let Refreshed { credential, how } = refreshed;
    let Some(tokens) = &credential.tokens else { return };
    let now = clock::now();
    if context.json {
        let how = match how {
            How::StillFresh => "fresh",
            How::Adopted => "adopted",
            How::Refreshed => "refreshed",
            How::Recovered => "recovered",
            How::NotRefreshed(_) => "not_refreshed",
        };
        print_json(&json!({
            "schemaVersion": 1,
            "ok": true,
            "provider": key.provider(),
            "connection": key.connection(),
            "result": how,
            "accessTokenExpiresAt": rfc3339(tokens.expires_at),
            "refreshDueAt": rfc3339(due_at(tokens)),
        }));
        return;
    }
    let left = tokens.expires_at.since(now);
    let due = due_at(tokens).since(now);
    let name = shown(key);
    match how {
        How::StillFresh if credential.pending.is_none() => context.say(format!(
            "The access token of {name} is fresh: it works for {left}, and a refresh is due in {due}"
        )),
        How::StillFresh | How::NotRefreshed(_) => {
            context.say(format!("The access token of {name} works for {left}"));
        }
        How::Adopted => context.achieved(format!(
            "Another process refreshed {name}; the access token works for {left}"
        )),
        How::Refreshed | How::Recovered => {
            context.achieved(format!("Refreshed {name}; the access token works for {left}"));
        }
    }
}
