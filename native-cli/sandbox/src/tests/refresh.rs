//! Rotation, leeway, expiry and revocation as a client sees them. `families.rs` tests the rules
//! themselves.

use super::{Sandbox, Tokens, start_in};
use crate::clients::DEVICE_CLIENT;
use crate::tokens::hash;

#[test]
fn rotation_leeway_and_the_end_of_a_family() {
    let sandbox = Sandbox::new("");
    let first = sandbox.sign_in();
    let second = Tokens::of(&sandbox.refresh(&first.refresh));
    assert_ne!(first.refresh, second.refresh);
    sandbox.advance(599);
    let third = Tokens::of(&sandbox.refresh(&first.refresh));
    let family = sandbox.families().remove(0);
    assert_eq!((&family["rotations"], &family["replays"]), (&1.into(), &1.into()));
    assert_eq!(family["unspent_sha256"].as_array().unwrap().len(), 2);
    assert_eq!(family["unspent_sha256"][1], hash(&third.refresh));
    sandbox.advance(1);
    let reused = sandbox.refresh(&first.refresh);
    assert_eq!(reused.outcome(), (403, "invalid_grant".into()));
    assert_eq!(reused.text("error_description"), "Unknown or invalid refresh token.");
    assert_eq!(sandbox.refresh(&third.refresh).status, 403);
    let family = sandbox.families().remove(0);
    assert_eq!((&family["alive"], &family["ended"]), (&false.into(), &"reused".into()));
}

#[test]
fn a_restart_forgets_nothing() {
    let mut sandbox = Sandbox::new("");
    let first = sandbox.sign_in();
    let second = Tokens::of(&sandbox.refresh(&first.refresh));
    let base = sandbox.base().to_owned();
    let waiting = sandbox.device_code();
    sandbox.advance(1000);
    drop(std::mem::replace(&mut sandbox.running, start_in(&super::Directory::new().0, "")));
    sandbox.running = start_in(&sandbox.directory.0, "leeway=0");
    assert_eq!(sandbox.base(), base);
    assert_eq!(sandbox.poll(&waiting.text("device_code")).outcome().1, "expired_token");
    assert_eq!(sandbox.get("/me", &second.access).status, 200);
    let third = Tokens::of(&sandbox.refresh(&second.refresh));
    assert_eq!(sandbox.refresh(&second.refresh).status, 403);
    assert_eq!(sandbox.refresh(&third.refresh).status, 403);
}

#[test]
fn nothing_secret_is_in_the_state_or_the_log() {
    let sandbox = Sandbox::new("");
    let tokens = sandbox.sign_in();
    let next = Tokens::of(&sandbox.refresh(&tokens.refresh));
    let state = std::fs::read_to_string(sandbox.directory.0.join("sandbox-state.json")).unwrap();
    let log = sandbox.control("GET", "log").to_string();
    let grants = sandbox.control("GET", "grants").to_string();
    for secret in [&tokens.access, &tokens.refresh, &next.access, &next.refresh] {
        assert!(![&state, &log, &grants].iter().any(|text| text.contains(secret.as_str())));
    }
    assert!(log.contains("\"grant_type\":\"refresh_token\""));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(sandbox.directory.0.join("sandbox-state.json")), 0o600);
        assert_eq!(mode(sandbox.directory.0.clone()), 0o700);
    }
}

