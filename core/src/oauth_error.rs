//! The error responses of OAuth. RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5.

use alloc::string::String;
use core::fmt;

use serde_json::{Map, Value};

use crate::text::printable;

/// `error` and `error_description` of an OAuth response, made safe to show.
///
/// `error_uri` is deliberately dropped: twg sends no user to a URL that an error names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    code: String,
    description: Option<String>,
}

impl OAuthError {
    /// An error with the given members of a response; an empty one counts as absent.
    ///
    /// RFC 6749 section 5.2: "Values for the "error" parameter MUST NOT include characters outside
    /// the set %x20-21 / %x23-5B / %x5D-7E." Other characters are escaped.
    #[must_use]
    pub fn new(code: &str, description: Option<&str>) -> Self {
        let description = description.filter(|d| !d.is_empty()).map(printable);
        Self { code: printable(code), description }
    }

    /// The error in a JSON object, if it has one.
    pub(crate) fn from_json(members: &Map<String, Value>) -> Option<Self> {
        let code = members.get("error")?.as_str().filter(|code| !code.is_empty())?;
        Some(Self::new(code, members.get("error_description").and_then(Value::as_str)))
    }

    /// The error code, such as `invalid_grant`, escaped.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The server's explanation, escaped.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whether the grant (code or refresh token) is dead. Only this ends a connection.
    ///
    /// Atlassian also sends `unauthorized_client` with "refresh_token is invalid" for it.
    #[must_use]
    pub fn is_invalid_grant(&self) -> bool {
        self.code == "invalid_grant"
            || (self.code == "unauthorized_client"
                && self
                    .description
                    .as_deref()
                    .is_some_and(|d| d.contains("refresh_token is invalid")))
    }

    /// Whether the client registration is at fault: a new sign-in would not help.
    #[must_use]
    pub fn is_client_problem(&self) -> bool {
        !self.is_invalid_grant()
            && matches!(
                self.code.as_str(),
                "invalid_client"
                    | "unauthorized_client"
                    | "unsupported_grant_type"
                    | "unsupported_response_type"
                    | "invalid_scope"
                    | "invalid_request"
                    | "invalid_target"
            )
    }

    /// Whether the client exists but may not use the device grant.
    ///
    /// Ordinary Atlassian apps get `invalid_client`, "grant_type is not enabled for client"; RFC 6749 section 5.2 has
    /// two codes of its own for it.
    #[must_use]
    pub fn is_grant_not_enabled(&self) -> bool {
        match self.code.as_str() {
            "invalid_client" => self.description.as_deref().is_some_and(|d| {
                d.contains("not enabled for client") || d.contains("grant_type is not enabled")
            }),
            "unauthorized_client" | "unsupported_grant_type" => !self.is_invalid_grant(),
            _ => false,
        }
    }

    /// Whether the user declined (RFC 6749 section 4.1.2.1: "The resource owner or authorization server denied the
    /// request"), or a device code expired: Atlassian sends the same code for that.
    #[must_use]
    pub fn is_declined(&self) -> bool {
        self.code == "access_denied"
    }

    /// Whether it is one of the errors for a device code or a dead grant, which Atlassian sends with 429 too.
    /// RFC 8628 section 3.5.
    pub(crate) fn is_answer_to_poll(&self) -> bool {
        matches!(
            self.code.as_str(),
            "authorization_pending"
                | "slow_down"
                | "access_denied"
                | "expired_token"
                | "invalid_grant"
        )
    }

    /// Whether the server reports a temporary problem of its own.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.code.as_str(), "temporarily_unavailable" | "server_error")
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.description {
            Some(description) => write!(f, "{} ({description})", self.code),
            None => f.write_str(&self.code),
        }
    }
}
