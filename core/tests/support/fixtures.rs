//! A provider, a client, responses and records to begin with. Every secret contains `CANARY`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use twg_core::client::{Client, Registered};
use twg_core::credential::{ConnectionKey, Host, IssuedBy, StoredCredential};
use twg_core::endpoint_url::EndpointUrl;
use twg_core::entropy::Entropy;
use twg_core::flow::{AuthorizationPrompt, Flow};
use twg_core::grant::request::LoginRequest;
use twg_core::http::HttpResponse;
use twg_core::login::LoginFlow;
use twg_core::provider::{BUNDLED, Grant, ProviderProfile};
use twg_core::refresh::{Need, RefreshFlow, RefreshRequest};
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

use super::{Play, json, query};

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:50123/auth/callback/oauth";
pub(crate) const DEVICE_CODE: &str = "CANARY-device-code";

pub(crate) fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text).expect("a good URL")
}

/// A provider with both grants, without discovery, identity and sites.
pub(crate) fn profile() -> ProviderProfile {
    ProviderProfile::parse(
        r#"{
        "schema_version": 1, "name": "example", "display_name": "Example",
        "issuer": "https://as.example",
        "endpoints": {
            "authorization": "https://as.example/authorize",
            "token": "https://as.example/token",
            "device_authorization": "https://as.example/device",
            "revocation": "https://as.example/revoke"
        },
        "grants": ["device_code", "authorization_code"],
        "revocation_ends_grant": false
    }"#,
    )
    .expect("a good profile")
}

/// The same with an account and sites.
pub(crate) fn profile_with_api() -> ProviderProfile {
    let mut profile = profile();
    profile.identity = Some(twg_core::provider::IdentityProfile {
        url: Some(url("https://api.example/me")),
        ..Default::default()
    });
    profile.sites = Some(url("https://api.example/sites"));
    profile
}

pub(crate) fn bundled(name: &str) -> ProviderProfile {
    let (_, json) = BUNDLED.iter().find(|(n, _)| *n == name).expect("a bundled profile");
    ProviderProfile::parse(json).expect("a good profile")
}

pub(crate) fn public_client() -> Client {
    Client { id: "client-1".to_owned(), secret: None }
}

pub(crate) fn confidential_client() -> Client {
    Client { id: "client-1".to_owned(), secret: Some(Secret::new("CANARY: s+cret")) }
}

pub(crate) fn key() -> ConnectionKey {
    ConnectionKey::new("example", "default").expect("good names")
}

pub(crate) fn request(profile: ProviderProfile, grants: &[Grant]) -> LoginRequest {
    LoginRequest {
        connection: "default".to_owned(),
        profile,
        client: public_client(),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        grants: grants.iter().copied().collect(),
        open: true,
        timeout: Span::from_mins(60),
    }
}

/// Known bytes, so that tests know verifier and state.
pub(crate) const fn entropy() -> (Entropy, Entropy) {
    (Entropy::new([0x5A; 32]), Entropy::new([0xC3; 32]))
}

pub(crate) fn verifier() -> String {
    URL_SAFE_NO_PAD.encode([0x5A; 32])
}

pub(crate) fn state() -> String {
    URL_SAFE_NO_PAD.encode([0xC3; 32])
}

pub(crate) fn sign_in(request: LoginRequest) -> LoginFlow {
    LoginFlow::sign_in(request, entropy()).expect("a good request")
}

pub(crate) fn device_login(profile: ProviderProfile) -> LoginFlow {
    sign_in(request(profile, &[Grant::DeviceCode]))
}

pub(crate) fn browser_login(profile: ProviderProfile) -> LoginFlow {
    sign_in(request(profile, &[Grant::AuthorizationCode]))
}

/// A device authorization response, with further members.
pub(crate) fn device_answer(more: &str) -> HttpResponse {
    json(
        200,
        &format!(
            r#"{{"device_code":"{DEVICE_CODE}","user_code":"WDJB-MJHT",
            "verification_uri":"https://as.example/activate",
            "verification_uri_complete":"https://as.example/activate?user_code=WDJB-MJHT"{more}}}"#
        ),
    )
}

/// A token response with every member.
pub(crate) fn tokens() -> HttpResponse {
    json(
        200,
        r#"{"access_token":"CANARY-access","refresh_token":"CANARY-refresh","expires_in":3600,
            "scope":"read write","token_type":"Bearer"}"#,
    )
}

/// A device login that has shown its code and waits before its first poll.
#[track_caller]
pub(crate) fn polling(more: &str) -> Play<LoginFlow> {
    polling_with(profile(), more)
}

#[track_caller]
pub(crate) fn polling_with(profile: ProviderProfile, more: &str) -> Play<LoginFlow> {
    let mut play = Play::begin(device_login(profile));
    play.preflight();
    play.http(device_answer(more));
    play.show_code();
    play
}

/// A browser login that waits for its redirect.
#[track_caller]
pub(crate) fn in_browser(profile: ProviderProfile) -> Play<LoginFlow> {
    let mut play = Play::begin(browser_login(profile));
    play.preflight();
    play.redirect_uri(REDIRECT_URI);
    play
}

