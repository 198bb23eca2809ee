//! Where the credential comes from that a command uses.

use twg_core::credential::ConnectionKey;
use twg_core::refresh::Need;
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use crate::context::Context;
use crate::failure::Failure;
use crate::refresh;

/// An access token that works, from wherever it comes.
pub(crate) struct LiveToken {
    pub(crate) token: Secret,
    /// `None` if only its owner knows.
    pub(crate) expires_at: Option<UnixTime>,
}

/// A live access token of a connection, refreshed if that is due.
pub(crate) async fn live_token(
    context: &mut Context,
    key: &ConnectionKey,
) -> Result<LiveToken, Failure> {
    let refreshed = refresh::run(context, key, Need::Live).await?;
    let Some(tokens) = refreshed.credential.tokens else {
        return Err(Failure::internal("a live token is no token"));
    };
    Ok(LiveToken { token: tokens.access_token, expires_at: Some(tokens.expires_at) })
}
