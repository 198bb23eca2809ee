//! A few resources of Jira and Confluence.

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::people::{MIA, Site};

/// The scopes of which the caller needs one, and the response; `None` for an unknown resource.
pub(crate) type Resource = Option<(&'static [&'static str], Response)>;

/// A path of Jira's REST API.
pub(crate) fn jira(request: &Request, site: &Site, rest: &str) -> Resource {
    let rest = rest.strip_prefix("rest/api/3/").or_else(|| rest.strip_prefix("rest/api/2/"))?;
    let url = |key: &str| format!("{}/rest/api/3/{key}", site.url());
    let user = json!({
        "self": url(&format!("user?accountId={}", MIA.account)),
        "accountId": MIA.account, "accountType": "atlassian", "emailAddress": MIA.email,
        "displayName": MIA.name, "active": true, "timeZone": "Australia/Sydney",
        "locale": "en_US",
    });
    let projects: Vec<Value> = (10_000..)
        .zip(site.places)
        .map(|(id, (key, name))| {
            json!({
                "self": url(&format!("project/{id}")), "id": id.to_string(), "key": key,
                "name": name, "projectTypeKey": "software", "simplified": false,
                "style": "classic", "isPrivate": false,
            })
        })
        .collect();
    let (read_user, read_work): (&[&str], &[&str]) =
        (&["read:jira-user", "read:user:jira"], &["read:jira-work", "read:project:jira"]);
    match (request.method.as_str(), rest) {
        ("GET", "myself") => Some((read_user, Response::json(200, &user))),
        ("GET", "project") => Some((read_work, Response::json(200, &json!(projects)))),
        ("GET", "project/search") => Some((
            read_work,
            Response::json(
                200,
                &json!({
                    "self": url("project/search"), "maxResults": 50, "startAt": 0,
                    "total": projects.len(), "isLast": true, "values": projects,
                }),
            ),
        )),
        ("GET", "serverInfo") => Some((
            read_work,
            Response::json(
                200,
                &json!({
                    "baseUrl": site.url(), "version": "1001.0.0-SNAPSHOT",
                    "deploymentType": "Cloud", "serverTitle": "Jira",
                }),
            ),
        )),
        ("POST", "issue") => {
            let key = site.places.first().map_or("X", |(key, _)| key);
            let made =
                json!({ "id": "10100", "key": format!("{key}-1"), "self": url("issue/10100") });
            Some((&["write:jira-work", "write:issue:jira"], Response::json(201, &made)))
        }
        ("GET", rest) => {
            let key = rest.strip_prefix("project/")?;
            let project = projects.into_iter().find(|project| project["key"] == key);
            let response = project.map_or_else(
                || {
                    let text = format!("No project could be found with key '{key}'.");
                    Response::json(404, &json!({ "errorMessages": [text], "errors": {} }))
                },
                |project| Response::json(200, &project),
            );
            Some((read_work, response))
        }
        _ => None,
    }
}

/// A path of Confluence's REST API.
pub(crate) fn confluence(request: &Request, site: &Site, rest: &str) -> Resource {
    // The documentation of 3LO apps writes /rest/api/space, the product itself /wiki/rest/api/space.
    let rest = rest.strip_prefix("wiki/").unwrap_or(rest);
    let spaces: Vec<Value> = (65_537..)
        .zip(site.places)
        .map(|(id, (key, name))| {
            json!({
                "id": id, "key": key, "name": name, "type": "global", "status": "current",
                "_links": { "webui": format!("/spaces/{key}") },
            })
        })
        .collect();
    let links = json!({ "base": format!("{}/wiki", site.url()), "context": "/wiki" });
    let (read_user, read_space): (&[&str], &[&str]) = (
        &["read:confluence-user", "read:user:confluence"],
        &["read:confluence-space.summary", "read:confluence-content.all", "read:space:confluence"],
    );
    match (request.method.as_str(), rest) {
        ("GET", "rest/api/space") => Some((
            read_space,
            Response::json(
                200,
                &json!({
                    "results": spaces, "start": 0, "limit": 25, "size": spaces.len(),
                    "_links": links,
                }),
            ),
        )),
        ("GET", "api/v2/spaces") => {
            Some((read_space, Response::json(200, &json!({ "results": spaces, "_links": links }))))
        }
        ("GET", "rest/api/user/current") => Some((
            read_user,
            Response::json(
                200,
                &json!({
                    "type": "known", "accountId": MIA.account, "accountType": "atlassian",
                    "email": MIA.email, "publicName": MIA.name, "displayName": MIA.name,
                }),
            ),
        )),
        _ => None,
    }
}
