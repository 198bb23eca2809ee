//! What the server says about itself: metadata (RFC 8414, OpenID Connect Discovery), front page.

use serde_json::json;

use crate::clients::{BITBUCKET_CLIENT, DEVICE_CLIENT, THREE_LO_CLIENT};
use crate::grant_type;
use crate::http::Response;
use crate::pages;
use crate::values::Iss;
use crate::world::World;

/// Both `.well-known` documents, like the one of auth.atlassian.com, as observed.
pub(crate) fn metadata(world: &World) -> Response {
    let base = &world.base_url;
    let mut body = json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/oauth/token"),
        "device_authorization_endpoint": format!("{base}/oauth/device/code"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "userinfo_endpoint": format!("{base}/userinfo"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "scopes_supported": ["offline_access", "read:me"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            grant_type::AUTHORIZATION_CODE, grant_type::REFRESH_TOKEN, grant_type::DEVICE_CODE,
        ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none", "client_secret_basic", "client_secret_post",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256", "RS256"],
    });
    if world.switches.iss != Iss::Off {
        body["authorization_response_iss_parameter_supported"] = true.into();
    }
    Response::json(200, &body)
}

/// `/`, for people who open it in a browser.
pub(crate) fn front_page(world: &World) -> Response {
    let base = &world.base_url;
    pages::front(&[
        ("Authorize", format!("{base}/authorize")),
        ("Token", format!("{base}/oauth/token")),
        ("Device code", format!("{base}/oauth/device/code")),
        ("Activate a device", format!("{base}/oauth/activate")),
        ("API", format!("{base}/ex/jira/{{cloudid}}/rest/api/3/project")),
        ("Public client", DEVICE_CLIENT.into()),
        ("Confidential client", THREE_LO_CLIENT.into()),
        ("Bitbucket consumer", BITBUCKET_CLIENT.into()),
    ])
}
