//! `twg auth token`: a live access token on standard output.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::json;
use twg_core::credential::{ConnectionKey, fresh_access_token};
use twg_core::refresh::Need;
use twg_core::secret::Secret;

use crate::config_dir::ConfigDir;
use crate::context::{Context, env};
use crate::effects::clock;
use crate::effects::store::Store;
use crate::effects::terminal::print_data;
use crate::failure::Failure;
use crate::output::{print_json, rfc3339};
use crate::{providers, refresh};

/// The hot path: exactly `twg auth token`, and the token is fresh. Starts no parser, no runtime, no TLS
/// and takes no lock. Anything else, any doubt and any error is left to the full command.
pub(crate) fn print_if_fresh(typed: &[OsString]) -> bool {
    if !matches!(typed, [auth, token] if auth == "auth" && token == "token") {
        return false;
    }
    fresh_token().is_some_and(|token| print_line(&token))
}

fn fresh_token() -> Option<Secret> {
    let config = ConfigDir::resolve(&env).ok()?;
    let key = ConnectionKey::new(providers::DEFAULT, ConnectionKey::DEFAULT).ok()?;
    let record = Store::new(config.clone()).load(&config.record_path(&key)).ok()??;
    fresh_access_token(record.expose(), clock::now())
}

fn print_line(token: &Secret) -> bool {
    let line = Secret::new(format!("{}\n", token.expose()));
    print_data(line.expose().as_bytes()).is_ok()
}

/// The full command: refreshes if that is due.
pub(crate) async fn run(context: &mut Context, key: &ConnectionKey) -> Result<ExitCode, Failure> {
    let refreshed = refresh::run(context, key, Need::Live).await?;
    let Some(tokens) = refreshed.credential.tokens else {
        return Err(Failure::internal("a live token is no token"));
    };
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "provider": key.provider(),
            "connection": key.connection(),
            "accessToken": tokens.access_token.expose(),
            "tokenType": "Bearer",
            "expiresAt": rfc3339(tokens.expires_at),
            "scopes": tokens.scopes,
        }));
    } else if !print_line(&tokens.access_token) {
        return Err(Failure::internal("cannot write to standard output"));
    }
    Ok(ExitCode::SUCCESS)
}
