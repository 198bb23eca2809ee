//! Bitbucket Cloud: its own authorization server, and a few resources of its API. It has no audience
//! and no cloud ids, and its token response has `scopes` instead of `scope`.

use serde_json::{Value, json};

use crate::api::{self, NotAccepted};
use crate::clients::{self, CALLBACK_PATH, Realm};
use crate::families::{Millis, Rules};
use crate::http::{Handled, Request, Response};
use crate::people::MIA;
use crate::ticket::{Consent, Purpose, Redirect};
use crate::token_endpoint::{self, Issued};
use crate::values::RedirectPort;
use crate::world::World;
use crate::{authorize, consent, grant_type, redirect};

/// Mia's Bitbucket API token, for Basic authentication with her e-mail address.
pub(crate) const BITBUCKET_API_TOKEN: &str = "sandbox-bitbucket-token";

/// The scopes of the consumer. A request cannot choose others.
const SCOPES: &[&str] = &["account", "repository"];

/// "3-month TTL" for rotating refresh tokens, as observed.
const ROTATING_TTL: Millis = 90 * 24 * 3600 * 1000;

/// `GET /bitbucket/site/oauth2/authorize`.
pub(crate) fn page(world: &mut World, request: &Request) -> Handled {
    let query = &request.query;
    let (client, redirect) = authorize::client_and_redirect(world, query, Realm::Bitbucket)?;
    let named_redirect = redirect.is_some();
    let redirect = match redirect {
        Some(redirect) => redirect,
        None => {
            let port = match world.switches.redirect_port {
                RedirectPort::Exactly(port) => port,
                RedirectPort::Any => 7998,
            };
            let uri = format!("http://127.0.0.1:{port}{CALLBACK_PATH}");
            Redirect::new(&uri, query.get("state"))
                .ok_or_else(|| authorize::invalid("no redirect URI is registered."))?
        }
    };
    if query.get("response_type") != Some("code") {
        let text = "Only response_type=code is supported here";
        return Err(redirect::refuse(world, &redirect, "unsupported_response_type", text));
    }
    let challenge = match query.get("code_challenge") {
        Some(_) => authorize::challenge(world, client, &redirect, query)?,
        None => None,
    };
    let scopes = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
    let purpose = Purpose::Code { redirect, named_redirect, challenge };
    consent::ask_or_deny(world, Consent::new(client, scopes, purpose))
}

/// `POST /bitbucket/site/oauth2/access_token`.
pub(crate) fn exchange(world: &mut World, request: &Request) -> Handled {
    request.check()?;
    let client = clients::authenticate(request, Realm::Bitbucket, &world.switches)?;
    // Bitbucket sends 400 where Atlassian sends 403.
    let as_400 = |mut response: Response| {
        if response.status == 403 {
            response.status = 400;
        }
        response
    };
    let (issued, state) = match request.params.get("grant_type") {
        Some(grant_type::AUTHORIZATION_CODE) => {
            let (agreed, origin) =
                token_endpoint::redeem(world, request, client).map_err(as_400)?;
            (
                token_endpoint::sign_in(world, client, &agreed, &origin)?,
                grant_type::AUTHORIZATION_CODE,
            )
        }
        Some(grant_type::REFRESH_TOKEN) => {
            let rules = Rules {
                rotate: world.switches.bitbucket_rotation,
                idle: if world.switches.bitbucket_rotation { ROTATING_TTL } else { Millis::MAX },
                absolute: Millis::MAX,
                ..world.rules()
            };
            let mut issued =
                token_endpoint::renew(world, request, client, &rules).map_err(as_400)?;
            if issued.refresh.is_none() {
                // Without rotation, Bitbucket sends the same refresh token again.
                issued.refresh = request.params.get("refresh_token").map(Into::into);
            }
            (issued, grant_type::REFRESH_TOKEN)
        }
        Some(grant_type::CLIENT_CREDENTIALS) => {
            let scopes: Vec<String> = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
            let (access, lifetime) =
                token_endpoint::access(world, client, None, None, None, &scopes)?;
            (Issued { access, lifetime, refresh: None, scopes }, grant_type::CLIENT_CREDENTIALS)
        }
        other => {
            let text =
                format!("Unsupported grant type: {}", other.unwrap_or("None").escape_debug());
            return Err(Response::error(400, "invalid_grant", &text));
        }
    };
    let mut body = json!({
        "access_token": issued.access,
        "scopes": issued.scopes.join(" "),
        "expires_in": issued.lifetime,
        "token_type": "bearer",
        "state": state,
    });
    if let Some(refresh) = issued.refresh {
        body["refresh_token"] = refresh.into();
    }
    Ok(Response::json(200, &body).header("Cache-Control", "no-store"))
}

/// `GET /bitbucket/2.0/user` and `/workspaces`.
pub(crate) fn api(world: &mut World, request: &Request) -> Handled {
    let is_api_token = request
        .basic()
        .is_some_and(|(user, token)| user == MIA.email && token == BITBUCKET_API_TOKEN);
    if !is_api_token {
        api::caller(world, request, Realm::Bitbucket).map_err(|why| match why {
            NotAccepted::Expired => error(
                401,
                "Access token expired. Use your refresh token to obtain a new access token.",
            ),
            NotAccepted::Invalid => {
                error(401, "Token is invalid, expired, or not supported for this endpoint.")
            }
        })?;
    }
    match request.path.trim_start_matches("/bitbucket/2.0/") {
        "user" => Ok(Response::json(200, &user())),
        "workspaces" => {
            let workspace = json!({
                "type": "workspace", "slug": "krystof-design", "name": "Krystof Design",
                "uuid": "{2f1a7c34-6a0c-4d3c-9f0e-52a1f6d1b7aa}", "is_private": true,
            });
            Ok(Response::json(
                200,
                &json!({ "pagelen": 10, "size": 1, "page": 1, "values": [workspace] }),
            ))
        }
        _ => Err(error(404, "Resource not found")),
    }
}

fn user() -> Value {
    json!({
        "type": "user", "display_name": MIA.name, "nickname": MIA.nickname,
        "username": MIA.nickname, "account_id": MIA.account, "account_status": "active",
        "uuid": format!("{{{}}}", MIA.account), "is_staff": false,
        "created_on": "2020-01-14T09:00:00.000000+00:00",
    })
}

fn error(status: u16, message: &str) -> Response {
    Response::json(status, &json!({ "type": "error", "error": { "message": message } }))
}
