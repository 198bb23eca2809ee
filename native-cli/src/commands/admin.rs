//! `twg admin auth`: the admin API key of an organization.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use twg_core::atlassian::admin::OrgId;
use twg_core::identity::is_email;
use twg_core::secret::Secret;
use twg_core::text::printable;
use twg_core::time::{Span, UnixTime};

use super::setup::bitbucket::secret_from_stdin;
use crate::context::Context;
use crate::credentials::admin_key::{self, Stored};
use crate::driver::interruptible;
use crate::effects::clock;
use crate::failure::{Cause, Failure};
use crate::output::{print_json, print_lines, rfc3339};

/// `twg admin ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Enter, check or delete the key
    #[command(subcommand)]
    Auth(AdminAuth),
}

/// `twg admin auth ...`
#[derive(Debug, Subcommand)]
pub(crate) enum AdminAuth {
    /// Enter the admin API key of an organization
    Login(AdminLogin),
    /// Show whether a key is stored, and whether it works
    Status,
    /// Delete the key here
    Logout,
}

/// `twg admin auth login`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg admin auth login --email you@example.com --org ID
  pass key | twg admin auth login --email you@example.com --org ID --with-token")]
pub(crate) struct AdminLogin {
    /// Your email address
    #[arg(long)]
    pub(crate) email: String,
    /// ID of the organization; on admin.atlassian.com it follows /o/ in the URL
    #[arg(long, value_name = "ID")]
    pub(crate) org: String,
    /// Read the key from standard input
    #[arg(long)]
    pub(crate) with_token: bool,
    /// Day on which the key expires, YYYY-MM-DD; twg warns before it
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<String>,
}

/// The page on which administrators create and revoke keys.
pub(super) const KEY_PAGE: &str = "https://admin.atlassian.com";

/// Runs the command.
pub(crate) async fn run(context: &mut Context, what: Admin) -> Result<ExitCode, Failure> {
    let Admin::Auth(what) = what;
    match what {
        AdminAuth::Login(arguments) => login(context, &arguments).await,
        AdminAuth::Status => status(context).await,
        AdminAuth::Logout => logout(context),
    }
}

