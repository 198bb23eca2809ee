//! Scopes: what one is, and how several are written. RFC 6749 section 3.3.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::json::{FromJson, Mistakes, one_of};

/// What stands between scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ScopeSeparator {
    /// The standard. RFC 6749 section 3.3.
    #[default]
    #[serde(rename = " ")]
    Space,
    /// A few servers.
    #[serde(rename = ",")]
    Comma,
}

impl ScopeSeparator {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Space => " ",
            Self::Comma => ",",
        }
    }

    /// The scopes as one parameter.
    #[must_use]
    pub fn join(self, scopes: &[String]) -> String {
        scopes.join(self.as_str())
    }

    /// The scopes of one parameter. Empty ones are dropped.
    #[must_use]
    pub fn split(self, text: &str) -> Vec<String> {
        text.split(|c: char| c == ' ' || self == Self::Comma && c == ',')
            .filter(|scope| !scope.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl FromJson for ScopeSeparator {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        one_of(&value, mistakes, &[(" ", Self::Space), (",", Self::Comma)], Self::Space)
    }
}

/// RFC 6749 section 3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
#[must_use]
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}
