//! `twg auth docker-credential`, or this program under the name `docker-credential-twg`: the protocol of
//! docker/docker-credential-helpers. Its errors go to standard output, where docker reads them.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use twg_core::atlassian::bitbucket::{Kind, git_server};
use twg_core::endpoint_url::EndpointUrl;
use twg_core::helper::docker_credential::{BITBUCKET_REGISTRY, NOT_FOUND, is_for};
use twg_core::json;
use twg_core::secret::Secret;

use super::{answer, or_tell, question};
use crate::context::Context;
use crate::credentials::bitbucket_token::{self, SETUP};
use crate::failure::{Exit, Failure};

/// `twg auth docker-credential`
#[derive(Debug, Args)]
#[command(after_help = "\
docker finds this program under the name docker-credential-twg, a link to twg.

Examples:
  twg auth docker-credential list   the servers that twg has a credential for
  twg auth docker-credential get    what docker runs; the server is on stdin")]
pub(crate) struct DockerCredential {
    /// What docker asks for
    #[arg(value_enum)]
    operation: DockerOperation,
}

/// The operations of docker's protocol (docker/docker-credential-helpers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DockerOperation {
    Get,
    Store,
    Erase,
    List,
}

/// Runs the command.
pub(crate) fn run(
    context: &mut Context,
    arguments: &DockerCredential,
) -> Result<ExitCode, Failure> {
    let done = match arguments.operation {
        DockerOperation::Get => get(context),
        DockerOperation::List => list(context),
        DockerOperation::Store => store(context),
        DockerOperation::Erase => {
            // Read it, so that docker can write all of it.
            let _ = question();
            refuse(&format!("twg deletes no credential for docker: run `{SETUP} --remove`"))
        }
    };
    or_tell(context, done)
}

/// An error of the protocol.
fn refuse(what: &str) -> Result<ExitCode, Failure> {
    answer(&Secret::new(format!("{what}\n"))).map(|_| ExitCode::from(Exit::Failed as u8))
}

fn get(context: &Context) -> Result<ExitCode, Failure> {
    let asked = question()?;
    let asked = asked.expose().trim_end_matches('\n');
    match credential(context)? {
        Some((registry, user, token)) if is_for(asked, &registry) => {
            let found = json!({ "ServerURL": asked, "Username": user, "Secret": token.expose() });
            answer(&Secret::new(format!("{found}\n")))
        }
        _ => refuse(NOT_FOUND),
    }
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let mut users = BTreeMap::new();
    if let Some((registry, user, _)) = credential(context)? {
        users.insert(registry.as_str().to_owned(), user);
    }
    answer(&Secret::new(format!("{}\n", json!(users))))
}

/// `docker login` stores the credential that it signed in with. If that came from twg, it is stored already.
fn store(context: &Context) -> Result<ExitCode, Failure> {
    let asked = question()?;
    let given = json::value(asked.expose()).unwrap_or_default();
    let member = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    match credential(context)? {
        Some((registry, user, token))
            if is_for(member("ServerURL"), &registry)
                && user == member("Username")
                && token.matches(member("Secret")) =>
        {
            Ok(ExitCode::SUCCESS)
        }
        _ => refuse(&format!("twg stores no credential for docker: run `{SETUP} --force`")),
    }
}

/// The registry of Bitbucket, with the email address and the API token that it takes. Never an access token of a
/// connection, and never a token for docker to refresh (the user `<token>`).
fn credential(context: &Context) -> Result<Option<(EndpointUrl, String, Secret)>, Failure> {
    let Some(registry) = registry(context) else { return Ok(None) };
    let Some(token) = bitbucket_token::find(context)? else { return Ok(None) };
    let is_api_token = Kind::of(&token.secret) == Kind::ApiToken;
    let user = token.email.filter(|_| is_api_token);
    Ok(user.map(|user| (registry, user, token.secret)))
}

/// If Bitbucket is a look-alike on this machine, so is its registry.
fn registry(context: &Context) -> Option<EndpointUrl> {
    let profile = bitbucket_token::profile(context).ok()?;
    let git = git_server(&profile)?;
    if git.is_loopback() {
        return EndpointUrl::parse(&format!("http://{}", git.host())).ok();
    }
    // The token of a provider with another server belongs to that server.
    let is_cloud = git.host() == "bitbucket.org";
    EndpointUrl::parse(BITBUCKET_REGISTRY).ok().filter(|_| is_cloud)
}
