//! `twg login`: sign in.

use std::process::ExitCode;

use clap::{Args, FromArgMatches as _};
use serde_json::{Value, json};
use twg_core::credential::Site;
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::error::Error;
use twg_core::grant::request::LoginRequest;
use twg_core::login::{LoginFlow, SignedIn};
use twg_core::plan::{Plan, Wishes, plan_login};
use twg_core::provider::{Grant, ProviderProfile};
use twg_core::refresh::{Need, Refreshed};
use twg_core::time::{Span, UnixTime};

use super::setup::bitbucket;
use super::sites;
use crate::advice::Advice;
use crate::completion::candidates;
use crate::context::{Context, arguments as named, entropy, login_command};
use crate::credentials::clients::{self, Registration};
use crate::credentials::connection::Connection;
use crate::credentials::{providers, refresh, source};
use crate::driver::drive;
use crate::effects::clock;
use crate::effects::user_agent::UserAgent;
use crate::failure::{Cause, Failure, SignIn};
use crate::output::{print_json, print_lines, rfc3339};

/// `twg login`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg login                     sign in to Atlassian
  twg login --device            sign in with a code, in a browser anywhere
  twg login --connection work   sign in with a second account
  twg login --force             sign in again, for other scopes or sites
  twg login --explain           show how twg would sign in")]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Sign in again; old tokens stay until new ones are saved
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Print the URL and open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Sign in with a code, in a browser on any device
    #[arg(long, conflicts_with = "loopback")]
    pub(crate) device: bool,
    /// Sign in with a browser on this machine
    #[arg(long)]
    pub(crate) loopback: bool,
    /// Scopes to ask for, separated by commas or spaces
    #[arg(long, value_name = "A,B")]
    pub(crate) scopes: Option<String>,
    /// Site to use by default: its name, URL or ID
    #[arg(long, add = candidates::sites())]
    pub(crate) site: Option<String>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) timeout: u32,
    /// Client ID to use instead of the stored one
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Ask for the client ID (and secret) again
    #[arg(long, conflicts_with = "client_id")]
    pub(crate) new_client: bool,
    /// Show how twg would sign in, and why; do nothing
    #[arg(long)]
    pub(crate) explain: bool,
}

impl Login {
    /// `twg login` without arguments.
    ///
    /// # Errors
    /// Only if the parser has an argument without a default.
    pub(crate) fn plain() -> Result<Self, Failure> {
        let typed = Self::augment_args(clap::Command::new("login")).try_get_matches_from(["login"]);
        typed
            .and_then(|typed| Self::from_arg_matches(&typed))
            .map_err(|error| Failure::internal(error.to_string()))
    }
}

