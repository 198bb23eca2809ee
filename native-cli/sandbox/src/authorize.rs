//! `/authorize`: the front door for browsers. RFC 6749 section 4.1.1, with Atlassian's `audience`.

use crate::clients::{self, Client, Realm};
use crate::http::{Handled, Params, Request, Response};
use crate::ticket::{Consent, Purpose, Redirect};
use crate::world::World;
use crate::{consent, pages, redirect};

/// `GET /authorize`.
pub(crate) fn page(world: &mut World, request: &Request) -> Handled {
    let query = &request.query;
    let (client, redirect) = client_and_redirect(world, query, Realm::Atlassian)?;
    let redirect = redirect.ok_or_else(|| invalid("redirect_uri is missing."))?;
    // "audience: (required) Set this to api.atlassian.com." Without it, the real server shows a page
    // and does not redirect.
    if query.get("audience") != Some("api.atlassian.com") {
        return Err(invalid("audience must be api.atlassian.com."));
    }
    // "state: (required for security)".
    if query.get("state").is_none() {
        return Err(invalid("state is missing."));
    }
    if query.get("response_type") != Some("code") {
        let text = "response_type must be code";
        return Err(redirect::refuse(world, &redirect, "unsupported_response_type", text));
    }
    let challenge = challenge(world, client, &redirect, query)?;
    let scopes = request.query.scopes();
    if scopes.is_empty() {
        return Err(redirect::refuse(world, &redirect, "invalid_scope", "scope is missing"));
    }
    let purpose = Purpose::Code { redirect, named_redirect: true, challenge };
    consent::ask_or_deny(world, Consent::new(client, scopes, purpose))
}

/// The client and the redirect of an authorization request; `None` if it named no redirect URI.
pub(crate) fn client_and_redirect(
    world: &World,
    query: &Params,
    realm: Realm,
) -> Result<(&'static Client, Option<Redirect>), Response> {
    if let Some(name) = query.repeated() {
        return Err(invalid(&format!("{name} occurs twice.")));
    }
    let id = query.get("client_id").ok_or_else(|| invalid("client_id is missing."))?;
    let client =
        clients::find(id, realm).ok_or_else(|| invalid("this client_id is not registered."))?;
    let Some(uri) = query.get("redirect_uri") else {
        return Ok((client, None));
    };
    if !clients::accepts_redirect(client, uri, &world.switches) {
        return Err(invalid("this redirect_uri is not registered for the client."));
    }
    let redirect = Redirect::new(uri, query.get("state"))
        .ok_or_else(|| invalid("redirect_uri is not a URL."))?;
    Ok((client, Some(redirect)))
}

/// The PKCE challenge of an authorization request.
pub(crate) fn challenge(
    world: &World,
    client: &Client,
    redirect: &Redirect,
    query: &Params,
) -> Result<Option<String>, Response> {
    let refused = |text| redirect::refuse(world, redirect, "invalid_request", text);
    let Some(challenge) = query.get("code_challenge") else {
        if client.secret.is_none() || world.switches.pkce_required {
            // "Public clients MUST use PKCE", RFC 9700 section 2.1.1.
            return Err(refused("code_challenge is missing"));
        }
        return Ok(None);
    };
    let is_s256 = challenge.len() == 43
        && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if query.get("code_challenge_method") != Some("S256") || !is_s256 {
        return Err(refused("code_challenge_method must be S256, and code_challenge must fit it"));
    }
    Ok(Some(challenge.into()))
}

/// The page for a request that must not end in a redirect: "If the request fails due to a missing,
/// invalid, or mismatching redirection URI, or if the client identifier is missing or invalid, the
/// authorization server [...] MUST NOT automatically redirect", RFC 6749 section 4.1.2.1.
pub(crate) fn invalid(why: &str) -> Response {
    let text = format!("The authorize request was incomplete or invalid: {why}");
    pages::message(400, "Something went wrong", &text).outcome("invalid_request")
}
