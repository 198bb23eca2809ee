//! `/oauth/token`: access tokens for codes, device codes and refresh tokens.

use serde_json::{Map, Value, json};

use crate::clients::{self, Client, Realm};
use crate::device;
use crate::families::{Ending, Rules};
use crate::grant_type;
use crate::http::{Handled, Request, Response};
use crate::state::{Access, Agreed};
use crate::tokens::{self, Claims};
use crate::values::{RefreshError, TokenBody};
use crate::world::World;

/// `POST /oauth/token`, with a form or JSON.
pub(crate) fn exchange(world: &mut World, request: &Request) -> Handled {
    request.check()?;
    let readable = match world.switches.token_body {
        TokenBody::Both => true,
        TokenBody::Json => request.is_json,
        TokenBody::Form => !request.is_json,
    };
    if !readable {
        return Err(Response::unreadable());
    }
    let client = clients::authenticate(request, Realm::Atlassian, &world.switches)?;
    match request.params.get("grant_type") {
        None => Err(Response::missing("grant_type")),
        Some(grant_type::AUTHORIZATION_CODE) => {
            let (agreed, origin) = redeem(world, request, client)?;
            let issued = sign_in(world, client, &agreed, &origin)?;
            Ok(respond(world, &issued, false))
        }
        Some(grant_type::DEVICE_CODE) => {
            let (agreed, origin) = device::poll(world, request, client)?;
            let issued = sign_in(world, client, &agreed, &origin)?;
            Ok(respond(world, &issued, false))
        }
        Some(grant_type::REFRESH_TOKEN) => {
            if world.switches.password_changed || world.switches.sessions_revoked {
                return Err(refresh_refused(world).outcome("session_ended"));
            }
            let rules = world.rules();
            let issued = renew(world, request, client, &rules)?;
            Ok(respond(world, &issued, true))
        }
        Some(other) => Err(Response::error(
            403,
            "unsupported_grant_type",
            &format!("Unsupported grant type: {}", other.escape_debug()),
        )),
    }
}

/// Tokens on their way to the client. Only here do they exist in the clear.
pub(crate) struct Issued {
    /// The access token.
    pub(crate) access: String,
    /// Its lifetime in seconds.
    pub(crate) lifetime: u64,
    /// The refresh token, if there is a new one.
    pub(crate) refresh: Option<String>,
    /// The granted scopes.
    pub(crate) scopes: Vec<String>,
}

/// Uses an authorization code. Returns what the user agreed to, and the hash of the code.
pub(crate) fn redeem(
    world: &mut World,
    request: &Request,
    client: &Client,
) -> Result<(Agreed, String), Response> {
    let refused = |text: &str| Response::error(403, "invalid_grant", text);
    let presented = request.params.get("code").ok_or_else(|| Response::missing("code"))?;
    let hash = tokens::hash(presented);
    let now = world.now();
    let Some(code) = world.state().codes.get(&hash).filter(|code| code.client == client.id) else {
        return Err(refused("Invalid authorization code"));
    };
    if code.used {
        // "If an authorization code is used more than once, the authorization server MUST deny the
        // request and SHOULD revoke (when possible) all tokens previously issued based on that
        // authorization code", RFC 6749 section 4.1.2.
        let state = world.change();
        let family = state.codes.get(&hash).and_then(|code| code.family.clone());
        state.families.end(Ending::CodeReused, |one| Some(&one.id) == family.as_ref());
        for access in state.access.values_mut() {
            access.revoked |= access.origin.as_ref() == Some(&hash);
        }
        return Err(refused("Invalid authorization code").outcome("code_reused"));
    }
    if now >= code.expires {
        return Err(refused("Authorization code is expired.").outcome("code_expired"));
    }
    match (&code.redirect_uri, request.params.get("redirect_uri")) {
        (Some(_), None) => return Err(Response::missing("redirect_uri")),
        (Some(right), Some(given)) if right != given => {
            return Err(refused("The redirect URI is wrong.").outcome("wrong_redirect_uri"));
        }
        (Some(_), Some(_)) | (None, _) => {}
    }
    match (&code.challenge, request.params.get("code_verifier")) {
        (Some(_), None) => return Err(Response::missing("code_verifier")),
        (Some(challenge), Some(verifier)) => {
            // RFC 7636 section 4.1: 43 to 128 unreserved characters.
            let formed = (43..=128).contains(&verifier.len())
                && verifier
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            if !formed || tokens::s256(verifier) != *challenge {
                return Err(refused("Failed to verify code verifier").outcome("wrong_verifier"));
            }
        }
        // "A token request containing a code_verifier parameter is accepted only if a code_challenge
        // parameter was present in the authorization request", RFC 9700 section 2.1.1.
        (None, Some(_)) => {
            return Err(refused("Failed to verify code verifier").outcome("pkce_downgrade"));
        }
        (None, None) => {}
    }
    let agreed = code.agreed.clone();
    if let Some(code) = world.change().codes.get_mut(&hash) {
        code.used = true;
    }
    Ok((agreed, hash))
}

