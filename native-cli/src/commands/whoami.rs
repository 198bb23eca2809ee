//! `twg whoami`: name, account ID and status of the account, from the provider.

use std::process::ExitCode;

use serde_json::json;
use twg_core::identity::IdentityRequest;

use crate::context::Context;
use crate::credentials::connection::Connection;
use crate::credentials::source::{self, Source};
use crate::credentials::{providers, refresh};
use crate::failure::Failure;
use crate::output::{print_json, print_text};

/// Below the help of the command.
pub(crate) const EXAMPLES: &str = "\
Examples:
  twg whoami                     the account at Atlassian
  twg whoami --connection work   the account of another connection
  twg whoami bitbucket           the account at Bitbucket";

/// Runs the command.
pub(crate) async fn run(
    context: &mut Context,
    arguments: &Connection,
) -> Result<ExitCode, Failure> {
    let chosen = arguments.chosen(context)?;
    let key = &chosen.key;
    let profile = providers::load(context, key.provider())?;
    let doing = "Could not find out who is signed in";
    let account = match source::find(context, &chosen)? {
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
