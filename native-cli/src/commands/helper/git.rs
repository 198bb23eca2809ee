//! `twg auth git-credential`: gitcredentials(7), git-credential(1).

use std::convert::Infallible;
use std::process::ExitCode;

use clap::Args;
use twg_core::atlassian::bitbucket::{Kind, git_server};
use twg_core::helper::git_credential::Question;
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use super::{answer, or_tell, question};
use crate::completion::candidates;
use crate::context::Context;
use crate::credentials::bitbucket_token::{self, PROVIDER, SETUP};
use crate::credentials::connection::ConnectionName;
use crate::credentials::source::live_token;
use crate::failure::Failure;

/// `twg auth git-credential`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg setup bitbucket --git         let git use twg for bitbucket.org
  twg auth git-credential get       what git runs; the question is on stdin")]
pub(crate) struct GitCredential {
    /// What git asks for: get, store or erase
    #[arg(value_parser = GitOperation::parse, add = candidates::git_operations())]
    operation: GitOperation,
    /// Connection to Bitbucket whose access token git gets, instead of the token of `twg setup bitbucket`
    #[arg(long, value_name = "NAME", add = candidates::connections())]
    connection: Option<String>,
}

/// The operations of git's protocol (gitcredentials(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GitOperation {
    /// Print the credential for the question on standard input
    Get,
    /// A credential did not work
    Erase,
    /// A credential worked, or anything else: "If a helper receives any other operation, it should silently ignore
    /// the request. This leaves room for future operations to be added".
    Other,
}

impl GitOperation {
    fn parse(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "get" => Self::Get,
            "erase" => Self::Erase,
            _ => Self::Other,
        })
    }
}

/// Runs the command.
pub(crate) async fn run(
    context: &mut Context,
    arguments: &GitCredential,
) -> Result<ExitCode, Failure> {
    let connection = arguments.connection.as_deref();
    let done = match arguments.operation {
        GitOperation::Get => get(context, connection).await,
        GitOperation::Erase => erase(context),
        GitOperation::Other => Ok(ExitCode::SUCCESS),
    };
    or_tell(context, done)
}

/// Prints nothing if this helper has no answer, so that git asks the next one.
async fn get(context: &mut Context, connection: Option<&str>) -> Result<ExitCode, Failure> {
    let Some(question) = asked(context) else { return Ok(ExitCode::SUCCESS) };
    let Some((kind, token, expires_at)) = credential(context, connection).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    if !kind.suits(question.username()) {
        return Ok(ExitCode::SUCCESS);
    }
    match question.answer(kind.git_user(), &token, expires_at) {
        Some(text) => answer(&text),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// git reports that a server did not accept the credential. That may be the credential of another helper, or the token
/// may lack a scope. So nothing is deleted.
fn erase(context: &mut Context) -> Result<ExitCode, Failure> {
    if asked(context).is_some() && bitbucket_token::status(context).is_some() {
        context.warn(format!(
            "git reports that Bitbucket did not accept the token. The token is unchanged: `{SETUP}` \
             checks it, `{SETUP} --force` replaces it."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The question of git, if it is for Bitbucket.
fn asked(context: &Context) -> Option<Question> {
    let question = Question::parse(question().ok()?.expose().as_bytes())?;
    let profile = bitbucket_token::profile(context).ok()?;
    git_server(&profile).is_some_and(|server| question.is_for(server)).then_some(question)
}

/// The token of the environment, the token of `twg setup bitbucket`, or the access token of a connection. The last one
/// only if `--connection` names it, or if there is no other.
async fn credential(
    context: &mut Context,
    connection: Option<&str>,
) -> Result<Option<(Kind, Secret, Option<UnixTime>)>, Failure> {
    let found = match connection {
        // A connection was chosen, but the environment wins over everything that is stored.
        Some(_) => bitbucket_token::from_environment(context)?,
        None => bitbucket_token::find(context)?.map(|token| token.secret),
    };
    if let Some(token) = found {
        return Ok(Some((Kind::of(&token), token, None)));
    }
    let name = ConnectionName { connection: connection.map(str::to_owned) };
    let login = name.chosen(context, PROVIDER)?;
    if connection.is_none() && context.credential(&login.key)?.is_none() {
        return Ok(None);
    }
    let live = live_token(context, &login).await?;
    Ok(Some((Kind::AccessToken, live.token, live.expires_at)))
}
