//! What a record says, without secrets.

use serde::Serialize;
use twg_core::credential::Account;
use twg_core::credential::Site;
use twg_core::credential::{EndReason, StoredCredential};
use twg_core::provider::ProviderProfile;
use twg_core::schedule::{
    Horizon, TokenState, due_at, near_end, session_horizon, token_state, wake_at,
};
use twg_core::time::UnixTime;

/// See `wire.ts`.
#[derive(Serialize)]
pub struct Status {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wake_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    sites: Vec<Site>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_site: Option<String>,
    signed_in_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_ends: Option<LoginEnds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted: Option<Interrupted>,
}

#[derive(Serialize)]
struct LoginEnds {
    at: u64,
    because: &'static str,
    near: bool,
}

#[derive(Serialize)]
struct Ended {
    at: u64,
    reason: EndReason,
}

#[derive(Serialize)]
struct Interrupted {
    at: u64,
    attempt: u32,
}

impl Status {
    /// The status of `credential`, a login at the provider of `profile`, at `now`. `chance`, out of 255, spreads the times at
    /// which schedulers wake up.
    #[must_use]
    pub fn of(
        credential: StoredCredential,
        profile: &ProviderProfile,
        now: UnixTime,
        chance: u8,
    ) -> Self {
        let tokens = credential.tokens.as_ref();
        let refreshable = tokens.filter(|_| credential.ended.is_none());
        let end = session_horizon(&credential, profile.login_lifetime);
        let near = near_end(&credential, profile.login_lifetime, now).is_some();
        Self {
            state: match token_state(&credential, now) {
                TokenState::Fresh { .. } => "fresh",
                TokenState::Due { .. } => "due",
                TokenState::Expired { .. } => "expired",
                TokenState::None => "none",
            },
            due_at: refreshable.map(|tokens| due_at(tokens).as_millis()),
            wake_at: refreshable.map(|tokens| wake_at(tokens, chance).as_millis()),
            expires_at: tokens.map(|tokens| tokens.expires_at.as_millis()),
            scopes: tokens.map(|tokens| tokens.scopes.clone()).unwrap_or_default(),
            login_ends: end.map(|(at, why)| LoginEnds {
                at: at.as_millis(),
                because: match why {
                    Horizon::AccessToken => "access_token",
                    Horizon::Idle => "idle",
                    Horizon::Absolute => "absolute",
                },
                near,
            }),
            ended: credential
                .ended
                .as_ref()
                .map(|ended| Ended { at: ended.at.as_millis(), reason: ended.reason }),
            interrupted: credential.pending.as_ref().map(|pending| Interrupted {
                at: pending.at.as_millis(),
                attempt: pending.attempt,
            }),
            signed_in_at: credential.login.at.as_millis(),
            account: credential.account,
            sites: credential.sites,
            default_site: credential.default_site,
        }
    }
}
