//! A record and a response with tokens as long as Atlassian's: for the benches of refreshes, here and in the command line.

use serde_json::{Value, json};
use twg_core::http::HttpResponse;

const ACCESS_TOKEN: usize = 2000;
const REFRESH_TOKEN: usize = 1500;

/// The record of a connection after its sign-in.
pub(crate) fn record(connection: &str) -> Value {
    json!({
        "schema_version": 1,
        "generation": 1,
        "provider": "atlassian",
        "connection": connection,
        "server": {
            "issuer": "https://auth.atlassian.com",
            "token_endpoint": "https://auth.atlassian.com/oauth/token",
            "revocation_endpoint": "https://auth.atlassian.com/oauth/revoke",
            "client_authentication": "client_secret_post",
        },
        "client_id": "client",
        "login": { "at": 1_700_000_000_000_u64, "grant": "device_code" },
        "tokens": {
            "access_token": token(0, ACCESS_TOKEN),
            "refresh_token": token(0, REFRESH_TOKEN),
            "scopes": ["offline_access", "read:me", "read:jira-user", "read:jira-work"],
            "issued_at": 1_700_000_000_000_u64,
            "expires_at": 1_700_003_600_000_u64,
        },
        "account": { "id": "712020:0", "name": "Ada Lovelace", "email": "ada@example.com" },
    })
}

/// The response to a refresh. `number` tells the tokens of one refresh from those of another.
pub(crate) fn response(number: u32) -> HttpResponse {
    let body = json!({
        "access_token": token(number, ACCESS_TOKEN),
        "refresh_token": token(number, REFRESH_TOKEN),
        "expires_in": 3600,
        "scope": "offline_access read:me read:jira-user read:jira-work",
        "token_type": "Bearer",
    });
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    HttpResponse { status: 200, headers, body: body.to_string().into_bytes() }
}

fn token(number: u32, length: usize) -> String {
    format!("{number:0length$}")
}
