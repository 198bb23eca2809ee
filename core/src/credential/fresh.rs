//! The one question that scripts and agents ask all day, answered from as little as possible.

use serde::Deserialize;

use super::stored::{SCHEMA_VERSION, Tokens};
use crate::schedule::{TokenState, state_of};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The two members that the question needs; the rest of the record is skipped, not understood.
#[derive(Deserialize)]
struct Glance {
    schema_version: u64,
    tokens: Option<Tokens>,
}

/// The access token of a record, if a refresh is not yet due. `None` in any other case and in any
/// doubt: then the whole record must be read, to find out what is the matter.
#[must_use]
pub fn fresh_access_token(record: &str, now: UnixTime) -> Option<Secret> {
    let glance: Glance = serde_json::from_str(record).ok()?;
    let tokens = glance.tokens.filter(|_| glance.schema_version == SCHEMA_VERSION)?;
    matches!(state_of(&tokens, now), TokenState::Fresh { .. }).then_some(tokens.access_token)
}
