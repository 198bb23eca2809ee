//! Requests with an access token: the account, the sites, and hosts that never get a token.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fmt::Debug;

use support::*;
use twg_core::atlassian::sites::SitesRequest;
use twg_core::authorized::AuthorizedFlow;
use twg_core::credential::Account;
use twg_core::credential::Site;
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::http::{HttpRequest, HttpResponse, Method};
use twg_core::identity::IdentityRequest;
use twg_core::provider::ProviderProfile;
use twg_core::refresh::Need;
use twg_core::resource::{Authorization, ResourceRequest, TokenAudience};
use twg_core::secret::Secret;

fn token() -> Secret {
    Secret::new("CANARY-access")
}

/// A request with a fresh token that has no refresh token.
fn asking<R>(profile: &ProviderProfile, request: R) -> Play<AuthorizedFlow<R>>
where
    R: ResourceRequest + Clone + Debug,
    R::Answer: Debug,
{
    let mut record = record_of(profile, T0);
    let tokens = record.tokens.as_mut().unwrap();
    tokens.access_token = token();
    tokens.refresh_token = None;
    let refresh = refresh_of(profile.clone(), Need::Live);
    let mut play = Play::begin(AuthorizedFlow::request(request, refresh, Entropy::new([0x5A; 32])));
    play.load(Some(record.to_json().expose()));
    play
}

fn identity(profile: ProviderProfile, answer: impl Into<Answer>) -> Result<Account, Error> {
    let mut play = asking(&profile, IdentityRequest::new(profile.clone()));
    assert_is_bearer(&play.http(answer));
    let result = play.done().map(|done| done.answer);
    assert_silent(&result);
    result
}

fn sites(answer: impl Into<Answer>) -> Result<Vec<Site>, Error> {
    let profile = bundled("atlassian");
    let mut play = asking(&profile, SitesRequest::new(profile.clone()));
    let request = play.http(answer);
    assert_eq!(request.url, "https://api.atlassian.com/oauth/token/accessible-resources");
    assert_is_bearer(&request);
    let result = play.done().map(|done| done.answer);
    assert_silent(&result);
    result
}

/// A26: the token is in the header, once, and nowhere else.
#[track_caller]
fn assert_is_bearer(request: &HttpRequest) {
    assert_eq!(request.method, Method::Get);
    assert_eq!(request.field("authorization"), Some("Bearer CANARY-access"));
    assert!(request.body.is_empty());
    assert!(!request.url.contains("CANARY"));
}

