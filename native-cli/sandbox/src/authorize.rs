//! `/authorize`: the front door for browsers. RFC 6749 section 4.1.1, with Atlassian's `audience`.

use url::Url;

use super::clients::{self, Client, Realm};
use super::consent::{self, Consent, Purpose};
use super::http::{Answer, Params, Reply, Request};
use super::pages;
use super::state::{Agreed, Code};
use super::tokens;
use super::values::{Decision, Iss, StateEcho};
use super::world::World;

/// Where the browser goes with the answer.
pub(super) struct Redirect {
    uri: Url,
    /// As the client wrote it: the token request must repeat it exactly.
    written: String,
    state: Option<String>,
}

impl Redirect {
    /// Scheme, host and port, for the content security policy of the page before.
    pub(super) fn origin(&self) -> String {
        match self.uri.host_str() {
            Some(_) => self.uri.origin().ascii_serialization(),
            None => format!("{}:", self.uri.scheme()),
        }
    }

    /// The redirect URI that is used when a request names none.
    pub(super) fn registered(uri: &str, state: Option<&str>) -> Result<Self, Reply> {
        let written = uri.to_owned();
        let uri = Url::parse(uri).map_err(|_| refused("no redirect URI is registered."))?;
        Ok(Self { uri, written, state: state.map(Into::into) })
    }

    /// The redirect with these parameters, `state` and `iss` added as the switches say.
    fn send(&self, world: &World, parameters: &[(&str, &str)]) -> Reply {
        let mut uri = self.uri.clone();
        {
            let mut query = uri.query_pairs_mut();
            query.extend_pairs(parameters);
            match (&self.state, world.switches.redirect_state) {
                (Some(state), StateEcho::Echo) => {
                    query.append_pair("state", state);
                }
                (_, StateEcho::Wrong) => {
                    query.append_pair("state", "not-the-state-that-was-sent");
                }
                (None, StateEcho::Echo) | (_, StateEcho::Omit) => {}
            }
            match world.switches.iss {
                Iss::On => {
                    query.append_pair("iss", &world.base_url);
                }
                Iss::Wrong => {
                    query.append_pair("iss", "https://another-issuer.example");
                }
                Iss::Off | Iss::Missing => {}
            }
        }
        Reply::redirect(uri.as_str()).header("Cache-Control", "no-store")
    }

    /// Sends an error. RFC 6749 section 4.1.2.1.
    pub(super) fn refuse(&self, world: &World, error: &str, description: &str) -> Reply {
        self.send(world, &[("error", error), ("error_description", description)])
            .outcome(error.to_owned())
    }
}

/// The page for requests that cannot be answered with a redirect: "If the request fails due to a
/// missing, invalid, or mismatching redirection URI, or if the client identifier is missing or
/// invalid, the authorization server [...] MUST NOT automatically redirect".
fn refused(why: &str) -> Reply {
    let text = format!("The authorize request was incomplete or invalid: {why}");
    pages::message(400, "Something went wrong", &text).outcome("invalid_request")
}

/// The client and the redirect of an authorization request; `None` if it named no redirect URI.
pub(super) fn client_and_redirect(
    world: &World,
    query: &Params,
    realm: Realm,
) -> Result<(&'static Client, Option<Redirect>), Reply> {
    if let Some(name) = query.repeated() {
        return Err(refused(&format!("{name} is there twice.")));
    }
    let id = query.get("client_id").ok_or_else(|| refused("client_id is missing."))?;
    let client =
        clients::find(id, realm).ok_or_else(|| refused("the client_id is not registered."))?;
    let state = query.get("state").map(Into::into);
    let Some(uri) = query.get("redirect_uri") else {
        return Ok((client, None));
    };
    if !clients::accepts_redirect(client, uri, &world.switches) {
        return Err(refused("the redirect_uri is not registered for this client."));
    }
    let written = uri.to_owned();
    let uri = Url::parse(uri).map_err(|_| refused("the redirect_uri is no URL."))?;
    Ok((client, Some(Redirect { uri, written, state })))
}

/// The PKCE challenge of an authorization request.
pub(super) fn challenge(
    world: &World,
    client: &Client,
    redirect: &Redirect,
    query: &Params,
) -> Result<Option<String>, Reply> {
    let Some(challenge) = query.get("code_challenge") else {
        if client.secret.is_none() || world.switches.pkce_required {
            // "Public clients MUST use PKCE", RFC 9700 section 2.1.1.
            return Err(redirect.refuse(world, "invalid_request", "code_challenge is missing"));
        }
        return Ok(None);
    };
    let is_s256 = challenge.len() == 43
        && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if query.get("code_challenge_method") != Some("S256") || !is_s256 {
        let text = "code_challenge_method must be S256, and code_challenge fit it";
        return Err(redirect.refuse(world, "invalid_request", text));
    }
    Ok(Some(challenge.into()))
}

/// `GET /authorize`.
pub(super) fn page(world: &mut World, request: &Request) -> Answer {
    let query = &request.query;
    let (client, redirect) = client_and_redirect(world, query, Realm::Atlassian)?;
    let redirect = redirect.ok_or_else(|| refused("redirect_uri is missing."))?;
    // "audience: (required) Set this to api.atlassian.com." Without it, the real server shows a page
    // and does not redirect.
    if query.get("audience") != Some("api.atlassian.com") {
        return Err(refused("audience must be api.atlassian.com."));
    }
    // "state: (required for security)".
    if query.get("state").is_none() {
        return Err(refused("state is missing."));
    }
    if query.get("response_type") != Some("code") {
        let text = "response_type must be code";
        return Err(redirect.refuse(world, "unsupported_response_type", text));
    }
    let challenge = challenge(world, client, &redirect, query)?;
    let scopes = scopes(query.get("scope"));
    if scopes.is_empty() {
        return Err(redirect.refuse(world, "invalid_scope", "scope is missing"));
    }
    let purpose = Purpose::Code { redirect, named_redirect: true, challenge };
    let consent = Consent { client, scopes, purpose, organization: None, site: None };
    if world.switches.decision == Decision::Deny {
        return consent::finish(world, consent, None);
    }
    consent::ask(world, consent)
}

/// The scopes of a request: separated by spaces, each once.
pub(super) fn scopes(text: Option<&str>) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.unwrap_or_default().split_ascii_whitespace() {
        if !scopes.iter().any(|one| one == scope) {
            scopes.push(scope.into());
        }
    }
    scopes
}

/// The user accepted: the browser takes a code to the client.
pub(super) fn send_code(
    world: &mut World,
    client: &Client,
    redirect: Redirect,
    named_redirect: bool,
    challenge: Option<String>,
    agreed: Agreed,
) -> Answer {
    let code = tokens::opaque(world.switches.code_bytes)?;
    let expires = world.now().saturating_add(world.switches.code_expires.millis());
    world.change().codes.insert(
        tokens::hash(&code),
        Code {
            client: client.id.into(),
            redirect_uri: named_redirect.then(|| redirect.written.clone()),
            challenge,
            agreed,
            expires,
            used: false,
            family: None,
        },
    );
    Ok(redirect.send(world, &[("code", &code)]))
}
