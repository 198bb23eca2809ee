//! Provider profiles: the bundled ones are valid, and the error for an invalid one names the
//! problem.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use serde_json::{Value, json};
use support::{assert_silent, bundled, profile};
use twg_core::provider::{BUNDLED, Grant, ProviderProfile};
use twg_core::scope::{ScopeSeparator, is_scope_token};

fn changed(change: impl FnOnce(&mut Value)) -> Result<ProviderProfile, String> {
    let mut json = serde_json::to_value(profile()).unwrap();
    change(&mut json);
    let result = ProviderProfile::parse(&json.to_string());
    assert_silent(&result);
    result.map_err(|bad| bad.to_string())
}

/// A profile survives being written and read, and its name is the name it is bundled under.
#[test]
fn bundled_profiles() {
    for (name, json) in BUNDLED {
        let profile = ProviderProfile::parse(json).unwrap();
        assert_eq!(profile.name, name);
        assert_eq!(ProviderProfile::parse(&profile.to_json()).unwrap(), profile);
        assert!(profile.client.id.is_none(), "no client id is bundled");
    }
}

/// A45: a shipped secret is public, so a profile has no place for one.
#[test]
fn no_profile_carries_a_secret() {
    for (place, member) in [("/client", "client_secret"), ("/client", "password"), ("", "secret")] {
        let bad = changed(|json| json.pointer_mut(place).unwrap()[member] = json!("CANARY"));
        assert!(bad.unwrap_err().contains(member));
    }
    // A user will try this. The error does not repeat the secret (`changed` looks for it).
    let bad = changed(|json| json["client"]["secret"] = json!("CANARY")).unwrap_err();
    assert!(bad.contains("does not belong in a profile"), "{bad}");
}

/// What the Atlassian profile must say so that its clients work and no user loses a grant. A15: it
/// requests the scopes that the commands need, and none for administration or deletion.
#[test]
fn atlassian() {
    let profile = bundled("atlassian");
    assert_eq!(profile.grants, [Grant::DeviceCode, Grant::AuthorizationCode]);
    assert!(profile.scopes.contains(&"offline_access".to_owned()));
    assert!(
        !profile.scopes.iter().any(|scope| scope.contains("manage") || scope.contains("delete"))
    );
    assert!(profile.revocation_ends_grant && profile.token_request_has_redirect_uri);
    assert_eq!(profile.reuse_leeway_seconds, 600);
    assert_eq!(profile.audience.as_deref(), Some("api.atlassian.com"));
}

/// A misspelt member would silently change how a login works, so it is an error at every level.
#[test]
fn unknown_members() {
    for place in ["", "/endpoints", "/client", "/redirect", "/login_lifetime"] {
        let bad = changed(|json| json.pointer_mut(place).unwrap()["revokation"] = json!(1));
        assert!(bad.unwrap_err().contains("revokation"), "{place}");
    }
}

#[test]
fn each_check() {
    let issuerless = |json: &mut Value, endpoint: &str| {
        json.as_object_mut().unwrap().remove("issuer");
        json["endpoints"].as_object_mut().unwrap().remove(endpoint);
    };
    type Change = Box<dyn FnOnce(&mut Value)>;
    let set = |pointer: &'static str, value: Value| -> Change {
        Box::new(move |json| {
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[member] = value;
        })
    };
    let cases: Vec<(Change, &str)> = vec![
        (set("/schema_version", json!(2)), "schema_version"),
        (set("/name", json!("../up")), "name"),
        (set("/name", json!("")), "name"),
        (set("/name", json!("UPPER")), "name"),
        (set("/grants", json!([])), "grants"),
        (set("/grants", json!(["password"])), "device_code"),
        (set("/scopes", json!(["a b"])), "scopes"),
        (set("/scopes", json!(["a\u{1b}"])), "scopes"),
        (set("/authorize_parameters", json!({"state": "x"})), "state"),
        (set("/authorize_parameters", json!({"code_challenge_method": "plain"})), "challenge"),
        (set("/authorize_parameters", json!({"redirect_uri": "https://evil"})), "redirect_uri"),
        (set("/redirect/path", json!("callback")), "redirect.path"),
        (set("/redirect/path", json!("/a?b")), "redirect.path"),
        (set("/redirect/path", json!("/a\r\nb")), "redirect.path"),
        (set("/redirect/port", json!(65_536)), "65536"),
        (set("/api_hosts", json!(["a/b"])), "api_hosts"),
        (set("/api_hosts", json!(["user@a"])), "api_hosts"),
        (set("/api_hosts", json!(["A.example"])), "api_hosts"),
        (set("/api_hosts", json!(["a.example."])), "api_hosts"),
        (set("/api_hosts", json!([""])), "api_hosts"),
        (set("/api_hosts", json!(["*.example"])), "api_hosts"),
        (set("/endpoints/token", json!("http://as.example/t")), "https"),
        (set("/endpoints/token", json!("https://as.example/t#f")), "fragment"),
        (set("/issuer", json!("as.example")), "absolute"),
        (set("/sites", json!("javascript:alert(1)")), "host"),
        (Box::new(move |json| issuerless(json, "token")), "endpoints.token"),
        (Box::new(move |json| issuerless(json, "authorization")), "endpoints.authorization"),
        (Box::new(move |json| issuerless(json, "device_authorization")), "device_authorization"),
        (
            Box::new(move |json| {
                issuerless(json, "revocation");
                json["iss_parameter"] = json!("optional");
            }),
            "iss_parameter",
        ),
    ];
    for (number, (change, word)) in cases.into_iter().enumerate() {
        let bad = changed(change).expect_err(&format!("case {number}: {word}"));
        assert!(bad.contains(word), "case {number}: {bad}");
    }
    changed(|_| ()).unwrap();
}

/// A syntax error names its place, and the text quoted from there is inert.
#[test]
fn syntax_errors() {
    let bad = ProviderProfile::parse("{\n  \"schema_version\": ?").unwrap_err().to_string();
    assert!(bad.contains("line 2"), "{bad}");
    let bad = changed(|json| json["grants"] = json!(["\u{1b}[31m\u{202e}"])).unwrap_err();
    assert!(bad.bytes().all(|b| matches!(b, b' '..=b'~')), "{bad}");
}

/// A14: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
#[test]
fn scope_tokens() {
    for good in ["a", "read:me", "!", "a,b", "https://x/y", "~"] {
        assert!(is_scope_token(good), "{good}");
    }
    for bad in ["", " ", "a b", "\"", "\\", "a\t", "\u{7f}", "é", "a\0"] {
        assert!(!is_scope_token(bad), "{bad:?}");
    }
}

/// Scopes are joined and split with the server's separator, without empty scopes.
#[test]
fn scope_separators() {
    let scopes = ["a".to_owned(), "b".to_owned()];
    for (separator, joined) in [(ScopeSeparator::Space, "a b"), (ScopeSeparator::Comma, "a,b")] {
        assert_eq!(separator.join(&scopes), joined);
        assert_eq!(separator.split(joined), scopes);
    }
    assert_eq!(ScopeSeparator::Comma.split(" a, b ,,"), scopes);
    assert_eq!(ScopeSeparator::Space.split("a,b"), ["a,b"]);
    assert!(ScopeSeparator::Space.split("  ").is_empty());
}
