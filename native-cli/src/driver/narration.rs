//! `--verbose`: each step in words. It shows names, hosts and paths; never a query, a header, a
//! body or a record.

use std::fmt::Display;
use std::time::Duration;

use twg_core::credential::ConnectionKey;
use twg_core::flow::{Effect, LockError, Notice, Outcome};
use twg_core::http::{HttpRequest, HttpResponse, TransportError};
use twg_core::text::{displayable, inert};
use url::Url;

use crate::effects::clock;
use crate::effects::record_store::RecordStore;

/// The effect that begins.
pub(crate) fn begin(records: &RecordStore, effect: &Effect) -> String {
    let record = |key: &ConnectionKey| records.place(key);
    let stage = |key: &ConnectionKey| records.stage_place(key);
    match effect {
        Effect::SendHttp(request) => sending(request),
        Effect::WaitUntil(time) => format!("Waiting {}", time.since(clock::now())),
        Effect::ShowUserCode(prompt) => {
            format!("Showing the user code for {}", without_query(&prompt.verification_uri))
        }
        Effect::ObtainRedirectUri(target) => match target.port {
            Some(port) => format!("Listening on port {port} of this machine"),
            None => "Listening on a free port of this machine".to_owned(),
        },
        Effect::OpenUserAgent(prompt) => {
            format!("Waiting for the redirect from {}", without_query(&prompt.url))
        }
        Effect::AwaitRedirect { .. } => "Waiting for another redirect".to_owned(),
        Effect::Notify(notice) => match notice {
            Notice::RedirectIgnored => "Ignoring a redirect of another sign-in".to_owned(),
            Notice::StillTrying(_) => "Trying again".to_owned(),
            Notice::Recovering => "Repairing an interrupted refresh".to_owned(),
            Notice::DeviceGrantNotEnabled => "Signing in another way".to_owned(),
            Notice::RecordSetAside { .. } => "A damaged record was moved aside".to_owned(),
        },
        Effect::PreflightStore(key) => format!("Checking that {} can be replaced", record(key)),
        Effect::AcquireLock { key, .. } => {
            format!("Locking {}", records.lock_place(key))
        }
        Effect::ReleaseLock(key) => {
            format!("Releasing the lock {}", records.lock_place(key))
        }
        Effect::LoadRecord(key) => format!("Reading {}", record(key)),
        Effect::ReplaceRecord { key, .. } => format!("Replacing {}", record(key)),
        Effect::SetAsideRecord(key) => format!("Moving {} aside", record(key)),
        Effect::RemoveRecord(key) => format!("Removing {}", record(key)),
        Effect::OpenStage { key, .. } => format!("Reserving space in {}", stage(key)),
        Effect::StageReply { key, .. } => format!("Saving the response in {}", stage(key)),
        Effect::LoadStage { key, .. } => format!("Reading {}", stage(key)),
        Effect::RescueReply { .. } => "Saving the response in another place".to_owned(),
        Effect::LoadRescue { .. } => {
            "Looking for a response that was saved in another place".to_owned()
        }
        Effect::SetAsideStage { key, .. } => format!("Moving {} aside", stage(key)),
        Effect::DiscardStage { key, .. } => format!("Removing {}", stage(key)),
        Effect::ArmRecovery { key, at } => {
            format!("Scheduling a repair of {key} in {}", at.since(clock::now()))
        }
    }
}

/// How it ended.
pub(crate) fn end(outcome: &Outcome, duration: Duration) -> String {
    let what = match outcome {
        Outcome::Http(result) => response(result),
        Outcome::Waited | Outcome::Notified => "done".to_owned(),
        Outcome::Shown(Ok(())) => "shown".to_owned(),
        Outcome::RedirectUri(Ok(uri)) => without_query(uri),
        Outcome::Redirected(Ok(_)) => "received".to_owned(),
        Outcome::Shown(Err(error))
        | Outcome::RedirectUri(Err(error))
        | Outcome::Redirected(Err(error)) => {
            failed(twg_core::error::Error::UserAgent(error.clone()))
        }
        Outcome::Locked(Ok(())) => "locked".to_owned(),
        Outcome::Locked(Err(LockError::TimedOut { .. })) => failed("another process has the lock"),
        Outcome::Locked(Err(LockError::Unusable(error)))
        | Outcome::Loaded(Err(error))
        | Outcome::Store(Err(error))
        | Outcome::Kept(Err(error)) => failed(error),
        Outcome::Loaded(Ok(Some(_))) => "read".to_owned(),
        Outcome::Loaded(Ok(None)) => "not found".to_owned(),
        Outcome::Store(Ok(())) => "done, on disk".to_owned(),
        Outcome::Kept(Ok(place)) => format!("now in {place}"),
    };
    took(&what, duration)
}

/// A request that is about to be sent.
pub(crate) fn sending(request: &HttpRequest) -> String {
    format!("{} {}", request.method.as_str(), without_query(&request.url))
}

/// The response to a request.
pub(crate) fn response(result: &Result<HttpResponse, TransportError>) -> String {
    match result {
        Ok(response) => format!("HTTP {}, {} bytes", response.status, response.body.len()),
        Err(error) => failed(error.failure()),
    }
}

/// The result of a step, and its duration.
pub(crate) fn took(what: &str, duration: Duration) -> String {
    let tenths = duration.as_micros() / 100;
    format!("  {what} ({}.{} ms)", tenths / 10, tenths % 10)
}

fn failed(why: impl Display) -> String {
    format!("failed: {}", displayable(&why.to_string()))
}

/// The scheme, host and path of a URL. The other parts may be secret.
fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // These fail only for URLs that have neither.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            inert(url.as_str())
        }
        Err(_) => "an invalid URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_path_of_a_url_are_shown() {
        let url = "https://user:canary@example.com:8443/a/b?code=canary#canary";
        assert_eq!(without_query(url), "https://example.com:8443/a/b");
        assert_eq!(without_query("canary"), "an invalid URL");
    }
}
