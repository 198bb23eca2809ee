//! The record of one connection, as it lies on disk or in a browser's storage.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::account::Account;
use super::key::{ConnectionKey, Generation};
use super::pending::Pending;
use super::site::Site;
use crate::endpoint_url::EndpointUrl;
use crate::json::{self, BadJson, FromJson, Members, Mistakes};
use crate::provider::{ClientAuthentication, Grant};
use crate::secret::{Secret, serialize_exposed, serialize_exposed_option};
use crate::text::printable;
use crate::time::UnixTime;

/// The version of the record format that this core writes.
pub const SCHEMA_VERSION: u64 = 1;

/// One connection's record. All times are milliseconds since the epoch.
///
/// Unknown members at the top level are kept, so that an older `twg` beside a newer one loses nothing. `Debug` leaves
/// them out, because they may hold secrets.
#[derive(Clone, Serialize)]
pub struct StoredCredential {
    /// Always [`SCHEMA_VERSION`]; a newer record is refused before the rest of it is read.
    pub schema_version: u64,
    /// Counts the versions of this record.
    pub generation: Generation,
    /// The provider's name.
    pub provider: String,
    /// The connection's name.
    pub connection: String,
    /// The server that issued the tokens. The refresh token goes nowhere else.
    pub server: IssuedBy,
    /// The client that they were issued to.
    pub client_id: String,
    /// How and when the user signed in.
    pub login: Login,
    /// The tokens; `None` in the tombstone of a logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Why the connection has ended. Tokens that are still there are kept, and not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// A refresh that has begun. Its end is not written yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// The account, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The sites that the token reached when they were listed last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Site>,
    /// The ID of the site that commands use when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_site: Option<String>,
    /// Members of a newer version.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl FromJson for StoredCredential {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            schema_version: members.required("schema_version"),
            generation: members.required("generation"),
            provider: members.required("provider"),
            connection: members.required("connection"),
            server: members.required("server"),
            client_id: members.required("client_id"),
            login: members.required("login"),
            tokens: members.optional("tokens"),
            ended: members.optional("ended"),
            pending: members.optional("pending"),
            account: members.optional("account"),
            sites: members.or_default("sites"),
            default_site: members.optional("default_site"),
            unknown: members.rest(),
        }
    }
}

impl fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCredential")
            .field("schema_version", &self.schema_version)
            .field("generation", &self.generation)
            .field("provider", &self.provider)
            .field("connection", &self.connection)
            .field("server", &self.server)
            .field("client_id", &self.client_id)
            .field("login", &self.login)
            .field("tokens", &self.tokens)
            .field("ended", &self.ended)
            .field("pending", &self.pending)
            .field("account", &self.account)
            .field("sites", &self.sites)
            .field("default_site", &self.default_site)
            .finish_non_exhaustive()
    }
}

/// The authorization server that issued the tokens, pinned at the sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssuedBy {
    /// Its issuer identifier, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<EndpointUrl>,
    /// Where the refresh token may be used.
    pub token_endpoint: EndpointUrl,
    /// Where the tokens may be revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<EndpointUrl>,
    /// Where the account's name comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<EndpointUrl>,
    /// How the client authenticates there.
    pub client_authentication: ClientAuthentication,
}

impl FromJson for IssuedBy {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            issuer: members.optional("issuer"),
            token_endpoint: members.required("token_endpoint"),
            revocation_endpoint: members.optional("revocation_endpoint"),
            userinfo_endpoint: members.optional("userinfo_endpoint"),
            client_authentication: members.required("client_authentication"),
        }
    }
}

/// The sign-in that made the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// When the user approved it.
    pub at: UnixTime,
    /// By which grant.
    pub grant: Grant,
    /// When the connection ends in any case, if the server said so
    /// (draft-ietf-oauth-refresh-token-expiration, `authorization_expires_in`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<UnixTime>,
}

impl FromJson for Login {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            at: members.required("at"),
            grant: members.required("grant"),
            ends_at: members.optional("ends_at"),
        }
    }
}

/// The tokens of a connection.
#[derive(Clone, Debug, Serialize)]
pub struct Tokens {
    /// The access token.
    #[serde(serialize_with = "serialize_exposed")]
    pub access_token: Secret,
    /// The refresh token, if the server gave one.
    #[serde(serialize_with = "serialize_exposed_option", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// When they were requested: the time before the request was sent, so that no lifetime is overestimated.
    pub issued_at: UnixTime,
    /// `issued_at` plus the lifetime that the server gave.
    pub expires_at: UnixTime,
    /// When the refresh token ends unless it is used before, if the server said so
    /// (`refresh_token_expires_in`, or `refresh_token_timeout` of draft-ietf-oauth-refresh-token-expiration).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<UnixTime>,
    /// Whether the server gave no lifetime, so that the profile's was assumed.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub lifetime_assumed: bool,
}

