//! Bitbucket Cloud: its own authorization server and `/2.0/user`. No audience, no cloud ids, and the
//! token response says `scopes`, not `scope`.

use serde_json::{Value, json};

use super::api::{self, NotAccepted};
use super::authorize::{self, Redirect};
use super::clients::{self, CALLBACK_PATH, Realm};
use super::consent::{self, Consent, Purpose};
use super::grants::{Millis, Rules};
use super::http::{Answer, Reply, Request};
use super::people::MIA;
use super::token::{self, Issued};
use super::values::{Decision, RedirectPort};
use super::world::World;

/// Mia's Bitbucket API token, for Basic authentication with her e-mail address.
pub(super) const BITBUCKET_API_TOKEN: &str = "sandbox-bitbucket-token";

/// The scopes of the consumer; requests cannot name others.
const SCOPES: &[&str] = &["account", "repository"];

/// "3-month TTL" for rotating refresh tokens [observed].
const ROTATING_TTL: Millis = 90 * 24 * 3600 * 1000;

/// `GET /bitbucket/site/oauth2/authorize`.
pub(super) fn page(world: &mut World, request: &Request) -> Answer {
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
            Redirect::registered(&uri, query.get("state"))?
        }
    };
    if query.get("response_type") != Some("code") {
        let text = "Only response_type=code is supported here";
        return Err(redirect.refuse(world, "unsupported_response_type", text));
    }
    let challenge = match query.get("code_challenge") {
        Some(_) => authorize::challenge(world, client, &redirect, query)?,
        None => None,
    };
    let scopes = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
    let purpose = Purpose::Code { redirect, named_redirect, challenge };
    let consent = Consent { client, scopes, purpose, organization: None, site: None };
    if world.switches.decision == Decision::Deny {
        return consent::finish(world, consent, None);
    }
    consent::ask(world, consent)
}

/// `POST /bitbucket/site/oauth2/access_token`.
pub(super) fn exchange(world: &mut World, request: &Request) -> Answer {
    token::check(request)?;
    let client = clients::authenticate(request, Realm::Bitbucket, &world.switches)?;
    // Bitbucket answers 400 where Atlassian answers 403.
    let as_400 = |mut reply: Reply| {
        if reply.status == 403 {
            reply.status = 400;
        }
        reply
    };
    let (issued, grant_type) = match request.params.get("grant_type") {
        Some("authorization_code") => {
            let (agreed, origin) = token::redeem(world, request, client).map_err(as_400)?;
            (token::log_in(world, client, &agreed, &origin)?, "authorization_code")
        }
        Some("refresh_token") => {
            let rules = Rules {
                rotate: world.switches.bitbucket_rotation,
                idle: if world.switches.bitbucket_rotation { ROTATING_TTL } else { Millis::MAX },
                absolute: Millis::MAX,
                ..world.rules()
            };
            let mut issued = token::renew(world, request, client, &rules).map_err(as_400)?;
            if issued.refresh.is_none() {
                // Without rotation, Bitbucket sends the same refresh token again.
                issued.refresh = request.params.get("refresh_token").map(Into::into);
            }
            (issued, "refresh_token")
        }
        Some("client_credentials") => {
            let scopes: Vec<String> = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
            let (access, lifetime) = token::access(world, client, None, None, None, &scopes)?;
            (Issued { access, lifetime, refresh: None, scopes }, "client_credentials")
        }
        other => {
            let text =
                format!("Unsupported grant type: {}", other.unwrap_or("None").escape_debug());
            return Err(Reply::error(400, "invalid_grant", &text));
        }
    };
    let mut body = json!({
        "access_token": issued.access,
        "scopes": issued.scopes.join(" "),
        "expires_in": issued.lifetime,
        "token_type": "bearer",
        "state": grant_type,
    });
    if let Some(refresh) = issued.refresh {
        body["refresh_token"] = refresh.into();
    }
    Ok(Reply::json(200, &body).header("Cache-Control", "no-store"))
}

/// `GET /bitbucket/2.0/user`, and the workspaces of the user.
pub(super) fn api(world: &mut World, request: &Request) -> Answer {
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
        "user" => Ok(Reply::json(200, &user())),
        "workspaces" => {
            let workspace = json!({
                "type": "workspace", "slug": "krystof-design", "name": "Krystof Design",
                "uuid": "{2f1a7c34-6a0c-4d3c-9f0e-52a1f6d1b7aa}", "is_private": true,
            });
            Ok(Reply::json(
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

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "type": "error", "error": { "message": message } }))
}
