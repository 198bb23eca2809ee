//! The content of a record on the disk.

use std::path::Path;

use serde_json::Value;

/// A record as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The whole file.
    pub bytes: Vec<u8>,
    members: Value,
}

impl Record {
    /// Reads `auth.conf` or another record, which must be valid.
    #[track_caller]
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let members = serde_json::from_slice(&bytes)
            .unwrap_or_else(|e| panic!("{}: {e}: {}", path.display(), bytes.escape_ascii()));
        Self { bytes, members }
    }

    /// All members.
    #[must_use]
    pub const fn members(&self) -> &Value {
        &self.members
    }

    /// The access token.
    #[track_caller]
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.members["tokens"]["access_token"].as_str().expect("an access token")
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.members["tokens"]["refresh_token"].as_str()
    }

    /// How many times the record was written.
    #[track_caller]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.members["generation"].as_u64().expect("a generation")
    }

    /// The granted scopes.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        let scopes = self.members["tokens"]["scopes"].as_array();
        scopes.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}