impl FromJson for Tokens {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            access_token: members.required("access_token"),
            refresh_token: members.optional("refresh_token"),
            scopes: members.required("scopes"),
            issued_at: members.required("issued_at"),
            expires_at: members.required("expires_at"),
            refresh_expires_at: members.optional("refresh_expires_at"),
            lifetime_assumed: members.or_default("lifetime_assumed"),
        }
    }
}

impl Tokens {
    /// Which of these scopes were not granted. `offline_access` asks for a refresh token, and servers
    /// need not list it: it was granted if there is one.
    #[must_use]
    pub fn missing_scopes(&self, asked: &[String]) -> Vec<String> {
        let has = |scope: &String| {
            self.scopes.contains(scope) || scope == "offline_access" && self.refresh_token.is_some()
        };
        asked.iter().filter(|scope| !has(scope)).cloned().collect()
    }
}

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// When it ended here.
    pub at: UnixTime,
    /// Why.
    pub reason: EndReason,
}

impl FromJson for Ended {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self { at: members.required("at"), reason: members.required("reason") }
    }
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The server no longer accepts the refresh token, and no refresh of ours explains that: the connection was
    /// revoked, or not used for too long.
    Revoked,
    /// The server no longer accepts the refresh token after a refresh whose response was lost: most likely that
    /// refresh spent it.
    Interrupted,
    /// The user signed out and the server did not confirm the revocation: the tokens are deleted here, but they
    /// may work elsewhere until they expire.
    SignedOutUnconfirmed,
    /// A reason that only a newer version knows.
    Other,
}

impl FromJson for EndReason {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        match String::from_json(value, mistakes).as_str() {
            "revoked" => Self::Revoked,
            "interrupted" => Self::Interrupted,
            "signed_out_unconfirmed" => Self::SignedOutUnconfirmed,
            _ => Self::Other,
        }
    }
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It is not a record, or a torn one.
    Damaged(String),
    /// A newer version wrote it. It is not damaged and must not be touched.
    Newer {
        /// Its schema version.
        version: u64,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "the stored connection is damaged ({what})"),
            Self::Newer { version } => write!(
                f,
                "a newer twg wrote the stored connection (format {version}, this one knows \
                 {SCHEMA_VERSION})"
            ),
        }
    }
}

impl StoredCredential {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]; its text shows where the damage is, and none of the content.
    pub fn parse(json: &str) -> Result<Self, RecordError> {
        let damaged = |what: String| RecordError::Damaged(what);
        if json.trim().is_empty() {
            return Err(damaged("empty".to_string()));
        }
        let bad = |bad: BadJson| damaged(place_of(&bad));
        let record = json::value(json).map_err(bad)?;
        // The version first: a newer record may look different everywhere else.
        match record.get("schema_version").and_then(Value::as_u64) {
            Some(version) if version > SCHEMA_VERSION => {
                return Err(RecordError::Newer { version });
            }
            Some(version) if version < SCHEMA_VERSION => {
                return Err(damaged(format!("unknown format {version}")));
            }
            _ => {}
        }
        json::read(record).map_err(bad)
    }

    /// Reads the record of `key`. A record that names another connection was copied there and is not used: two records
    /// with one refresh token would end each other's connection.
    ///
    /// # Errors
    /// As [`StoredCredential::parse`].
    pub fn parse_for(key: &ConnectionKey, json: &str) -> Result<Self, RecordError> {
        let record = Self::parse(json)?;
        if record.provider != key.provider() || record.connection != key.connection() {
            let owner = printable(&format!("{}/{}", record.provider, record.connection));
            return Err(RecordError::Damaged(format!("a copy of {owner}")));
        }
        Ok(record)
    }

    /// The record as it is stored: JSON, indented, with a final newline.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        // Maps with string keys and no custom fallible serializers: this cannot fail.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        Secret::new(json)
    }
}

/// Where the damage is, without the content: the mistake itself may quote it, such as the scheme of a bad URL.
fn place_of(bad: &BadJson) -> String {
    match bad.member() {
        "" => bad.to_string(),
        member => format!("member '{member}' is missing or wrong"),
    }
}
