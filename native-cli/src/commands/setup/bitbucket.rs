//! `twg setup bitbucket`: stores the Bitbucket token and lets git use it.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use twg_core::atlassian::bitbucket::Kind;
use twg_core::credential::Account;
use twg_core::identity::is_email;
use twg_core::provider::ProviderProfile;
use twg_core::secret::Secret;
use zeroize::Zeroizing;

use super::git::{self, GitState};
use crate::context::Context;
use crate::credentials::bitbucket_token::{self, SETUP, Stored, VARIABLE};
use crate::credentials::source::TOKEN_PAGE;
use crate::driver::interruptible;
use crate::effects::user_agent::UserAgent;
use crate::environment;
use crate::failure::{Cause, Failure};
use crate::output::{print_json, rfc3339};

/// `twg setup bitbucket`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg setup bitbucket            enter the token, and let git use it
  twg setup bitbucket --remove   delete it here
  pass bitbucket | twg setup bitbucket --with-token --email you@example.com")]
pub(crate) struct Bitbucket {
    /// Enter it again; the old one stays until the new one works
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Read the token from standard input
    #[arg(long)]
    pub(crate) with_token: bool,
    /// Email address of the Atlassian account that the token belongs to [default: that of the connection]
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Print the URL of the page for tokens and open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Let git use the token without asking
    #[arg(long)]
    pub(crate) git: bool,
    /// Delete the token here
    #[arg(long, conflicts_with_all = ["force", "with_token", "email", "git"])]
    pub(crate) remove: bool,
}

/// The scopes that the check of the token and git need.
const SCOPES: &str = "read:user:bitbucket, read:repository:bitbucket, write:repository:bitbucket";

const UNCHANGED: &str = "What was stored before is unchanged.";

/// A limit, because no token is longer.
const MAX_INPUT: u64 = 8192;

/// Runs the command.
pub(crate) async fn setup(
    context: &mut Context,
    arguments: &Bitbucket,
) -> Result<ExitCode, Failure> {
    if arguments.remove {
        return remove(context);
    }
    let given = if arguments.with_token { Some(secret_from_stdin("token")?) } else { None };
    let profile = bitbucket_token::profile(context)?;
    let done = match bitbucket_token::stored(context) {
        Ok(Some(stored)) if !arguments.force => {
            if given.is_some_and(|given| !stored.token.matches(given.expose())) {
                return Err(Failure::usage("A Bitbucket token is stored already")
                    .keeping("It is unchanged, and the one on standard input was not used.")
                    .or_hint(format!("Run `{SETUP} --force --with-token` to replace it.")));
            }
            confirm(context, &profile, stored).await?
        }
        // A damaged one is moved aside when a new one is stored.
        Err(failure) if !arguments.force => return Err(failure),
        Ok(_) | Err(_) => enter(context, &profile, given, arguments).await?,
    };
    let git = git::offer(context, &profile, arguments.git).await?;
    if context.json {
        print_json(&done.to_json(git));
    }
    Ok(ExitCode::SUCCESS)
}

/// At the end of a sign-in: asks for the token, unless one is stored. A failure here does not affect the sign-in.
pub(in crate::commands) async fn offer_after_login(context: &mut Context, again: bool) {
    let is_wanted = context.person.may_ask
        && context.person.terminal.can_ask()
        && !context.json
        && !context.person.quiet
        && !context.interrupted
        // The sandbox's approver cannot type a token, and a coding agent must not.
        && context.person.user_agent == UserAgent::Browser
        && context.here.agent.is_none()
        && environment::text(VARIABLE).is_none();
    if !is_wanted || !again && !matches!(bitbucket_token::stored(context), Ok(None)) {
        return;
    }
    let Ok(profile) = bitbucket_token::profile(context) else { return };
    let offered = async {
        bitbucket_token::file(context).preflight::<Stored>(context)?;
        explain(context, None);
        if let Some(found) = ask(context, &profile, None, on_enter(context)).await? {
            keep(context, found)?;
            git::offer(context, &profile, false).await?;
        }
        Ok::<_, Failure>(())
    };
    if let Err(failure) = offered.await
        && !failure.cause.is_interruption()
    {
        context.warn(&failure.message);
    }
    if matches!(bitbucket_token::stored(context), Ok(None)) {
        context.say(format!("  No token was stored. To enter one later: `{SETUP}`"));
    }
}

/// The result.
struct Done {
    stored: Stored,
    already_stored: bool,
    /// Whether Bitbucket accepted it now.
    checked: bool,
}

