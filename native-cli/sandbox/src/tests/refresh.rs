//! Rotation, leeway, expiry and revocation as a client sees them. The rules themselves are tested in
//! `grants.rs`.

use super::{Look, Tokens, start_in};
use crate::clients::DEVICE_CLIENT;
use crate::tokens::hash;

#[test]
fn rotation_leeway_and_the_end_of_a_family() {
    let look = Look::new("");
    let first = look.log_in();
    let second = Tokens::of(&look.refresh(&first.refresh));
    assert_ne!(first.refresh, second.refresh);
    look.advance(599);
    let third = Tokens::of(&look.refresh(&first.refresh));
    let family = look.families().remove(0);
    assert_eq!((&family["rotations"], &family["replays"]), (&1.into(), &1.into()));
    assert_eq!(family["unspent_sha256"].as_array().unwrap().len(), 2);
    assert_eq!(family["unspent_sha256"][1], hash(&third.refresh));
    look.advance(1);
    let reused = look.refresh(&first.refresh);
    assert_eq!(reused.outcome(), (403, "invalid_grant".into()));
    assert_eq!(reused.text("error_description"), "Unknown or invalid refresh token.");
    assert_eq!(look.refresh(&third.refresh).status, 403);
    let family = look.families().remove(0);
    assert_eq!((&family["alive"], &family["ended"]), (&false.into(), &"reused".into()));
}

#[test]
fn a_restart_forgets_nothing() {
    let mut look = Look::new("");
    let first = look.log_in();
    let second = Tokens::of(&look.refresh(&first.refresh));
    let base = look.base().to_owned();
    let waiting = look.device_code();
    look.advance(1000);
    drop(std::mem::replace(&mut look.running, start_in(&super::Directory::new().0, "")));
    look.running = start_in(&look.directory.0, "leeway=0");
    assert_eq!(look.base(), base);
    assert_eq!(look.poll(&waiting.text("device_code")).outcome().1, "expired_token");
    assert_eq!(look.get("/me", &second.access).status, 200);
    let third = Tokens::of(&look.refresh(&second.refresh));
    assert_eq!(look.refresh(&second.refresh).status, 403);
    assert_eq!(look.refresh(&third.refresh).status, 403);
}

#[test]
fn nothing_secret_is_in_the_state_or_the_log() {
    let look = Look::new("");
    let tokens = look.log_in();
    let next = Tokens::of(&look.refresh(&tokens.refresh));
    let state = std::fs::read_to_string(look.directory.0.join("sandbox-state.json")).unwrap();
    let log = look.control("GET", "log").to_string();
    let grants = look.control("GET", "grants").to_string();
    for secret in [&tokens.access, &tokens.refresh, &next.access, &next.refresh] {
        assert!(![&state, &log, &grants].iter().any(|text| text.contains(secret.as_str())));
    }
    assert!(log.contains("\"grant_type\":\"refresh_token\""));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(look.directory.0.join("sandbox-state.json")), 0o600);
        assert_eq!(mode(look.directory.0.clone()), 0o700);
    }
}

