//! Strings that must never be shown.

use alloc::string::String;
use core::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A token, code, verifier, client secret or raw server response.
///
/// It has no `Display` and no `PartialEq`; its `Debug` shows nothing, not even the length. The memory
/// is overwritten on drop, which is best effort: moves and reallocations leave copies.
/// It is written out only where a function says [`Secret::expose`], which is easy to search for.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a secret string.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself: for a request to its issuer, for the store, or for the person who asked.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is printable ASCII without spaces, as every token and key that a person enters. Other characters were
    /// copied by mistake, or would break a header or a line-based protocol.
    #[must_use]
    pub fn is_one_word(&self) -> bool {
        !self.is_empty() && self.0.len() <= 4096 && self.0.bytes().all(|b| matches!(b, b'!'..=b'~'))
    }

    /// Compares without an early exit, so that the time does not show where two secrets of equal length differ.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        let (a, b) = (self.0.as_bytes(), other.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0_u8, |diff, (x, y)| diff | (x ^ y)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

/// For `#[serde(serialize_with)]` on the few fields that are written to a 0600 record. `Secret` has
/// no `Serialize` of its own, so that deriving it on a struct never leaks one by accident.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}

/// As [`serialize_exposed`], for an optional secret.
pub(crate) fn serialize_exposed_option<S: Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}
