//! Why a flow failed, and which party failed, so that a shell knows what to advise.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::credential::{ConnectionKey, RecordError};
use crate::flow::{LockError, StoreError, StoreErrorKind, UserAgentError};
use crate::http::{TransportError, TransportFailure};
use crate::oauth_error::OAuthError;
use crate::time::{Span, UnixTime};

/// Why a flow failed. `Display` says what happened, escaped for a terminal and without any secret.
///
/// The shell says what to do about it: only the shell knows its own commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The server refused with an OAuth error.
    Refused(OAuthError),
    /// The client may not use the device grant, and there is no other grant to try.
    GrantNotEnabled(OAuthError),
    /// The server is unavailable now: 5xx or 429.
    Unavailable {
        /// Which endpoint.
        endpoint: Endpoint,
        /// The status of the response.
        status: u16,
        /// How long to wait, if the server said so.
        retry_after: Option<Span>,
    },
    /// The response is not OAuth: an HTML page, torn JSON. Mostly a proxy or a captive portal sent it, so it
    /// proves nothing about the server.
    NotOAuth {
        /// Which endpoint.
        endpoint: Endpoint,
        /// The status of the response.
        status: u16,
    },
    /// The server broke the protocol.
    PeerMisbehaved {
        /// Which endpoint.
        endpoint: Endpoint,
        /// What is wrong with its response, escaped.
        what: String,
    },
    /// No complete response came.
    Transport {
        /// Which endpoint.
        endpoint: Endpoint,
        /// How far the request got, and why.
        error: TransportError,
    },
    /// The resource server does not accept the access token (401).
    TokenRejected,
    /// The access token does not allow this (403).
    NotPermitted,
    /// The user did not act in time, or closed the window.
    UserAgent(UserAgentError),
    /// The device code expired before the user approved it.
    CodeExpired,
    /// The profile or the client registration does not allow it.
    Configuration(String),
    /// The store failed.
    Store(StoreError),
    /// The lock could not be taken.
    Lock(LockError),
    /// The stored record cannot be used as it is.
    Record(RecordError),
    /// There is no connection to work with.
    NotSignedIn(ConnectionKey),
    /// The server no longer accepts the refresh token: the connection has ended. Its record is kept, and not tried
    /// again.
    Ended {
        /// Whether the response to an earlier refresh was lost. Then that refresh most likely spent the token.
        interrupted: bool,
    },
    /// A refresh is due, and the server gave no refresh token.
    NoRefreshToken {
        /// When the access token stops working.
        expires_at: UnixTime,
    },
    /// The server may have carried out a refresh whose response did not arrive. The old tokens are kept, and the
    /// next refresh repairs the connection if the server allows it.
    Interrupted {
        /// What became of the request; `None` if its sender died.
        cause: Option<Box<Self>>,
        /// Until when the server is known to accept the old refresh token; `None` if that is unknown.
        repairable_until: Option<UnixTime>,
    },
    /// The refresh succeeded, but the new tokens could not be written into the record.
    ReplyNotSaved {
        /// Why the store failed.
        cause: StoreError,
        /// Where the response is kept, if anywhere; the next refresh reads it there.
        place: Option<String>,
    },
    /// The kept response to an interrupted refresh cannot be read, and the server is not known to accept the old
    /// refresh token again. Nothing was sent, and nothing was overwritten.
    ReplyDamaged,
    /// The user approved and the server issued tokens, but they could not be saved. What was stored
    /// before is unchanged.
    NotSaved(Box<Self>),
    /// The tokens could not be deleted here, after the attempt to revoke them.
    NotForgotten(Box<Self>),
    /// A bug in this library: a machine got an outcome that it did not ask for.
    OutOfOrder,
}

/// The endpoints a flow talks to, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The metadata document of the issuer.
    Metadata,
    /// RFC 6749 section 3.1.
    Authorization,
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 8628 section 3.1.
    DeviceAuthorization,
    /// RFC 7009.
    Revocation,
    /// The account of an access token.
    Identity,
    /// The sites that the token reaches.
    Sites,
    /// Any other resource.
    Api,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata document",
            Self::Authorization => "authorization endpoint",
            Self::Token => "token endpoint",
            Self::DeviceAuthorization => "device authorization endpoint",
            Self::Revocation => "revocation endpoint",
            Self::Identity => "identity endpoint",
            Self::Sites => "sites endpoint",
            Self::Api => "API",
        })
    }
}

/// The party that failed. Each has its own remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The user declined, was late, or closed the window.
    User,
    /// The authorization or resource server.
    Server,
    /// Something on the way there.
    Network,
    /// The disk, its permissions, or another process that holds the lock.
    Store,
    /// The provider profile or the client registration.
    Configuration,
    /// This program.
    Defect,
}

