//! api.atlassian.com: `/me`, `accessible-resources`, and the way to Jira and Confluence.

use serde_json::{Value, json};

use crate::clients::Realm;
use crate::http::{Handled, Request, Response};
use crate::people::{self, MIA, Product, Site};
use crate::state::Grant;
use crate::values::Sites;
use crate::world::World;
use crate::{products, tokens};

/// Mia's API token, with scopes, for Basic authentication at `/ex/...`.
pub(crate) const API_TOKEN: &str = "sandbox-api-token";

/// Mia's API token without scopes, for Basic authentication at the site's own URL.
pub(crate) const CLASSIC_API_TOKEN: &str = "sandbox-classic-token";

/// The holder of a valid bearer token.
pub(crate) struct Caller<'a> {
    /// The user's grant; `None` if the client acts for itself.
    pub(crate) grant: Option<&'a Grant>,
}

impl Caller<'_> {
    fn has_any(&self, scopes: &[&str]) -> bool {
        self.grant.is_some_and(|grant| {
            scopes.iter().any(|scope| grant.scopes.iter().any(|one| one == scope))
        })
    }
}

/// Why a bearer token does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAccepted {
    /// It is missing, unknown, revoked, or not for this API.
    Invalid,
    /// It has expired.
    Expired,
}

/// Looks up the bearer token of a request.
pub(crate) fn caller<'a>(
    world: &'a World,
    request: &Request,
    realm: Realm,
) -> Result<Caller<'a>, NotAccepted> {
    let token = request.bearer().ok_or(NotAccepted::Invalid)?;
    let state = world.state();
    let access = state.access.get(&tokens::hash(token)).ok_or(NotAccepted::Invalid)?;
    let family_ended = access
        .family
        .as_ref()
        .is_some_and(|id| state.families.get(id).is_none_or(|family| family.ended.is_some()));
    if access.revoked
        || family_ended
        || world.switches.sessions_revoked
        || crate::clients::find(&access.client, realm).is_none()
    {
        return Err(NotAccepted::Invalid);
    }
    if world.now() >= access.expires {
        return Err(NotAccepted::Expired);
    }
    let grant = access.account.as_ref().and_then(|account| state.grant(&access.client, account));
    Ok(Caller { grant })
}

/// An error of the API gateway: an object with code and message.
fn gateway_error(status: u16, message: &str) -> Response {
    Response::json(status, &json!({ "code": status, "message": message }))
}

fn unauthorized(world: &World) -> Response {
    challenge(world, gateway_error(401, "Unauthorized"), "invalid_token")
}

fn wrong_scope(world: &World) -> Response {
    let response = gateway_error(401, "Unauthorized; scope does not match");
    challenge(world, response, "insufficient_scope").outcome("insufficient_scope")
}

/// Adds the `WWW-Authenticate` header with this error, RFC 6750 section 3, unless a switch forbids it.
fn challenge(world: &World, response: Response, error: &str) -> Response {
    if !world.switches.www_authenticate {
        return response;
    }
    response.header("WWW-Authenticate", &format!("Bearer error=\"{error}\""))
}

/// `GET /me`. "Add the read:me scope to the authorization URL for your app."
pub(crate) fn me(world: &mut World, request: &Request) -> Handled {
    let world = &*world;
    let caller = caller(world, request, Realm::Atlassian).map_err(|_| unauthorized(world))?;
    if !caller.has_any(&["read:me"]) {
        return Err(wrong_scope(world));
    }
    Ok(Response::json(200, &people::profile(&MIA)))
}

/// `GET /userinfo`.
pub(crate) fn userinfo(world: &mut World, request: &Request) -> Handled {
    let world = &*world;
    caller(world, request, Realm::Atlassian).map_err(|_| unauthorized(world))?;
    Ok(Response::json(
        200,
        &json!({
            "sub": MIA.account, "name": MIA.name, "nickname": MIA.nickname,
            "email": MIA.email, "email_verified": true,
        }),
    ))
}

