//! What must hold at every step of every flow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};

use serde_json::Value;
use twg_core::credential::{Generation, StoredCredential};
use twg_core::endpoint_url::EndpointUrl;
use twg_core::flow::{Effect, Outcome, StepId};
use twg_core::http::{HttpRequest, HttpResponse};
use twg_core::text::inert;
use twg_core::token_endpoint::TokenResponse;

use crate::{CANARY, STATE, VERIFIER};

/// The members of responses and records that hold secrets.
const SECRET_MEMBERS: [&str; 7] = [
    "access_token",
    "refresh_token",
    "id_token",
    "device_code",
    "client_secret",
    "state",
    "verifier",
];

/// Watches a flow. Every method panics if something is wrong.
#[derive(Debug, Default)]
pub struct Watch {
    /// The hosts that may get a request.
    hosts: BTreeSet<String>,
    /// A host and a refresh token of the stored login: that host may get this token, to revoke it.
    old_login: Option<(String, String)>,
    /// The refresh token of the new login.
    new_login: Option<String>,
    /// The issuer, which may name its own endpoints.
    pub issuer: Option<String>,
    /// A response put a canary in a place that may be shown, such as an error code, so that the
    /// watch cannot tell secrets from other text.
    blind: bool,
    last_id: Option<StepId>,
    locked: bool,
    /// The generation that the flow read under the lock; `None` before that.
    loaded: Option<Option<Generation>>,
    codes_sent: usize,
    exchanging: bool,
    /// The server issued tokens.
    issued: bool,
    saved: bool,
}

impl Watch {
    pub fn allow(&mut self, address: &str) {
        if let Ok(url) = EndpointUrl::parse(address) {
            self.hosts.insert(url.host());
        }
    }

    pub fn allow_host(&mut self, host: &str) {
        self.hosts.insert(host.to_owned());
    }

