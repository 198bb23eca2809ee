//! `twg setup`: prepares this machine. Every step can be repeated, and a failed one does not stop the others.

pub(crate) mod bitbucket;
pub(crate) mod files;
pub(crate) mod git;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use twg_core::credential::ConnectionKey;

use self::files::FileFor;
use super::login::{self, Login};
use super::upkeep;
use crate::context::Context;
use crate::credentials::providers;
use crate::environment::{PATH, env};
use crate::failure::{Cause, Failure};
use crate::installation::marked_file::{self, Written};
use crate::installation::{self, Managed};
use crate::output::print_json;

/// `twg setup`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg setup             sign in, completions, scheduled upkeep
  twg setup bitbucket   the Bitbucket token, and git's use of it")]
pub(crate) struct Setup {
    #[command(subcommand)]
    pub(crate) part: Option<SetupPart>,
}

/// `twg setup ...`
#[derive(Debug, Subcommand)]
pub(crate) enum SetupPart {
    /// Enter the Bitbucket token, unless one is stored
    Bitbucket(bitbucket::Bitbucket),
}

/// A step and its result.
struct Step {
    name: &'static str,
    result: Result<Done, Failure>,
}

enum Done {
    Now,
    /// There was nothing to do.
    Already,
    /// It was skipped, for this reason.
    Not(String),
}

/// Runs the command. Fails only if a sign-in was tried and failed.
pub(crate) async fn run(context: &mut Context, arguments: &Setup) -> Result<ExitCode, Failure> {
    match &arguments.part {
        None => all(context).await,
        Some(SetupPart::Bitbucket(arguments)) => bitbucket::setup(context, arguments).await,
    }
}

/// Runs every step.
async fn all(context: &mut Context) -> Result<ExitCode, Failure> {
    let not_needed = || Ok(Done::Not("the sandbox needs none".to_owned()));
    let program = if context.in_sandbox { not_needed() } else { install(context).await };
    let mut steps = vec![Step { name: "program", result: program }];
    steps.push(Step { name: "login", result: sign_in(context).await });
    if is_interrupted(&steps) {
        return Err(
            Failure::interrupted().keeping("The finished steps stay. Run it again for the rest.")
        );
    }
    if context.in_sandbox {
        let rest = ["completions", "skills", "upkeep"];
        steps.extend(rest.map(|name| Step { name, result: not_needed() }));
    } else {
        steps.push(Step { name: "completions", result: write_completions(context) });
        steps.push(Step { name: "skills", result: write_all(context, "skill", files::skills()) });
        let upkeep = upkeep::enable(context).await.map(|()| Done::Now);
        steps.push(Step { name: "upkeep", result: upkeep });
    }
    let failed = steps.iter().find_map(|step| match &step.result {
        Err(failure) if step.name == "login" => Some(failure.exit()),
        _ => None,
    });
    if context.json {
        let steps: Vec<Value> = steps.iter().map(|step| to_json(context, step)).collect();
        print_json(&json!({ "schemaVersion": 1, "ok": failed.is_none(), "steps": steps }));
    } else {
        for step in &steps {
            tell(context, step);
        }
    }
    Ok(failed.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit as u8)))
}

fn is_interrupted(steps: &[Step]) -> bool {
    let is_interruption =
        |step: &Step| matches!(&step.result, Err(failure) if failure.cause.is_interruption());
    steps.iter().any(is_interruption)
}

/// Installs a downloaded program so that a shell finds it and `twg update` can update it. A program that a package
/// manager installed stays as it is.
async fn install(context: &mut Context) -> Result<Done, Failure> {
    let managed = Managed::of_user(&env)?;
    if managed.is_managed() || installation::is_on_path() {
        return Ok(Done::Already);
    }
    managed.install_this(context).await?;
    context.achieved(format!("Installed as {}", managed.shown_launcher()));
    let directory = managed.launcher().parent();
    let path = env(PATH).unwrap_or_default();
    if !std::env::split_paths(&path).any(|on_path| Some(on_path.as_path()) == directory) {
        context
            .say("  That directory is not on your PATH: add it, so that your shell finds `twg`.");
    }
    Ok(Done::Now)
}

/// Signs in, unless a connection is stored or there is no terminal.
async fn sign_in(context: &mut Context) -> Result<Done, Failure> {
    let key = ConnectionKey::new(providers::DEFAULT, ConnectionKey::DEFAULT);
    let key = key.map_err(|error| Failure::internal(error.to_string()))?;
    let is_signed_in = context
        .credential(&key)?
        .is_some_and(|credential| credential.tokens.is_some() && credential.ended.is_none());
    if is_signed_in {
        return Ok(Done::Already);
    }
    if !context.person.may_ask || !context.person.terminal.can_ask() {
        return Ok(Done::Not("there is no terminal; run `twg login` in one".to_owned()));
    }
    let arguments = Login::plain()?;
    // A second JSON document must not be printed.
    let json = std::mem::replace(&mut context.json, false);
    let signed_in = login::run(context, &arguments).await;
    context.json = json;
    signed_in.map(|_| Done::Now)
}

fn write_completions(context: &mut Context) -> Result<Done, Failure> {
    let shell = files::shell();
    let of_shell = |file: &FileFor| Some(file.whom) == shell.as_deref();
    let wanted: Vec<_> = files::completions().into_iter().filter(of_shell).collect();
    if wanted.is_empty() {
        let what = "`twg completions SHELL` prints the script for your shell's startup file";
        return Ok(Done::Not(what.to_owned()));
    }
    let is_zsh = wanted.iter().any(|file| file.whom == "zsh");
    let done = write_all(context, "completion", wanted)?;
    if is_zsh && matches!(done, Done::Now) {
        context.say("  zsh finds it if ~/.zshrc has this line before `compinit`:");
        context.say("    fpath=(~/.local/share/zsh/site-functions $fpath)");
    }
    Ok(done)
}

fn write_all(context: &mut Context, what: &str, files: Vec<FileFor>) -> Result<Done, Failure> {
    let mut done = Done::Already;
    for FileFor { whom, path, text, comment } in files {
        let shown = context.config.display(&path);
        match marked_file::write(&path, text, comment) {
            Ok(Written::Now) => {
                context.achieved(format!("The {what} for {whom} is in {shown}"));
                done = Done::Now;
            }
            Ok(Written::Already) => {}
            Ok(Written::NotOurs) => {
                context
                    .say(format!("  {shown} was changed since twg wrote it, and stays as it is"));
            }
            Err(error) => {
                let message = format!("Could not write {shown}: {error}");
                return Err(Failure::new(Cause::NotWritten, message)
                    .or_hint("Make that directory writable, then run `twg setup` again."));
            }
        }
    }
    Ok(done)
}

/// Shows the result, unless the step showed it already.
fn tell(context: &mut Context, step: &Step) {
    match &step.result {
        Ok(Done::Now | Done::Already) => {}
        Ok(Done::Not(why)) => context.say(format!("  Skipped {}: {why}", step.name)),
        Err(failure) => context.report(failure),
    }
}

fn to_json(context: &Context, step: &Step) -> Value {
    let (state, detail, error) = match &step.result {
        Ok(Done::Now) => ("done", None, None),
        Ok(Done::Already) => ("already", None, None),
        Ok(Done::Not(why)) => ("skipped", Some(why), None),
        Err(failure) => ("failed", None, Some(context.failure_to_json(failure))),
    };
    json!({ "name": step.name, "state": state, "detail": detail, "error": error })
}
