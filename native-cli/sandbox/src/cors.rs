//! Which responses scripts of other origins may read: "CORS whitelisting is supported for
//! api.atlassian.com".

use crate::http::Response;

/// Whether other origins may read the responses of this path.
pub(crate) fn is_open(path: &str) -> bool {
    path == "/me"
        || path == "/oauth/token/accessible-resources"
        || path.starts_with("/ex/")
        || path.starts_with("/bitbucket/2.0/")
}

/// Lets scripts of any origin read the response. The bearer token protects it.
pub(crate) fn allow(response: Response) -> Response {
    response.header("Access-Control-Allow-Origin", "*")
}

/// The response to a preflight request, with which a browser asks whether a script may send
/// `Authorization`.
pub(crate) fn preflight() -> Response {
    Response::empty(204)
        .header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
        .header("Access-Control-Allow-Headers", "authorization, content-type, accept")
}