/// The redirect that the server sends for `prompt`, with the right state.
#[track_caller]
pub(crate) fn answer_to(prompt: &AuthorizationPrompt, more: &[(&str, &str)]) -> String {
    let state = query(&prompt.url)["state"].clone();
    redirect_with(&[&[("state", state.as_str())], more].concat())
}

pub(crate) fn redirect_with(parameters: &[(&str, &str)]) -> String {
    let mut url = url::Url::parse(REDIRECT_URI).expect("a URL");
    url.query_pairs_mut().extend_pairs(parameters);
    url.into()
}

/// A stored login of generation 7 with a member that this version does not know.
pub(crate) fn old_record() -> String {
    r#"{
  "schema_version": 1,
  "generation": 7,
  "provider": "example",
  "connection": "default",
  "server": {
    "issuer": "https://as.example",
    "token_endpoint": "https://as.example/token",
    "revocation_endpoint": "https://as.example/revoke",
    "client_authentication": "client_secret_post"
  },
  "client_id": "client-1",
  "login": { "at": 1600000000000, "grant": "device_code" },
  "tokens": {
    "access_token": "CANARY-old-access",
    "refresh_token": "CANARY-old-refresh",
    "scopes": ["read"],
    "issued_at": 1600000000000,
    "expires_at": 1600003600000
  },
  "default_site": "site-1",
  "from_the_future": { "kept": true }
}
"#
    .to_owned()
}

/// A stored login of generation 7 at `profile`, whose tokens were issued at that time for an hour.
pub(crate) fn record_of(profile: &ProviderProfile, issued_at: UnixTime) -> StoredCredential {
    let mut record = parsed(&old_record());
    record.provider.clone_from(&profile.name);
    record.server = IssuedBy {
        token_endpoint: profile.endpoints.token.clone().expect("an address"),
        revocation_endpoint: profile.endpoints.revocation.clone(),
        userinfo_endpoint: profile.identity.as_ref().and_then(|identity| identity.url.clone()),
        ..record.server
    };
    let tokens = record.tokens.as_mut().expect("tokens");
    tokens.issued_at = issued_at;
    tokens.expires_at = issued_at.plus(Span::from_mins(60));
    record
}

/// A refresh of the default connection of `profile`, by its public client.
pub(crate) fn refresh_of(profile: ProviderProfile, need: Need) -> RefreshRequest {
    RefreshRequest {
        key: ConnectionKey::new(&profile.name, "default").expect("good names"),
        need,
        registered: Ok(Registered { profile, client: Some(public_client()) }),
        host: host(),
    }
}

/// The same provider with a leeway of so many seconds for spent refresh tokens.
pub(crate) fn lenient(leeway: u64) -> ProviderProfile {
    ProviderProfile { reuse_leeway_seconds: leeway, ..profile() }
}

/// A login whose access token is due and works for ten more minutes.
pub(crate) fn due_record() -> String {
    record_text(10)
}

/// A login whose access token has expired.
pub(crate) fn dead_record() -> String {
    record_text(0)
}

fn record_text(minutes_left: u64) -> String {
    let left = Span::from_mins(60 - minutes_left).as_millis();
    let issued_at = UnixTime::from_millis(super::T0.as_millis() - left);
    record_of(&profile(), issued_at).to_json().expose().to_owned()
}

/// The response of a token endpoint to a refresh, with further members.
pub(crate) fn new_tokens(more: &str) -> HttpResponse {
    json(
        200,
        &format!(
            r#"{{"access_token":"CANARY-new-access","refresh_token":"CANARY-new-refresh",
            "expires_in":3600{more}}}"#
        ),
    )
}

/// A refresh that has read the record and holds the lock.
#[track_caller]
pub(crate) fn locked(profile: ProviderProfile, need: Need, record: &str) -> Play<RefreshFlow> {
    locked_at(super::T0, refresh_of(profile, need), record)
}

#[track_caller]
pub(crate) fn locked_at(now: UnixTime, request: RefreshRequest, record: &str) -> Play<RefreshFlow> {
    locked_by(super::up(now), request, record)
}

/// With clocks that may disagree.
#[track_caller]
pub(crate) fn locked_by(now: Now, request: RefreshRequest, record: &str) -> Play<RefreshFlow> {
    let flow = RefreshFlow::refresh(request, Entropy::new([0x5A; 32]));
    let mut play = Play::begin_by(flow, now);
    play.load(Some(record));
    play.lock();
    play.load(Some(record));
    play
}

/// A refresh that is about to send its request, and the record with its intent.
#[track_caller]
pub(crate) fn sending(
    profile: ProviderProfile,
    need: Need,
    record: &str,
) -> (Play<RefreshFlow>, String) {
    let mut play = locked(profile, need, record);
    let intent = play.replace().text;
    play.open_stage();
    (play, intent)
}

/// The record that a process leaves behind if it dies after sending its request at [`super::T0`].
#[track_caller]
pub(crate) fn interrupted(record: &str) -> String {
    let (play, intent) = sending(profile(), Need::Due(Span::ZERO), record);
    play.killed();
    intent
}

/// The machine on which the scripts play.
pub(crate) fn host() -> Host {
    Host { machine: Some("machine-1".to_owned()), boot: Some("boot-1".to_owned()) }
}

pub(crate) fn parsed(record: &str) -> StoredCredential {
    StoredCredential::parse(record).expect("a good record")
}
