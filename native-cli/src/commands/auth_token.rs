//! `twg auth token`: a live access token on standard output.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::json;
use twg_core::credential::ConnectionKey;
use twg_core::fresh::fresh_access_token;
use twg_core::secret::Secret;

use crate::config_dir::ConfigDir;
use crate::context::Context;
use crate::credentials::connection::Connection;
use crate::credentials::{binding, providers, source};
use crate::effects::clock;
use crate::effects::file_store::FileStore;
use crate::effects::record_store::RecordStore;
use crate::effects::terminal::print_data;
use crate::environment::env;
use crate::failure::Failure;
use crate::output::{print_json, rfc3339};

/// Below the help of the command.
pub(crate) const EXAMPLES: &str = "\
Examples:
  TOKEN=$(twg auth token) ./script   hand a token to a program
  twg auth token --connection work   the token of another connection
  twg auth token --json              with scopes and expiry";

/// The hot path: exactly `twg auth token`, no credential in the environment, and the token is fresh. It starts no
/// parser, no runtime and no TLS, and takes no lock. In every other case, and after any error, the full command runs.
pub(crate) fn print_if_fresh(typed: &[OsString]) -> bool {
    if !matches!(typed, [auth, token] if auth == "auth" && token == "token") {
        return false;
    }
    fresh_token().is_some_and(|token| print_line(&token))
}

fn fresh_token() -> Option<Secret> {
    if source::environment_has_one() {
        return None;
    }
    let config = ConfigDir::resolve(&env).ok()?;
    let bound = binding::here().ok()?.and_then(|binding| binding.connection);
    let connection = bound.as_deref().unwrap_or(ConnectionKey::DEFAULT);
    let key = ConnectionKey::new(providers::DEFAULT, connection).ok()?;
    let record = RecordStore::Files(FileStore::new(config)).load(&key).ok()??;
    fresh_access_token(record.expose(), clock::now())
}

fn print_line(token: &Secret) -> bool {
    let line = Secret::new(format!("{}\n", token.expose()));
    print_data(line.expose().as_bytes()).is_ok()
}

/// The full command, which refreshes if that is due.
pub(crate) async fn run(
    context: &mut Context,
    arguments: &Connection,
) -> Result<ExitCode, Failure> {
    let chosen = arguments.chosen(context)?;
    let live = source::live_token(context, &chosen).await?;
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "provider": chosen.key.provider(),
            "connection": chosen.key.connection(),
            "accessToken": live.token.expose(),
            "tokenType": "Bearer",
            "expiresAt": live.expires_at.map(rfc3339),
            "scopes": live.scopes,
        }));
    } else if !print_line(&live.token) {
        return Err(Failure::internal("Cannot write to standard output"));
    }
    Ok(ExitCode::SUCCESS)
}
