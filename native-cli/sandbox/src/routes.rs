//! From a request to its response: the host, the faults, the endpoint of each path, the log.

use serde_json::json;

use crate::error::reason;
use crate::faults::{self, Kind};
use crate::http::{Handled, Request, Response};
use crate::world::World;
use crate::{
    activation, admin, api, authorize, bitbucket, consent, control, cors, device, discovery,
    revoke, token_endpoint,
};

/// Handles one request. Returns the response, and the fault that meets it on its way.
pub(crate) fn handle(world: &mut World, request: &Request) -> (Response, Option<Kind>) {
    if request.header("host").is_none_or(|host| world.base_url != format!("http://{host}")) {
        // Neither a rebound DNS name nor `localhost` gets in.
        let text = format!("This server has only one name: {}", world.base_url);
        return (Response::error(421, "misdirected_request", &text), None);
    }
    if control::is_control(&request.path) {
        return (carry_out(world, request), None);
    }
    // A browser's preflight must not use up the fault that is meant for the request after it.
    let fault = match request.method.as_str() {
        "OPTIONS" => None,
        _ => world.switches.faults.take(request),
    };
    let kind = fault.as_ref().map(|(kind, _)| *kind);
    let (mut response, carried_out) = match kind.and_then(Kind::instead) {
        Some(instead) => (instead, false),
        None => (carry_out(world, request), true),
    };
    let text = fault.as_ref().map(|(_, text)| text.as_str());
    world.log.note(world.now(), request, &response, carried_out, text);
    if kind == Some(Kind::BadGatewayAfter) {
        response = faults::bad_gateway();
    }
    if kind.is_some() && cors::is_open(&request.path) {
        response = cors::allow(response);
    }
    (response, kind)
}

/// Lets the endpoint handle the request, and saves the state before the response leaves.
fn carry_out(world: &mut World, request: &Request) -> Response {
    let response = endpoint(request)(world, request).unwrap_or_else(|refused| refused);
    let response = if cors::is_open(&request.path) { cors::allow(response) } else { response };
    match world.save() {
        Ok(()) => response,
        Err(error) => {
            let text = format!("The sandbox could not save its state: {}", reason(&error));
            Response::error(503, "temporarily_unavailable", &text)
        }
    }
}

/// The endpoint that handles the method and path of this request.
fn endpoint(request: &Request) -> fn(&mut World, &Request) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => |world, _| Ok(discovery::front_page(world)),
        ("GET", "/favicon.ico") => |_, _| Ok(Response::empty(204)),
        (
            "GET",
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server",
        ) => |world, _| Ok(discovery::metadata(world)),
        ("GET", "/.well-known/jwks.json") => |_, _| Ok(Response::json(200, &json!({ "keys": [] }))),
        ("GET", "/authorize") => authorize::page,
        ("POST", "/consent") => consent::step,
        ("GET", "/oauth/activate") => activation::page,
        ("POST", "/oauth/activate") => activation::enter,
        ("POST", "/oauth/device/code") => device::authorize,
        ("POST", "/oauth/token") => token_endpoint::exchange,
        ("POST", "/oauth/revoke") => revoke::revoke,
        ("GET", "/userinfo") => api::userinfo,
        ("GET", "/me") => api::me,
        ("GET", "/oauth/token/accessible-resources") => api::accessible_resources,
        ("GET", "/bitbucket/site/oauth2/authorize") => bitbucket::page,
        ("POST", "/bitbucket/site/oauth2/access_token") => bitbucket::exchange,
        ("OPTIONS", path) if cors::is_open(path) => |_, _| Ok(cors::preflight()),
        ("GET", path) if path.starts_with("/bitbucket/2.0/") => bitbucket::api,
        ("GET", path) if path.starts_with("/admin/v1/") => admin::handle,
        (_, path) if path.starts_with("/ex/") => api::product,
        (_, path) if path.starts_with("/sites/") => api::site,
        (_, path) if control::is_control(path) => control::handle,
        _ => |_, request| Err(not_found(request)),
    }
}

fn not_found(request: &Request) -> Response {
    const KNOWN: &[&str] = &[
        "/authorize",
        "/consent",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/device/code",
        "/oauth/activate",
    ];
    if KNOWN.contains(&request.path.as_str()) {
        return Response::error(405, "invalid_request", "Method not allowed");
    }
    Response::json(404, &json!({ "code": 404, "message": "Not Found" }))
}