/// A sign-in: an access token, and with `offline_access` a new refresh-token family.
pub(crate) fn sign_in(
    world: &mut World,
    client: &Client,
    agreed: &Agreed,
    origin: &str,
) -> Result<Issued, Response> {
    let now = world.now();
    // Bitbucket has no offline_access: every sign-in has a refresh token.
    let offline = client.realm == Realm::Bitbucket
        || agreed.scopes.iter().any(|scope| scope == "offline_access");
    let mut refresh = None;
    let mut family = None;
    if offline {
        let token = tokens::opaque(world.switches.refresh_bytes)?;
        let id = tokens::name()?;
        let state = world.change();
        let hash = tokens::hash(&token);
        state.families.begin(id.clone(), client.id, &agreed.account, hash, now);
        if let Some(code) = state.codes.get_mut(origin) {
            code.family = Some(id.clone());
        }
        (refresh, family) = (Some(token), Some(id));
    }
    let scopes = agreed.scopes.clone();
    let (access, lifetime) =
        access(world, client, Some(&agreed.account), family, Some(origin), &scopes)?;
    Ok(Issued { access, lifetime, refresh, scopes })
}

/// A refresh. The rules are in [`crate::families`].
pub(crate) fn renew(
    world: &mut World,
    request: &Request,
    client: &Client,
    rules: &Rules,
) -> Result<Issued, Response> {
    let presented =
        request.params.get("refresh_token").ok_or_else(|| Response::missing("refresh_token"))?;
    let now = world.now();
    let next = tokens::opaque(world.switches.refresh_bytes)?;
    let exchange = world.change().families.exchange(
        &tokens::hash(presented),
        client.id,
        tokens::hash(&next),
        rules,
        now,
    );
    let exchange = match exchange {
        Ok(exchange) => exchange,
        Err(refusal) => {
            let why = format!("{refusal:?}").to_ascii_lowercase();
            return Err(refresh_refused(world).outcome(format!("refresh_{why}")));
        }
    };
    // "The scopes in the new grant override the scopes in the existing grant."
    let scopes = world
        .state()
        .grant(client.id, &exchange.account)
        .map(|grant| grant.scopes.clone())
        .unwrap_or_default();
    let account = exchange.account;
    let (access, lifetime) =
        access(world, client, Some(&account), Some(exchange.family), None, &scopes)?;
    Ok(Issued { access, lifetime, refresh: exchange.rotated.then_some(next), scopes })
}

/// A new access token and its lifetime.
pub(crate) fn access(
    world: &mut World,
    client: &Client,
    account: Option<&str>,
    family: Option<String>,
    origin: Option<&str>,
    scopes: &[String],
) -> Result<(String, u64), Response> {
    let lifetime = match client.realm {
        Realm::Atlassian => world.switches.access_lifetime,
        Realm::Bitbucket => world.switches.bitbucket_lifetime,
    };
    let issued = world.now();
    let expires = issued.saturating_add(lifetime.millis());
    let claims = Claims {
        issuer: &world.base_url,
        client: client.id,
        account: account.unwrap_or(client.id),
        scope: &scopes.join(" "),
        issued,
        expires,
    };
    let token = tokens::access(world.switches.access_shape, world.switches.access_bytes, &claims)?;
    world.change().access.insert(
        tokens::hash(&token),
        Access {
            client: client.id.into(),
            account: account.map(Into::into),
            family,
            origin: origin.map(Into::into),
            issued,
            expires,
            revoked: false,
        },
    );
    Ok((token, lifetime.0))
}

/// The token response, RFC 6749 section 5.1, with what the switches leave out.
fn respond(world: &World, issued: &Issued, refreshed: bool) -> Response {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        let switches = &world.switches;
        let omitted = switches.omit.has(name) || (refreshed && switches.omit_on_refresh.has(name));
        if !omitted {
            body.insert(name.into(), value);
        }
    };
    put("access_token", json!(issued.access));
    if let Some(refresh) = &issued.refresh {
        put("refresh_token", json!(refresh));
    }
    put("expires_in", json!(issued.lifetime));
    put("token_type", json!(world.switches.token_type.0));
    put("scope", json!(issued.scopes.join(" ")));
    // "The authorization server MUST include the HTTP 'Cache-Control' response header field with a
    // value of 'no-store'", and Pragma.
    Response::json(200, &Value::Object(body))
        .header("Cache-Control", "no-store")
        .header("Pragma", "no-cache")
}

/// "403 Forbidden with {"error": "invalid_grant", "error_description": "Unknown or invalid refresh
/// token."}", or the other error that was observed.
fn refresh_refused(world: &World) -> Response {
    let status = u16::try_from(world.switches.refresh_error_status).unwrap_or(403);
    match world.switches.refresh_error {
        RefreshError::InvalidGrant => {
            Response::error(status, "invalid_grant", "Unknown or invalid refresh token.")
        }
        RefreshError::UnauthorizedClient => {
            Response::error(status, "unauthorized_client", "refresh_token is invalid")
        }
    }
}