/// The accounts of both bundled providers, and OpenID Connect's.
#[test]
fn accounts() {
    let atlassian = r#"{"account_id":"5b10","name":"Ada L","email":"ada@example.com",
        "account_status":"active","picture":"https://x"}"#;
    let account = identity(bundled("atlassian"), json(200, atlassian)).unwrap();
    assert_eq!((account.id.as_str(), account.shown()), ("5b10", "Ada L"));
    assert_eq!(account.status.as_deref(), Some("active"));

    let bitbucket = r#"{"account_id":"557","display_name":"Ada","uuid":"{1}"}"#;
    let account = identity(bundled("bitbucket"), json(200, bitbucket)).unwrap();
    assert_eq!((account.id.as_str(), account.name.as_deref()), ("557", Some("Ada")));

    let account = identity(profile_with_api(), json(200, r#"{"sub":"s","email":"e@x"}"#)).unwrap();
    assert_eq!(account.shown(), "e@x");
    let account = identity(profile_with_api(), json(200, r#"{"sub":"s","name":7}"#)).unwrap();
    assert_eq!(account.shown(), "s");
    let account = identity(profile_with_api(), json(200, r#"{"sub":42}"#)).unwrap();
    assert_eq!(account.id, "42");
}

/// A25: a 401 means that the token is over; a 403 (and Atlassian's 401 with a remark) that it does
/// not permit this request. Without a refresh token, neither is retried. A22: the rest is trouble.
#[test]
fn what_can_go_wrong() {
    let other_scope = r#"{"code":401,"message":"Unauthorized; scope does not match"}"#;
    let cases: [(HttpResponse, &str); 12] = [
        (json(401, r#"{"code":401,"message":"Unauthorized"}"#), "AUTH_EXPIRED"),
        (json(401, other_scope), "NOT_PERMITTED"),
        (json(403, "{}"), "NOT_PERMITTED"),
        (html(403), "NOT_PERMITTED"),
        (html(404), "SERVER_MISBEHAVED"),
        (html(429), "SERVER_UNAVAILABLE"),
        (html(500), "SERVER_UNAVAILABLE"),
        (with_headers(302, &[("location", "https://id.example/login")], ""), "SERVER_MISBEHAVED"),
        (html(200), "NOT_OAUTH"),
        (json(200, ""), "NOT_OAUTH"),
        (json(200, r#"{"torn":"#), "NOT_OAUTH"),
        (json(200, "{}"), "SERVER_MISBEHAVED"),
    ];
    for (answer, code) in cases {
        assert_eq!(identity(profile_with_api(), answer.clone()).unwrap_err().code(), code);
        assert_eq!(sites(answer).unwrap_err().code(), code);
    }
    assert_eq!(identity(profile_with_api(), timeout()).unwrap_err().code(), "NETWORK");
    assert_eq!(sites(broken()).unwrap_err().code(), "NETWORK");
    let waits = with_headers(429, &[("retry-after", "90")], "");
    assert!(sites(waits).unwrap_err().to_string().contains("1 min 30 s"));
}

/// Atlassian sends `{"code":401,...}` instead of a list, sometimes with status 200.
#[test]
fn an_object_instead_of_a_list() {
    for body in [r#"{"code":401,"message":"Unauthorized"}"#, "{}", "null", "\"x\"", "7"] {
        assert!(matches!(sites(json(200, body)), Err(Error::PeerMisbehaved { .. })), "{body}");
    }
    for entry in ["{}", "null", "7", r#"{"id":""}"#, r#"{"id":7}"#, "[]"] {
        let body = format!(r#"[{{"id":"a"}},{entry}]"#);
        assert!(matches!(sites(json(200, &body)), Err(Error::PeerMisbehaved { .. })), "{entry}");
    }
}

/// Order and duplicates stay as the server sent them: an id may stand for several containers.
#[test]
fn lists_of_sites() {
    assert!(sites(json(200, "[]")).unwrap().is_empty());
    let list = sites(json(
        200,
        r#"[{"id":"1","name":"B","url":"https://b.atlassian.net","scopes":["read:jira"],"x":1},
            {"id":"1","name":"B","url":"https://b.atlassian.net","scopes":["read:confluence"]},
            {"id":"0"},{"id":"2","scopes":["a",7,null]},{"id":"3","scopes":"a"}]"#,
    ))
    .unwrap();
    let ids: Vec<_> = list.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(ids, ["1", "1", "0", "2", "3"]);
    assert_eq!(list[2].name, "0", "a site without a name is called by its id");
    assert_eq!(list[3].scopes, ["a"]);
    assert!(list[4].scopes.is_empty());
}

/// A21: names are made inert; letters of all scripts stay.
#[test]
fn hostile_names() {
    let list = sites(json(
        200,
        r#"[{"id":"a\u001b]8;;x\u0007","name":"Größe \u202e日本\u200b","url":"https://x\u009b","scopes":["\r\n"]}]"#,
    ))
    .unwrap();
    assert_eq!(list[0].id, "a\\u{1b}]8;;x\\u{7}");
    assert_eq!(list[0].name, "Größe \\u{202e}日本\\u{200b}");
    assert_eq!(list[0].url, "https://x\\u{9b}");
    assert_eq!(list[0].scopes, ["\\u{d}\\u{a}"]);
}

#[test]
fn sites_are_found_by_name_or_url() {
    let site = Site {
        id: "c-1".to_owned(),
        name: "My Team".to_owned(),
        url: "https://my-team.atlassian.net".to_owned(),
        scopes: vec![],
    };
    for name in
        ["c-1", "my team", "MY-TEAM", "my-team.atlassian.net", "https://my-team.atlassian.net/"]
    {
        assert!(site.is_called(name), "{name}");
    }
    for name in ["", "my", "team", "atlassian", "my-team.atlassian.net.evil", "evilmy-team"] {
        assert!(!site.is_called(name), "{name}");
    }
}

#[test]
fn a_provider_without_sites() {
    let profile = bundled("bitbucket");
    let play = asking(&profile, SitesRequest::new(profile.clone()));
    assert!(matches!(play.done(), Err(Error::Configuration(_))));
}

/// A26: only the API gets the token (CVE-2024-53858, CVE-2026-48501). Refused: look-alike hosts,
/// user names, ports, trailing dots, other schemes, percent-encoding, letters of other scripts and
/// their `xn--` form (RUSTSEC-2024-0421), line breaks (CVE-2020-5260, CVE-2024-50338).
#[test]
fn look_alike_hosts() {
    let audience = TokenAudience::new(&bundled("atlassian"), None);
    for good in [
        "https://api.atlassian.com/me",
        "https://api.atlassian.com/ex/jira/1/rest?x=https://evil.example",
        "https://api.atlassian.com:443/me",
        "https://API.atlassian.com/me",
        "https://api.atlassian.com",
    ] {
        assert!(audience.includes(good), "{good}");
    }
    for bad in [
        "https://api.atlassian.com.evil/me",
        "https://api.atlassian.com.evil.example/me",
        "https://evilapi.atlassian.com/me",
        "https://evil-api.atlassian.com/me",
        "https://x.api.atlassian.com/me",
        "https://atlassian.com/me",
        "https://auth.atlassian.com/me",
        "https://api.atlassian.com@evil.example/me",
        "https://api.atlassian.com:443@evil.example/me",
        "https://user@api.atlassian.com/me",
        "https://user:pw@api.atlassian.com/me",
        "https://@api.atlassian.com/me",
        "https://api.atlassian.com./me",
        "https://api.atlassian.com.:443/me",
        "https://api.atlassian.com:8443/me",
        "https://api.atlassian.com:80/me",
        "http://api.atlassian.com/me",
        "http://api.atlassian.com:443/me",
        "ftp://api.atlassian.com/me",
        "//api.atlassian.com/me",
        "api.atlassian.com/me",
        "https:api.atlassian.com/me",
        "https:/api.atlassian.com/me",
        "https:///api.atlassian.com/me",
        "https:\\\\api.atlassian.com\\me",
        "https://evil.example\\@api.atlassian.com/me",
        "https://evil.example#@api.atlassian.com/me",
        "https://evil.example?@api.atlassian.com/me",
        "https://evil.example/api.atlassian.com",
        "https://api%2eatlassian.com/me",
        "https://api.atlassian%2ecom/me",
        "https://api.atlassian.com%00.evil.example/me",
        "https://api.atlassian.com%2f@evil.example/me",
        "https://api.atlassian.com%0d%0a.evil.example/me",
        "https://api.atlassian.com\r\n/me",
        "https://api.atlassian.com\0/me",
        "https://api.atlassian.com\t/me",
        " https://api.atlassian.com/me",
        "https://api.\u{430}tlassian.com/me",
        "https://\u{ff41}pi.atlassian.com/me",
        "https://api\u{3002}atlassian.com/me",
        "https://api.atlassian\u{ad}.com/me",
        "https://xn--api-.atlassian.com/me",
        "https://api.xn--atlassian-.com/me",
        "https://xn--pi-7kc.atlassian.com/me",
        "https://api.xn--tlassian-2fg.com/me",
        "https://127.0.0.1/me",
        "http://localhost/me",
        "https://[::1]/me",
        "",
    ] {
        assert!(!audience.includes(bad), "{bad}");
    }
}

/// A26: there is no request to a URL that is not the provider's API, not even to its token
/// endpoint.
#[test]
fn no_request_to_a_foreign_address() {
    let audience = TokenAudience::new(&profile(), None);
    for address in ["https://api.example/me", "https://as.example/token"] {
        let refused = audience.get(&url(address), &Authorization::Bearer(token()));
        assert!(matches!(refused, Err(Error::Configuration(_))));
        assert_silent(&refused);
    }
}

/// A profile's hosts count exactly as written, with the port.
#[test]
fn named_hosts() {
    let mut profile = profile();
    profile.api_hosts = vec!["api.example:8443".to_owned(), "localhost:8080".to_owned()];
    let audience = TokenAudience::new(&profile, Some(&url("https://me.example/userinfo")));
    for good in
        ["https://api.example:8443/x", "http://localhost:8080/x", "https://me.example/other"]
    {
        assert!(audience.includes(good), "{good}");
    }
    for bad in ["https://api.example/x", "https://api.example:443/x", "http://localhost/x"] {
        assert!(!audience.includes(bad), "{bad}");
    }
}
