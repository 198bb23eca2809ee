//! Private files with what the user entered, apart from the connections: JSON with a version,
//! replaced as a whole, readable by their owner only.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use twg_core::error::Error;
use twg_core::flow::StoreError;
use twg_core::json::{self, BadJson, FromJson};
use twg_core::secret::Secret;

use crate::context::Context;
use crate::effects::file_store::Expected;
use crate::failure::{Cause, Failure};

/// The version of each such file, in its member `schema_version`.
pub(crate) const VERSION: u32 = 1;

/// One such file.
pub(crate) struct PrivateFile {
    pub(crate) path: PathBuf,
    /// For people: "Bitbucket token".
    pub(crate) what: &'static str,
    /// The command that asks for it again.
    pub(crate) enter_again: String,
}

/// Why its content cannot be used.
pub(crate) enum Unusable {
    /// It could not be read.
    Unreadable(StoreError),
    /// A later version of this program wrote it.
    Newer,
    /// Its content is not valid.
    Damaged(BadJson),
}

impl PrivateFile {
    /// Its content; `None` if there is no file.
    pub(crate) fn load<T: FromJson>(&self, context: &Context) -> Result<Option<T>, Unusable> {
        let text = context.files.load(&self.path).map_err(Unusable::Unreadable)?;
        let Some(text) = text else { return Ok(None) };
        let value = json::value(text.expose()).map_err(Unusable::Damaged)?;
        if value.get("schema_version").and_then(Value::as_u64).is_some_and(|v| v > VERSION.into()) {
            return Err(Unusable::Newer);
        }
        json::read(value).map(Some).map_err(Unusable::Damaged)
    }

    /// The failure of a file whose content cannot be used.
    pub(crate) fn unusable(&self, context: &Context, why: &Unusable) -> Failure {
        let (what, shown) = (self.what, context.config.display(&self.path));
        let (why, hint) = match why {
            Unusable::Unreadable(error) => {
                (error.detail.clone(), format!("Make {shown} readable."))
            }
            Unusable::Newer => (
                "a newer twg wrote it".to_owned(),
                "Update this twg; nothing was changed.".to_owned(),
            ),
            Unusable::Damaged(bad) => (
                format!("it is damaged ({bad})"),
                format!(
                    "Run `{}`: it keeps the damaged file beside the new one.",
                    self.enter_again
                ),
            ),
        };
        Failure::configuration(format!("The {what} in {shown} cannot be read: {why}"))
            .keeping("The file is unchanged.")
            .or_hint(hint)
    }

    /// Checks that it can be written now. Otherwise a user would type a secret that then cannot be
    /// stored.
    pub(crate) fn preflight<T: FromJson>(&self, context: &Context) -> Result<(), Failure> {
        match self.load::<T>(context) {
            Err(why @ (Unusable::Newer | Unusable::Unreadable(_))) => {
                return Err(self.unusable(context, &why));
            }
            Ok(_) | Err(Unusable::Damaged(_)) => {}
        }
        context.files.preflight(&self.path).map_err(|error| self.not_written(error))
    }

    /// Writes it. A damaged file is moved out of the way first, because it may hold the only copy
    /// of a secret.
    pub(crate) fn save<T: FromJson + Serialize>(
        &self,
        context: &mut Context,
        content: &T,
    ) -> Result<(), Failure> {
        match self.load::<T>(context) {
            Ok(_) => {}
            Err(Unusable::Damaged(_)) => {
                let place = context.files.set_aside(&self.path);
                let place = place.map_err(|error| self.not_written(error))?;
                let what = self.what;
                context.warn(format!(
                    "The damaged {what} file was moved, unchanged, to {place}; it may hold a secret"
                ));
            }
            Err(why) => return Err(self.unusable(context, &why)),
        }
        let mut text = serde_json::to_string_pretty(content)
            .map_err(|error| Failure::internal(error.to_string()))?;
        text.push('\n');
        context
            .files
            .replace(&self.path, Expected::Anything, &Secret::new(text))
            .map_err(|error| self.not_written(error))
    }

    /// Moves a damaged file out of the way and returns its new path. `None` if it is valid or
    /// absent.
    pub(crate) fn set_damaged_aside<T: FromJson>(
        &self,
        context: &Context,
    ) -> Option<Result<String, StoreError>> {
        match self.load::<T>(context) {
            Err(Unusable::Damaged(_)) => Some(context.files.set_aside(&self.path)),
            _ => None,
        }
    }

    /// Deletes it. Returns whether there was one.
    pub(crate) fn remove(&self, context: &Context) -> Result<bool, Failure> {
        let there = std::fs::symlink_metadata(&self.path).is_ok();
        let removed = context.files.remove(&self.path);
        removed.map(|()| there).map_err(|error| {
            let doing = format!("Could not delete the {}", self.what);
            Failure::from_core(&doing, &Error::Store(error), &self.enter_again)
                .keeping("It is still there.")
        })
    }

    fn not_written(&self, error: StoreError) -> Failure {
        let doing = format!("Could not keep the {}", self.what);
        let mut failure =
            Failure::from_core(&doing, &Error::Store(error.clone()), &self.enter_again);
        // The command was not about a sign-in.
        failure.cause = Cause::FileNotStored(error.kind);
        failure.keeping("The stored file is unchanged.")
    }
}
