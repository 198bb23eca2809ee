//! The record of one connection, as it lies on disk or in a browser's storage.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::key::{ConnectionKey, Generation};
use super::pending::Pending;
use crate::atlassian::Site;
use crate::endpoint_url::EndpointUrl;
use crate::identity::Account;
use crate::provider::{ClientAuthentication, Grant};
use crate::secret::{Secret, serialize_exposed, serialize_exposed_option};
use crate::text::printable;
use crate::time::UnixTime;

/// The version of the record format that this core writes.
pub const SCHEMA_VERSION: u64 = 1;

/// One connection's record. All times are milliseconds since the epoch.
///
/// Members that this version does not know are kept, wherever they stand at the top level, so that an
/// older `twg` beside a newer one loses nothing. `Debug` leaves them out: who knows what they hold.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredCredential {
    /// Always [`SCHEMA_VERSION`]; a newer record is refused before anything else of it is read.
    pub schema_version: u64,
    /// Counts the versions of this record.
    pub generation: Generation,
    /// The provider's name.
    pub provider: String,
    /// The connection's name.
    pub connection: String,
    /// Whom the tokens are for. They are sent nowhere else.
    pub server: IssuedBy,
    /// The client that they were issued to.
    pub client_id: String,
    /// Who signed in, how and when.
    pub login: Login,
    /// The tokens; none once the login is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Why the login is over. Tokens that are still there then are kept, and not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// A refresh that was begun. Its end is not written down yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// The account, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The sites that the login reached when they were last asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Site>,
    /// The id of the site that commands use when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_site: Option<String>,
    /// Members of a newer version.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
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

/// The authorization server that issued the tokens, pinned at the login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedBy {
    /// Its issuer identifier, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<EndpointUrl>,
    /// Where the refresh token may be used.
    pub token_endpoint: EndpointUrl,
    /// Where the tokens may be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<EndpointUrl>,
    /// Where the account's name is to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<EndpointUrl>,
    /// How the client authenticates there.
    pub client_authentication: ClientAuthentication,
}

/// How the login came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// When the user approved it.
    pub at: UnixTime,
    /// By which grant.
    pub grant: Grant,
    /// When the server said that the login ends, however much it is used
    /// (draft-ietf-oauth-refresh-token-expiration, `authorization_expires_in`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<UnixTime>,
}

/// The tokens of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// The access token.
    #[serde(serialize_with = "serialize_exposed")]
    pub access_token: Secret,
    /// The refresh token, if the server gave one.
    #[serde(
        default,
        serialize_with = "serialize_exposed_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub refresh_token: Option<Secret>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// When they were asked for: the time before the request was sent, so that no lifetime is
    /// overestimated.
    pub issued_at: UnixTime,
    /// `issued_at` plus the lifetime that the server gave.
    pub expires_at: UnixTime,
    /// When the server said that the refresh token ends unless it is used before
    /// (`refresh_token_expires_in`, or `refresh_token_timeout` of
    /// draft-ietf-oauth-refresh-token-expiration).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<UnixTime>,
    /// Whether the server gave no lifetime, so that the profile's was assumed.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub lifetime_assumed: bool,
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

/// Why a login is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended here.
    pub at: UnixTime,
    /// Why.
    pub reason: EndReason,
}

/// Why a login is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The server no longer accepts the refresh token, and no refresh of ours can be the reason: somebody
    /// revoked the login, or it was not used for too long.
    Revoked,
    /// The server no longer accepts the refresh token after a refresh whose answer got lost: most likely
    /// it was spent by that one.
    Interrupted,
    /// The user signed out and the server did not confirm the revocation, so that the tokens, which
    /// are gone from here, must be assumed to work elsewhere until they expire.
    SignedOutUnconfirmed,
    /// A reason that only a newer version knows.
    #[serde(other)]
    Other,
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
            Self::Damaged(what) => write!(f, "the stored credential cannot be read: {what}"),
            Self::Newer { version } => write!(
                f,
                "the stored credential was written by a newer twg (format {version}, this one knows \
                 {SCHEMA_VERSION})"
            ),
        }
    }
}

impl StoredCredential {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]; its text tells where the damage is and never what stands there.
    pub fn parse(json: &str) -> Result<Self, RecordError> {
        let damaged = |what: String| RecordError::Damaged(what);
        if json.trim().is_empty() {
            return Err(damaged("it is empty".to_string()));
        }
        // The version first: a newer record may look different everywhere else.
        #[derive(Deserialize)]
        struct Version {
            schema_version: u64,
        }
        let version: Version = serde_json::from_str(json).map_err(|e| damaged(place_of(&e)))?;
        if version.schema_version > SCHEMA_VERSION {
            return Err(RecordError::Newer { version: version.schema_version });
        }
        if version.schema_version < SCHEMA_VERSION {
            return Err(damaged(format!("there never was a format {}", version.schema_version)));
        }
        serde_json::from_str(json).map_err(|e| damaged(place_of(&e)))
    }

    /// Reads the record of `key`. One that says it is another connection's was copied there, and is not
    /// used: two records with one refresh token would end each other's login.
    ///
    /// # Errors
    /// As [`StoredCredential::parse`].
    pub fn parse_for(key: &ConnectionKey, json: &str) -> Result<Self, RecordError> {
        let record = Self::parse(json)?;
        if record.provider != key.provider() || record.connection != key.connection() {
            let owner = printable(&format!("{}/{}", record.provider, record.connection));
            return Err(RecordError::Damaged(format!("it is a copy of the record of {owner}")));
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

/// Where a JSON error is and of which kind, without the value that stands there: serde's own message
/// quotes it, and it may be a token.
fn place_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data | serde_json::error::Category::Io => {
            let text = error.to_string();
            if let Some(rest) = text.strip_prefix("missing field `") {
                let member = rest.split('`').next().unwrap_or_default();
                return format!("the member '{}' is missing", printable(member));
            }
            "a member has the wrong shape"
        }
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}
