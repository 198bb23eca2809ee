//! Outcomes, on their way in.

use serde_json::Value;
use twg_core::flow;
use twg_core::http;
use twg_core::json::{self, FromJson, Members, Mistakes, one_of};
use twg_core::secret::Secret;

/// How an effect ended.
pub enum Outcome {
    /// See `wire.ts`, as for all of them.
    Waited,
    Notified,
    Http(Ended<HttpResponse, TransportError>),
    Shown(Ended<Nothing, UserAgentError>),
    RedirectUri(Ended<String, UserAgentError>),
    Redirected(Ended<Secret, UserAgentError>),
    Locked(Ended<Nothing, LockError>),
    Loaded(Ended<Loaded, StoreError>),
    Store(Ended<Nothing, StoreError>),
    Kept(Ended<String, StoreError>),
}

/// `{"ok": ...}` or `{"error": ...}`.
pub enum Ended<T, E> {
    Ok(T),
    Error(E),
}

/// A response of a server.
pub struct HttpResponse {
    status: u16,
    headers: Vec<Header>,
    body: Body,
}

/// Name and value.
struct Header(String, String);

/// Text, or octets.
struct Body(Vec<u8>);

/// The text that was found, if there is one.
pub struct Loaded(Option<Secret>);

/// Why there is no response.
pub struct TransportError {
    sent: Sent,
    failure: http::TransportFailure,
}

#[derive(Clone, Copy)]
enum Sent {
    NotSent,
    Unknown,
}

/// What is wrong with the user agent.
pub struct UserAgentError {
    failure: UserAgentFailure,
    port: Option<u16>,
    detail: Option<String>,
}

#[derive(Clone, Copy)]
enum UserAgentFailure {
    Closed,
    TimedOut,
    PortBusy,
    Unavailable,
}

/// Why the lock is not available.
pub enum LockError {
    TimedOut { holder: Option<String> },
    Unusable(StoreError),
}

/// Why the store could not do it.
pub struct StoreError {
    kind: StoreErrorKind,
    place: String,
    detail: String,
}

/// Nothing, which is null.
pub struct Nothing;

impl FromJson for Outcome {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let (kind, value) = json::kind(value, mistakes);
        match (kind.as_str(), value) {
            ("waited", Value::Null) => Self::Waited,
            ("notified", Value::Null) => Self::Notified,
            ("http", ended) => Self::Http(Ended::from_json(ended, mistakes)),
            ("shown", ended) => Self::Shown(Ended::from_json(ended, mistakes)),
            ("redirect_uri", ended) => Self::RedirectUri(Ended::from_json(ended, mistakes)),
            ("redirected", ended) => Self::Redirected(Ended::from_json(ended, mistakes)),
            ("locked", ended) => Self::Locked(Ended::from_json(ended, mistakes)),
            ("loaded", ended) => Self::Loaded(Ended::from_json(ended, mistakes)),
            ("store", ended) => Self::Store(Ended::from_json(ended, mistakes)),
            ("kept", ended) => Self::Kept(Ended::from_json(ended, mistakes)),
            _ => {
                mistakes.note("there is no such outcome");
                Self::Waited
            }
        }
    }
}

impl<T: FromJson, E: FromJson> FromJson for Ended<T, E> {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let (kind, value) = json::kind(value, mistakes);
        if kind == "ok" {
            return Self::Ok(T::from_json(value, mistakes));
        }
        if kind != "error" {
            mistakes.note("it is neither ok nor error");
        }
        Self::Error(E::from_json(value, mistakes))
    }
}

impl FromJson for Nothing {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        if !value.is_null() {
            mistakes.note("it is not null");
        }
        Self
    }
}

impl FromJson for Loaded {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        match value {
            Value::Null => Self(None),
            text => Self(Some(Secret::from_json(text, mistakes))),
        }
    }
}

impl FromJson for HttpResponse {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let response = Self {
            status: members.required("status"),
            headers: members.required("headers"),
            body: members.required("body"),
        };
        members.end();
        response
    }
}

impl FromJson for Header {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut texts = Vec::from_json(value, mistakes);
        if texts.len() != 2 {
            mistakes.note("it is not a name and a value");
        }
        let value = texts.pop().unwrap_or_default();
        Self(texts.pop().unwrap_or_default(), value)
    }
}

impl FromJson for Body {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        match value {
            Value::String(text) => Self(text.into_bytes()),
            octets => Self(Vec::from_json(octets, mistakes)),
        }
    }
}

impl FromJson for Sent {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let sent = [("not_sent", Self::NotSent), ("unknown", Self::Unknown)];
        one_of(&value, mistakes, &sent, Self::Unknown)
    }
}