impl Error {
    pub(crate) fn redirected(endpoint: Endpoint, status: u16) -> Self {
        let what = alloc::format!("HTTP {status}, a redirect, which is never followed");
        Self::PeerMisbehaved { endpoint, what }
    }

    /// The party that failed.
    #[must_use]
    pub fn party(&self) -> Party {
        match self {
            Self::Refused(error) if error.is_client_problem() => Party::Configuration,
            Self::Refused(error) if error.is_declined() => Party::User,
            Self::Refused(_)
            | Self::Unavailable { .. }
            | Self::PeerMisbehaved { .. }
            | Self::TokenRejected
            | Self::NotPermitted => Party::Server,
            Self::Transport { .. } | Self::NotOAuth { .. } => Party::Network,
            Self::UserAgent(UserAgentError::PortBusy(_) | UserAgentError::Unavailable(_))
            | Self::Configuration(_) => Party::Configuration,
            Self::UserAgent(_) | Self::CodeExpired | Self::NotSignedIn(_) => Party::User,
            Self::Store(_)
            | Self::Lock(_)
            | Self::Record(_)
            | Self::ReplyNotSaved { .. }
            | Self::ReplyDamaged => Party::Store,
            Self::Ended { .. } | Self::NoRefreshToken { .. } => Party::Server,
            Self::Interrupted { cause, .. } => {
                cause.as_ref().map_or(Party::Network, |cause| cause.party())
            }
            Self::NotSaved(cause) | Self::NotForgotten(cause) => cause.party(),
            Self::GrantNotEnabled(_) => Party::Configuration,
            Self::OutOfOrder => Party::Defect,
        }
    }

