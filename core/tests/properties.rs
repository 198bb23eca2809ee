//! Parsers with arbitrary input: they never panic and never show a secret.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::*;
use twg_core::atlassian::sites::parse_sites;
use twg_core::credential::StoredCredential;
use twg_core::endpoint_url::EndpointUrl;
use twg_core::grant::authorization_code::AuthorizationResponse;
use twg_core::http::HttpResponse;
use twg_core::login::LoginFlow;
use twg_core::metadata::AuthorizationServerMetadata;
use twg_core::provider::{BUNDLED, ProviderProfile};
use twg_core::scope::ScopeSeparator;
use twg_core::time::UnixTime;
use twg_core::token_endpoint::TokenResponse;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Runs every parser. For every result, `Debug` and `Display` show no secret.
fn parse_everything(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for status in [200, 400, 403, 429, 503] {
        let response = HttpResponse { status, headers: vec![], body: bytes.to_vec() };
        assert_silent(&TokenResponse::parse(&response, ScopeSeparator::Space));
        device_answered(response);
    }
    assert_silent(&StoredCredential::parse(&text));
    assert_silent(&ProviderProfile::parse(&text));
    assert_silent(&LoginFlow::restore(&text).map(drop));
    assert_silent(&EndpointUrl::parse(&text).map(drop));
    assert_shows_no_secret(&format!("{:?}", AuthorizationResponse::parse(&text)));
    let metadata = AuthorizationServerMetadata::parse(&url("https://as.example"), bytes);
    assert_shows_no_secret(&format!("{metadata:?}"));
    if let Ok(json) = serde_json::from_slice(bytes) {
        assert_silent(&parse_sites(&json));
    }
    redirected(&text);
}

/// A device authorization response, which only a flow reads.
fn device_answered(response: HttpResponse) {
    let mut play = Play::begin(device_login(profile()));
    play.preflight();
    play.http(response);
    play.killed();
}

/// A redirect, judged by a flow that waits for one.
fn redirected(redirect: &str) {
    let mut play = in_browser(profile());
    play.redirect(redirect);
    play.killed();
}

/// Valid inputs of every kind, with their secrets.
fn valid() -> Vec<Vec<u8>> {
    let suspended = |play: Play<LoginFlow>| {
        let text = play.flow.suspend().unwrap().expose().as_bytes().to_vec();
        play.killed();
        text
    };
    let mut all: Vec<Vec<u8>> = BUNDLED.iter().map(|(_, json)| json.as_bytes().to_vec()).collect();
    all.push(tokens().body.clone());
    all.push(device_answer(r#","expires_in":600,"interval":5"#).body.clone());
    all.push(old_record().into_bytes());
    all.push(suspended(polling("")));
    all.push(suspended(in_browser(profile())));
    all.push(redirect_with(&[("code", "CANARY-code"), ("state", &state())]).into_bytes());
    all.push(
        br#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t"}"#.to_vec(),
    );
    all.push(br#"[{"id":"1","name":"n","url":"https://s.example","scopes":["a"]}]"#.to_vec());
    all.push(br#"{"error":"invalid_grant","error_description":"no"}"#.to_vec());
    all
}

/// A small change somewhere.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Delete(Index),
    Truncate(Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = prop_oneof![any::<u8>(), select(&b"{}[]\",:\\0-9.eE?&#=%/\0\x1b\xff "[..])];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Delete),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match mutation {
        Mutation::Replace(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Mutation::Delete(at) => drop(bytes.remove(at.index(len))),
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
        Mutation::Repeat(from, to) => {
            let (from, to) = (from.index(len), to.index(len));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(from.max(to)..from.max(to), part);
        }
    }
}

/// Members that a parser reads and that hold no secret, with possible values.
const PUBLIC: [&str; 24] = [
    "schema_version",
    "generation",
    "expires_in",
    "interval",
    "token_type",
    "scope",
    "scopes",
    "issuer",
    "token_endpoint",
    "authorization_endpoint",
    "verification_uri",
    "user_code",
    "id",
    "name",
    "url",
    "server",
    "login",
    "tokens",
    "grants",
    "endpoints",
    "waiting",
    "request",
    "next_step",
    "code_challenge_methods_supported",
];
const SECRET: [&str; 6] =
    ["access_token", "refresh_token", "device_code", "id_token", "verifier", "client_secret"];

fn public_leaf() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        select(&["https://as.example", "Bearer", "default", "1", "device_code"][..])
            .prop_map(Into::into),
    ]
}

fn secret_leaf() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just("CANARY-secret".into()),
        Just("CANARY\r\n\u{1b}".into()),
        Just(serde_json::json!(["CANARY"])),
        Just(serde_json::json!({"CANARY": "CANARY"})),
    ]
}

