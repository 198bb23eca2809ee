//! `twg auth token`: a live access token on standard output.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::json;
use twg_core::credential::{ConnectionKey, fresh_access_token};
use twg_core::schedule::{TokenState, token_state};
use twg_core::secret::Secret;

use crate::config_dir::ConfigDir;
use crate::context::{Context, arguments, env};
use crate::effects::clock;
use crate::effects::store::Store;
use crate::effects::terminal::print_data;
use crate::failure::Failure;
use crate::output::{print_json, rfc3339};
use crate::providers;

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

/// The full command.
pub(crate) fn run(context: &mut Context, key: &ConnectionKey) -> Result<ExitCode, Failure> {
    let (credential, token) = context.live_token(key)?;
    let now = clock::now();
    if let TokenState::Due { expires_at } = token_state(&credential, now) {
        let (program, arguments) = (context.program, arguments(key));
        context.say(&format!(
            "The access token is due for a refresh, which this version cannot do yet. It works for {} more; \
             run `{program} login{arguments} --force` to sign in again.",
            expires_at.since(now),
        ));
    }
    if context.json {
        let tokens = credential.tokens.as_ref();
        print_json(&json!({
            "schemaVersion": 1,
            "provider": key.provider(),
            "connection": key.connection(),
            "accessToken": token.expose(),
            "tokenType": "Bearer",
            "expiresAt": tokens.map(|tokens| rfc3339(tokens.expires_at)),
            "scopes": tokens.map(|tokens| &tokens.scopes),
        }));
    } else if !print_line(&token) {
        return Err(Failure::internal("cannot write to standard output"));
    }
    Ok(ExitCode::SUCCESS)
}
