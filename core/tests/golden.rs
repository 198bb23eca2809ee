//! This version reads what earlier versions wrote, byte for byte. The files in `golden/` are never
//! edited: a new format gets new files beside them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::{EndReason, StoredCredential};
use twg_core::error::Error;
use twg_core::login::LoginFlow;
use twg_core::logout::LogoutFlow;
use twg_core::refresh::{Need, RefreshFlow};
use twg_core::schedule::{TokenState, token_state};
use twg_core::secret::Secret;
use twg_core::time::Now;

const FULL: &str = include_str!("../golden/credential-v1.json");
const MINIMAL: &str = include_str!("../golden/credential-v1-minimal.json");
const TOMBSTONE: &str = include_str!("../golden/credential-v1-tombstone.json");
const PENDING: &str = include_str!("../golden/credential-v1-pending.json");
const REVOKED: &str = include_str!("../golden/credential-v1-revoked.json");
const UNKNOWN: &str = include_str!("../golden/credential-v1-unknown.json");
const DEVICE: &str = include_str!("../golden/suspended-v1-device.json");
const BROWSER: &str = include_str!("../golden/suspended-v1-browser.json");

/// A record that is read is written back exactly as it was.
#[test]
fn records_survive_byte_for_byte() {
    for golden in [FULL, MINIMAL, TOMBSTONE, PENDING, REVOKED, UNKNOWN] {
        let record = StoredCredential::parse(golden).unwrap();
        assert_eq!(record.to_json().expose(), golden);
    }
}

/// The members still mean what they meant in earlier versions.
#[test]
fn records_mean_the_same() {
    let record = parsed(FULL);
    assert_eq!(record.generation.get(), 42);
    assert_eq!(record.server.issuer.unwrap().as_str(), "https://auth.atlassian.com");
    let tokens = record.tokens.unwrap();
    assert_eq!(tokens.access_token.expose(), "golden.access.token");
    assert_eq!(tokens.refresh_token.unwrap().expose(), "golden refresh token");
    assert_eq!(tokens.expires_at.since(tokens.issued_at), secs(3600));
    assert!(tokens.lifetime_assumed);
    assert_eq!(record.account.unwrap().shown(), "Zoë Ångström");
    assert_eq!(record.sites.len(), 2);
    assert!(record.unknown.is_empty());

    let record = parsed(MINIMAL);
    assert_eq!(record.connection, "work.2");
    assert!(!record.tokens.unwrap().lifetime_assumed);
    assert!(record.server.issuer.is_none() && record.account.is_none());

    let record = parsed(TOMBSTONE);
    assert_eq!(token_state(&record, T0), TokenState::None);
    assert_eq!(record.ended.unwrap().at.as_millis(), 1_700_000_600_000);

    let record = parsed(UNKNOWN);
    assert_eq!(record.unknown.len(), 3);
    assert_eq!(record.unknown["a_list"][2], 0.5);
    assert_eq!(record.generation.get(), u64::MAX);
}

/// A refresh that an earlier version left interrupted is recovered: the same attempt, the same
/// token.
#[test]
fn an_interrupted_refresh() {
    let pending = parsed(PENDING).pending.unwrap();
    assert!(pending.is_about(&Secret::new("golden refresh token")));
    assert_eq!((pending.attempt, pending.since_first), (3, secs(40)));
    assert_eq!(pending.at.as_millis(), 1_700_002_700_000);

    let mut request = refresh_of(bundled("atlassian"), Need::Due(secs(0)));
    request.host = pending.host.clone();
    let uptime = pending.uptime.map(|uptime| uptime.plus(secs(60)));
    // The uptime counts, although the wall clock is a day ahead.
    let now = Now { wall: pending.at.plus(secs(86_460)), uptime };
    let mut play = locked_by(now, request, PENDING);
    assert_eq!(play.load_stage(None), pending.id);
    play.load_rescue(None);
    let next = play.replace().record.pending.unwrap();
    assert_eq!((next.attempt, next.since_first), (4, secs(100)));
    play.open_stage();
    assert_eq!(play.http(broken()).json_body()["refresh_token"], "golden refresh token");
    play.killed();
}

/// A login that had ended stays ended, and its tokens are still there for a user who insists.
#[test]
fn a_revoked_login() {
    let record = parsed(REVOKED);
    assert_eq!(record.ended.as_ref().unwrap().reason, EndReason::Interrupted);
    assert!(record.tokens.is_some());
    assert_eq!(token_state(&record, T0), TokenState::None);
    let flow = RefreshFlow::refresh(refresh_of(bundled("atlassian"), Need::Live), entropy().0);
    let mut play = Play::begin(flow);
    play.load(Some(REVOKED));
    assert_eq!(play.done().unwrap_err(), Error::Ended { interrupted: true });
}

/// Members of a newer version are not shown.
#[test]
fn unknown_members_are_not_shown() {
    let record = parsed(&UNKNOWN.replace("\"er\"", "\"CANARY\"").replace('é', "CANARY"));
    assert_shows_no_secret(&format!("{record:?}"));
}

/// A device login that an earlier version suspended goes on.
#[test]
fn a_suspended_device_login() {
    let mut play = Play::begin(LoginFlow::restore(DEVICE).unwrap());
    assert_eq!(play.step_id().get(), 6);
    assert_eq!(play.show_code().user_code, "WDJB-MJHT");
    assert_eq!(play.wait(), secs(10));
    let poll = play.http(tokens());
    assert_eq!(poll.url, "https://auth.atlassian.com/oauth/token");
    assert_eq!(poll.form()["device_code"], DEVICE_CODE);
    assert_eq!(poll.form()["client_secret"], "CANARY: s+cret");
    play.save(None);
    play.http(html(503));
    play.http(html(503));
    play.done().unwrap();
}

/// A browser login that an earlier version suspended accepts its redirect.
#[test]
fn a_suspended_browser_login() {
    let mut play = Play::begin(LoginFlow::restore(BROWSER).unwrap());
    assert_eq!(play.step_id().get(), 3);
    let prompt = play.authorization();
    assert_eq!(prompt.deadline, T0.plus(secs(3600)));
    play.redirect(&redirect_with(&[("state", &state()), ("code", "CANARY-code")]));
    let exchange = play.http(oauth_error(400, "invalid_grant"));
    assert_eq!(exchange.url, "https://bitbucket.org/site/oauth2/access_token");
    assert_eq!(exchange.form()["code_verifier"], verifier());
    assert_eq!(exchange.form()["redirect_uri"], REDIRECT_URI);
    play.done().unwrap_err();
}

/// Signing out works with a record of an earlier version.
#[test]
fn a_golden_record_is_signed_out() {
    let key = twg_core::credential::ConnectionKey::new("atlassian", "default").unwrap();
    let mut play = Play::begin(LogoutFlow::sign_out(key, None));
    play.lock();
    play.load(Some(FULL));
    play.preflight_store();
    assert_eq!(play.http(json(200, "")).form()["token"], "golden refresh token");
    assert_eq!(play.http(json(200, "")).form()["token"], "golden.access.token");
    play.remove();
    play.release();
    play.done().unwrap();
}
