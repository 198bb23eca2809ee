//! The glance at a record that scripts and agents need all day: is its access token fresh?

use serde_json::Value;

use crate::credential::{SCHEMA_VERSION, Tokens};
use crate::json::{self, FromJson, Members, Mistakes};
use crate::schedule::{TokenState, state_of};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The members that this needs; the rest of the record is skipped.
struct Glance {
    schema_version: u64,
    tokens: Option<Tokens>,
    ended: Option<Value>,
    pending: Option<Value>,
}

impl FromJson for Glance {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            schema_version: members.required("schema_version"),
            tokens: members.optional("tokens"),
            ended: members.optional("ended"),
            pending: members.optional("pending"),
        }
    }
}

/// The access token of a record, if a refresh is neither due nor under way. `None` otherwise, and in any doubt: then
/// the caller must read the whole record.
#[must_use]
pub fn fresh_access_token(record: &str, now: UnixTime) -> Option<Secret> {
    let glance: Glance = json::parse(record).ok()?;
    if glance.schema_version != SCHEMA_VERSION || glance.ended.is_some() || glance.pending.is_some()
    {
        return None;
    }
    let tokens = glance.tokens?;
    matches!(state_of(&tokens, now), TokenState::Fresh { .. }).then_some(tokens.access_token)
}