impl Done {
    fn to_json(&self, git: GitState) -> Value {
        json!({
            "schemaVersion": 1,
            "ok": true,
            "alreadyStored": self.already_stored,
            "checked": self.checked,
            "email": self.stored.email,
            "name": self.stored.name,
            "checkedAt": rfc3339(self.stored.checked_at),
            "git": git.name(),
        })
    }
}

/// Checks whether the stored token works.
async fn confirm(
    context: &mut Context,
    profile: &ProviderProfile,
    stored: Stored,
) -> Result<Done, Failure> {
    let again = format!("{SETUP} --force");
    match bitbucket_token::check(context, profile, stored.email.as_deref(), &stored.token).await {
        Ok(_) => {
            let of = shown(&stored);
            context.achieved(format!("The Bitbucket token{of} is stored, and works"));
            context.say(format!("  To enter another: `{again}`"));
            Ok(Done { stored, already_stored: true, checked: true })
        }
        Err(failure) if failure.cause.is_retryable() => {
            context.warn(format!("A Bitbucket token is stored. {}", failure.message));
            Ok(Done { stored, already_stored: true, checked: false })
        }
        Err(failure) => Err(failure
            .keeping("The token is unchanged.")
            .or_hint(format!("Run `{again}` to enter another."))),
    }
}

/// Takes a new token, and stores it if it works.
async fn enter(
    context: &mut Context,
    profile: &ProviderProfile,
    given: Option<Secret>,
    arguments: &Bitbucket,
) -> Result<Done, Failure> {
    let file = bitbucket_token::file(context);
    file.preflight::<Stored>(context)?;
    let named = arguments.email.as_deref();
    let found = match given {
        Some(token) => {
            let email = email_for(context, named, None, &token).await?;
            let account = bitbucket_token::check(context, profile, email.as_deref(), &token).await;
            let account = account.map_err(|failure| {
                failure.keeping(UNCHANGED).or_hint(format!(
                    "Create a token at {TOKEN_PAGE}, then run the same command with it."
                ))
            })?;
            Found { token, email, account }
        }
        None => {
            begin(context, arguments).await?;
            let asked = ask(context, profile, named, on_enter(context)).await;
            asked.map_err(|failure| failure.keeping(UNCHANGED))?.ok_or_else(|| {
                Failure::new(Cause::NothingEntered, "No Bitbucket token was entered")
                    .keeping(UNCHANGED)
            })?
        }
    };
    let stored = keep(context, found)?;
    Ok(Done { stored, already_stored: false, checked: true })
}

/// What pressing Enter without a token does.
fn on_enter(context: &Context) -> &'static str {
    match bitbucket_token::stored(context) {
        Ok(None) => "press Enter to skip this",
        _ => "press Enter to keep the stored one",
    }
}

/// A token that Bitbucket accepted.
struct Found {
    token: Secret,
    email: Option<String>,
    /// Its account, if the scopes of the token show it.
    account: Option<Account>,
}

/// Shows where to create a token.
async fn begin(context: &mut Context, arguments: &Bitbucket) -> Result<(), Failure> {
    if !context.person.may_ask || !context.person.terminal.can_ask() {
        if bitbucket_token::stored(context)?.is_some() {
            return Err(Failure::usage("This needs the token, and there is no terminal")
                .keeping("The stored one is unchanged.")
                .or_hint(format!("Pipe the token into `{SETUP} --force --with-token`.")));
        }
        return Err(Failure::new(Cause::AuthRequired, "No Bitbucket token is stored")
            .or_hint(format!(
                "Run `{SETUP}` in a terminal, pipe the token into `{SETUP} --with-token`, or set {VARIABLE}."
            )));
    }
    explain(context, arguments.email.as_deref());
    if !arguments.no_browser && context.can_open_browser() {
        context.open(TOKEN_PAGE).await;
    }
    Ok(())
}

