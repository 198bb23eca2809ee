//! Refreshes for every command that needs a live token: the request, and what to report to the
//! user.

use twg_core::authorized::{Authorized, AuthorizedFlow};
use twg_core::client::Registered;
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::error::Error;
use twg_core::flow::{LockError, StoreError, StoreErrorKind};
use twg_core::refresh::{How, Need, RefreshFlow, RefreshRequest, Refreshed};
use twg_core::resource::ResourceRequest;
use twg_core::schedule::{Horizon, near_end};

use crate::context::{Context, entropy, login_command, shown};
use crate::credentials::agents;
use crate::credentials::clients;
use crate::credentials::providers;
use crate::driver::drive;
use crate::effects::clock;
use crate::failure::{Cause, Failure};
use crate::system::host;

/// The request for a flow that may refresh.
pub(crate) fn request(context: &Context, key: &ConnectionKey, need: Need) -> RefreshRequest {
    RefreshRequest {
        key: key.clone(),
        need,
        registered: registered(context, key),
        host: host::this(),
    }
}

/// The provider and the client, or why they cannot be read. A token that works is served anyway.
fn registered(context: &Context, key: &ConnectionKey) -> Result<Registered, String> {
    let profile = providers::load(context, key.provider()).map_err(|failure| failure.message)?;
    let known = clients::find(context, &profile, None).map_err(|failure| failure.message)?;
    Ok(Registered { profile, client: known.map(|known| known.client) })
}

/// Refreshes a connection if that is needed, and reports nothing.
pub(crate) async fn attempt(
    context: &mut Context,
    key: &ConnectionKey,
    need: Need,
) -> Result<Result<Refreshed, Error>, Failure> {
    let flow = RefreshFlow::refresh(request(context, key, need), entropy()?);
    let refreshed = drive(context, flow).await?;
    if refreshed.is_ok() {
        context.unless_interrupted()?;
    }
    Ok(refreshed)
}

/// Refreshes a connection if that is needed, and reports what the user should know.
pub(crate) async fn run(
    context: &mut Context,
    key: &ConnectionKey,
    need: Need,
) -> Result<Refreshed, Failure> {
    let attempted = attempt(context, key, need).await?;
    if let Err(Error::NotSignedIn(_)) = attempted {
        // An unknown provider is the better error: the user cannot sign in to it.
        providers::load(context, key.provider())?;
    }
    let refreshed = attempted.map_err(|error| {
        let is_over = matches!(error, Error::NotSignedIn(_) | Error::Ended { .. });
        let doing =
            if is_over { "Cannot get an access token" } else { "Could not refresh the connection" };
        failure(context, key, doing, &error)
    })?;
    remark(context, key, &refreshed.credential, &refreshed.how);
    Ok(refreshed)
}

/// Sends one request with a live token, and reports what the user should know. `doing` describes
/// the request in case it fails: "Could not list the sites".
pub(crate) async fn ask<R: ResourceRequest + Clone>(
    context: &mut Context,
    key: &ConnectionKey,
    request: R,
    doing: &str,
) -> Result<Authorized<R::Answer>, Failure> {
    let refresh = self::request(context, key, Need::Live);
    let flow = AuthorizedFlow::request(request, refresh, entropy()?);
    let answer = drive(context, flow).await?;
    let answer = answer.map_err(|error| failure(context, key, doing, &error))?;
    context.unless_interrupted()?;
    remark(context, key, &answer.credential, &answer.how);
    Ok(answer)
}

/// The failure of a flow that may refresh.
pub(crate) fn failure(
    context: &Context,
    key: &ConnectionKey,
    doing: &str,
    error: &Error,
) -> Failure {
    if let Error::NotSignedIn(_) = error {
        let login = login_command(key);
        return Failure::new(Cause::AuthRequired, format!("Not signed in to {}", shown(key)))
            .or_hint(format!("Run `{login}` to sign in."));
    }
    if let Error::Record(_) = error {
        return context.unusable_record(key, error);
    }
    let mut failure = Failure::from_core(doing, error, login_command(key));
    if let Some(kept) = kept(error) {
        failure = failure.keeping(kept);
    }
    if let Error::Store(StoreError { kind, .. }) = error
        && matches!(kind, StoreErrorKind::CannotCreate | StoreErrorKind::CannotWrite)
    {
        failure.advice = agents::advice(context, key).map(Into::into);
        if failure.advice.is_some() {
            failure.hint = Some(agents::fallback(context, key).into());
        }
    }
    failure
}

/// What the user still has.
fn kept(error: &Error) -> Option<&'static str> {
    match error {
        Error::Store(_) | Error::Lock(_) => {
            Some("Nothing was sent to the server; the connection is unchanged.")
        }
        Error::Interrupted { repairable_until: Some(_), .. } => {
            Some("The connection is kept; the next command repairs it.")
        }
        Error::Interrupted { repairable_until: None, .. } => {
            Some("The connection is kept; the refresh is tried again when it is needed.")
        }
        Error::ReplyNotSaved { place: Some(_), .. } => {
            Some("The next refresh saves the new tokens once the store can be written again.")
        }
        Error::Ended { .. } | Error::ReplyDamaged => {
            Some("The stored connection is kept as it is.")
        }
        Error::Transport { .. }
        | Error::Unavailable { .. }
        | Error::NotOAuth { .. }
        | Error::PeerMisbehaved { .. }
        | Error::Configuration(_)
        | Error::Refused(_) => Some("The connection is unchanged."),
        Error::ReplyNotSaved { place: None, .. }
        | Error::GrantNotEnabled(_)
        | Error::TokenRejected
        | Error::NotPermitted
        | Error::UserAgent(_)
        | Error::CodeExpired
        | Error::Record(_)
        | Error::NotSignedIn(_)
        | Error::NoRefreshToken { .. }
        | Error::NotSaved(_)
        | Error::NotForgotten(_)
        | Error::OutOfOrder => None,
    }
}

/// Reports what went wrong despite a working token, and warns of the end of the connection.
pub(crate) fn remark(
    context: &mut Context,
    key: &ConnectionKey,
    credential: &StoredCredential,
    how: &How,
) {
    let now = clock::now();
    match how {
        How::StillFresh | How::Adopted => {}
        How::Refreshed | How::Recovered => {
            if matches!(how, How::Recovered) {
                context.say("  (An interrupted refresh was repaired.)");
            }
            let Ok(profile) = providers::load(context, key.provider()) else { return };
            if let Some((end, why)) = near_end(credential, profile.login_lifetime, now) {
                let unless = if why == Horizon::Idle { " unless it is used" } else { "" };
                let (left, login) = (end.since(now), login_command(key));
                context.warn(format!(
                    "This connection ends in {left}{unless}. Run `{login} --force` before that."
                ));
            }
        }
        // Another process is refreshing it.
        How::NotRefreshed(error) if matches!(**error, Error::Lock(LockError::TimedOut { .. })) => {}
        How::NotRefreshed(error) => {
            let left = credential.tokens.as_ref().map(|tokens| tokens.expires_at.since(now));
            let failure = failure(context, key, "A refresh is due and failed", error);
            let left = left.map(|left| format!("; the access token works for another {left}"));
            context.warn(format!("{}{}", failure.message, left.unwrap_or_default()));
            for line in failure.hint.iter().chain(&failure.advice) {
                context.say_lines(line);
            }
        }
    }
}
