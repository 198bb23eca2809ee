//! `/admin/v1/orgs`: the organizations REST API. It accepts only an API key.

use serde_json::{Value, json};

use crate::http::{Handled, Request, Response};
use crate::people::{self, Organization};
use crate::world::World;

/// The admin API key of every sandbox.
pub(crate) const ADMIN_KEY: &str = "sandbox-admin-key";

/// Members on one page.
const PAGE: usize = 2;

/// `GET /admin/v1/orgs[/{id}[/users]]`.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    // Access tokens of users do not work here, only an API key.
    if request.bearer() != Some(ADMIN_KEY) {
        return Err(error(401, "ADMIN-401-2", "INSUFFICIENT_SCOPE", "An API key is required."));
    }
    let base = format!("{}/admin/v1/orgs", world.base_url);
    let not_found = || error(404, "ADMIN-404-1", "NOT_FOUND", "Unknown resource.");
    let mut parts = request.path.trim_start_matches("/admin/v1/").split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("orgs"), None, None, None) => {
            let data: Vec<_> =
                people::ORGANIZATIONS.iter().map(|one| describe(one, &base)).collect();
            Ok(Response::json(200, &json!({ "data": data, "links": { "self": base } })))
        }
        (Some("orgs"), Some(id), None, None) => {
            let organization = people::organization(id).ok_or_else(not_found)?;
            Ok(Response::json(200, &json!({ "data": describe(organization, &base) })))
        }
        (Some("orgs"), Some(id), Some("users"), None) => {
            let organization = people::organization(id).ok_or_else(not_found)?;
            members(request, &format!("{base}/{}/users", organization.id))
        }
        _ => Err(not_found()),
    }
}

fn describe(organization: &Organization, base: &str) -> Value {
    json!({
        "id": organization.id,
        "type": "orgs",
        "attributes": { "name": organization.name },
        "links": { "self": format!("{base}/{}", organization.id) },
    })
}

/// One page of members. `links.next` is the URL of the next one.
fn members(request: &Request, base: &str) -> Handled {
    let start: usize = match request.query.get("cursor") {
        None => 0,
        Some(cursor) => cursor
            .strip_prefix("page-")
            .and_then(|start| start.parse().ok())
            .ok_or_else(|| error(400, "ADMIN-400-1", "BAD_REQUEST", "The cursor is invalid."))?,
    };
    let data: Vec<_> = people::PEOPLE
        .iter()
        .skip(start)
        .take(PAGE)
        .map(|person| {
            json!({
                "account_id": person.account, "account_type": "atlassian",
                "account_status": "active", "name": person.name, "email": person.email,
                "access_billable": true, "product_access": [],
            })
        })
        .collect();
    let mut links = json!({ "self": base });
    let next = start.saturating_add(PAGE);
    if next < people::PEOPLE.len() {
        links["next"] = format!("{base}?cursor=page-{next}").into();
    }
    let total = people::PEOPLE.len();
    Ok(Response::json(200, &json!({ "data": data, "links": links, "meta": { "total": total } })))
}

fn error(status: u16, code: &str, title: &str, detail: &str) -> Response {
    let error =
        json!({ "code": code, "status": status.to_string(), "title": title, "detail": detail });
    Response::json(status, &json!({ "errors": [error] }))
}
