//! The client registration at an authorization server.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::credential::{IssuedBy, StoredCredential};
use crate::endpoint_url::EndpointUrl;
use crate::http::{HttpRequest, Method};
use crate::json::{FromJson, Members, Mistakes};
use crate::provider::{ClientAuthentication, ProviderProfile, TokenRequestFormat};
use crate::secret::{Secret, serialize_exposed_option};

/// A client ID and, for a confidential client, its secret.
///
/// A secret that ships with a program is no secret (RFC 8252 section 8.5); one that a developer keeps in
/// a 0600 file is as safe as that file.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// `client_id`
    #[serde(rename = "client_id")]
    pub id: String,
    /// `client_secret`
    #[serde(
        rename = "client_secret",
        serialize_with = "serialize_exposed_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub secret: Option<Secret>,
}

impl FromJson for Client {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self { id: members.required("client_id"), secret: members.optional("client_secret") }
    }
}

impl Client {
    /// Whether `text` can be a client ID or secret: printable ASCII (RFC 6749 Appendix A.1 and A.2) without spaces. A
    /// space means that more was pasted than the value.
    #[must_use]
    pub fn is_plausible(text: &str) -> bool {
        !text.is_empty() && text.len() <= 1024 && text.bytes().all(|b| matches!(b, b'!'..=b'~'))
    }
}

/// What this user's shell knows of a provider: its profile, and the client that is registered there.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The profile.
    pub profile: ProviderProfile,
    /// The client; `None` if it is no longer known.
    pub client: Option<Client>,
}

impl Registered {
    /// The client for stored tokens: the registered one, if its server issued them to it.
    ///
    /// Otherwise it is the client that the tokens were issued to, as a public one. A client's secret belongs to one
    /// server, and the profile may name another server by now.
    pub(crate) fn client_for(registered: Option<&Self>, credential: &StoredCredential) -> Client {
        registered
            .filter(|registered| registered.profile.is_of(&credential.server))
            .and_then(|registered| registered.client.clone())
            .filter(|client| client.id == credential.client_id)
            .unwrap_or_else(|| Client { id: credential.client_id.clone(), secret: None })
    }
}

impl ProviderProfile {
    /// Whether `server`, which issued stored tokens, is this provider's server, as far as the profile shows. The
    /// profile may name another server by now.
    #[must_use]
    pub fn is_of(&self, server: &IssuedBy) -> bool {
        match (&self.endpoints.token, &self.issuer) {
            (Some(token), _) => *token == server.token_endpoint,
            (None, issuer) => issuer.is_some() && *issuer == server.issuer,
        }
    }
}

/// How a client talks to the token, device authorization and revocation endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestStyle {
    pub(crate) authentication: ClientAuthentication,
    pub(crate) format: TokenRequestFormat,
}

impl RequestStyle {
    /// The standard's encoding. Only the token endpoint may need another.
    pub(crate) const fn form(authentication: ClientAuthentication) -> Self {
        Self { authentication, format: TokenRequestFormat::Form }
    }
}

/// A `POST` to an endpoint of the authorization server, authenticated as `client`.
///
/// RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each request."
pub(crate) fn authenticated_request<'a>(
    endpoint: &EndpointUrl,
    client: &'a Client,
    style: RequestStyle,
    mut parameters: Vec<(&'static str, &'a str)>,
) -> HttpRequest {
    let mut headers = alloc::vec![("accept", Secret::new("application/json"))];
    match (&client.secret, style.authentication) {
        (Some(secret), ClientAuthentication::ClientSecretBasic) => {
            headers.push(("authorization", basic(&client.id, secret)));
        }
        (Some(secret), ClientAuthentication::ClientSecretPost) => {
            parameters.push(("client_id", &client.id));
            parameters.push(("client_secret", secret.expose()));
        }
        // RFC 6749 section 3.2.1: a public client "MUST send its "client_id" to prevent itself from
        // inadvertently accepting a code intended for a client with a different "client_id"".
        (None, _) => parameters.push(("client_id", &client.id)),
    }
    let (media_type, body) = encoded(style.format, &parameters);
    headers.push(("content-type", Secret::new(media_type)));
    HttpRequest::new(Method::Post, endpoint.as_str().into(), headers, Secret::new(body))
}

/// The media type and the body of a request. A server that needs another encoding, or other names, gets another
/// [`TokenRequestFormat`] and one more arm here.
fn encoded(format: TokenRequestFormat, parameters: &[(&str, &str)]) -> (&'static str, String) {
    match format {
        TokenRequestFormat::Form => (
            "application/x-www-form-urlencoded",
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish(),
        ),
        TokenRequestFormat::Json => ("application/json", json_object(parameters)),
    }
}

/// RFC 6749 section 2.3.1: client ID and secret are form-encoded, then joined as user and password.
fn basic(id: &str, secret: &Secret) -> Secret {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (id, secret): (String, String) = (encoded(id), encoded(secret.expose()));
    Secret::new(format!("Basic {}", user_and_password(&id, &Secret::new(secret)).expose()))
}

/// RFC 7617 section 2: user and password, joined and encoded. The user must not contain a colon.
pub(crate) fn user_and_password(user: &str, password: &Secret) -> Secret {
    let pair = Secret::new(format!("{user}:{}", password.expose()));
    Secret::new(STANDARD.encode(pair.expose()))
}

fn json_object(members: &[(&str, &str)]) -> String {
    let mut map = serde_json::Map::new();
    for (name, value) in members {
        map.insert((*name).into(), (*value).into());
    }
    Value::Object(map).to_string()
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
