//! What the look-alike remembers between runs: one JSON file, replaced atomically.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::families::{Families, Millis};

/// Access tokens that are remembered; the oldest are forgotten first.
const REMEMBERED_ACCESS_TOKENS: usize = 5000;

/// How long an expired access token is remembered, to say that it expired.
const REMEMBER_EXPIRED: Millis = 24 * 3600 * 1000;

/// Everything. Tokens and codes are here as SHA-256 only.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// Names this look-alike, so that a second start recognizes it.
    pub(crate) instance: String,
    /// The port of the last run.
    pub(crate) port: Option<u16>,
    /// How far the clock was put forward.
    pub(crate) advanced: Millis,
    /// What each account has granted to each client.
    pub(crate) grants: Vec<Grant>,
    /// The refresh tokens.
    pub(crate) families: Families,
    /// The access tokens, by hash.
    pub(crate) access: BTreeMap<String, Access>,
    /// The authorization codes, by hash.
    pub(crate) codes: BTreeMap<String, Code>,
    /// The device codes, by hash.
    pub(crate) devices: BTreeMap<String, Device>,
}

/// "Only one grant exists per app for a given Atlassian account."
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// To whom.
    pub(crate) client: String,
    /// From whom.
    pub(crate) account: String,
    /// "The scopes in the new grant override the scopes in the existing grant."
    pub(crate) scopes: Vec<String>,
    /// "The additional sites are added to the same grant."
    pub(crate) sites: BTreeSet<String>,
}

/// An access token that was given out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Access {
    /// To whom.
    pub(crate) client: String,
    /// For whom; a client that acts for itself has no account.
    pub(crate) account: Option<String>,
    /// The login it comes from.
    pub(crate) family: Option<String>,
    /// Which authorization code or device code it comes from, by hash.
    pub(crate) origin: Option<String>,
    /// When.
    pub(crate) issued: Millis,
    /// Until when.
    pub(crate) expires: Millis,
    /// Whether it was revoked.
    pub(crate) revoked: bool,
}

/// What the user agreed to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Agreed {
    /// The account.
    pub(crate) account: String,
    /// The granted scopes.
    pub(crate) scopes: Vec<String>,
    /// The site.
    pub(crate) site: Option<String>,
}

/// An authorization code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    /// Who may use it.
    pub(crate) client: String,
    /// The redirect URI of the authorization request, if it had one.
    pub(crate) redirect_uri: Option<String>,
    /// The PKCE challenge.
    pub(crate) challenge: Option<String>,
    /// What it stands for.
    pub(crate) agreed: Agreed,
    /// Until when.
    pub(crate) expires: Millis,
    /// Whether it was used.
    pub(crate) used: bool,
    /// The login that came out of it.
    pub(crate) family: Option<String>,
}

/// A device code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    /// Who may poll with it.
    pub(crate) client: String,
    /// What the user types.
    pub(crate) user_code: String,
    /// What is asked for.
    pub(crate) scopes: Vec<String>,
    /// Until when.
    pub(crate) expires: Millis,
    /// The interval that is enforced now.
    pub(crate) interval: Millis,
    /// The last poll.
    pub(crate) polled: Option<Millis>,
    /// Polls answered with `slow_down`.
    pub(crate) slow_downs: u32,
    /// What the user decided.
    pub(crate) decision: Decided,
}

/// What the user decided about a device code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decided {
    /// Nothing yet.
    Waiting,
    /// No.
    Denied,
    /// Yes.
    Accepted(Agreed),
}

impl State {
    /// What the account granted to the client.
    pub(crate) fn grant(&self, client: &str, account: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.client == client && grant.account == account)
    }

    /// Forgets what no answer depends on any more.
    pub(crate) fn prune(&mut self, now: Millis) {
        self.access.retain(|_, access| now < access.expires.saturating_add(REMEMBER_EXPIRED));
        while self.access.len() > REMEMBERED_ACCESS_TOKENS {
            let oldest =
                self.access.iter().min_by_key(|(_, access)| access.issued).map(|(hash, _)| hash);
            let Some(oldest) = oldest.cloned() else { break };
            self.access.remove(&oldest);
        }
        let day_ago = now.saturating_sub(REMEMBER_EXPIRED);
        self.codes.retain(|_, code| code.expires > day_ago);
        self.devices.retain(|_, device| device.expires > day_ago);
    }
}