/// Asks on the terminal until a token works, or the user enters none.
async fn ask(
    context: &mut Context,
    profile: &ProviderProfile,
    named: Option<&str>,
    otherwise: &str,
) -> Result<Option<Found>, Failure> {
    let mut before = None;
    loop {
        let Some(token) = ask_for_token(context, otherwise).await? else { return Ok(None) };
        let email = email_for(context, named, before.as_deref(), &token).await?;
        match bitbucket_token::check(context, profile, email.as_deref(), &token).await {
            Ok(account) => return Ok(Some(Found { token, email, account })),
            Err(failure) if failure.cause == Cause::TokenRejected => {
                context.person.terminal.warning(&format!(
                    "{}. It must be a token with scopes for Bitbucket: {SCOPES}",
                    failure.message
                ));
                before = email;
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn explain(context: &mut Context, email: Option<&str>) {
    let known = email.map(str::to_owned).or_else(|| bitbucket_token::known_email(context));
    let terminal = &mut context.person.terminal;
    terminal.line("Bitbucket needs its own token: an API token with scopes.");
    terminal.line(&format!("  Create one at  {TOKEN_PAGE}"));
    terminal.line(&format!("  with scopes    {SCOPES}"));
    if let Some(email) = known {
        terminal.line(&format!("  as             {}", twg_core::text::inert(&email)));
    }
}

/// `None` if the user enters none.
async fn ask_for_token(context: &mut Context, otherwise: &str) -> Result<Option<Secret>, Failure> {
    let question = format!("Bitbucket token (not shown; {otherwise}):");
    loop {
        let asked = interruptible(context.person.terminal.ask_secret(&question)).await;
        let token = asked??;
        if token.is_empty() {
            return Ok(None);
        }
        if token.is_one_word() {
            return Ok(Some(token));
        }
        context.person.terminal.warning("A token is one word without spaces.");
    }
}

/// The email address for a token, if it needs one. `before` was typed last time.
async fn email_for(
    context: &mut Context,
    named: Option<&str>,
    before: Option<&str>,
    token: &Secret,
) -> Result<Option<String>, Failure> {
    if let Some(named) = named {
        return if is_email(named) {
            Ok(Some(named.to_owned()))
        } else {
            Err(Failure::usage("--email needs an email address, such as you@example.com"))
        };
    }
    if Kind::of(token) == Kind::AccessToken {
        return Ok(None);
    }
    if let Some(known) = bitbucket_token::known_email(context) {
        return Ok(Some(known));
    }
    if !context.person.may_ask || !context.person.terminal.can_ask() {
        return Err(Failure::usage("The Atlassian account of the token is unknown")
            .or_hint("Add `--email you@example.com`."));
    }
    let usual = before.map(|before| format!(" [{before}]")).unwrap_or_default();
    let question = format!("Email address of your Atlassian account{usual}:");
    loop {
        let typed = interruptible(context.person.terminal.ask(&question)).await??;
        let email = before.filter(|_| typed.is_empty()).map_or(typed, str::to_owned);
        if is_email(&email) {
            return Ok(Some(email));
        }
        context.person.terminal.warning("That is not an email address.");
    }
}

fn keep(context: &mut Context, found: Found) -> Result<Stored, Failure> {
    let Found { token, email, account } = found;
    let stored = Stored::new(token, email, account.as_ref());
    let file = bitbucket_token::file(context);
    file.save(context, &stored)?;
    let (of, place) = (shown(&stored), context.config.display(&file.path));
    context.achieved(format!("Bitbucket accepts the token{of}; it is saved to {place}"));
    if account.is_none() {
        context.say("  (With the scope read:user:bitbucket, twg could show whose it is.)");
    }
    if environment::text(VARIABLE).is_some() && !context.in_sandbox {
        context.warn(format!("{VARIABLE} is set, and wins over the stored token."));
    }
    Ok(stored)
}

fn shown(stored: &Stored) -> String {
    match (&stored.name, &stored.email) {
        (Some(name), _) => format!(" of {name}"),
        (None, Some(email)) => format!(" of {email}"),
        (None, None) => String::new(),
    }
}

fn remove(context: &mut Context) -> Result<ExitCode, Failure> {
    // Before the token, so that git never asks for a missing one. Also if no token is stored.
    let configured = git::configured_here(context);
    git::withdraw(context, &configured);
    let removed = bitbucket_token::file(context).remove(context)?;
    if removed {
        context.achieved("The Bitbucket token is deleted here");
        context.say(format!("  It works until you revoke it at {TOKEN_PAGE}"));
    } else {
        context.say("No Bitbucket token is stored: nothing to do");
    }
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "ok": true, "removed": removed }));
    }
    Ok(ExitCode::SUCCESS)
}

/// A secret that another program writes to standard input.
pub(in crate::commands) fn secret_from_stdin(what: &str) -> Result<Secret, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(format!("--with-token reads the {what} from another program"))
            .or_hint("Leave out --with-token to type it at a prompt that does not show it."));
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_INPUT as usize));
    let read = stdin.lock().take(MAX_INPUT).read_to_string(&mut text);
    let secret = Secret::new(text.trim());
    if read.is_ok() && secret.is_one_word() {
        return Ok(secret);
    }
    Err(Failure::usage(format!("Standard input holds no {what}: one word was expected")))
}
