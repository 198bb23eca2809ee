//! A site, as it is noted in the record.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::endpoint_url::host_of;
use crate::json::{FromJson, Members, Mistakes};

/// One container that a token reaches, every text of it escaped for display.
///
/// "Note, the id is not unique across containers (that is, two entries in the results can have the same id), so
/// you may need to infer the type of container from its scopes." (Atlassian, OAuth 2.0 (3LO) apps)
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// The cloud ID.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The URL that people open.
    pub url: String,
    /// What the token may do there.
    pub scopes: Vec<String>,
}

impl FromJson for Site {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            id: members.required("id"),
            name: members.required("name"),
            url: members.required("url"),
            scopes: members.or_default("scopes"),
        }
    }
}

impl Site {
    /// Whether a person who writes `text` may mean this site: its ID, name, URL, host or the first part of its host.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let host = host_of(&self.url);
        let prefix = host.as_deref().and_then(|host| host.split('.').next());
        [Some(self.id.as_str()), Some(&self.name), Some(&self.url), host.as_deref(), prefix]
            .into_iter()
            .flatten()
            .any(|name| name.trim_end_matches('/').eq_ignore_ascii_case(text.trim_end_matches('/')))
    }
}
