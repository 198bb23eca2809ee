//! The account of a connection, as it is noted in the record.

use alloc::string::String;

use serde::Serialize;
use serde_json::Value;

use crate::json::{FromJson, Members, Mistakes};

/// The account, every text of it escaped for display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Stable and opaque.
    pub id: String,
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The e-mail address, if the scopes show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `active`, if the provider says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl FromJson for Account {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            id: members.required("id"),
            name: members.optional("name"),
            email: members.optional("email"),
            status: members.optional("status"),
        }
    }
}

impl Account {
    /// The name, or else the e-mail address, or else the ID.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.id)
    }
}
