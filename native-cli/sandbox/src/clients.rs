//! The clients that every sandbox has, and how they authenticate.

use crate::http::{Request, Response};
use crate::switches::Switches;
use crate::values::{ClientError, RedirectPort};

/// The path of every registered loopback redirect URI.
pub(crate) const CALLBACK_PATH: &str = "/auth/callback/oauth";

/// The public client: device grant, and authorization code with PKCE at any loopback port.
pub const DEVICE_CLIENT: &str = "twg-sandbox-device";
/// The confidential client, like an ordinary 3LO app: authorization code only.
pub const THREE_LO_CLIENT: &str = "twg-sandbox-3lo";
/// The secret of [`THREE_LO_CLIENT`]. It is in the documentation, so it protects nothing.
pub const THREE_LO_SECRET: &str = "sandbox-3lo-secret";
/// The Bitbucket OAuth consumer.
pub const BITBUCKET_CLIENT: &str = "twg-sandbox-bitbucket";
/// The secret of [`BITBUCKET_CLIENT`].
pub const BITBUCKET_SECRET: &str = "sandbox-bitbucket-secret";

/// The authorization server that a client is registered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// auth.atlassian.com.
    Atlassian,
    /// bitbucket.org.
    Bitbucket,
}

/// A registered client.
#[derive(Debug)]
pub(crate) struct Client {
    /// The `client_id`.
    pub(crate) id: &'static str,
    /// Its name on the pages.
    pub(crate) name: &'static str,
    /// The secret of a confidential client.
    pub(crate) secret: Option<&'static str>,
    /// The authorization server that knows it.
    pub(crate) realm: Realm,
    /// Whether it may use the device grant, unless a switch forbids it.
    pub(crate) device_grant: bool,
}

/// All clients.
const CLIENTS: &[Client] = &[
    Client {
        id: DEVICE_CLIENT,
        name: "Teamwork Graph CLI (sandbox)",
        secret: None,
        realm: Realm::Atlassian,
        device_grant: true,
    },
    Client {
        id: THREE_LO_CLIENT,
        name: "Sandbox 3LO app",
        secret: Some(THREE_LO_SECRET),
        realm: Realm::Atlassian,
        device_grant: false,
    },
    Client {
        id: BITBUCKET_CLIENT,
        name: "Sandbox Bitbucket consumer",
        secret: Some(BITBUCKET_SECRET),
        realm: Realm::Bitbucket,
        device_grant: false,
    },
];

/// The client with this id in this realm.
pub(crate) fn find(id: &str, realm: Realm) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id && client.realm == realm)
}

/// The client that sent the request. Its id and secret are in the body or in a Basic header.
pub(crate) fn authenticate(
    request: &Request,
    realm: Realm,
    switches: &Switches,
) -> Result<&'static Client, Response> {
    let refused = || match switches.client_error {
        ClientError::InvalidClient => {
            let response = Response::error(401, "invalid_client", "Client authentication failed.");
            // "If the client attempted to authenticate via the Authorization request header field,
            // the authorization server MUST [...] include the WWW-Authenticate response header
            // field", RFC 6749 section 5.2.
            match request.header("authorization") {
                Some(_) => response.header("WWW-Authenticate", "Basic realm=\"twg sandbox\""),
                None => response,
            }
        }
        ClientError::AccessDenied => Response::error(401, "access_denied", "Unauthorized"),
    };
    let basic = request.basic();
    if request.header("authorization").is_some() && basic.is_none() {
        return Err(refused());
    }
    let in_body = request.params.get("client_secret");
    // "The client MUST NOT use more than one authentication method in each request",
    // RFC 6749 section 2.3.
    if basic.is_some() && in_body.is_some() {
        return Err(Response::error(400, "invalid_request", "Use one authentication method only."));
    }
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), Some(secret.as_str())),
        None => {
            let Some(id) = request.params.get("client_id") else {
                return Err(Response::missing("client_id"));
            };
            (id, in_body)
        }
    };
    let client = find(id, realm).ok_or_else(refused)?;
    match (client.secret, secret) {
        (Some(right), Some(given)) if right == given => Ok(client),
        // Some libraries send an empty secret for a public client.
        (None, None | Some("")) => Ok(client),
        _ => Err(refused()),
    }
}

/// Whether the client has registered this redirect URI.
pub(crate) fn accepts_redirect(client: &Client, uri: &str, switches: &Switches) -> bool {
    if switches.redirect_uris.has(uri) {
        return true;
    }
    let port = if client.secret.is_none() { RedirectPort::Any } else { switches.redirect_port };
    match port {
        // Strings, not URLs: "exact string matching", RFC 9700 section 2.1.
        RedirectPort::Exactly(port) => uri == format!("http://127.0.0.1:{port}{CALLBACK_PATH}"),
        RedirectPort::Any => uri
            .strip_prefix("http://127.0.0.1:")
            .and_then(|rest| rest.strip_suffix(CALLBACK_PATH))
            .is_some_and(|port| {
                port.bytes().all(|byte| byte.is_ascii_digit())
                    && port.parse::<u16>().is_ok_and(|port| port != 0)
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_are_compared_exactly_except_for_the_port_of_public_clients() {
        let switches = Switches::parse("redirect-uris=https://abc.chromiumapp.org/twg").unwrap();
        let public = find(DEVICE_CLIENT, Realm::Atlassian).unwrap();
        let app = find(THREE_LO_CLIENT, Realm::Atlassian).unwrap();
        for (client, uri, accepted) in [
            (public, "http://127.0.0.1:1/auth/callback/oauth", true),
            (public, "http://127.0.0.1:65535/auth/callback/oauth", true),
            (public, "http://127.0.0.1:65536/auth/callback/oauth", false),
            (public, "http://127.0.0.1:+1/auth/callback/oauth", false),
            (public, "http://127.0.0.1:/auth/callback/oauth", false),
            (public, "http://localhost:1/auth/callback/oauth", false),
            (public, "http://127.0.0.1:1@evil.example/auth/callback/oauth", false),
            (public, "http://127.0.0.1:1/auth/callback/oauth/", false),
            (app, "http://127.0.0.1:7998/auth/callback/oauth", true),
            (app, "http://127.0.0.1:7999/auth/callback/oauth", false),
            (app, "https://abc.chromiumapp.org/twg", true),
        ] {
            assert_eq!(accepts_redirect(client, uri, &switches), accepted, "{uri}");
        }
        let any = Switches::parse("redirect-port=any").unwrap();
        assert!(accepts_redirect(app, "http://127.0.0.1:7999/auth/callback/oauth", &any));
    }
}
