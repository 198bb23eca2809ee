//! What is kept of a login.

mod key;

pub use key::{ConnectionKey, Generation, InvalidName, is_plain_name};
