//! `--verbose`: what is done, in words. Names, hosts and paths; never a query, a header, a body or a record.

use std::fmt::Display;
use std::time::Duration;

use twg_core::credential::ConnectionKey;
use twg_core::flow::{Effect, LockError, Notice, Outcome};
use twg_core::http::{HttpRequest, HttpResponse, TransportError};
use twg_core::text::{displayable, inert};
use url::Url;

use crate::effects::clock;
use crate::effects::record_store::RecordStore;

/// What is about to be done.
pub(crate) fn begin(records: &RecordStore, effect: &Effect) -> String {
    let record = |key: &ConnectionKey| records.place(key);
    let stage = |key: &ConnectionKey| records.stage_place(key);
    match effect {
        Effect::SendHttp(request) => sending(request),
        Effect::WaitUntil(time) => format!("waiting {}", time.since(clock::now())),
        Effect::ShowUserCode(prompt) => {
            format!("showing the user code, for {}", without_query(&prompt.verification_uri))
        }
        Effect::ObtainRedirectUri(target) => match target.port {
            Some(port) => format!("listening at port {port} of this machine"),
            None => "listening at a free port of this machine".to_owned(),
        },
        Effect::OpenUserAgent(prompt) => {
            format!("waiting for the redirect, for {}", without_query(&prompt.url))
        }
        Effect::AwaitRedirect { .. } => "waiting for another redirect".to_owned(),
        Effect::Notify(notice) => match notice {
            Notice::RedirectIgnored => "a redirect was not ours".to_owned(),
            Notice::StillTrying(_) => "trying again".to_owned(),
            Notice::Recovering => "repairing an interrupted refresh".to_owned(),
            Notice::DeviceGrantNotEnabled => "another way of signing in".to_owned(),
            Notice::RecordSetAside { .. } => "a record was set aside".to_owned(),
        },
        Effect::PreflightStore(key) => format!("proving that {} can be replaced", record(key)),
        Effect::AcquireLock { key, .. } => {
            format!("locking {}", records.lock_place(key))
        }
        Effect::ReleaseLock(key) => {
            format!("giving back the lock {}", records.lock_place(key))
        }
        Effect::LoadRecord(key) => format!("reading {}", record(key)),
        Effect::ReplaceRecord { key, .. } => format!("replacing {}", record(key)),
        Effect::SetAsideRecord(key) => format!("setting {} aside", record(key)),
        Effect::RemoveRecord(key) => format!("removing {}", record(key)),
        Effect::OpenStage { key, .. } => format!("reserving room in {}", stage(key)),
        Effect::StageReply { key, .. } => format!("keeping the answer in {}", stage(key)),
        Effect::LoadStage { key, .. } => format!("reading {}", stage(key)),
        Effect::RescueReply { .. } => "rescuing the answer to another place".to_owned(),
        Effect::LoadRescue { .. } => "looking for a rescued answer".to_owned(),
        Effect::SetAsideStage { key, .. } => format!("setting {} aside", stage(key)),
        Effect::DiscardStage { key, .. } => format!("removing {}", stage(key)),
        Effect::ArmRecovery { key, at } => {
            format!("sending for somebody who repairs {key} in {}", at.since(clock::now()))
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
        Outcome::Redirected(Ok(_)) => "it came".to_owned(),
        Outcome::Shown(Err(error))
        | Outcome::RedirectUri(Err(error))
        | Outcome::Redirected(Err(error)) => {
            failed(twg_core::error::Error::UserAgent(error.clone()))
        }
        Outcome::Locked(Ok(())) => "locked".to_owned(),
        Outcome::Locked(Err(LockError::TimedOut { .. })) => failed("somebody else has the lock"),
        Outcome::Locked(Err(LockError::Unusable(error)))
        | Outcome::Loaded(Err(error))
        | Outcome::Store(Err(error))
        | Outcome::Kept(Err(error)) => failed(error),
        Outcome::Loaded(Ok(Some(_))) => "read".to_owned(),
        Outcome::Loaded(Ok(None)) => "there is none".to_owned(),
        Outcome::Store(Ok(())) => "done, on the disk".to_owned(),
        Outcome::Kept(Ok(place)) => format!("it is in {place}"),
    };
    took(&what, duration)
}

/// A request that is about to be sent.
pub(crate) fn sending(request: &HttpRequest) -> String {
    format!("{} {}", request.method.as_str(), without_query(&request.url))
}

/// What was answered.
pub(crate) fn response(result: &Result<HttpResponse, TransportError>) -> String {
    match result {
        Ok(response) => format!("HTTP {}, {} bytes", response.status, response.body.len()),
        Err(error) => failed(error.failure()),
    }
}

/// What came of it, and after how long.
pub(crate) fn took(what: &str, duration: Duration) -> String {
    let tenths = duration.as_micros() / 100;
    format!("  {what} ({}.{} ms)", tenths / 10, tenths % 10)
}

fn failed(why: impl Display) -> String {
    format!("failed: {}", displayable(&why.to_string()))
}

/// The scheme, the host and the path of an address: what else there is may be a secret.
fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // These fail only where there can be neither.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            inert(url.as_str())
        }
        Err(_) => "an address that cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_where_it_leads_is_said() {
        let url = "https://user:canary@example.com:8443/a/b?code=canary#canary";
        assert_eq!(without_query(url), "https://example.com:8443/a/b");
        assert_eq!(without_query("canary"), "an address that cannot be read");
    }
}