/// Runs the command.
pub(crate) async fn run(context: &mut Context, arguments: &Login) -> Result<ExitCode, Failure> {
    let chosen = arguments.connection.chosen(context)?;
    let key = chosen.key.clone();
    let profile = providers::load(context, key.provider())?;
    let scopes = scopes(&profile, arguments.scopes.as_deref());
    if arguments.explain {
        let registration = clients::find(context, &profile, arguments.client_id.as_deref())?;
        let plan = plan(context, &profile, registration.as_ref(), arguments)?;
        explain(context, &key, &plan, registration.as_ref());
        return Ok(ExitCode::SUCCESS);
    }
    let stored = match context.credential(&key) {
        // A damaged record does not prevent a sign-in: the flow sets it aside.
        Err(Failure { cause: Cause::DamagedRecord(_), .. }) => None,
        // A record of a newer twg, or one that cannot be read, cannot be replaced. This must fail before the user
        // approves the sign-in.
        stored => stored?,
    };
    let again = arguments.force || arguments.new_client || arguments.client_id.is_some();
    if let (false, Some(credential)) = (again, stored)
        && let Some((credential, end)) = still_good(context, &key, credential, &scopes).await?
    {
        if let Some(site) = &arguments.site {
            sites::use_site(context, &key, site).await?;
        }
        already_signed_in(context, &key, &credential, end);
        source::remark(context, &chosen);
        return Ok(ExitCode::SUCCESS);
    }
    let registration = match find_client(context, &profile, arguments)? {
        Some(registration) => registration,
        None => clients::ask(context, &profile).await?,
    };
    let plan = plan(context, &profile, Some(&registration), arguments)?;
    let signed_in =
        sign_in(context, &key, profile.clone(), &registration, scopes, plan, arguments).await?;
    let registration = clients::keep(context, &profile, registration)?;
    if signed_in.device_grant_not_enabled {
        remember_no_device_grant(context, &profile, &registration);
    }
    if !context.json {
        tell(context, &key, &signed_in);
    }
    if let Some(site) = &arguments.site {
        let chosen = sites::use_site(context, &key, site).await;
        chosen
            .map_err(|failure| failure.keeping("You are signed in; no default site was chosen."))?;
    }
    if context.json {
        print_json(&to_json(&key, &signed_in));
    }
    source::remark(context, &chosen);
    if key.provider() == providers::DEFAULT {
        bitbucket::offer_after_login(context, arguments.force).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Saves the next sign-in a request that fails. Only for a stored client.
fn remember_no_device_grant(
    context: &mut Context,
    profile: &ProviderProfile,
    registration: &Registration,
) {
    if registration.source == clients::STORED && !registration.device_grant_not_enabled {
        let registration = Registration { device_grant_not_enabled: true, ..registration.clone() };
        let _ = clients::save(context, profile, &registration);
    }
}

/// The scopes to ask for, separated by commas or spaces.
fn scopes(profile: &ProviderProfile, asked: Option<&str>) -> Vec<String> {
    match asked {
        None => profile.scopes.clone(),
        Some(text) => {
            text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        }
    }
}

/// The credential and the end of its access token, if it has every scope and works, perhaps after a refresh. Then no
/// approval is needed.
async fn still_good(
    context: &mut Context,
    key: &ConnectionKey,
    credential: StoredCredential,
    scopes: &[String],
) -> Result<Option<(StoredCredential, UnixTime)>, Failure> {
    let all_scopes = |credential: &StoredCredential| {
        let tokens = credential.tokens.as_ref()?;
        tokens.missing_scopes(scopes).is_empty().then_some(tokens.expires_at)
    };
    if all_scopes(&credential).is_none() || credential.ended.is_some() {
        return Ok(None);
    }
    match refresh::attempt(context, key, Need::Live).await? {
        Ok(Refreshed { credential, .. }) => {
            Ok(all_scopes(&credential).map(|end| (credential, end)))
        }
        // Without the server, a sign-in would fail too.
        Err(
            error @ (Error::Transport { .. } | Error::Unavailable { .. } | Error::NotOAuth { .. }),
        ) => Err(refresh::failure(context, key, "Could not refresh the connection", &error)),
        Err(_) => Ok(None),
    }
}

fn already_signed_in(
    context: &mut Context,
    key: &ConnectionKey,
    credential: &StoredCredential,
    end: UnixTime,
) {
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "ok": true,
            "alreadySignedIn": true,
            "provider": key.provider(),
            "connection": key.connection(),
            "account": credential.account,
            "accessTokenExpiresAt": rfc3339(end),
        }));
        return;
    }
    let name = credential
        .account
        .as_ref()
        .map_or("an unknown account", |account| account.shown())
        .to_owned();
    let left = end.since(clock::now());
    context.achieved(format!("Already signed in as {name}; the access token works for {left}"));
    let arguments = named(key);
    context.say(format!("  To sign in again: `twg login{arguments} --force`"));
}

fn find_client(
    context: &Context,
    profile: &ProviderProfile,
    arguments: &Login,
) -> Result<Option<Registration>, Failure> {
    if arguments.new_client {
        return Ok(None);
    }
    clients::find(context, profile, arguments.client_id.as_deref())
}

/// The source of a client, for people: the stored one is named by its file.
pub(super) fn client_source(context: &Context, provider: &str, known: &Registration) -> String {
    let stored = context.config.client_path(provider).filter(|_| known.source == clients::STORED);
    let shown = stored.and_then(|file| {
        Some(file.strip_prefix(context.config.path()).ok()?.display().to_string())
    });
    shown.unwrap_or_else(|| known.source.clone())
}

fn plan(
    context: &Context,
    profile: &ProviderProfile,
    registration: Option<&Registration>,
    arguments: &Login,
) -> Result<Plan, Failure> {
    let grant = match (arguments.device, arguments.loopback) {
        (true, _) => Some(Grant::DeviceCode),
        (_, true) => Some(Grant::AuthorizationCode),
        (false, false) => None,
    };
    let wishes = Wishes { grant, no_browser: arguments.no_browser };
    let not_enabled = registration.is_some_and(|known| known.device_grant_not_enabled);
    let mut plan =
        plan_login(profile, not_enabled, &context.here, wishes).map_err(Failure::usage)?;
    // The sandbox approves without a display.
    plan.open |= matches!(context.person.user_agent, UserAgent::SandboxApprover(_));
    Ok(plan)
}

