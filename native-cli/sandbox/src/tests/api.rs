//! The APIs: Atlassian's gateway, admin, Bitbucket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Sandbox, Tokens, listen, param};
use crate::admin::ADMIN_KEY;
use crate::api::API_TOKEN;
use crate::approve;
use crate::bitbucket::BITBUCKET_API_TOKEN;
use crate::clients::{BITBUCKET_CLIENT, BITBUCKET_SECRET};

const SITE: &str = "1324a887-45db-1bf4-1e99-ef0ff456d421";
const RESOURCES: &str = "/oauth/token/accessible-resources";

#[test]
fn sites_and_products() {
    let sandbox = Sandbox::new("");
    let Tokens { access, .. } = sandbox.sign_in();
    let me = sandbox.get("/me", &access).json();
    assert_eq!((&me["name"], &me["email"]), (&json!("Mia Krystof"), &json!("mia@example.com")));
    let sites = sandbox.get(RESOURCES, &access).json();
    assert_eq!((&sites[0]["id"], &sites[1]["id"]), (&json!(SITE), &json!(SITE)));
    assert_ne!(sites[0]["scopes"], sites[1]["scopes"]);
    let project = sandbox.get(&format!("/ex/jira/{SITE}/rest/api/3/project"), &access);
    assert_eq!(project.json()[0]["key"], "DES");
    assert_eq!(project.header("access-control-allow-origin"), Some("*"));
    let space = sandbox.get(&format!("/ex/confluence/{SITE}/wiki/rest/api/space"), &access);
    assert_eq!(space.json()["results"][0]["name"], "Design system");
    let issue = format!("/ex/jira/{SITE}/rest/api/3/issue");
    let headers = format!("Authorization: Bearer {access}\r\nContent-Type: application/json\r\n");
    let made = sandbox.send("POST", &issue, &headers, "{\"fields\":{}}").unwrap();
    assert_eq!(made.json()["message"], "Unauthorized; scope does not match");
    let other = "/ex/jira/8594f221-9797-5f78-1fa4-485e198d7cd0/rest/api/3/myself";
    assert_eq!(sandbox.get(other, &access).status, 403);
    assert_eq!(sandbox.get("/ex/jira/nowhere/rest/api/3/myself", &access).status, 404);
    assert_eq!(
        sandbox.get(RESOURCES, "wrong").json(),
        json!({"code":401,"message":"Unauthorized"})
    );

    sandbox.switch("duplicate-ids", "off");
    assert_eq!(sandbox.get(RESOURCES, &access).json().as_array().unwrap().len(), 1);
    sandbox.switch("sites", "all");
    assert_eq!(sandbox.get(RESOURCES, &access).json().as_array().unwrap().len(), 3);
    assert_eq!(sandbox.get(other, &access).status, 200);
    sandbox.switch("sites", "none");
    assert_eq!(sandbox.get(RESOURCES, &access).json(), json!([]));
}

#[test]
fn narrowed_scopes_and_api_tokens() {
    let sandbox = Sandbox::new("narrow-scopes=read:me+read:jira-user");
    let Tokens { access, .. } = sandbox.sign_in();
    let refused = sandbox.get("/me", &access);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer error=\"insufficient_scope\""));
    let myself = format!("/ex/jira/{SITE}/rest/api/3/myself");
    assert_eq!(sandbox.get(&myself, &access).status, 401);
    let basic = |token: &str| {
        let basic = STANDARD.encode(format!("mia@example.com:{token}"));
        sandbox
            .send("GET", &myself, &format!("Authorization: Basic {basic}\r\n"), "")
            .unwrap()
            .status
    };
    assert_eq!((basic(API_TOKEN), basic("wrong")), (200, 401));
}

#[test]
fn organizations_take_an_api_key_only() {
    let sandbox = Sandbox::new("");
    let Tokens { access, .. } = sandbox.sign_in();
    let refused = sandbox.get("/admin/v1/orgs", &access);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["errors"][0]["code"], "ADMIN-401-2");
    let orgs = sandbox.get("/admin/v1/orgs", ADMIN_KEY).json();
    let id = orgs["data"][0]["id"].as_str().unwrap();
    let org = sandbox.get(&format!("/admin/v1/orgs/{id}"), ADMIN_KEY).json();
    assert_eq!(org["data"]["attributes"]["name"], "Krystof Design");
    let mut seen = 0;
    let mut next = Some(format!("{}/admin/v1/orgs/{id}/users", sandbox.base()));
    while let Some(url) = next {
        let page = sandbox.get(url.strip_prefix(sandbox.base()).unwrap(), ADMIN_KEY).json();
        seen += page["data"].as_array().unwrap().len();
        next = page["links"]["next"].as_str().map(Into::into);
    }
    assert_eq!(seen, 3);
    assert_eq!(sandbox.get("/admin/v1/orgs/none", ADMIN_KEY).status, 404);
}

#[test]
fn bitbucket() {
    let sandbox = Sandbox::new("redirect-port=any");
    let (redirect_uri, client) = listen();
    let url = format!(
        "{}/bitbucket/site/oauth2/authorize?client_id={BITBUCKET_CLIENT}&response_type=code&\
         state=x&redirect_uri={redirect_uri}",
        sandbox.base()
    );
    assert_eq!(approve(&url, sandbox.base()).unwrap().pages, ["Review the permissions"]);
    let code = param(&client.join().unwrap(), "code").unwrap();
    let token = |form: &[(&str, &str)]| {
        let consumer = (BITBUCKET_CLIENT, BITBUCKET_SECRET);
        sandbox.post_basic("/bitbucket/site/oauth2/access_token", consumer, form)
    };
    let login =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &redirect_uri)];
    let got = token(&login);
    let body = got.json();
    assert_eq!(
        (&body["scopes"], &body["expires_in"]),
        (&json!("account repository"), &json!(7200))
    );
    assert_eq!(body["token_type"], "bearer");
    assert!(body.get("scope").is_none());
    let tokens = Tokens::of(&got);
    let user = "/bitbucket/2.0/user";
    assert_eq!(sandbox.get(user, &tokens.access).json()["display_name"], "Mia Krystof");
    // Tokens of one server do not work at the other.
    assert_eq!(sandbox.get("/me", &tokens.access).status, 401);
    sandbox.advance(7200);
    let expired = sandbox.get(user, &tokens.access);
    assert_eq!(
        expired.json()["error"]["message"],
        "Access token expired. Use your refresh token to obtain a new access token."
    );
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    assert_eq!(token(&refresh).text("refresh_token"), tokens.refresh);
    sandbox.switch("bitbucket-rotation", "on");
    assert_ne!(token(&refresh).text("refresh_token"), tokens.refresh);
    sandbox.advance(600);
    assert_eq!(token(&refresh).outcome(), (400, "invalid_grant".into()));
    assert_eq!(
        token(&[]).json(),
        json!({ "error_description": "Unsupported grant type: None", "error": "invalid_grant" })
    );
    assert_eq!(token(&[("grant_type", "client_credentials")]).status, 200);
    let basic = STANDARD.encode(format!("mia@example.com:{BITBUCKET_API_TOKEN}"));
    let got = sandbox.send("GET", user, &format!("Authorization: Basic {basic}\r\n"), "").unwrap();
    assert_eq!(got.status, 200);
}
