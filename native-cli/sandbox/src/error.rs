//! The one error that leaves this crate.

use std::{fmt, io};

/// Why the sandbox could not do something: a sentence for people.
#[derive(Debug)]
pub struct SandboxError(pub(crate) String);

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SandboxError {}

/// An I/O error in words, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
