//! The admin API key of an organization. It has its own file, apart from the connections.

use serde::Serialize;
use serde_json::{Value, json};
use twg_core::atlassian::admin::{self, OrgId, Refusal};
use twg_core::identity::is_email;
use twg_core::json::{FromJson, Members, Mistakes};
use twg_core::secret::{Secret, serialize_exposed};
use twg_core::time::{Span, UnixTime};

use crate::advice::sentence;
use crate::context::Context;
use crate::credentials::private_file::{PrivateFile, VERSION};
use crate::credentials::providers;
use crate::driver::send;
use crate::effects::clock;
use crate::failure::{Cause, Failure};
use crate::output::rfc3339;

/// How long before the end of a key to warn of it.
const WARNING: Span = Span::from_days(7);

/// The file `admin.conf`. Everything in it was checked before it was written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stored {
    schema_version: u32,
    #[serde(serialize_with = "serialize_exposed")]
    pub(crate) key: Secret,
    /// The administrator's email address, for people.
    pub(crate) email: String,
    pub(crate) org: String,
    /// The name of the organization at Atlassian.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org_name: Option<String>,
    /// The end of the day that the administrator named. The API does not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<UnixTime>,
    /// When Atlassian accepted the key.
    pub(crate) checked_at: UnixTime,
}

impl FromJson for Stored {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let stored = Self {
            schema_version: members.required("schema_version"),
            key: members.required("key"),
            email: members.required("email"),
            org: members.required::<OrgId>("org").as_str().to_owned(),
            org_name: members.optional("org_name"),
            expires_at: members.optional("expires_at"),
            checked_at: members.required("checked_at"),
        };
        if !stored.key.is_one_word() || !is_email(&stored.email) {
            mistakes.note("its key or email is invalid");
        }
        stored
    }
}

impl Stored {
    /// A key that Atlassian accepted just now.
    pub(crate) fn new(
        key: Secret,
        email: String,
        org: &OrgId,
        org_name: Option<String>,
        expires_at: Option<UnixTime>,
    ) -> Self {
        Self {
            schema_version: VERSION,
            key,
            email,
            org: org.as_str().to_owned(),
            org_name,
            expires_at,
            checked_at: clock::now(),
        }
    }

    /// The organization, for people.
    pub(crate) fn organization(&self) -> &str {
        self.org_name.as_deref().unwrap_or(&self.org)
    }

    /// How near the end of the key is, if it is near or past.
    pub(crate) fn near_end(&self, now: UnixTime) -> Option<String> {
        let end = self.expires_at?;
        if end <= now {
            return Some(format!("expired {} ago", now.since(end)));
        }
        (end.since(now) <= WARNING).then(|| format!("expires in {}", end.since(now)))
    }

    /// For programs; never the key.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "email": self.email,
            "organization": self.org,
            "organizationName": self.org_name,
            "expiresAt": self.expires_at.map(rfc3339),
            "checkedAt": rfc3339(self.checked_at),
        })
    }
}

/// The file.
pub(crate) fn file(context: &Context) -> PrivateFile {
    PrivateFile {
        path: context.config.admin_key_path(),
        what: "admin API key",
        enter_again: "twg admin auth login".to_owned(),
    }
}

/// The stored key.
pub(crate) fn stored(context: &Context) -> Result<Option<Stored>, Failure> {
    let file = file(context);
    file.load(context).map_err(|why| file.unusable(context, &why))
}

/// Asks Atlassian for the name of the key's organization. This proves that the key works.
pub(crate) async fn check(
    context: &mut Context,
    org: &OrgId,
    key: &Secret,
) -> Result<Option<String>, Failure> {
    let doing = "Could not check the admin API key";
    let profile = providers::load(context, providers::DEFAULT)?;
    let request = admin::check(&profile, org, key)
        .map_err(|error| Failure::from_core(doing, &error, "twg admin auth login"))?;
    let response = send(context, request).await?;
    admin::checked(org, response).map_err(|refusal| match &refusal {
        Refusal::Other(error) => Failure::from_core(doing, error, "twg admin auth login"),
        Refusal::Key => Failure::new(Cause::KeyRejected, sentence(&refusal.to_string())),
        Refusal::NotPermitted | Refusal::NoSuchOrganization => {
            Failure::new(Cause::KeyNotPermitted, sentence(&refusal.to_string()))
        }
    })
}

/// The state for `doctor`, without a request: one line, and whether it needs attention. `None`
/// without a key.
pub(crate) fn summary(context: &Context) -> Option<(String, bool)> {
    match stored(context) {
        Ok(None) => None,
        Ok(Some(stored)) => {
            let now = clock::now();
            let near_end = stored.near_end(now);
            let end = near_end.clone().unwrap_or_else(|| match stored.expires_at {
                Some(end) => format!("expires in {}", end.since(now)),
                None => "expiry unknown".to_owned(),
            });
            let age = now.since(stored.checked_at);
            let organization = stored.organization();
            Some((format!("key of {organization}, {end}, checked {age} ago"), near_end.is_some()))
        }
        Err(failure) => Some((failure.message, true)),
    }
}
