//! The names of connections, and the count of their versions.

use core::fmt;

use alloc::borrow::ToOwned;
use alloc::string::String;

use serde::Serialize;
use serde_json::Value;

use crate::json::{self, FromJson, Mistakes};
use crate::text::is_plain_name;

/// One connection: an account at a provider. It has its own record, lock and refresh.
///
/// Both names become file names, so they are short and plain: `a-z`, `0-9`, `-`, `_` and `.`, beginning
/// with a letter or digit, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey {
    provider: String,
    connection: String,
}

impl ConnectionKey {
    /// The connection that is used when none is named.
    pub const DEFAULT: &'static str = "default";

    /// Checks both names.
    ///
    /// # Errors
    /// [`InvalidName`] with the offending name.
    pub fn new(provider: &str, connection: &str) -> Result<Self, InvalidName> {
        for name in [provider, connection] {
            if !is_plain_name(name) {
                return Err(InvalidName(name.escape_debug().collect()));
            }
        }
        Ok(Self { provider: provider.to_owned(), connection: connection.to_owned() })
    }

    /// The provider's name, as in its profile.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The connection's name among those of the provider.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.connection
    }
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.connection)
    }
}

/// A name that no provider and no connection can have, escaped for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(pub String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' cannot be a name: use 1 to 64 of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit",
            self.0
        )
    }
}

impl core::error::Error for InvalidName {}

/// Counts the versions of a record. It only grows, so that stale work is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The first version of a record.
    pub const FIRST: Self = Self(1);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The generation that a record names; `None` if it names none. The rest of the record may be anything that is JSON.
    #[must_use]
    pub fn of_record(record: &str) -> Option<Self> {
        json::value(record).ok()?.get("generation")?.as_u64().map(Self)
    }

    /// The bare count.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromJson for Generation {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self(u64::from_json(value, mistakes))
    }
}

impl From<u64> for Generation {
    fn from(count: u64) -> Self {
        Self(count)
    }
}
