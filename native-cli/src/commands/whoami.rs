//! `twg whoami`: name, account id and status of the account, asked from the provider.

use std::process::ExitCode;

use serde_json::json;
use twg_core::credential::ConnectionKey;
use twg_core::identity::IdentityRequest;

use crate::context::Context;
use crate::credential_source::{self, Source};
use crate::failure::Failure;
use crate::output::{print_json, print_text};
use crate::{providers, refresh};

/// Runs the command.
pub(crate) async fn run(context: &mut Context, key: &ConnectionKey) -> Result<ExitCode, Failure> {
    let profile = providers::load(context, key.provider())?;
    let doing = "Could not ask who is signed in";
    let account = match credential_source::find(context, key)? {
        Source::Given(given) => given.account(context, profile, doing).await?,
        Source::Stored => {
            refresh::ask(context, key, IdentityRequest::new(profile), doing).await?.answer
        }
    };
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
    print_text(&text);
    Ok(ExitCode::SUCCESS)
}
