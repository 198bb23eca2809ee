//! Token revocation, RFC 7009.

use serde::Serialize;

use crate::client::{Client, RequestStyle, authenticated_request};
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::Effect;
use crate::http::{HttpResponse, TransportError};
use crate::oauth_error::OAuthError;
use crate::provider::ClientAuthentication;
use crate::secret::Secret;
use crate::token_endpoint::json_answer;

/// Which of the two tokens. RFC 7009 section 2.1, `token_type_hint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Refresh,
    Access,
}

/// The result of a request to revoke a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// The server confirmed it. It also does so for a token that it does not know, RFC 7009 section 2.2.
    Revoked,
    /// There was no such token to revoke.
    NothingToRevoke,
    /// The provider has no revocation endpoint, or does not revoke this kind of token.
    NotSupported,
    /// The server did not confirm it: the token must be assumed to live until it expires.
    Unconfirmed(
        /// Why, for people.
        alloc::string::String,
    ),
}

impl Revocation {
    /// Whether the token may still work.
    #[must_use]
    pub const fn may_still_work(&self) -> bool {
        matches!(self, Self::NotSupported | Self::Unconfirmed(_))
    }
}

pub(crate) fn revocation_request(
    endpoint: &EndpointUrl,
    client: &Client,
    authentication: ClientAuthentication,
    kind: TokenKind,
    token: &Secret,
) -> Effect {
    let style = RequestStyle::form(authentication);
    let hint = match kind {
        TokenKind::Refresh => "refresh_token",
        TokenKind::Access => "access_token",
    };
    let parameters = alloc::vec![("token", token.expose()), ("token_type_hint", hint)];
    Effect::SendHttp(authenticated_request(endpoint, client, style, parameters))
}

/// RFC 7009 section 2.2: "The content of the response body is ignored by the client as all necessary information is
/// conveyed in the response code." Section 2.2.1: "If the server responds with HTTP status code 503, the client
/// must assume the token still exists".
pub(crate) fn revocation_answered(answer: Result<HttpResponse, TransportError>) -> Revocation {
    let endpoint = Endpoint::Revocation;
    let response = match answer {
        // 200 by the RFC; some servers send 204.
        Ok(response) if matches!(response.status, 200 | 204) => return Revocation::Revoked,
        Ok(response) => response,
        Err(error) => return unconfirmed(&Error::Transport { endpoint, error }),
    };
    match json_answer(&response, endpoint) {
        Err(Error::Refused(error)) if is_unsupported(&error) => Revocation::NotSupported,
        Err(error) => unconfirmed(&error),
        Ok(_) => unconfirmed(&Error::Unavailable {
            endpoint,
            status: response.status,
            retry_after: None,
        }),
    }
}

fn is_unsupported(error: &OAuthError) -> bool {
    error.code() == "unsupported_token_type"
}

fn unconfirmed(error: &Error) -> Revocation {
    Revocation::Unconfirmed(alloc::format!("{error}"))
}