impl FromJson for TransportError {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        use http::TransportFailure as Failure;
        let mut members = Members::of(value, mistakes);
        let sent = members.required("sent");
        let failure: String = members.required("failure");
        let detail: Option<String> = members.optional("detail");
        members.end();
        let failure = match failure.as_str() {
            "name_resolution" => Failure::NameResolution,
            "connect" => Failure::Connect,
            "tls" => Failure::Tls,
            "timeout" => Failure::Timeout,
            "interrupted" => Failure::Interrupted,
            "too_large" => Failure::TooLarge,
            "other" => Failure::Other(detail.unwrap_or_else(|| "it failed".to_owned())),
            _ => {
                mistakes.note("there is no such failure");
                Failure::Interrupted
            }
        };
        Self { sent, failure }
    }
}

impl FromJson for UserAgentFailure {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let failures = [
            ("closed", Self::Closed),
            ("timed_out", Self::TimedOut),
            ("port_busy", Self::PortBusy),
            ("unavailable", Self::Unavailable),
        ];
        one_of(&value, mistakes, &failures, Self::Closed)
    }
}

impl FromJson for UserAgentError {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let error = Self {
            failure: members.required("failure"),
            port: members.optional("port"),
            detail: members.optional("detail"),
        };
        members.end();
        error
    }
}

impl FromJson for LockError {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let (kind, value) = json::kind(value, mistakes);
        if kind == "unusable" {
            return Self::Unusable(StoreError::from_json(value, mistakes));
        }
        if kind != "timed_out" {
            mistakes.note("there is no such trouble with a lock");
        }
        Self::TimedOut { holder: Members::of(value, mistakes).optional("holder") }
    }
}

/// One of the core's kinds.
struct StoreErrorKind(flow::StoreErrorKind);

impl FromJson for StoreErrorKind {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        use flow::StoreErrorKind as Kind;
        let kinds = [
            ("cannot_create", Kind::CannotCreate),
            ("cannot_write", Kind::CannotWrite),
            ("cannot_read", Kind::CannotRead),
            ("changed", Kind::Changed),
        ];
        Self(one_of(&value, mistakes, &kinds, Kind::CannotRead))
    }
}

impl FromJson for StoreError {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let error = Self {
            kind: members.required("kind"),
            place: members.required("place"),
            detail: members.required("detail"),
        };
        members.end();
        error
    }
}

impl From<Outcome> for flow::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Waited => Self::Waited,
            Outcome::Notified => Self::Notified,
            Outcome::Http(ended) => Self::Http(ended.into_result()),
            Outcome::Shown(ended) => Self::Shown(ended.into_result()),
            Outcome::RedirectUri(ended) => Self::RedirectUri(ended.into_result()),
            Outcome::Redirected(ended) => Self::Redirected(ended.into_result()),
            Outcome::Locked(ended) => Self::Locked(ended.into_result()),
            Outcome::Loaded(ended) => Self::Loaded(ended.into_result()),
            Outcome::Store(ended) => Self::Store(ended.into_result()),
            Outcome::Kept(ended) => Self::Kept(ended.into_result()),
        }
    }
}

impl<T, E> Ended<T, E> {
    fn into_result<U: From<T>, F: From<E>>(self) -> Result<U, F> {
        match self {
            Self::Ok(value) => Ok(value.into()),
            Self::Error(error) => Err(error.into()),
        }
    }
}

impl From<HttpResponse> for http::HttpResponse {
    fn from(response: HttpResponse) -> Self {
        let headers = response.headers.into_iter().map(|Header(name, value)| (name, value));
        Self { status: response.status, headers: headers.collect(), body: response.body.0 }
    }
}

impl From<TransportError> for http::TransportError {
    fn from(error: TransportError) -> Self {
        match error.sent {
            Sent::NotSent => Self::NotSent(error.failure),
            Sent::Unknown => Self::Unknown(error.failure),
        }
    }
}

impl From<UserAgentError> for flow::UserAgentError {
    fn from(error: UserAgentError) -> Self {
        let detail = || error.detail.unwrap_or_else(|| "no browser can be opened here".to_owned());
        match (error.failure, error.port) {
            (UserAgentFailure::Closed, _) => Self::Closed,
            (UserAgentFailure::TimedOut, _) => Self::TimedOut,
            (UserAgentFailure::PortBusy, Some(port)) => Self::PortBusy(port),
            (UserAgentFailure::PortBusy | UserAgentFailure::Unavailable, _) => {
                Self::Unavailable(detail())
            }
        }
    }
}

impl From<LockError> for flow::LockError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::TimedOut { holder } => Self::TimedOut { holder },
            LockError::Unusable(error) => Self::Unusable(error.into()),
        }
    }
}

impl From<StoreError> for flow::StoreError {
    fn from(error: StoreError) -> Self {
        Self { kind: error.kind.0, place: error.place, detail: error.detail }
    }
}

impl From<Nothing> for () {
    fn from(_: Nothing) {}
}

impl From<Loaded> for Option<Secret> {
    fn from(loaded: Loaded) -> Self {
        loaded.0
    }
}