fn explain(
    context: &mut Context,
    key: &ConnectionKey,
    plan: &Plan,
    registration: Option<&Registration>,
) {
    let reasons: Vec<String> = plan.reasons.iter().map(ToString::to_string).collect();
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "provider": key.provider(),
            "connection": key.connection(),
            "grants": plan.grants,
            "opensBrowser": plan.open,
            "reasons": reasons,
            "clientId": registration.map(|known| &known.client.id),
            "clientSource": registration.map(|known| &known.source),
        }));
        return;
    }
    let grants: Vec<String> = plan.grants.iter().map(ToString::to_string).collect();
    let mut lines = vec![format!("Would sign in to {key} with: {}", grants.join(", else "))];
    lines.extend(reasons.iter().map(|reason| format!("  - {reason}")));
    lines.push(match registration {
        Some(known) => format!(
            "  - client ID {} (from {})",
            known.client.id,
            client_source(context, key.provider(), known)
        ),
        None => "  - no client ID is stored: twg asks for one".to_owned(),
    });
    print_lines(&lines);
}

async fn sign_in(
    context: &mut Context,
    key: &ConnectionKey,
    profile: ProviderProfile,
    registration: &Registration,
    scopes: Vec<String>,
    plan: Plan,
    arguments: &Login,
) -> Result<SignedIn, Failure> {
    let name = profile.display_name.clone();
    let request = LoginRequest {
        connection: key.connection().to_owned(),
        profile: profile.clone(),
        client: registration.client.clone(),
        scopes,
        grants: plan.grants,
        open: plan.open,
        timeout: Span::from_secs(u64::from(arguments.timeout)),
    };
    let doing = format!("Could not sign in to {name}");
    // As it was typed: without `--force` the command might find a connection that works.
    let login = login_command(key);
    let (login, sign_in) = if arguments.force {
        let forced = format!("{login} --force");
        (forced.clone(), SignIn::forced(forced))
    } else {
        (login.clone(), SignIn::from(login))
    };
    let kept = match context.credential(key) {
        Ok(Some(credential)) if credential.tokens.is_some() => "Your earlier sign-in is unchanged.",
        _ => "Nothing was stored.",
    };
    let failed = |error: &Error| {
        Failure::from_core(&doing, error, sign_in.clone())
            .keeping(kept)
            .or_hint(format!("Run `{login}` to try again."))
    };
    let flow =
        LoginFlow::sign_in(request, (entropy()?, entropy()?)).map_err(|error| failed(&error))?;
    let result = drive(context, flow).await;
    let result = result.map_err(|failure| failure.keeping(kept))?;
    if let Err(Error::GrantNotEnabled(_)) = &result {
        remember_no_device_grant(context, &profile, registration);
    }
    result.map_err(|error| failed(&error))
}

fn to_json(key: &ConnectionKey, signed_in: &SignedIn) -> Value {
    let credential = &signed_in.credential;
    json!({
        "schemaVersion": 1,
        "ok": true,
        "alreadySignedIn": false,
        "provider": key.provider(),
        "connection": key.connection(),
        "account": credential.account,
        "sites": credential.sites,
        "scopesNotGranted": signed_in.scopes_not_granted,
        "accessTokenExpiresAt": credential.tokens.as_ref().map(|t| rfc3339(t.expires_at)),
    })
}

fn tell(context: &mut Context, key: &ConnectionKey, signed_in: &SignedIn) {
    let place = context.records.place(key);
    context.achieved("Authentication successful!");
    match &signed_in.account {
        Some(Ok(account)) => context.achieved(format!("Authenticated as {}", account.shown())),
        Some(Err(error)) => {
            context.person.terminal.warning(&format!("Your name is unknown: {error}"))
        }
        None => {}
    }
    context.achieved(format!("Credentials saved to {place}"));
    remarks(context, signed_in);
}

/// What else the user should know.
fn remarks(context: &mut Context, signed_in: &SignedIn) {
    match &signed_in.sites {
        Some(Err(error)) => {
            context.person.terminal.warning(&format!("Your sites are unknown: {error}"))
        }
        Some(Ok(found)) if found.is_empty() => {
            let advice = Advice::from(sites::NO_SITE).as_called(context.person.program);
            context.person.terminal.warning(&advice);
        }
        Some(Ok(sites)) => context.say(format!("  Sites: {}", site_names(sites))),
        None => {}
    }
    if !signed_in.scopes_not_granted.is_empty() {
        let missing = signed_in.scopes_not_granted.join(" ");
        context.person.terminal.warning(&format!("Not granted: {missing}"));
    }
    let tokens = signed_in.credential.tokens.as_ref();
    if tokens.is_some_and(|tokens| tokens.refresh_token.is_none()) {
        context
            .person
            .terminal
            .warning("The server sent no refresh token: this login ends with its access token.");
    }
}

fn site_names(sites: &[Site]) -> String {
    let mut names: Vec<_> = sites.iter().map(|site| site.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
