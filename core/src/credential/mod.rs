//! What is kept of a login, and how it is written down.

mod fresh;
mod key;
mod stored;
mod update;

pub use fresh::fresh_access_token;
pub use key::{ConnectionKey, Generation, InvalidName, is_plain_name};
pub use stored::{
    EndReason, Ended, IssuedBy, Login, RecordError, SCHEMA_VERSION, StoredCredential, Tokens,
};
pub(crate) use update::{Damaged, LOCK_PATIENCE, RecordUpdate, Updated};
