//! The network between this machine and the provider, and the provider's servers.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use twg_core::atlassian::admin::OrgId;
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::flow::{RedirectTarget, UserAgentError};
use twg_core::http::{HttpRequest, Method};
use twg_core::provider::ProviderProfile;
use twg_core::resource::{Authorization, TokenAudience};
use twg_core::secret::Secret;
use twg_core::time::{Span, UnixTime};

use super::check::Check;
use crate::context::{Context, login_command};
use crate::credentials::{admin_key, bitbucket_token};
use crate::driver::send;
use crate::effects::clock;
use crate::effects::loopback::RedirectListener;
use crate::environment;
use crate::environment::{NETWORK, SSL_CERT_FILE, env};
use crate::failure::{Cause, Failure};

/// With a larger skew, tokens look older or younger than they are.
const TOLERABLE_SKEW: Span = Span::from_secs(60);

/// Whether a sign-in with a browser on this machine could return to twg.
pub(super) fn port_check(profile: &ProviderProfile) -> Check {
    let target =
        RedirectTarget { port: profile.redirect.port, path: profile.redirect.path.clone() };
    match RedirectListener::bind(&target) {
        Ok(listener) => {
            Check::of("redirect", Ok(format!("can listen at {}", listener.redirect_uri())))
        }
        Err(UserAgentError::PortBusy(port)) => Check::of(
            "redirect",
            Err(format!("port {port} is used by another program; `twg login --device` needs none")),
        ),
        Err(error) => {
            Check::of("redirect", Err(twg_core::error::Error::UserAgent(error).to_string()))
        }
    }
}

/// The settings of the network, by name only, because the URL of a proxy may hold a password.
pub(super) fn network_settings() -> Check {
    let set: Vec<_> = NETWORK.into_iter().filter(|name| environment::is_set(name)).collect();
    if set.is_empty() {
        return Check::note("network", "no proxy; certificates of the operating system");
    }
    match env(SSL_CERT_FILE).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty()) {
        Some(path) if !path.is_file() => {
            Check::of("network", Err("the file of SSL_CERT_FILE does not exist".to_owned()))
        }
        _ => Check::note("network", format!("in use: {}", set.join(", "))),
    }
}

/// Asks the server for its metadata, without credentials, and compares the clocks.
pub(super) async fn prove_server(
    context: &mut Context,
    profile: &ProviderProfile,
) -> Result<Check, Failure> {
    let endpoint = profile.issuer.as_ref().or(profile.endpoints.token.as_ref());
    let Some(endpoint) = endpoint else {
        return Ok(Check::note("server", "no URL is known"));
    };
    let host = endpoint.host();
    let url = match profile.issuer {
        Some(_) => {
            format!("{}/.well-known/openid-configuration", endpoint.as_str().trim_end_matches('/'))
        }
        None => endpoint.as_str().to_owned(),
    };
    let request = HttpRequest::new(Method::Get, url, Vec::new(), Secret::default());
    let before = clock::now();
    let response = match send(context, request).await? {
        Ok(response) => response,
        Err(error) => {
            return Ok(Check::of("server", Err(format!("{host}: {}", error.failure()))));
        }
    };
    let after = clock::now();
    let date = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(date) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
        return Ok(Check::of("server", Ok(format!("{host} responds (HTTP {})", response.status))));
    };
    let server = UnixTime::from_millis(u64::try_from(date.as_millis()).unwrap_or(u64::MAX));
    let skew = server.since(after).max(before.since(server.plus(Span::from_secs(1))));
    let found = format!("{host} responds; this clock is {skew} off");
    let is_tolerable = skew <= TOLERABLE_SKEW;
    let found = if is_tolerable { Ok(found) } else { Err(format!("{found}: set the clock")) };
    Ok(Check::of("server", found))
}

