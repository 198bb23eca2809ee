//! The source of the credential that a command uses. The first one found wins:
//!
//! 1. `TWG_OAUTH_ACCESS_TOKEN`: an access token of another program, which keeps it alive. twg never
//!    refreshes it.
//! 2. `TWG_USER` and `TWG_TOKEN` (and `TWG_SITE`): an API token, for scripts.
//! 3. The stored connection.
//!
//! The first two take the place of Atlassian's connection when none is named, also if a `.twg` file
//! binds the directory. They do not replace a connection that `--connection` names, nor another
//! provider. `twg login`, `logout`, `auth refresh` and the upkeep use stored connections only.

use twg_core::atlassian::address::{Product, api_url, site_url};
use twg_core::atlassian::api_token::{CloudIdRequest, MyselfRequest, NamedSite, TokenMode};
use twg_core::credential::Account;
use twg_core::endpoint_url::EndpointUrl;
use twg_core::error::Error;
use twg_core::identity::{IdentityRequest, is_email};
use twg_core::provider::ProviderProfile;
use twg_core::refresh::Need;
use twg_core::resource::{Authorization, GivenTokenFlow, ResourceRequest, TokenAudience};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use crate::context::Context;
use crate::credentials::binding;
use crate::credentials::connection::Chosen;
use crate::credentials::{providers, refresh};
use crate::driver::drive;
use crate::environment::{self, ACCESS_TOKEN, API_TOKEN, SITE, TOKEN_MODE, USER};
use crate::failure::{Cause, Failure};

/// The page where users create tokens.
pub(crate) const TOKEN_PAGE: &str = "https://id.atlassian.com/manage-profile/security/api-tokens";

/// Whether the environment has a credential. This is checked first, so that the hot path does not
/// print another one.
pub(crate) fn environment_has_one() -> bool {
    [ACCESS_TOKEN, API_TOKEN].into_iter().any(environment::is_set)
}

/// The source of the credential.
pub(crate) enum Source {
    /// The environment.
    Given(Given),
    /// The stored connection.
    Stored,
}

/// A credential that twg does not store.
pub(crate) struct Given {
    authorization: Authorization,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    AccessToken,
    ApiToken(TokenMode),
}

/// The credential that commands use for a connection.
pub(crate) fn find(context: &Context, chosen: &Chosen) -> Result<Source, Failure> {
    let is_meant = chosen.key.provider() == providers::DEFAULT && !chosen.was_named;
    if context.in_sandbox || !is_meant {
        return Ok(Source::Stored);
    }
    if let Some(token) = environment::text(ACCESS_TOKEN) {
        let authorization = Authorization::Bearer(plausible(ACCESS_TOKEN, token)?);
        return Ok(Source::Given(Given { authorization, kind: Kind::AccessToken }));
    }
    let Some(token) = environment::text(API_TOKEN) else { return Ok(Source::Stored) };
    let token = plausible(API_TOKEN, token)?;
    let user = environment::text(USER).unwrap_or_default();
    if !is_email(&user) {
        let what = if user.is_empty() { "is not set" } else { "is not an email address" };
        return Err(Failure::configuration(format!("{API_TOKEN} is set, but {USER} {what}"))
            .or_hint(format!(
                "Set {USER} to the email address of the account, or unset {API_TOKEN}."
            )));
    }
    let kind = Kind::ApiToken(token_mode()?);
    Ok(Source::Given(Given { authorization: Authorization::Basic { user, token }, kind }))
}

/// The text as a token, unless it is invalid. The error does not contain it, because it may be a
/// part of a token.
fn plausible(variable: &str, text: String) -> Result<Secret, Failure> {
    let token = Secret::new(text);
    if token.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(token);
    }
    Err(Failure::configuration(format!("{variable} contains a space or a non-printable character"))
        .or_hint(format!("Set {variable} to the token alone.")))
}

/// The mode from the environment, else the one that this program was built with.
fn token_mode() -> Result<TokenMode, Failure> {
    let said = environment::text(TOKEN_MODE);
    let mode = said.as_deref().or(option_env!("TWG_TOKEN_MODE")).unwrap_or("classic");
    TokenMode::named(mode)
        .ok_or_else(|| Failure::configuration(format!("{TOKEN_MODE} must be classic or scoped")))
}

/// Warns, after a sign-in or sign-out, that commands use another credential.
pub(crate) fn remark(context: &mut Context, chosen: &Chosen) {
    if let Ok(Source::Given(given)) = find(context, chosen) {
        let variable = given.variable();
        context.warn(format!(
            "{variable} is set and takes precedence over the stored connection; unset it to use the connection"
        ));
    }
}

