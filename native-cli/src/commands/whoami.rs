//! `twg whoami`: name, account id and status of the account, asked from the provider.

use std::process::ExitCode;

use serde_json::json;
use twg_core::credential::ConnectionKey;
use twg_core::identity::IdentityFlow;

use crate::context::{Context, login_command};
use crate::driver::drive;
use crate::effects::http::HttpClient;
use crate::effects::terminal::print_data;
use crate::failure::Failure;
use crate::output::print_json;
use crate::providers;

/// Runs the command.
pub(crate) async fn run(context: &mut Context, key: &ConnectionKey) -> Result<ExitCode, Failure> {
    let profile = providers::load(context, key.provider())?;
    let (credential, token) = context.live_token(key)?;
    let Some(url) = credential.server.userinfo_endpoint else {
        return Err(Failure::configuration(format!(
            "{} does not tell who an account is",
            profile.display_name
        )));
    };
    let flow = IdentityFlow::for_token(profile, url, token);
    let account = drive(context, &HttpClient::new(), flow).await?;
    let account = account.map_err(|error| {
        Failure::from_core("Could not ask who is signed in", &error, &login_command(key))
    })?;
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "provider": key.provider(),
            "connection": key.connection(),
            "account": account,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{}\n", account.shown());
    let more = [
        ("Account ID", Some(&account.id)),
        ("Email", account.email.as_ref()),
        ("Status", account.status.as_ref()),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            text.push_str(&format!("{:<12}{value}\n", format!("{name}:")));
        }
    }
    let _ = print_data(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
