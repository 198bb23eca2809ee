//! Errors, on their way out.

use serde::Serialize;
use twg_core::error::{Error, Party};
use twg_core::flow::Misuse;

/// Why a flow failed.
#[derive(Debug, Serialize)]
pub struct CoreError {
    code: &'static str,
    party: &'static str,
    message: String,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repairable_until: Option<u64>,
}

impl CoreError {
    /// For people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// For programs; one of `ErrorCode`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

impl From<&Error> for CoreError {
    fn from(error: &Error) -> Self {
        let retry_after = match error {
            Error::Unavailable { retry_after, .. } => retry_after.map(|span| span.as_millis()),
            _ => None,
        };
        let repairable_until = match error {
            Error::Interrupted { repairable_until, .. } => {
                repairable_until.map(|time| time.as_millis())
            }
            _ => None,
        };
        Self {
            code: error.code(),
            party: party(error.party()),
            message: error.to_string(),
            retryable: error.is_retryable(),
            retry_after,
            repairable_until,
        }
    }
}

const fn party(party: Party) -> &'static str {
    match party {
        Party::User => "user",
        Party::Server => "server",
        Party::Network => "network",
        Party::Store => "store",
        Party::Configuration => "configuration",
        Party::Defect => "defect",
    }
}

/// A mistake of the host. The call changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostError {
    /// For programs.
    pub code: HostErrorCode,
    /// For people. It quotes nothing of the input.
    pub message: String,
}

/// Which mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HostErrorCode {
    /// The flow waits for another step.
    StaleStep,
    /// The outcome belongs to another effect.
    WrongOutcome,
    /// The flow has ended, or there is none of that number.
    NotWaiting,
    /// The input cannot be read.
    Malformed,
}

impl HostErrorCode {
    /// As it stands in the error.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StaleStep => "STALE_STEP",
            Self::WrongOutcome => "WRONG_OUTCOME",
            Self::NotWaiting => "NOT_WAITING",
            Self::Malformed => "MALFORMED",
        }
    }
}

impl HostError {
    /// The input `what` cannot be read. The reader's message is left out: it may quote a secret.
    #[must_use]
    pub fn malformed(what: &str) -> Self {
        let message = format!("the {what} is not what wire.ts says");
        Self { code: HostErrorCode::Malformed, message }
    }
}

impl From<Misuse> for HostError {
    fn from(misuse: Misuse) -> Self {
        let code = match misuse {
            Misuse::StaleStep => HostErrorCode::StaleStep,
            Misuse::WrongOutcome => HostErrorCode::WrongOutcome,
            Misuse::NotWaiting => HostErrorCode::NotWaiting,
        };
        Self { code, message: misuse.to_string() }
    }
}
