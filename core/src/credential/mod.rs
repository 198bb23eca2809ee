//! What is kept of a login, and how it is written down.

mod fresh;
mod key;
mod pending;
mod staged;
mod stored;
mod update;

pub use fresh::fresh_access_token;
pub use key::{ConnectionKey, Generation, InvalidName, is_plain_name};
pub(crate) use pending::sha256_hex;
pub use pending::{AttemptId, Host, Pending};
pub use staged::StagedReply;
pub use stored::{
    EndReason, Ended, IssuedBy, Login, RecordError, SCHEMA_VERSION, StoredCredential, Tokens,
};
pub(crate) use update::{Damaged, LOCK_PATIENCE, RecordUpdate, Updated};
