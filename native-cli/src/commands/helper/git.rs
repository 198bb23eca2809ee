//! `twg auth git-credential`: gitcredentials(7), git-credential(1).

use std::process::ExitCode;

use twg_core::atlassian::bitbucket::{Kind, git_server};
use twg_core::helper::git_credential::Question;
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use super::{answer, or_tell, question};
use crate::bitbucket::{self, PROVIDER, SETUP};
use crate::cli::{ConnectionName, GitOperation};
use crate::context::Context;
use crate::credential_source::live_token;
use crate::failure::Failure;

/// Runs the command.
pub(crate) async fn run(
    context: &mut Context,
    operation: GitOperation,
    connection: Option<&str>,
) -> Result<ExitCode, Failure> {
    let done = match operation {
        GitOperation::Get => get(context, connection).await,
        GitOperation::Erase => erase(context),
        GitOperation::Other => Ok(ExitCode::SUCCESS),
    };
    or_tell(context, done)
}

/// Prints nothing where this helper has nothing to say, so that git asks the next one.
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

/// git says that a server did not accept the credential. That may be one of another helper, or the token may lack a
/// scope; nothing is deleted on its word alone.
fn erase(context: &mut Context) -> Result<ExitCode, Failure> {
    if asked(context).is_some() && bitbucket::status(context).is_some() {
        let program = SETUP.replacen("twg", context.program, 1);
        context.warn(&format!(
            "git says that Bitbucket did not accept the token. It is kept; `{program}` checks it, \
             `{program} --force` replaces it."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What git wants, if it is for Bitbucket.
fn asked(context: &Context) -> Option<Question> {
    let question = Question::parse(question().ok()?.expose().as_bytes())?;
    let profile = bitbucket::profile(context).ok()?;
    git_server(&profile).is_some_and(|server| question.is_for(server)).then_some(question)
}

/// That of the environment, that of `twg setup bitbucket`, or the access token of a login; the last where it is asked
/// for, or where there is no other.
async fn credential(
    context: &mut Context,
    connection: Option<&str>,
) -> Result<Option<(Kind, Secret, Option<UnixTime>)>, Failure> {
    let found = match connection {
        // A login was chosen, but the environment goes before everything that is stored.
        Some(_) => bitbucket::from_environment(context)?,
        None => bitbucket::find(context)?.map(|token| token.secret),
    };
    if let Some(token) = found {
        return Ok(Some((Kind::of(&token), token, None)));
    }
    let name = ConnectionName { connection: connection.map(str::to_owned) };
    let login = name.key(context, PROVIDER)?;
    if connection.is_none() && context.credential(&login)?.is_none() {
        return Ok(None);
    }
    let live = live_token(context, &login).await?;
    Ok(Some((Kind::AccessToken, live.token, live.expires_at)))
}
