//! A connection as it is stored.

mod account;
mod key;
mod pending;
mod site;
mod staged;
mod stored;

pub use account::Account;
pub use key::{ConnectionKey, Generation, InvalidName};
pub(crate) use pending::sha256_hex;
pub use pending::{AttemptId, Host, Pending};
pub use site::Site;
pub use staged::StagedReply;
pub use stored::{
    EndReason, Ended, IssuedBy, Login, RecordError, SCHEMA_VERSION, StoredCredential, Tokens,
};
