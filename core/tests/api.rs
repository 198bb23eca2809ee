//! Requests to any API of the provider: which URLs are allowed, and which hosts get the token.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::api::{ApiFlow, ApiRequest};
use twg_core::atlassian::address::{Product, api_url, needs_site, site_url};
use twg_core::atlassian::api_token::NamedSite;
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::http::Method;
use twg_core::refresh::Need;
use twg_core::resource::{Authorization, TokenAudience};
use twg_core::secret::Secret;

const CLOUD: &str = "11223344-a1b2-3b33-c444-def123456789";

fn jira(path: &str) -> Result<String, Error> {
    api_url(&bundled("atlassian"), Product::Jira, Some(CLOUD), path)
        .map(|url| url.as_str().to_owned())
}

#[test]
fn paths_of_products_and_of_the_host() {
    let site = |product, path| api_url(&bundled("atlassian"), product, Some(CLOUD), path).unwrap();
    let base = format!("https://api.atlassian.com/ex/jira/{CLOUD}");
    for path in ["/rest/api/3/myself", "rest/api/3/myself"] {
        assert_eq!(site(Product::Jira, path).as_str(), format!("{base}/rest/api/3/myself"));
        assert!(needs_site(path));
    }
    let wiki = "/wiki/api/v2/spaces?limit=1";
    assert_eq!(Product::of_path(wiki), Product::Confluence);
    assert_eq!(Product::of_path("/rest/api/space"), Product::Jira);
    let expected = format!("https://api.atlassian.com/ex/confluence/{CLOUD}{wiki}");
    assert_eq!(site(Product::Confluence, wiki).as_str(), expected);
    for own in ["/me", "/oauth/token/accessible-resources", "/ex/jira/x/rest", "/graphql?q=1"] {
        assert!(!needs_site(own), "{own}");
        let url = api_url(&bundled("atlassian"), Product::Jira, None, own).unwrap();
        assert_eq!(url.as_str(), format!("https://api.atlassian.com{own}"));
    }
    assert!(needs_site("/menu"));
    let whole = "https://api.atlassian.com/jsm/ops?x=1";
    assert!(!needs_site(whole));
    assert_eq!(jira(whole).unwrap(), whole);
}

/// Incidents: gh CVE-2024-53858 and similar ones (a host that only looks like the right one), and
/// paths that climb out of their directory.
#[test]
fn no_address_leads_elsewhere() {
    for address in [
        "https://api.atlassian.com.evil/me",
        "https://evilapi.atlassian.com/me",
        "https://api.atlassian.com@evil.example/me",
        "https://user@api.atlassian.com/me",
        "https://api.atlassian.com./me",
        "https://api.atlassian.com:8443/me",
        "http://api.atlassian.com/me",
        "https://api\u{430}tlassian.com/me",
        "https://xn--pi-7kc.atlassian.com/me",
        "https:api.atlassian.com/me",
        "https:///api.atlassian.com/me",
        "//evil.example/me",
        "/\\evil.example/me",
        "/../../../me",
        "/rest/../../../../me",
        "/%2e%2e/%2E%2e/other/rest",
        "/rest/./../../x",
        "/rest/..%2F..%2Fother",
        "/rest/..%5c..%5cother",
        "/rest/%252e%252e/%252E%252E/other",
        "/rest/%25252e./other",
        "/rest/..;/..;x=1/other",
        "/rest/..%3b/other",
        "/me\r\nX-Evil: 1",
        "/rest\0",
        "/rest#fragment",
        "/rest api",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ] {
        // Text that is not a URL can only be a path of the site.
        let allowed = jira(address);
        if let Ok(url) = &allowed {
            assert!(
                url.starts_with(&format!("https://api.atlassian.com/ex/jira/{CLOUD}/")),
                "{url}"
            );
            assert!(!address.contains("//") && !address.contains(".."), "{address:?}: {url}");
        }
    }
    // Text that only looks like an escape is a file name, and a query is not part of the path.
    for address in ["/rest/a..b/...", "/rest/x%2fy", "/rest/a/../b", "/rest?jql=a/..%2f/../b"] {
        assert!(jira(address).is_ok(), "{address}");
    }
    // A cloud id comes from the server.
    for id in ["", "..", "a/b", "a?b", "a b", "%2e%2e"] {
        assert!(api_url(&bundled("atlassian"), Product::Jira, Some(id), "/rest").is_err(), "{id}");
    }
    assert!(api_url(&bundled("atlassian"), Product::Jira, None, "/rest").is_err());
    // Other providers have no sites that could complete a path.
    assert!(api_url(&bundled("bitbucket"), Product::Jira, None, "/2.0/user").is_err());
    let user = "https://api.bitbucket.org/2.0/user";
    assert!(api_url(&bundled("bitbucket"), Product::Jira, None, user).is_ok());
}