    /// A stable name for programs, as in `{"error":{"code":...}}`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) if error.is_client_problem() => "CLIENT_REJECTED",
            Self::Refused(error) if error.is_declined() => "ACCESS_DENIED",
            Self::Refused(error) if error.is_invalid_grant() => "AUTH_REVOKED",
            Self::Refused(_) => "SERVER_REFUSED",
            Self::Unavailable { .. } => "SERVER_UNAVAILABLE",
            Self::NotOAuth { .. } => "NOT_OAUTH",
            Self::PeerMisbehaved { .. } => "SERVER_MISBEHAVED",
            Self::Transport { .. } => "NETWORK",
            Self::TokenRejected => "AUTH_EXPIRED",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::UserAgent(UserAgentError::Closed) => "CANCELLED",
            Self::UserAgent(UserAgentError::TimedOut) => "LOGIN_TIMED_OUT",
            Self::UserAgent(UserAgentError::PortBusy(_)) => "PORT_BUSY",
            Self::UserAgent(UserAgentError::Unavailable(_)) => "NO_USER_AGENT",
            Self::CodeExpired => "LOGIN_TIMED_OUT",
            Self::Configuration(_) => "CONFIGURATION",
            Self::Store(error) | Self::Lock(LockError::Unusable(error)) => match error.kind {
                StoreErrorKind::CannotCreate => "STORE_CANNOT_CREATE",
                StoreErrorKind::CannotWrite => "STORE_CANNOT_WRITE",
                StoreErrorKind::CannotRead => "STORE_CANNOT_READ",
                StoreErrorKind::Changed => "STORE_CHANGED",
            },
            Self::Lock(LockError::TimedOut { .. }) => "LOCK_TIMED_OUT",
            Self::Record(_) => "RECORD_UNUSABLE",
            Self::NotSignedIn(_) => "AUTH_REQUIRED",
            Self::Ended { .. } => "AUTH_REVOKED",
            Self::NoRefreshToken { .. } => "AUTH_EXPIRED",
            Self::Interrupted { .. } => "REFRESH_INTERRUPTED",
            Self::ReplyNotSaved { .. } => "REPLY_NOT_SAVED",
            Self::ReplyDamaged => "REPLY_DAMAGED",
            Self::NotSaved(_) => "NOT_SAVED",
            Self::NotForgotten(_) => "NOT_FORGOTTEN",
            Self::GrantNotEnabled(_) => "GRANT_NOT_ENABLED",
            Self::OutOfOrder => "INTERNAL",
        }
    }

    /// Whether the same call may succeed later although nothing else changes.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if let Self::Refused(error) = self {
            return error.is_transient();
        }
        if let Self::Transport { endpoint, error } = self {
            // An API sends a response that is too large again. Other endpoints never send that much: a proxy did,
            // and that may pass.
            let is_too_large = *error.failure() == TransportFailure::TooLarge;
            return *endpoint != Endpoint::Api || !is_too_large;
        }
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::NotOAuth { .. }
                | Self::Interrupted { .. }
                | Self::Lock(LockError::TimedOut { .. })
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) if error.is_declined() => {
                f.write_str("you declined, or the request expired")
            }
            Self::Refused(error) => write!(f, "the server refused: {error}"),
            Self::Unavailable { endpoint, status, retry_after } => {
                unavailable(f, *endpoint, *status, *retry_after)
            }
            Self::NotOAuth { endpoint, status } => write!(
                f,
                "the {endpoint} sent something unexpected (HTTP {status}); it may come from \
                 a proxy or the network's sign-in page"
            ),
            Self::PeerMisbehaved { endpoint, what } => {
                write!(f, "the response of the {endpoint} cannot be used: {what}")
            }
            Self::Transport { endpoint, error } => {
                write!(f, "the request to the {endpoint} failed: {}", error.failure())
            }
            Self::TokenRejected => f.write_str("the server no longer accepts the access token"),
            Self::NotPermitted => f.write_str("the access token does not allow this"),
            Self::UserAgent(UserAgentError::Closed) => f.write_str("the sign-in was cancelled"),
            // With a wrong client ID or redirect URI, the browser shows an error and no redirect comes.
            Self::UserAgent(UserAgentError::TimedOut) => f.write_str(
                "the sign-in was not finished in time; if the browser shows an error, check \
                 client ID and redirect URI",
            ),
            Self::UserAgent(UserAgentError::PortBusy(port)) => {
                write!(f, "another program uses the local port {port}, where the redirect arrives")
            }
            Self::UserAgent(UserAgentError::Unavailable(text)) => f.write_str(text),
            Self::CodeExpired => f.write_str("the code expired before it was approved"),
            Self::Configuration(text) => f.write_str(text),
            Self::Store(error) | Self::Lock(LockError::Unusable(error)) => error.fmt(f),
            Self::Lock(LockError::TimedOut { holder: Some(holder) }) => {
                write!(f, "another process holds the lock: {holder}")
            }
            Self::Lock(LockError::TimedOut { holder: None }) => {
                f.write_str("another process holds the lock")
            }
            Self::Record(error) => error.fmt(f),
            Self::NotSignedIn(key) => write!(f, "not signed in ({key})"),
            Self::Ended { interrupted: false } => f.write_str(
                "the server ended this connection: it was revoked, or not used for too long",
            ),
            Self::Ended { interrupted: true } => f.write_str(
                "the response to a refresh was lost, and the server rejects its refresh token",
            ),
            Self::NoRefreshToken { .. } => f.write_str(
                "the server gave no refresh token, so the connection ends with its access token",
            ),
            Self::Interrupted { cause, repairable_until } => {
                interrupted(f, cause.as_deref(), repairable_until.is_some())
            }
            Self::ReplyNotSaved { cause, place: Some(place) } => write!(
                f,
                "the refresh succeeded, but the new tokens could not be saved: {cause}; the \
                 response is kept in {place}"
            ),
            Self::ReplyNotSaved { cause, place: None } => write!(
                f,
                "the refresh succeeded, but the new tokens could not be saved anywhere: {cause}"
            ),
            Self::ReplyDamaged => {
                f.write_str("the response to an interrupted refresh was kept, but it is damaged")
            }
            Self::GrantNotEnabled(error) => {
                write!(f, "this client may not sign in with a device code: {error}")
            }
            Self::NotForgotten(cause) => write!(
                f,
                "the tokens could not be deleted here, after a request to revoke them: {cause}"
            ),
            Self::NotSaved(cause) => {
                write!(f, "the sign-in was approved but could not be saved: {cause}")
            }
            Self::OutOfOrder => f.write_str("a defect of twg: a step came out of order"),
        }
    }
}

fn unavailable(
    f: &mut fmt::Formatter<'_>,
    endpoint: Endpoint,
    status: u16,
    retry_after: Option<Span>,
) -> fmt::Result {
    write!(f, "the {endpoint} is not available now (HTTP {status})")?;
    match retry_after {
        Some(span) => write!(f, "; it asks to wait {span}"),
        None => Ok(()),
    }
}

fn interrupted(
    f: &mut fmt::Formatter<'_>,
    cause: Option<&Error>,
    is_repairable: bool,
) -> fmt::Result {
    match cause {
        Some(cause) => write!(f, "the refresh was interrupted after it was sent: {cause}")?,
        None => f.write_str("an earlier refresh was interrupted")?,
    }
    if is_repairable {
        return Ok(());
    }
    f.write_str("; if the server carried it out, the connection may have ended")
}

impl core::error::Error for Error {}