#[test]
fn expiry_of_access_and_refresh_tokens() {
    let look = Look::new("");
    let tokens = look.log_in();
    look.advance(3600);
    let expired = look.get("/me", &tokens.access);
    assert_eq!(expired.status, 401);
    assert_eq!(expired.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    assert_eq!(expired.json()["message"], "Unauthorized");
    look.advance(90 * 86_400 - 3600);
    assert_eq!(look.refresh(&tokens.refresh).status, 403);
    look.switch("idle-lifetime", "365d");
    assert_eq!(look.refresh(&tokens.refresh).status, 200);
    look.switch("absolute-lifetime", "90d");
    assert_eq!(look.refresh(&tokens.refresh).status, 403);
}

#[test]
fn shapes_of_token_responses() {
    let look = Look::new("omit=token_type+expires_in,omit-on-refresh=scope,access-shape=opaque");
    look.switch("access-bytes", "65536");
    let asked = look.device_code();
    crate::approve(&asked.text("verification_uri_complete"), look.base()).unwrap();
    let login = look.poll(&asked.text("device_code")).json();
    assert!(login.get("token_type").is_none() && login.get("expires_in").is_none());
    assert_eq!(login["access_token"].as_str().unwrap().len(), 65_536);
    let refresh = login["refresh_token"].as_str().unwrap();
    let renewed = look.refresh(refresh).json();
    assert!(renewed.get("scope").is_none());
    assert_eq!(look.get("/me", renewed["access_token"].as_str().unwrap()).status, 200);
    look.switch("token-body", "json");
    assert_eq!(look.refresh(refresh).outcome(), (400, "invalid_request".into()));
    look.switch("token-body", "form");
    look.switch("omit-on-refresh", "refresh_token");
    let refresh = renewed["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        assert!(look.refresh(refresh).json().get("refresh_token").is_none());
    }
    look.switch("omit-on-refresh", "none");
    look.switch("rotation", "off");
    look.switch("token-type", "mac");
    look.switch("omit", "none");
    for _ in 0..2 {
        let kept = look.refresh(refresh).json();
        assert!(kept.get("refresh_token").is_none());
        assert_eq!(kept["token_type"], "mac");
    }
}

#[test]
fn refusals_without_end_and_with_other_words() {
    let look = Look::new("");
    let tokens = look.log_in();
    look.switch("password-changed", "on");
    assert_eq!(look.refresh(&tokens.refresh).outcome(), (403, "invalid_grant".into()));
    look.switch("password-changed", "off");
    look.switch("sessions-revoked", "on");
    assert_eq!(look.get("/me", &tokens.access).status, 401);
    look.switch("sessions-revoked", "off");
    let tokens = Tokens::of(&look.refresh(&tokens.refresh));
    look.switch("refresh-error", "unauthorized_client");
    look.control("POST", "revoke-sessions");
    let refused = look.refresh(&tokens.refresh);
    assert_eq!(refused.outcome(), (403, "unauthorized_client".into()));
    assert_eq!(refused.text("error_description"), "refresh_token is invalid");
    assert_eq!(look.get("/me", &tokens.access).status, 401);
    assert_eq!(look.families()[0]["ended"], "sessions-revoked");
}

#[test]
fn revocation_of_the_grant_or_of_one_login() {
    let look = Look::new("revoke-ends-grant=off");
    let revoke = |token: &str| {
        let form = [("token", token), ("client_id", DEVICE_CLIENT)];
        assert_eq!(look.post("/oauth/revoke", &form).status, 200);
    };
    let (one, two) = (look.log_in(), look.log_in());
    revoke("unknown");
    revoke(&one.refresh);
    assert_eq!(look.get("/me", &one.access).status, 401);
    assert_eq!(look.refresh(&one.refresh).status, 403);
    assert_eq!(look.get("/me", &two.access).status, 200);
    revoke(&two.access);
    assert_eq!(look.get("/me", &two.access).status, 401);
    let two = Tokens::of(&look.refresh(&two.refresh));

    look.switch("revocation", "off");
    let form = [("token", two.refresh.as_str()), ("client_id", DEVICE_CLIENT)];
    assert_eq!(look.post("/oauth/revoke", &form).status, 404);
    look.switch("revocation", "on");
    look.switch("revoke-ends-grant", "on");
    let three = look.log_in();
    revoke(&three.refresh);
    assert_eq!(look.refresh(&two.refresh).status, 403);
    assert_eq!(look.get("/me", &two.access).status, 401);
}

#[test]
fn a_second_consent_can_end_the_first() {
    let look = Look::new("");
    let (one, two) = (look.log_in(), look.log_in());
    assert_eq!(look.refresh(&one.refresh).status, 200);
    look.switch("second-consent-ends-first", "on");
    let three = look.log_in();
    assert_eq!(look.refresh(&two.refresh).status, 403);
    assert_eq!(look.refresh(&three.refresh).status, 200);
}