/// Uses the token once, because a server may revoke it before it expires.
pub(super) async fn prove_token(
    context: &mut Context,
    key: &ConnectionKey,
    profile: &ProviderProfile,
    credential: &StoredCredential,
) -> Result<Option<Check>, Failure> {
    let (Some(url), Some(tokens)) =
        (credential.server.userinfo_endpoint.as_ref(), credential.tokens.as_ref())
    else {
        return Ok(None);
    };
    let token = Authorization::Bearer(tokens.access_token.clone());
    let audience = TokenAudience::new(profile, Some(url));
    let request = match audience.get(url, &token) {
        Ok(request) => request,
        Err(error) => return Ok(Some(Check::of("token", Err(error.to_string())))),
    };
    let name = &profile.display_name;
    Ok(Some(match send(context, request).await? {
        Ok(response) if response.status == 200 => {
            Check::of("token", Ok(format!("{name} accepts it")))
        }
        Ok(response) if response.status == 401 => {
            let message = format!("{name} no longer accepts it");
            let failure = Failure::new(Cause::TokenRejected, message);
            let login = login_command(key);
            Check::failed(
                "token",
                failure.or_hint(format!("Run `{login} --force` to sign in again.")),
            )
        }
        Ok(response) => {
            Check::note("token", format!("{name} responds with HTTP {}", response.status))
        }
        Err(error) => Check::note("token", format!("unknown: {}", error.failure())),
    }))
}

/// Asks Bitbucket whether it accepts the token that is used for it. `None` if there is none.
pub(super) async fn prove_bitbucket(context: &mut Context) -> Result<Option<Check>, Failure> {
    let Some(status) = bitbucket_token::status(context) else { return Ok(None) };
    let found = status.line();
    let (true, Ok(Some(token))) = (status.is_usable(), bitbucket_token::find(context)) else {
        return Ok(Some(Check::of("bitbucket", Err(found))));
    };
    let profile = match bitbucket_token::profile(context) {
        Ok(profile) => profile,
        Err(failure) => return Ok(Some(Check::failed("bitbucket", failure))),
    };
    let proof =
        bitbucket_token::check(context, &profile, token.email.as_deref(), &token.secret).await;
    let another = if status.source == bitbucket_token::VARIABLE {
        format!("Set {} to another token.", bitbucket_token::VARIABLE)
    } else {
        format!("Run `{} --force` to enter another.", bitbucket_token::SETUP)
    };
    proved("bitbucket", found, proof.map(drop), another).map(Some)
}

/// Asks Atlassian whether it accepts the stored admin API key. `None` if there is none.
pub(super) async fn prove_admin_key(context: &mut Context) -> Result<Option<Check>, Failure> {
    let Some((found, needs_attention)) = admin_key::summary(context) else { return Ok(None) };
    let stored = admin_key::stored(context).ok().flatten();
    let Some((org, stored)) = stored.and_then(|stored| Some((OrgId::parse(&stored.org)?, stored)))
    else {
        return Ok(Some(Check::note("admin key", found)));
    };
    let proof = admin_key::check(context, &org, &stored.key).await.map(drop);
    let again =
        format!("Run `twg admin auth login --email {} --org {}`.", stored.email, stored.org);
    let mut check = proved("admin key", found, proof, again)?;
    if needs_attention {
        check.needs_attention();
    }
    Ok(Some(check))
}

/// The check of a secret: what is known of it, and whether its server accepts it.
fn proved(
    name: &'static str,
    found: String,
    proof: Result<(), Failure>,
    another: String,
) -> Result<Check, Failure> {
    Ok(match proof {
        Ok(()) => Check::of(name, Ok(format!("{found}; it is accepted"))),
        Err(failure) if failure.cause.is_interruption() => return Err(failure),
        Err(failure) if failure.cause.is_rejection() => {
            Check::failed(name, failure.or_hint(another))
        }
        Err(failure) => Check::note(
            name,
            format!("{found}; unknown whether it is accepted: {}", failure.message),
        ),
    })
}