/// `GET /oauth/token/accessible-resources`: one item per product of a site, so that an id can occur
/// twice: "the id is not unique across containers".
pub(crate) fn accessible_resources(world: &mut World, request: &Request) -> Handled {
    let world = &*world;
    let caller = caller(world, request, Realm::Atlassian).map_err(|_| unauthorized(world))?;
    let mut items = Vec::new();
    if let Some(grant) = caller.grant {
        for site in people::sites() {
            let listed = match world.switches.sites {
                Sites::None => false,
                Sites::All => true,
                Sites::Granted => grant.sites.contains(site.cloud_id),
            };
            if listed {
                items.extend(containers(site, grant, world.switches.duplicate_ids));
            }
        }
    }
    // The order of the real list means nothing, so here the first site is the last one.
    items.reverse();
    Ok(Response::json(200, &Value::Array(items)))
}

/// The items of one site.
fn containers(site: &Site, grant: &Grant, per_product: bool) -> Vec<Value> {
    let of = |product: Product| -> Vec<&str> {
        let scopes = grant.scopes.iter().map(String::as_str);
        scopes.filter(|scope| Product::of_scope(scope) == Some(product)).collect()
    };
    let products = [Product::Jira, Product::Confluence];
    let mut lists: Vec<Vec<&str>> =
        products.into_iter().filter(|product| product.is_on(site)).map(of).collect();
    if !per_product {
        lists = vec![lists.concat()];
    }
    lists.retain(|scopes| !scopes.is_empty());
    let item = |scopes| {
        json!({
            "id": site.cloud_id, "name": site.name, "url": site.url(),
            "scopes": scopes, "avatarUrl": site.avatar_url(),
        })
    };
    lists.into_iter().map(item).collect()
}

/// `/ex/{jira|confluence}/{cloudid}/...`, with a bearer token, or with Basic e-mail and API token.
pub(crate) fn product(world: &mut World, request: &Request) -> Handled {
    let world = &*world;
    let not_found = || gateway_error(404, "Not Found");
    let mut parts = request.path.trim_start_matches("/ex/").splitn(3, '/');
    let product = match parts.next() {
        Some("jira") => Product::Jira,
        Some("confluence") => Product::Confluence,
        _ => return Err(not_found()),
    };
    let cloud_id = parts.next().unwrap_or_default();
    let rest = parts.next().unwrap_or_default();
    let is_api_token =
        request.basic().is_some_and(|(user, token)| user == MIA.email && token == API_TOKEN);
    let caller = if is_api_token {
        None
    } else {
        Some(caller(world, request, Realm::Atlassian).map_err(|_| unauthorized(world))?)
    };
    let site = people::site(cloud_id).filter(|site| product.is_on(site)).ok_or_else(not_found)?;
    if let Some(caller) = &caller {
        let all = world.switches.sites == Sites::All;
        let granted = caller.grant.is_some_and(|grant| grant.sites.contains(cloud_id));
        if !(granted || all) || world.switches.sites == Sites::None {
            return Err(gateway_error(403, "Forbidden"));
        }
    }
    let (needs, response) = match product {
        Product::Jira => products::jira(request, site, rest),
        Product::Confluence => products::confluence(request, site, rest),
    }
    .ok_or_else(not_found)?;
    if caller.is_some_and(|caller| !caller.has_any(needs)) {
        return Err(wrong_scope(world));
    }
    Ok(response)
}

/// `/sites/{name}/...`, which stands for `https://{name}.atlassian.net/...`: the cloud id without
/// authentication, and the products with Basic e-mail and API token.
pub(crate) fn site(_world: &mut World, request: &Request) -> Handled {
    let not_found =
        || Response::json(404, &json!({ "errorMessages": ["Site temporarily unavailable"] }));
    let path = request.path.trim_start_matches("/sites/");
    let (name, rest) = path.split_once('/').ok_or_else(not_found)?;
    let is_called = |site: &&Site| site.host.split('.').next() == Some(name);
    let site = people::sites().find(is_called).ok_or_else(not_found)?;
    if rest == "_edge/tenant_info" {
        return Ok(Response::json(200, &json!({ "cloudId": site.cloud_id })));
    }
    let is_hers =
        |(user, token): &(String, String)| user == MIA.email && token == CLASSIC_API_TOKEN;
    if !request.basic().as_ref().is_some_and(is_hers) {
        // Like Jira: no challenge, and no JSON either.
        return Err(Response::html(401, "Client must be authenticated to access this resource."));
    }
    let resource = if rest.starts_with("wiki/") {
        products::confluence(request, site, rest).filter(|_| site.confluence)
    } else {
        products::jira(request, site, rest).filter(|_| site.jira)
    };
    resource.map(|(_, response)| response).ok_or_else(not_found)
}