/// Any JSON, with secrets in the members for secrets.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let member = |value: BoxedStrategy<serde_json::Value>| {
        prop_oneof![
            3 => (select(&PUBLIC[..]), value).prop_map(|(n, v)| (n.to_owned(), v)),
            2 => (select(&SECRET[..]), secret_leaf()).prop_map(|(n, v)| (n.to_owned(), v)),
        ]
    };
    public_leaf().prop_recursive(3, 40, 8, move |inner| {
        let inner = inner.boxed();
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            4 => vec(member(inner), 0..8).prop_map(|all| serde_json::Value::Object(
                all.into_iter().collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(config(128))]

    /// A85: arbitrary bytes.
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        parse_everything(&bytes);
    }

    /// A85, A17: arbitrary JSON under the member names that have a meaning.
    #[test]
    fn json_of_any_shape(json in any_json()) {
        parse_everything(json.to_string().as_bytes());
    }

    /// A85: valid inputs, a little damaged.
    #[test]
    fn damaged_inputs(which in any::<Index>(), mutations in vec(mutation(), 1..4)) {
        let mut bytes = which.get(&valid()).clone();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        parse_everything(&bytes);
    }
}

proptest! {
    #![proptest_config(config(512))]

    /// A13: an accepted endpoint is https, or http on this machine, for every later parser too.
    #[test]
    fn endpoints(
        text in "(https?|HTTPS|ftp|data|):?/{0,3}[a-zA-Z0-9@:.%\\[\\]_~-]{0,24}[/?#]?[ -~]{0,12}",
    ) {
        if let Ok(endpoint) = EndpointUrl::parse(&text) {
            prop_assert_eq!(endpoint.as_str(), &text);
            let seen = url::Url::parse(&text).unwrap();
            let https = seen.scheme() == "https";
            prop_assert!(https || seen.scheme() == "http" && endpoint.is_loopback());
            prop_assert!(seen.username().is_empty() && seen.password().is_none());
            prop_assert!(seen.fragment().is_none());
            let host = seen.host_str().unwrap();
            prop_assert!(!host.ends_with('.') && !host.contains('%'));
        }
    }

    /// A85: URLs from outside, most of them with disguised hosts, make no parser panic.
    #[test]
    fn disguised_hosts(
        start in select(&["http:", "http:/", "http://", "https://", "HTTPS:\\\\", "x://", "", " http://"][..]),
        host in "(xn--|XN--|%|[A-Z]|é|[a-z0-9@:.\\[\\]-]|%[0-9A-F]{2}|\\PC){0,12}",
        tail in "([/?#].{0,8})?",
    ) {
        let text = format!("{start}{host}{tail}");
        let _ = EndpointUrl::parse(&text);
        redirected(&text);
        let site = serde_json::json!([{"id": "1", "url": text}]);
        for site in parse_sites(&site).unwrap() {
            prop_assert!(!site.is_called("unknown"));
        }
    }

    /// A5: only the right state is accepted, with any other parameters in the redirect.
    #[test]
    fn states(wrong in "[A-Za-z0-9_-]{0,44}", more in "[a-z]{0,5}=[a-z]{0,5}") {
        prop_assume!(wrong != state());
        let mut play = in_browser(profile());
        play.redirect(&format!("{REDIRECT_URI}?{more}&state={wrong}&code=CANARY-evil"));
        play.assert_still_awaiting_redirect();
        play.killed();
    }

    /// A17: no lifetime makes a token live longer than a year.
    #[test]
    fn lifetimes(json in public_leaf()) {
        let body = format!(r#"{{"access_token":"t","expires_in":{json}}}"#);
        let answer = TokenResponse::parse(&support::json(200, &body), ScopeSeparator::Space);
        if let Some(lifetime) = answer.unwrap().expires_in {
            prop_assert!(lifetime <= twg_core::time::Span::from_days(365));
            prop_assert!(UnixTime::from_millis(u64::MAX).plus(lifetime) >= T0);
        }
    }

    /// Every readable record is written so that it reads the same again.
    #[test]
    fn records_round_trip(mutations in vec(mutation(), 0..3)) {
        let mut bytes = old_record().into_bytes();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        if let Ok(record) = StoredCredential::parse(&String::from_utf8_lossy(&bytes)) {
            let written = record.to_json();
            let again = StoredCredential::parse(written.expose()).unwrap().to_json();
            prop_assert_eq!(again.expose(), written.expose());
        }
    }
}
