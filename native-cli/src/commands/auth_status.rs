//! `twg auth status`: the state of a connection, without any request.

use std::process::ExitCode;

use serde_json::{Value, json};
use twg_core::credential::{ConnectionKey, EndReason, Pending, StoredCredential};
use twg_core::provider::ProviderProfile;
use twg_core::refresh::repairable_until;
use twg_core::schedule::{Horizon, TokenState, due_at, near_end, session_horizon, token_state};
use twg_core::time::{Now, Span, UnixTime};

use crate::context::{Context, arguments, login_command};
use crate::credentials::binding;
use crate::credentials::connection::Connection;
use crate::credentials::source::{self, Given, Source};
use crate::credentials::{bitbucket_token, providers};
use crate::effects::clock;
use crate::failure::{Exit, Failure};
use crate::output::{print_json, print_lines, rfc3339};
use crate::system::host;

/// Below the help of the command.
pub(crate) const EXAMPLES: &str = "\
Examples:
  twg auth status                     the usual connection
  twg auth status --connection work   another one
  twg auth status --json              the same for programs";

/// Runs the command. Succeeds if the access token works now, or the next command that needs one refreshes it.
pub(crate) fn run(context: &mut Context, arguments: &Connection) -> Result<ExitCode, Failure> {
    let chosen = arguments.chosen(context)?;
    let key = &chosen.key;
    let profile = providers::load(context, key.provider())?;
    let source = source::find(context, &chosen)?;
    let credential = match source {
        // The stored one is not used, so a damaged one is no failure.
        Source::Given(_) => context.credential(key).ok().flatten(),
        Source::Stored => context.credential(key)?,
    };
    let now = clock::read();
    let status = Status { key, profile: &profile, credential: credential.as_ref(), now };
    if let Source::Given(given) = source {
        tell_given(context, &given, &status);
        return Ok(ExitCode::SUCCESS);
    }
    if context.json {
        print_json(&with_bitbucket(context, key, status.to_json()));
    } else {
        let mut lines = status.lines(context);
        if let Some(bitbucket) = of_atlassian(context, key) {
            lines.push(format!("{:<12} {}", "Bitbucket", bitbucket.line()));
        }
        print_lines(&lines);
        if let Some(hint) = status.hint(context) {
            context.person.terminal.line(&hint);
        }
    }
    Ok(if status.is_signed_in() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::AuthRequired as u8)
    })
}

/// The Bitbucket token, which belongs to a connection to Atlassian.
fn of_atlassian(context: &Context, key: &ConnectionKey) -> Option<bitbucket_token::Status> {
    bitbucket_token::status(context).filter(|_| key.provider() == providers::DEFAULT)
}

fn with_bitbucket(context: &Context, key: &ConnectionKey, mut document: Value) -> Value {
    document["bitbucket"] = of_atlassian(context, key).map(|status| status.to_json()).into();
    document
}

/// Shows a credential of the environment, and the stored one that is not used because of it.
fn tell_given(context: &Context, given: &Given, stored: &Status<'_>) {
    if context.json {
        let document = json!({
            "schemaVersion": 1,
            "provider": stored.key.provider(),
            "connection": stored.key.connection(),
            "signedIn": true,
            "source": given.variable(),
            "user": given.user(),
            "site": source::chosen_site(context),
            "stored": stored.to_json(),
        });
        print_json(&with_bitbucket(context, stored.key, document));
        return;
    }
    let row = |name: &str, value: &str| format!("{name:<12} {value}");
    let mut lines = vec![row("Credential", &given.describe())];
    if let Some(site) = source::chosen_site(context) {
        lines.push(row("Site", &twg_core::text::displayable(&site)));
    }
    let not_used = if stored.is_signed_in() {
        format!("not used while {} is set", given.variable())
    } else {
        "none".to_owned()
    };
    lines.push(row("Stored", &not_used));
    if let Some(bitbucket) = bitbucket_token::status(context) {
        lines.push(row("Bitbucket", &bitbucket.line()));
    }
    print_lines(&lines);
}

/// What is known of a connection.
pub(crate) struct Status<'a> {
    pub(crate) key: &'a ConnectionKey,
    pub(crate) profile: &'a ProviderProfile,
    pub(crate) credential: Option<&'a StoredCredential>,
    pub(crate) now: Now,
}