    /// Allows every URL in `value`, at any depth.
    pub fn allow_all_in(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.allow(text),
            Value::Array(values) => values.iter().for_each(|value| self.allow_all_in(value)),
            Value::Object(members) => members.values().for_each(|value| self.allow_all_in(value)),
            _ => {}
        }
    }

    /// Text from outside, before the flow sees it. A canary or a known secret in it must be in a
    /// place for secrets; otherwise the watch is blind from here on.
    pub fn hears(&mut self, text: &[u8]) {
        if let Ok(value) = serde_json::from_slice(text) {
            self.blind |= shows_a_secret(&value);
        }
    }

    /// A parameter of a redirect.
    pub fn hears_parameter(&mut self, name: &str, value: &str) {
        self.blind |= !matches!(name, "code" | "state" | "") && is_secret(value);
    }

    /// Text that may be shown to anyone.
    pub fn sees(&self, shown: &str) {
        assert!(self.blind || !is_secret(shown), "a secret is shown: {shown}");
    }

    pub fn sees_error(&self, error: &(impl Display + Debug)) {
        self.sees(&format!("{error:?}"));
        let shown = error.to_string();
        self.sees(&shown);
        assert_inert(&shown);
    }

    /// The login could be suspended now.
    pub fn suspended(&self) {
        assert!(!self.locked, "a login that waits for its user holds a lock");
    }

    /// A step of the flow.
    pub fn step(&mut self, id: StepId, effect: &Effect) {
        assert!(self.last_id < Some(id), "step id {id:?} was used before");
        self.last_id = Some(id);
        self.sees(&format!("{effect:?}"));
        match effect {
            Effect::AcquireLock { .. } => assert!(!self.locked, "the lock is taken twice"),
            // Reading needs no lock. A record that is replaced must have been read under the lock
            // (below).
            Effect::ReleaseLock(_) | Effect::SetAsideRecord(_) | Effect::RemoveRecord(_) => {
                assert!(self.locked, "the lock is not held")
            }
            Effect::ReplaceRecord { expected, bytes, .. } => {
                assert!(self.locked, "the lock is not held");
                assert_eq!(
                    self.loaded,
                    Some(*expected),
                    "the record that is replaced was not read under this lock"
                );
                let record = StoredCredential::parse(bytes.expose())
                    .expect("a record that a flow writes can be read");
                let next = expected.map_or(Generation::FIRST, Generation::next);
                assert_eq!(record.generation, next);
                self.new_login = refresh_token(&record);
            }
            Effect::OpenUserAgent(prompt) => {
                EndpointUrl::parse(&prompt.url).expect("a URL that may be opened");
            }
            Effect::ShowUserCode(prompt) => {
                EndpointUrl::parse(&prompt.verification_uri).expect("a URL that may be opened");
                if let Some(complete) = &prompt.verification_uri_complete {
                    EndpointUrl::parse(complete).expect("a URL that may be opened");
                }
                assert_inert(&prompt.user_code);
            }
            Effect::SendHttp(request) => self.request(request),
            _ => {}
        }
    }

    fn request(&mut self, request: &HttpRequest) {
        assert!(!self.locked, "a login never sends anything under its lock");
        let url = EndpointUrl::parse(&request.url).expect("https, or loopback");
        assert!(self.blind || !is_secret(&request.url), "a secret in a URL");
        for (name, value) in &request.headers {
            assert!(value.expose().bytes().all(|b| matches!(b, b' '..=b'~')), "{name}");
        }
        let body = request.body.expose();
        self.exchanging = body.contains("grant_type");
        if body.contains("grant_type=authorization_code")
            || body.contains(r#""grant_type":"authorization_code""#)
        {
            self.codes_sent += 1;
            assert!(self.codes_sent <= 1, "a code is sent twice");
        }
        let form: BTreeMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).collect();
        let to_revoke = form.get("token").map(|token| token.to_string());
        assert!(to_revoke.is_none() || to_revoke != self.new_login, "the login revokes itself",);
        let home = self.hosts.contains(&url.host())
            || self.old_login.as_ref().is_some_and(|(host, token)| {
                *host == url.host() && Some(token) == to_revoke.as_ref()
            });
        assert!(home, "a request to {}, which is not the provider", url.host());
    }

    /// The outcome of `effect`, before the flow sees it.
    pub fn answer(&mut self, effect: &Effect, outcome: &Outcome) {
        match (effect, outcome) {
            (Effect::SendHttp(request), Outcome::Http(Ok(response))) => {
                self.response(request, response);
            }
            (Effect::AcquireLock { .. }, Outcome::Locked(Ok(()))) => {
                self.locked = true;
                self.loaded = None;
            }
            (Effect::ReleaseLock(_), Outcome::Notified) => self.locked = false,
            (Effect::LoadRecord(_), Outcome::Loaded(Ok(record))) => {
                let record = record.as_ref().map(|record| {
                    self.hears(record.expose().as_bytes());
                    StoredCredential::parse(record.expose())
                });
                match record {
                    None => self.loaded = Some(None),
                    Some(Ok(record)) => {
                        let revocation = record.server.revocation_endpoint.as_ref();
                        self.old_login =
                            revocation.map(|url| url.host()).zip(refresh_token(&record));
                        self.loaded = Some(Some(record.generation));
                    }
                    Some(Err(_)) => {}
                }
            }
            (Effect::SetAsideRecord(_), Outcome::Kept(Ok(_))) => self.loaded = Some(None),
            (Effect::ReplaceRecord { .. }, Outcome::Store(Ok(()))) => self.saved = true,
            _ => {}
        }
    }

    fn response(&mut self, request: &HttpRequest, response: &HttpResponse) {
        self.hears(&response.body);
        if self.exchanging {
            self.issued |= [Default::default(), twg_core::scope::ScopeSeparator::Comma]
                .into_iter()
                .any(|separator| TokenResponse::parse(response, separator).is_ok());
        }
        if request.url.contains("/.well-known/")
            && let Ok(metadata) = serde_json::from_slice::<Value>(&response.body)
            && metadata.get("issuer").and_then(Value::as_str) == self.issuer.as_deref()
        {
            self.allow_all_in(&metadata);
        }
    }

    /// The end of the flow.
    pub fn done<T: Debug>(&self, result: &Result<T, twg_core::error::Error>) {
        assert!(!self.locked, "the lock was not given back");
        match result {
            Ok(output) => {
                assert!(self.saved, "a login succeeds without being saved");
                self.sees(&format!("{output:?}"));
            }
            Err(error) => {
                self.sees_error(error);
                assert_ne!(error.code(), "INTERNAL", "a step out of order");
                let not_saved = matches!(error, twg_core::error::Error::NotSaved(_));
                assert_eq!(
                    self.issued, not_saved,
                    "the user must learn that tokens were issued and not saved"
                );
                assert!(!self.saved, "a saved login must not fail");
            }
        }
    }
}

fn refresh_token(record: &StoredCredential) -> Option<String> {
    Some(record.tokens.as_ref()?.refresh_token.as_ref()?.expose().to_owned())
}

/// Checks that `text` cannot move a cursor, change colours, or hide the text around it.
pub fn assert_inert(text: &str) {
    assert_eq!(inert(text), text, "not inert");
}

fn is_secret(text: &str) -> bool {
    text.contains(CANARY) || text.contains(&VERIFIER[..16]) || text.contains(&STATE[..16])
}

/// Whether a secret is in a member that is not for secrets.
fn shows_a_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => is_secret(text),
        Value::Array(values) => values.iter().any(shows_a_secret),
        Value::Object(members) => members.iter().any(|(name, value)| {
            let kept = SECRET_MEMBERS.contains(&name.as_str()) && value.is_string();
            is_secret(name) || !kept && shows_a_secret(value)
        }),
        _ => false,
    }
}
