//! What every command has in common that needs a live token: how a refresh is asked for, and what people
//! are told of it.

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

/// What a flow must know that may refresh.
pub(crate) fn request(context: &Context, key: &ConnectionKey, need: Need) -> RefreshRequest {
    RefreshRequest {
        key: key.clone(),
        need,
        registered: registered(context, key),
        host: host::this(),
    }
}

/// The provider and the client, or why they cannot be read: no reason to withhold a token that works.
fn registered(context: &Context, key: &ConnectionKey) -> Result<Registered, String> {
    let profile = providers::load(context, key.provider()).map_err(|failure| failure.message)?;
    let known = clients::find(context, &profile, None).map_err(|failure| failure.message)?;
    Ok(Registered { profile, client: known.map(|known| known.client) })
}

/// Refreshes a connection, or finds that there is no need to, and says nothing about it.
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

/// Refreshes a connection, or finds that there is no need to, and remarks on what the user should know.
pub(crate) async fn run(
    context: &mut Context,
    key: &ConnectionKey,
    need: Need,
) -> Result<Refreshed, Failure> {
    let attempted = attempt(context, key, need).await?;
    if let Err(Error::NotSignedIn(_)) = attempted {
        // Or else the remedy would be to sign in to what nobody knows.
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

/// Sends one request with a live token, and remarks on what the user should know. `doing` says what it was
/// for, if it fails: "Could not list the sites".
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
            Some("Nothing was sent to the server; the login is unchanged.")
        }
        Error::Interrupted { repairable_until: Some(_), .. } => {
            Some("The login is kept; the next command repairs it.")
        }
        Error::Interrupted { repairable_until: None, .. } => {
            Some("Everything that is stored is kept, and it is tried again when it is needed.")
        }
        Error::ReplyNotSaved { place: Some(_), .. } => {
            Some("The next refresh saves them, once the store can be written again.")
        }
        Error::Ended { .. } | Error::ReplyDamaged => {
            Some("The stored credentials are kept as they are.")
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

/// Tells what went wrong although there is a token, and warns of the end of the login.
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
                    "This login ends in {left}{unless}. Run `{login} --force` before that."
                ));
            }
        }
        // Somebody else is refreshing it.
        How::NotRefreshed(error) if matches!(**error, Error::Lock(LockError::TimedOut { .. })) => {}
        How::NotRefreshed(error) => {
            let left = credential.tokens.as_ref().map(|tokens| tokens.expires_at.since(now));
            let failure = failure(context, key, "A refresh is due, and failed", error);
            let left = left.map(|left| format!("; the access token works for another {left}"));
            context.warn(format!("{}{}", failure.message, left.unwrap_or_default()));
            for line in failure.hint.iter().chain(&failure.advice) {
                context.say_lines(line);
            }
        }
    }
}