impl Status<'_> {
    fn state(&self) -> TokenState {
        self.credential
            .map_or(TokenState::None, |credential| token_state(credential, self.now.wall))
    }

    /// Whether the access token works now, judged by its lifetime.
    pub(crate) fn works(&self) -> bool {
        matches!(self.state(), TokenState::Fresh { .. } | TokenState::Due { .. })
    }

    fn expires_at(&self) -> Option<UnixTime> {
        Some(self.credential?.tokens.as_ref()?.expires_at)
    }

    fn login_end(&self) -> Option<(UnixTime, Horizon)> {
        session_horizon(self.credential?, self.profile.login_lifetime)
    }

    /// For people.
    pub(crate) fn lines(&self, context: &Context) -> Vec<String> {
        self.rows(context).into_iter().map(|(name, value)| format!("{name:<12} {value}")).collect()
    }

    fn rows(&self, context: &Context) -> Vec<(&'static str, String)> {
        let mut rows = vec![("Connection", self.key.to_string())];
        let Some(credential) = self.credential else {
            rows.push(("Signed in", "no".to_owned()));
            rows.extend(self.chosen_by(context));
            return rows;
        };
        if let Some(account) = &credential.account {
            rows.push(("Account", account.shown().to_owned()));
        }
        rows.push(("Method", format!("OAuth 2.1, {}", credential.login.grant)));
        rows.push(("Token", self.token_line()));
        if let Some(interrupted) = self.interruption() {
            rows.push(("Refresh", interrupted));
        }
        if let Some(end) = self.login_line() {
            rows.push(("Login", end));
        }
        if let Some(tokens) = &credential.tokens {
            rows.push(("Scopes", twg_core::text::displayable(&tokens.scopes.join(" "))));
        }
        for site in &credential.sites {
            let default = credential.default_site.as_ref() == Some(&site.id);
            let mark = if default { " (default)" } else { "" };
            rows.push(("Site", format!("{} {}{mark}", site.name, site.url)));
        }
        let place = context.config.record_path(self.key);
        rows.push(("Source", context.config.display(&place)));
        rows.extend(self.chosen_by(context));
        rows
    }

    /// The `.twg` file that chose this connection, or a site, and what it chose.
    fn chosen_by(&self, context: &Context) -> Option<(&'static str, String)> {
        let binding = binding::of_command(context).ok().flatten()?;
        let of_this = binding.connection.as_deref() == Some(self.key.connection());
        let is_about = of_this || binding.connection.is_none();
        let site = binding.site.as_ref().filter(|_| is_about);
        let site = site.map(|site| format!(" (site {})", twg_core::text::displayable(site)));
        (of_this || site.is_some()).then(|| {
            ("Chosen by", context.config.display(&binding.file) + &site.unwrap_or_default())
        })
    }

    fn pending(&self) -> Option<&Pending> {
        self.credential?.pending.as_ref()
    }

    fn repairable_until(&self) -> Option<UnixTime> {
        let credential = self.credential.filter(|c| self.profile.is_of(&c.server))?;
        let leeway = Span::from_secs(self.profile.reuse_leeway_seconds);
        repairable_until(credential.pending.as_ref()?, leeway, &host::this(), self.now)
    }

    /// A refresh whose result is unknown, if there is one.
    pub(crate) fn interruption(&self) -> Option<String> {
        let pending = self.pending()?;
        let age = pending.age(&host::this(), self.now);
        let ago = age.map_or("at an unknown time".to_owned(), |age| format!("{age} ago"));
        let count = match pending.attempt {
            1 => String::new(),
            n => format!(", {n} times"),
        };
        let remedy = match self.repairable_until() {
            Some(end) => format!(
                "the next refresh repairs it; guaranteed for the next {}",
                end.since(self.now.wall)
            ),
            None if age.is_none() && self.profile.reuse_leeway_seconds > 0 => {
                "the next refresh tries to repair it".to_owned()
            }
            None => "the server may not accept its refresh token again; twg tries it when the \
                     access token has expired"
                .to_owned(),
        };
        Some(format!("under way or interrupted {ago}{count}; {remedy}"))
    }

    /// When the login ends, and what to do if that is soon.
    pub(crate) fn login_line(&self) -> Option<String> {
        let (end, why) = self.login_end()?;
        let left = end.since(self.now.wall);
        let mut line = match why {
            Horizon::AccessToken => {
                format!("ends in {left} with its token, because there is no refresh token")
            }
            Horizon::Idle => format!("ends in {left} unless it is used"),
            Horizon::Absolute => format!("ends in {left}"),
        };
        if self.is_near_end() {
            line.push_str(&format!("; run `{} --force` before that", login_command(self.key)));
        }
        Some(line)
    }

    pub(crate) fn is_near_end(&self) -> bool {
        let near = |credential| near_end(credential, self.profile.login_lifetime, self.now.wall);
        self.credential.and_then(near).is_some()
    }

    fn token_line(&self) -> String {
        match self.state() {
            TokenState::Fresh { due_at } => {
                let due = due_at.since(self.now.wall);
                match self.expires_at() {
                    Some(end) => {
                        format!("works for {}; a refresh is due in {due}", end.since(self.now.wall))
                    }
                    None => "works".to_owned(),
                }
            }
            TokenState::Due { expires_at } => {
                format!("works for {}; a refresh is due", expires_at.since(self.now.wall))
            }
            TokenState::Expired { expired_at } => {
                let ago = self.now.wall.since(expired_at);
                let next = if self.is_signed_in() { "; the next command refreshes it" } else { "" };
                format!("expired {ago} ago{next}")
            }
            TokenState::None => match self.credential.and_then(|c| c.ended.as_ref()) {
                Some(ended) => match ended.reason {
                    EndReason::SignedOutUnconfirmed => format!(
                        "signed out {} ago; the tokens may still be valid, because the server did not confirm",
                        self.now.wall.since(ended.at)
                    ),
                    EndReason::Revoked => format!(
                        "none: the server ended this login {} ago",
                        self.now.wall.since(ended.at)
                    ),
                    EndReason::Interrupted => format!(
                        "none: the response to a refresh was lost, and the server did not accept the token \
                         again {} ago",
                        self.now.wall.since(ended.at)
                    ),
                    EndReason::Other => "none: the login has ended".to_owned(),
                },
                None => "none".to_owned(),
            },
        }
    }

    /// Whether there is a token that works, or one that can be refreshed.
    pub(crate) fn is_signed_in(&self) -> bool {
        let can_refresh = |credential: &StoredCredential| {
            let tokens = credential.tokens.as_ref().filter(|_| credential.ended.is_none());
            tokens.is_some_and(|tokens| tokens.refresh_token.is_some())
        };
        self.works() || self.credential.is_some_and(can_refresh)
    }

    pub(crate) fn hint(&self, context: &Context) -> Option<String> {
        (!self.is_signed_in()).then(|| {
            format!("Run `{} login{}` to sign in.", context.person.program, arguments(self.key))
        })
    }

    /// For programs. Holds no token.
    pub(crate) fn to_json(&self) -> Value {
        let credential = self.credential;
        let state = match self.state() {
            TokenState::Fresh { .. } => "fresh",
            TokenState::Due { .. } => "due",
            TokenState::Expired { .. } => "expired",
            TokenState::None => "none",
        };
        json!({
            "schemaVersion": 1,
            "provider": self.key.provider(),
            "connection": self.key.connection(),
            "signedIn": self.is_signed_in(),
            "tokenState": state,
            "accessTokenExpiresAt": self.expires_at().map(rfc3339),
            "refreshDueAt": credential
                .and_then(|c| c.tokens.as_ref().filter(|_| c.ended.is_none()))
                .map(|tokens| rfc3339(due_at(tokens))),
            "pendingRefresh": self.pending().map(|pending| json!({
                "since": rfc3339(pending.at),
                "attempt": pending.attempt,
                "repairableUntil": self.repairable_until().map(rfc3339),
            })),
            "ended": credential.and_then(|c| c.ended.as_ref()).map(|ended| json!({
                "at": rfc3339(ended.at),
                "reason": ended.reason,
            })),
            "loginEndsAt": self.login_end().map(|(end, _)| rfc3339(end)),
            "loginEndsSoon": self.is_near_end(),
            "hasRefreshToken": credential
                .and_then(|c| c.tokens.as_ref())
                .is_some_and(|tokens| tokens.refresh_token.is_some()),
            "grant": credential.map(|c| c.login.grant),
            "account": credential.and_then(|c| c.account.as_ref()),
            "scopes": credential.and_then(|c| c.tokens.as_ref()).map(|tokens| &tokens.scopes),
            "sites": credential.map(|c| &c.sites),
            "defaultSite": credential.and_then(|c| c.default_site.as_ref()),
            "source": credential.map(|_| "stored"),
        })
    }
}