/// Asks `https://api.example/things` with a fresh token.
#[track_caller]
fn asking(method: Method, body: Option<&str>) -> Play<ApiFlow> {
    let profile = profile_with_api();
    let record = record_of(&profile, T0).to_json().expose().to_owned();
    let url = api_url(&profile, Product::Jira, None, "https://api.example/things").unwrap();
    let request =
        ApiRequest::new(TokenAudience::new(&profile, None), method, url, body.map(Secret::new));
    let flow = ApiFlow::ask(request, refresh_of(profile, Need::Live), Entropy::new([0x5A; 32]));
    let mut play = Play::begin(flow);
    play.load(Some(&record));
    play
}

/// A26: the token is in the header and nowhere else.
#[test]
fn a_request_and_its_answer() {
    let mut play = asking(Method::Post, Some(r#"{"summary":"x"}"#));
    let asked = play.http(json(201, r#"{"key":"X-1"}"#));
    assert_eq!((asked.method, asked.url.as_str()), (Method::Post, "https://api.example/things"));
    assert_eq!(asked.field("authorization"), Some("Bearer CANARY-old-access"));
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(asked.body.expose(), r#"{"summary":"x"}"#);
    assert!(!asked.single_use);
    let answer = play.done().unwrap();
    assert_eq!(answer.response.status, 201);
    for status in [400, 403, 404, 429, 500] {
        let mut play = asking(Method::Get, None);
        let asked = play.http(html(status));
        assert_eq!(asked.field("content-type"), None);
        assert_eq!(play.done().unwrap().response.status, status, "the caller judges the status");
    }
    let mut play = asking(Method::Get, None);
    play.http(timeout());
    assert!(matches!(play.done(), Err(Error::Transport { .. })));
}

/// A25: a 401 leads to one refresh and one more request. A 401 about missing scopes leads to
/// neither.
#[test]
fn a_rejected_token() {
    let mut play = asking(Method::Delete, None);
    play.http(json(401, "{}"));
    let record = record_of(&profile_with_api(), T0).to_json().expose().to_owned();
    play.load(Some(&record));
    play.lock();
    play.load(Some(&record));
    play.replace();
    play.open_stage();
    play.http(new_tokens(""));
    play.stage();
    play.replace();
    play.discard_stage();
    play.release();
    let again = play.http(json(401, "{}"));
    assert_eq!(again.method, Method::Delete);
    assert_eq!(again.field("authorization"), Some("Bearer CANARY-new-access"));
    assert_eq!(play.done().unwrap_err(), Error::TokenRejected);
    let mut play = asking(Method::Get, None);
    play.http(json(401, r#"{"code":401,"message":"Unauthorized; scope does not match"}"#));
    assert_eq!(play.done().unwrap().response.status, 401);
}

fn redirect(status: u16, location: &str) -> twg_core::http::HttpResponse {
    with_headers(status, &[("location", location)], "")
}

/// Incidents: requests CVE-2023-32681 and CVE-2024-47081, curl CVE-2022-27774. After a redirect,
/// only the provider's own hosts get the token and other injected fields.
#[test]
fn redirects_take_the_token_only_to_the_provider() {
    for status in [301, 302, 303, 307, 308] {
        let mut play = asking(Method::Get, None);
        play.http(redirect(status, "/elsewhere?x=1#part"));
        let own = play.http(redirect(status, "https://media.example/file?signature=abc"));
        assert_eq!(own.url, "https://api.example/elsewhere?x=1");
        assert_eq!(own.field("authorization"), Some("Bearer CANARY-old-access"));
        let foreign = play.http(redirect(status, "https://api.example:8443/port"));
        assert_eq!(foreign.url, "https://media.example/file?signature=abc");
        let names: Vec<_> = foreign.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["accept"], "{status}");
        assert_eq!(foreign.method, Method::Get);
        let port = play.http(redirect(status, "https://api.example/back"));
        assert_eq!(port.field("authorization"), None, "another port is another server");
        let back = play.http(json(200, "{}"));
        assert_eq!(back.url, "https://api.example/back");
        assert_eq!(back.field("authorization"), None, "a stranger chose this URL");
        let answer = play.done().unwrap();
        assert_eq!(answer.url.as_str(), "https://api.example/back");
    }
}

#[test]
fn redirects_that_lead_nowhere() {
    for location in [
        "http://api.example/plain",
        "https://user:pw@api.example/",
        "https://api.example.evil./",
        "http://127.0.0.1:1/local",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        // The URL parser stops debug builds at these two.
        "//M\u{37f}/",
        "https://M%CD%BF/",
        "\\\\evil.example/",
        "/two words",
    ] {
        let mut play = asking(Method::Get, None);
        play.http(redirect(302, location));
        let error = play.done().unwrap_err();
        assert!(matches!(error, Error::PeerMisbehaved { .. }), "{location}: {error:?}");
    }
    // A redirect loop.
    let mut play = asking(Method::Head, None);
    for _ in 0..6 {
        play.http(redirect(302, "/things"));
    }
    assert!(play.done().unwrap_err().to_string().contains("redirects"));
    // A request that changes something is not repeated at another URL.
    for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
        let mut play = asking(method, None);
        play.http(redirect(307, "https://api.example/other"));
        assert_eq!(play.done().unwrap().response.status, 307);
    }
}

/// Only the provider's hosts get the request body, as with the token.
#[test]
fn redirects_take_a_body_only_to_the_provider() {
    let mut play = asking(Method::Get, Some(r#"{"secret":"x"}"#));
    assert!(!play.http(redirect(307, "/there")).body.is_empty());
    assert!(!play.http(redirect(307, "https://evil.example/x")).body.is_empty());
    let stranger = play.http(json(200, "{}"));
    assert!(stranger.body.is_empty() && stranger.field("content-type").is_none());
    play.done().unwrap();
}

/// With a token that the caller provides, the same rules hold, and there is no refresh.
#[test]
fn a_given_token() {
    let audience = TokenAudience::new(&profile_with_api(), None);
    let asking = || {
        let url = api_url(&profile_with_api(), Product::Jira, None, "https://api.example/things");
        let request = ApiRequest::new(audience.clone(), Method::Get, url.unwrap(), None);
        let token = Secret::new("CANARY-api-token");
        let authorization = Authorization::Basic { user: "a+b@c.example".to_owned(), token };
        Play::begin(ApiFlow::ask_with(request, authorization))
    };
    let basic = Some("Basic YStiQGMuZXhhbXBsZTpDQU5BUlktYXBpLXRva2Vu");
    let mut play = asking();
    assert_eq!(play.http(redirect(302, "/there")).field("authorization"), basic);
    assert_eq!(play.http(redirect(302, "https://evil.example/x")).field("authorization"), basic);
    assert_eq!(play.http(redirect(302, "/back")).field("authorization"), None);
    assert_eq!(play.http(redirect(302, "https://api.example/y")).field("authorization"), None);
    // Not even back at the provider, because a stranger chose the URL.
    assert_eq!(play.http(json(200, "{}")).field("authorization"), None);
    let answer = play.done().unwrap();
    assert_eq!(answer.url.as_str(), "https://api.example/y");
    assert!(answer.login.is_none());
    let mut play = asking();
    play.http(json(401, "{}"));
    assert_eq!(play.done().unwrap_err(), Error::TokenRejected);
}

/// An API token may be sent to Atlassian's sites alone, in every spelling of their names.
#[test]
fn sites_by_name() {
    let profile = bundled("atlassian");
    for text in [
        "acme",
        "ACME",
        "acme.atlassian.net",
        "https://acme.atlassian.net",
        "https://acme.atlassian.net/",
    ] {
        let site = NamedSite::of(&profile, text).unwrap();
        assert_eq!((site.name.as_str(), site.url.as_str()), ("acme", "https://acme.atlassian.net"));
    }
    let odd = [
        "",
        "/",
        "-a",
        "a-",
        "a.b",
        "acme.atlassian.net.evil.example",
        "https://evil.example",
        "http://acme.atlassian.net",
        "acme@evil.example",
        "acme\u{0}",
        "\u{430}cme",
        "acme/..",
        "acme.atlassian.net@evil.example",
        "acme:443",
    ];
    for text in odd {
        assert!(NamedSite::of(&profile, text).is_err(), "{text}");
    }
    assert!(NamedSite::of(&bundled("bitbucket"), "acme").is_err());
}

/// Only URLs below a site's own URL are allowed.
#[test]
fn addresses_of_a_site() {
    let site = NamedSite::of(&bundled("atlassian"), "acme").unwrap().url;
    let at = |path: &str| site_url(&site, path).map(|url| url.as_str().to_owned());
    let myself = "https://acme.atlassian.net/rest/api/3/myself";
    for path in ["/rest/api/3/myself", "rest/api/3/myself", myself] {
        assert_eq!(at(path).unwrap(), myself);
    }
    assert!(at("/rest/api/3/search?jql=url~https://a").is_ok());
    let odd = [
        "https://evil.example/x",
        "//evil.example/x",
        "http://acme.atlassian.net/x",
        "https://acme.atlassian.net.evil/x",
        "https://acme.atlassian.net@evil.example/x",
        "/a/..%2f..%2fx",
        "/a b",
        "\\evil",
    ];
    for path in odd {
        assert!(at(path).is_err(), "{path}: {:?}", at(path));
    }
}