async fn login(context: &mut Context, arguments: &AdminLogin) -> Result<ExitCode, Failure> {
    let org = OrgId::parse(&arguments.org).ok_or_else(|| {
        Failure::usage(format!("'{}' is not the ID of an organization", printable(&arguments.org)))
            .or_hint(format!("In the URL of its pages on {KEY_PAGE} it follows /o/."))
    })?;
    if !is_email(&arguments.email) {
        return Err(Failure::usage("--email needs an email address, such as you@example.com"));
    }
    let named = arguments.expires.as_deref().map(|text| end_of(text).ok_or_else(|| no_date(text)));
    let named = named.transpose()?;
    let file = admin_key::file(context);
    file.preflight::<Stored>(context)?;
    let key = if arguments.with_token { secret_from_stdin("key")? } else { ask(context).await? };
    let kept = "What was stored before is unchanged.";
    let checked = admin_key::check(context, &org, &key).await;
    let org_name = checked.map_err(|failure| {
        failure.keeping(kept).or_hint(format!(
            "Create an API key without scopes at {KEY_PAGE} (Settings, API keys), and use the ID of its organization."
        ))
    })?;
    let expires_at = match named {
        Some(end) => Some(end),
        None => ask_for_end(context, arguments).await.map_err(|failure| failure.keeping(kept))?,
    };
    let stored = Stored::new(key, arguments.email.clone(), &org, org_name, expires_at);
    file.save(context, &stored)?;
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "ok": true, "key": stored.to_json() }));
        return Ok(ExitCode::SUCCESS);
    }
    let place = context.config.display(&file.path);
    context.achieved(format!("Atlassian accepts the key for {}", stored.organization()));
    context.achieved(format!("Saved to {place}"));
    if let Some(end) = stored.near_end(clock::now()) {
        context.warn(format!("The key {end}."));
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(context: &mut Context) -> Result<Secret, Failure> {
    if !context.person.may_ask || !context.person.terminal.can_ask() {
        return Err(Failure::usage("This needs the key, and there is no terminal").or_hint(
            "Run the command in a terminal, or pipe the key into it and add `--with-token`.",
        ));
    }
    context
        .person
        .terminal
        .line("An admin API key gives access to the whole organization. twg stores it in a file of its own.");
    context.person.terminal.line(&format!("  Create one at  {KEY_PAGE} (Settings, API keys)"));
    loop {
        let asked =
            interruptible(context.person.terminal.ask_secret("Admin API key (not shown):")).await;
        let key = asked??;
        if key.is_one_word() {
            return Ok(key);
        }
        if key.is_empty() {
            return Err(Failure::new(Cause::NothingEntered, "No key was entered")
                .keeping("What was stored before is unchanged."));
        }
        context.person.terminal.warning("A key is one word without spaces.");
    }
}

/// Every key expires: after a week, or on another day within a year. The API does not say when.
async fn ask_for_end(
    context: &mut Context,
    arguments: &AdminLogin,
) -> Result<Option<UnixTime>, Failure> {
    if arguments.with_token || !context.person.may_ask || !context.person.terminal.can_ask() {
        return Ok(None);
    }
    loop {
        let question = "Day it expires, so that twg can warn you (YYYY-MM-DD; Enter if unknown):";
        let text = interruptible(context.person.terminal.ask(question)).await??;
        if text.is_empty() {
            return Ok(None);
        }
        match end_of(&text) {
            Some(end) => return Ok(Some(end)),
            None => context.person.terminal.warning(&no_date(&text).message),
        }
    }
}

fn no_date(text: &str) -> Failure {
    Failure::usage(format!("'{}' is not a day such as 2027-01-31", printable(text)))
}

/// The end of a day, in UTC.
fn end_of(text: &str) -> Option<UnixTime> {
    if text.len() != "2027-01-31".len() {
        return None;
    }
    let start = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
    let since = start.duration_since(std::time::UNIX_EPOCH).ok()?;
    let start = UnixTime::from_millis(since.as_secs().checked_mul(1000)?);
    Some(start.plus(Span::from_days(1)))
}

/// The day whose end this is, as a person named it.
fn last_day(end: UnixTime) -> String {
    let before = UnixTime::from_millis(end.as_millis().saturating_sub(1));
    let day = rfc3339(before);
    format!("at the end of {} (UTC)", day.split('T').next().unwrap_or(&day))
}

/// Shows whether the key works now. Succeeds only if it does.
async fn status(context: &mut Context) -> Result<ExitCode, Failure> {
    let Some(stored) = admin_key::stored(context)? else {
        return Err(Failure::new(Cause::AuthRequired, "No admin API key is stored")
            .or_hint("Run `twg admin auth login --email you@example.com --org ID`."));
    };
    let org = OrgId::parse(&stored.org)
        .ok_or_else(|| Failure::internal("The stored key names no organization"))?;
    let checked = admin_key::check(context, &org, &stored.key).await;
    let failure = checked.err();
    if let Some(failure) = failure.as_ref().filter(|failure| failure.cause.is_interruption()) {
        return Err(failure.clone());
    }
    let state = match &failure {
        None => "works",
        Some(failure) if failure.cause.is_rejection() => "rejected",
        Some(_) => "not_checked",
    };
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "ok": failure.is_none(),
            "state": state,
            "key": stored.to_json(),
            "error": failure.as_ref().map(|failure| context.failure_to_json(failure)),
        }));
    } else {
        print_lines(&lines(context, &stored, state));
        if let Some(failure) = &failure {
            let again = format!(
                "Run `twg admin auth login --email {} --org {}` to enter another.",
                stored.email, stored.org
            );
            let failure = failure.clone().keeping("The key is kept.");
            let failure = if state == "rejected" { failure.or_hint(again) } else { failure };
            context.report(&failure);
        }
        if let Some(end) = stored.near_end(clock::now()) {
            context.warn(format!("The key {end}: create the next one at {KEY_PAGE}."));
        }
    }
    Ok(failure.map_or(ExitCode::SUCCESS, |failure| ExitCode::from(failure.exit() as u8)))
}

fn lines(context: &Context, stored: &Stored, state: &str) -> Vec<String> {
    let state = match state {
        "works" => "works".to_owned(),
        "rejected" => "is not accepted".to_owned(),
        _ => {
            let age = clock::now().since(stored.checked_at);
            format!("could not be checked now; it worked {age} ago")
        }
    };
    let mut rows = vec![("Organization", stored.org.clone())];
    rows.extend(stored.org_name.clone().map(|name| ("Name", name)));
    rows.push(("Email", stored.email.clone()));
    rows.push(("Key", state));
    rows.push(("Expires", stored.expires_at.map_or("not known".to_owned(), last_day)));
    rows.push(("Source", context.config.display(&context.config.admin_key_path())));
    rows.into_iter().map(|(name, value)| format!("{name:<12} {value}")).collect()
}

fn logout(context: &mut Context) -> Result<ExitCode, Failure> {
    let removed = admin_key::file(context).remove(context)?;
    if context.json {
        print_json(&json!({ "schemaVersion": 1, "ok": true, "removed": removed }));
    } else if removed {
        context.achieved("The admin API key is deleted here");
        context.say(format!("  It works until you revoke it at {KEY_PAGE} (Settings, API keys)"));
    } else {
        context.say("No admin API key is stored: nothing to do");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_works_through_its_last_day() {
        let end = end_of("2026-11-30").map(rfc3339);
        assert_eq!(end.as_deref(), Some("2026-12-01T00:00:00Z"));
        for bad in
            ["", "tomorrow", "2026-13-01", "2026-02-30", "2026-1-1", "2026-11-30T", "1900-01-01"]
        {
            assert_eq!(end_of(bad), None, "{bad}");
        }
        let shown = end_of("2026-11-30").map(last_day);
        assert_eq!(shown.as_deref(), Some("at the end of 2026-11-30 (UTC)"));
    }
}