#[test]
fn expiry_of_access_and_refresh_tokens() {
    let sandbox = Sandbox::new("");
    let tokens = sandbox.sign_in();
    sandbox.advance(3600);
    let expired = sandbox.get("/me", &tokens.access);
    assert_eq!(expired.status, 401);
    assert_eq!(expired.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    assert_eq!(expired.json()["message"], "Unauthorized");
    sandbox.advance(90 * 86_400 - 3600);
    assert_eq!(sandbox.refresh(&tokens.refresh).status, 403);
    sandbox.switch("idle-lifetime", "365d");
    assert_eq!(sandbox.refresh(&tokens.refresh).status, 200);
    sandbox.switch("absolute-lifetime", "90d");
    assert_eq!(sandbox.refresh(&tokens.refresh).status, 403);
}

#[test]
fn shapes_of_token_responses() {
    let sandbox =
        Sandbox::new("omit=token_type+expires_in,omit-on-refresh=scope,access-shape=opaque");
    sandbox.switch("access-bytes", "65536");
    let asked = sandbox.device_code();
    crate::approve(&asked.text("verification_uri_complete"), sandbox.base()).unwrap();
    let login = sandbox.poll(&asked.text("device_code")).json();
    assert!(login.get("token_type").is_none() && login.get("expires_in").is_none());
    assert_eq!(login["access_token"].as_str().unwrap().len(), 65_536);
    let refresh = login["refresh_token"].as_str().unwrap();
    let renewed = sandbox.refresh(refresh).json();
    assert!(renewed.get("scope").is_none());
    assert_eq!(sandbox.get("/me", renewed["access_token"].as_str().unwrap()).status, 200);
    sandbox.switch("token-body", "json");
    assert_eq!(sandbox.refresh(refresh).outcome(), (400, "invalid_request".into()));
    sandbox.switch("token-body", "form");
    sandbox.switch("omit-on-refresh", "refresh_token");
    let refresh = renewed["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        assert!(sandbox.refresh(refresh).json().get("refresh_token").is_none());
    }
    sandbox.switch("omit-on-refresh", "none");
    sandbox.switch("rotation", "off");
    sandbox.switch("token-type", "mac");
    sandbox.switch("omit", "none");
    for _ in 0..2 {
        let kept = sandbox.refresh(refresh).json();
        assert!(kept.get("refresh_token").is_none());
        assert_eq!(kept["token_type"], "mac");
    }
}

#[test]
fn refusals_without_end_and_with_other_words() {
    let sandbox = Sandbox::new("");
    let tokens = sandbox.sign_in();
    sandbox.switch("password-changed", "on");
    assert_eq!(sandbox.refresh(&tokens.refresh).outcome(), (403, "invalid_grant".into()));
    sandbox.switch("password-changed", "off");
    sandbox.switch("sessions-revoked", "on");
    assert_eq!(sandbox.get("/me", &tokens.access).status, 401);
    sandbox.switch("sessions-revoked", "off");
    let tokens = Tokens::of(&sandbox.refresh(&tokens.refresh));
    sandbox.switch("refresh-error", "unauthorized_client");
    sandbox.control("POST", "revoke-sessions");
    let refused = sandbox.refresh(&tokens.refresh);
    assert_eq!(refused.outcome(), (403, "unauthorized_client".into()));
    assert_eq!(refused.text("error_description"), "refresh_token is invalid");
    assert_eq!(sandbox.get("/me", &tokens.access).status, 401);
    assert_eq!(sandbox.families()[0]["ended"], "sessions-revoked");
}

#[test]
fn revocation_of_the_grant_or_of_one_family() {
    let sandbox = Sandbox::new("revoke-ends-grant=off");
    let revoke = |token: &str| {
        let form = [("token", token), ("client_id", DEVICE_CLIENT)];
        assert_eq!(sandbox.post("/oauth/revoke", &form).status, 200);
    };
    let (one, two) = (sandbox.sign_in(), sandbox.sign_in());
    revoke("unknown");
    revoke(&one.refresh);
    assert_eq!(sandbox.get("/me", &one.access).status, 401);
    assert_eq!(sandbox.refresh(&one.refresh).status, 403);
    assert_eq!(sandbox.get("/me", &two.access).status, 200);
    revoke(&two.access);
    assert_eq!(sandbox.get("/me", &two.access).status, 401);
    let two = Tokens::of(&sandbox.refresh(&two.refresh));

    sandbox.switch("revocation", "off");
    let form = [("token", two.refresh.as_str()), ("client_id", DEVICE_CLIENT)];
    assert_eq!(sandbox.post("/oauth/revoke", &form).status, 404);
    sandbox.switch("revocation", "on");
    sandbox.switch("revoke-ends-grant", "on");
    let three = sandbox.sign_in();
    revoke(&three.refresh);
    assert_eq!(sandbox.refresh(&two.refresh).status, 403);
    assert_eq!(sandbox.get("/me", &two.access).status, 401);
}

#[test]
fn a_second_consent_can_end_the_first() {
    let sandbox = Sandbox::new("");
    let (one, two) = (sandbox.sign_in(), sandbox.sign_in());
    assert_eq!(sandbox.refresh(&one.refresh).status, 200);
    sandbox.switch("second-consent-ends-first", "on");
    let three = sandbox.sign_in();
    assert_eq!(sandbox.refresh(&two.refresh).status, 403);
    assert_eq!(sandbox.refresh(&three.refresh).status, 200);
}