impl Given {
    /// The variable that it comes from.
    pub(crate) const fn variable(&self) -> &'static str {
        match self.kind {
            Kind::AccessToken => ACCESS_TOKEN,
            Kind::ApiToken(_) => API_TOKEN,
        }
    }

    /// Its description, for people.
    pub(crate) fn describe(&self) -> String {
        match (&self.authorization, self.kind) {
            (Authorization::Basic { user, .. }, Kind::ApiToken(mode)) => {
                format!("API token ({}) of {user}, from {USER} and {API_TOKEN}", mode.as_str())
            }
            _ => format!("access token from {ACCESS_TOKEN}; twg does not refresh it"),
        }
    }

    /// The account's email address, if it is known without a request.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.authorization {
            Authorization::Basic { user, .. } => Some(user),
            Authorization::Bearer(_) => None,
        }
    }

    /// What a request is authorized with.
    pub(crate) fn authorization(&self) -> Authorization {
        self.authorization.clone()
    }

    /// Sends one request. `doing` describes it in case it fails: "Could not list the sites".
    pub(crate) async fn ask<R: ResourceRequest>(
        &self,
        context: &mut Context,
        request: R,
        doing: &str,
    ) -> Result<R::Answer, Failure> {
        let flow = GivenTokenFlow::given(request, self.authorization());
        let answer = drive(context, flow).await?;
        let answer = answer.map_err(|error| self.failure(doing, &error))?;
        context.unless_interrupted()?;
        Ok(answer)
    }

    /// The failure of a request with it.
    pub(crate) fn failure(&self, doing: &str, error: &Error) -> Failure {
        let variable = self.variable();
        if !matches!(error, Error::TokenRejected) {
            let failure = Failure::from_core(doing, error, "twg login");
            return failure.because(Cause::Given(Box::new(error.clone())));
        }
        let hint = match self.kind {
            Kind::AccessToken => {
                format!("Set {variable} to a new token, or unset it to use the stored connection.")
            }
            Kind::ApiToken(TokenMode::Classic) => format!(
                "Check {USER} and {SITE}, or create a token at {TOKEN_PAGE}; one with scopes needs \
                 {TOKEN_MODE}=scoped."
            ),
            Kind::ApiToken(TokenMode::Scoped) => format!(
                "Check {USER} and {SITE}, or choose `Create API token with scopes` at {TOKEN_PAGE}; one without \
                 scopes needs {TOKEN_MODE}=classic."
            ),
        };
        let message = format!("{doing}: the server does not accept the token in {variable}");
        Failure::new(Cause::GivenTokenRejected, message).or_hint(hint)
    }

    /// Whether it is an API token, which works for one site at a time.
    pub(crate) const fn is_api_token(&self) -> bool {
        matches!(self.kind, Kind::ApiToken(_))
    }

    /// The URL of a resource of a site, and the hosts that may get an API token on the way there.
    pub(crate) async fn api_address(
        &self,
        context: &mut Context,
        profile: &ProviderProfile,
        site: &NamedSite,
        (product, path): (Product, &str),
    ) -> Result<(EndpointUrl, TokenAudience), Failure> {
        let usage = |error: Error| Failure::usage(error.to_string());
        if self.kind == Kind::ApiToken(TokenMode::Classic) {
            let url = site_url(&site.url, path).map_err(usage)?;
            return Ok((url, TokenAudience::host_of(&site.url)));
        }
        let id = self.cloud_id(context, site).await?;
        let url = api_url(profile, product, Some(&id), path).map_err(usage)?;
        Ok((url, TokenAudience::new(profile, None)))
    }

    /// The cloud ID of a site.
    pub(crate) async fn cloud_id(
        &self,
        context: &mut Context,
        site: &NamedSite,
    ) -> Result<String, Failure> {
        let doing = format!("Could not find the site {}", site.name);
        self.ask(context, CloudIdRequest::new(site.url.clone()), &doing).await
    }

    /// Its account.
    pub(crate) async fn account(
        &self,
        context: &mut Context,
        profile: ProviderProfile,
        doing: &str,
    ) -> Result<Account, Failure> {
        if !self.is_api_token() {
            return self.ask(context, IdentityRequest::new(profile), doing).await;
        }
        let site = named_site(context, &profile, None)?;
        let (url, audience) = self
            .api_address(context, &profile, &site, (Product::Jira, MyselfRequest::PATH))
            .await?;
        self.ask(context, MyselfRequest::new(audience, url), doing).await
    }
}

/// The site of an API token: `named`, else that of `TWG_SITE` or of this directory.
pub(crate) fn named_site(
    context: &Context,
    profile: &ProviderProfile,
    named: Option<&str>,
) -> Result<NamedSite, Failure> {
    let chosen = named.map(str::to_owned).or_else(|| chosen_site(context));
    let hint = format!("Set {SITE} to the name of the site: acme for acme.atlassian.net.");
    let Some(chosen) = chosen else {
        let what = format!("{API_TOKEN} is set, but no site is chosen");
        return Err(Failure::configuration(what).or_hint(hint));
    };
    NamedSite::of(profile, &chosen)
        .map_err(|error| Failure::configuration(error.to_string()).or_hint(hint))
}

/// The site of a command that names none: that of `TWG_SITE`, else that of this directory. An
/// unreadable binding is reported where the connection is chosen.
pub(crate) fn chosen_site(context: &Context) -> Option<String> {
    let bound = || binding::of_command(context).ok().flatten()?.site;
    environment::text(SITE).filter(|_| !context.in_sandbox).or_else(bound)
}

/// An access token that works, from any source.
pub(crate) struct LiveToken {
    pub(crate) token: Secret,
    /// `None` if twg does not store the token.
    pub(crate) expires_at: Option<UnixTime>,
    /// `None` if twg does not store the token.
    pub(crate) scopes: Option<Vec<String>>,
}

/// A live access token of a connection, refreshed if that is due.
pub(crate) async fn live_token(
    context: &mut Context,
    chosen: &Chosen,
) -> Result<LiveToken, Failure> {
    match find(context, chosen)? {
        Source::Given(Given { authorization: Authorization::Bearer(token), .. }) => {
            Ok(LiveToken { token, expires_at: None, scopes: None })
        }
        Source::Given(_) => Err(Failure::configuration(format!(
            "{API_TOKEN} is set, and an API token is not an access token"
        ))
        .or_hint(format!("Unset {API_TOKEN} to use the stored connection, or use `twg api`."))),
        Source::Stored => {
            let refreshed = refresh::run(context, &chosen.key, Need::Live).await?;
            let Some(tokens) = refreshed.credential.tokens else {
                return Err(Failure::internal(
                    "A defect of twg: a refreshed connection without a token",
                ));
            };
            Ok(LiveToken {
                token: tokens.access_token,
                expires_at: Some(tokens.expires_at),
                scopes: Some(tokens.scopes),
            })
        }
    }
}
