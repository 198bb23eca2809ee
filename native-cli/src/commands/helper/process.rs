//! `twg auth process`: a live access token as JSON, in the format of `credential_process` in the AWS tools.

use std::process::ExitCode;

use serde_json::json;
use twg_core::secret::Secret;

use super::{answer, or_tell};
use crate::context::Context;
use crate::credentials::connection::Connection;
use crate::credentials::source::live_token;
use crate::failure::Failure;
use crate::output::rfc3339;

/// Below the help of the command.
pub(crate) const EXAMPLES: &str = "\
Examples:
  twg auth process
  twg auth process acme --connection work";

/// Runs the command.
pub(crate) async fn run(
    context: &mut Context,
    arguments: &Connection,
) -> Result<ExitCode, Failure> {
    let done = get(context, arguments).await;
    or_tell(context, done)
}

async fn get(context: &mut Context, arguments: &Connection) -> Result<ExitCode, Failure> {
    let live = live_token(context, &arguments.chosen(context)?).await?;
    let mut credential =
        json!({ "Version": 1, "AccessToken": live.token.expose(), "TokenType": "Bearer" });
    if let Some(end) = live.expires_at {
        credential["Expiration"] = rfc3339(end).into();
    }
    answer(&Secret::new(format!("{credential}\n")))
}
