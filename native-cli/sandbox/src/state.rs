//! What the sandbox remembers between runs. [`crate::store`] keeps it on disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::families::{Families, Millis};

/// This many access tokens are kept. The oldest one goes first.
const REMEMBERED_ACCESS_TOKENS: usize = 5000;

/// An expired access token is kept this long, so that the API can say that it expired.
const REMEMBER_EXPIRED: Millis = 24 * 3600 * 1000;

/// Everything. Of tokens and codes it has only the SHA-256.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// A random name of this sandbox. A second start recognizes it by that.
    pub(crate) instance: String,
    /// The port of the last run.
    pub(crate) port: Option<u16>,
    /// How far a control request has put the clock forward.
    pub(crate) advanced: Millis,
    /// What each account has granted to each client.
    pub(crate) grants: Vec<Grant>,
    /// The refresh tokens, by family.
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
    /// The client id.
    pub(crate) client: String,
    /// The account id.
    pub(crate) account: String,
    /// "The scopes in the new grant override the scopes in the existing grant."
    pub(crate) scopes: Vec<String>,
    /// "The additional sites are added to the same grant."
    pub(crate) sites: BTreeSet<String>,
}

/// An access token that was issued.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Access {
    /// The client id.
    pub(crate) client: String,
    /// The account id; `None` if the client acts for itself.
    pub(crate) account: Option<String>,
    /// The refresh-token family of the same sign-in.
    pub(crate) family: Option<String>,
    /// The hash of the authorization code or device code that it was issued for.
    pub(crate) origin: Option<String>,
    /// When it was issued.
    pub(crate) issued: Millis,
    /// When it expires.
    pub(crate) expires: Millis,
    /// Whether it was revoked.
    pub(crate) revoked: bool,
}

/// What the user agreed to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Agreed {
    /// The account id.
    pub(crate) account: String,
    /// The granted scopes.
    pub(crate) scopes: Vec<String>,
    /// The cloud id of the site.
    pub(crate) site: Option<String>,
}

/// An authorization code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    /// The id of the client that may use it.
    pub(crate) client: String,
    /// The redirect URI of the authorization request, if it had one.
    pub(crate) redirect_uri: Option<String>,
    /// The PKCE challenge.
    pub(crate) challenge: Option<String>,
    /// What the user agreed to.
    pub(crate) agreed: Agreed,
    /// When it expires.
    pub(crate) expires: Millis,
    /// Whether it was used.
    pub(crate) used: bool,
    /// The refresh-token family that it started.
    pub(crate) family: Option<String>,
}

/// A device code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    /// The id of the client that may poll with it.
    pub(crate) client: String,
    /// The code that the user enters.
    pub(crate) user_code: String,
    /// The scopes that the client asks for.
    pub(crate) scopes: Vec<String>,
    /// When it expires.
    pub(crate) expires: Millis,
    /// The interval that the server enforces now.
    pub(crate) interval: Millis,
    /// When the client last polled.
    pub(crate) polled: Option<Millis>,
    /// Polls that got `slow_down`.
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

    /// Removes what no response depends on any more.
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
