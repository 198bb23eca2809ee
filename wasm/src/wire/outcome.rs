//! Outcomes, on their way in.

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use twg_core::flow;
use twg_core::http;
use twg_core::secret::Secret;

/// How an effect ended.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// See `wire.ts`, as for all of them.
    Waited,
    Notified,
    Http(Ended<HttpResponse, TransportError>),
    Shown(Ended<(), UserAgentError>),
    RedirectUri(Ended<String, UserAgentError>),
    Redirected(Ended<Secret, UserAgentError>),
    Locked(Ended<(), LockError>),
    Loaded(Ended<Option<Secret>, StoreError>),
    Store(Ended<(), StoreError>),
    Kept(Ended<String, StoreError>),
}

/// `{"ok": ...}` or `{"error": ...}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended<T, E> {
    Ok(T),
    Error(E),
}

/// An answer of a server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

/// Text, or octets.
struct Body(Vec<u8>);

/// Why there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportError {
    sent: Sent,
    failure: TransportFailure,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sent {
    NotSent,
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TransportFailure {
    NameResolution,
    Connect,
    Tls,
    Timeout,
    Interrupted,
    TooLarge,
    Other,
}

/// What is wrong with the user agent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAgentError {
    failure: UserAgentFailure,
    port: Option<u16>,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum UserAgentFailure {
    Closed,
    TimedOut,
    PortBusy,
    Unavailable,
}

/// Why the lock could not be had.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockError {
    TimedOut { holder: Option<String> },
    Unusable(StoreError),
}

/// Why the store could not do it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreError {
    kind: StoreErrorKind,
    place: String,
    detail: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoreErrorKind {
    CannotCreate,
    CannotWrite,
    CannotRead,
    Changed,
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
        Self { status: response.status, headers: response.headers, body: response.body.0 }
    }
}

impl From<TransportError> for http::TransportError {
    fn from(error: TransportError) -> Self {
        use TransportFailure as Given;
        use http::TransportFailure as Core;
        let failure = match error.failure {
            Given::NameResolution => Core::NameResolution,
            Given::Connect => Core::Connect,
            Given::Tls => Core::Tls,
            Given::Timeout => Core::Timeout,
            Given::Interrupted => Core::Interrupted,
            Given::TooLarge => Core::TooLarge,
            Given::Other => Core::Other(error.detail.unwrap_or_else(|| "it failed".to_owned())),
        };
        match error.sent {
            Sent::NotSent => Self::NotSent(failure),
            Sent::Unknown => Self::Unknown(failure),
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
        let kind = match error.kind {
            StoreErrorKind::CannotCreate => flow::StoreErrorKind::CannotCreate,
            StoreErrorKind::CannotWrite => flow::StoreErrorKind::CannotWrite,
            StoreErrorKind::CannotRead => flow::StoreErrorKind::CannotRead,
            StoreErrorKind::Changed => flow::StoreErrorKind::Changed,
        };
        Self { kind, place: error.place, detail: error.detail }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Octets;
        impl<'de> Visitor<'de> for Octets {
            type Value = Body;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text or octets")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Body, E> {
                Ok(Body(text.as_bytes().to_vec()))
            }

            fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Body, E> {
                Ok(Body(octets.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Body, A::Error> {
                let mut octets = Vec::new();
                while let Some(octet) = sequence.next_element()? {
                    octets.push(octet);
                }
                Ok(Body(octets))
            }
        }
        deserializer.deserialize_any(Octets)
    }
}
