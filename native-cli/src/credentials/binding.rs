//! Binds a directory to a connection or a site: the nearest `.twg` file, in the working directory
//! or above it, counts. So no command has to change a default that other directories use.
//!
//! ```json
//! { "connection": "work", "site": "acme" }
//! ```

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use twg_core::json::{self, FromJson, Members, Mistakes};

use crate::context::Context;
use crate::failure::Failure;
use crate::system::os_error::words;
use crate::system::privacy;

/// The name of the file.
pub(crate) const FILE_NAME: &str = ".twg";

/// A larger file is not a binding.
const MOST_BYTES: u64 = 4096;

/// What a directory is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The file with the binding.
    pub(crate) file: PathBuf,
    /// The connection at Atlassian.
    pub(crate) connection: Option<String>,
    /// The site for commands that name none.
    pub(crate) site: Option<String>,
}

/// The members of the file.
struct Bound {
    connection: Option<String>,
    site: Option<String>,
}

impl FromJson for Bound {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let read =
            Self { connection: members.optional("connection"), site: members.optional("site") };
        members.end();
        read
    }
}

/// The binding of a directory: its own, or that of the nearest directory above.
///
/// # Errors
/// The nearest file cannot be read or parsed.
pub(crate) fn of(directory: &Path) -> Result<Option<Binding>, Failure> {
    for directory in directory.ancestors() {
        let file = directory.join(FILE_NAME);
        let text = read_own(&file).map_err(|error| unusable(&file, &words(&error)))?;
        if let Some(text) = text {
            let Bound { connection, site } =
                json::parse(&text).map_err(|bad| unusable(&file, &bad.to_string()))?;
            return Ok(Some(Binding { file, connection, site }));
        }
    }
    Ok(None)
}

/// The binding for a command. The sandbox has its own connections, so there it is `None`.
///
/// # Errors
/// Those of [`of`].
pub(crate) fn of_command(context: &Context) -> Result<Option<Binding>, Failure> {
    if context.in_sandbox { Ok(None) } else { here() }
}

/// The binding of the working directory. `None` too if that directory is gone.
pub(crate) fn here() -> Result<Option<Binding>, Failure> {
    std::env::current_dir().map_or(Ok(None), |directory| of(&directory))
}

/// The content of the file, if it belongs to this user: another user who can write above a
/// directory must not choose the connection.
fn read_own(path: &Path) -> std::io::Result<Option<String>> {
    // A link could come from another user, and only a regular file can be a binding.
    let is_own = std::fs::symlink_metadata(path).is_ok_and(|found| privacy::is_own_file(&found));
    if !is_own {
        return Ok(None);
    }
    let file = privacy::open(path)?;
    if !privacy::is_own_file(&file.metadata()?) {
        return Ok(None);
    }
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// The failure of a binding that cannot be used.
pub(crate) fn unusable(file: &Path, why: &str) -> Failure {
    let shown = twg_core::text::inert(&file.display().to_string());
    Failure::configuration(format!("The file {shown} cannot be used: {why}")).or_hint(format!(
        "Write {{ \"connection\": \"NAME\", \"site\": \"NAME\" }} into {shown}, either member or both."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_binds() {
        let root = crate::effects::file_store::tests::scratch_dir();
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let write = |place: &str, text: &str| {
            std::fs::write(root.path().join(place).join(FILE_NAME), text).unwrap();
        };
        write("", r#"{"connection":"home"}"#);
        assert_eq!(of(&inner).unwrap().unwrap().connection.as_deref(), Some("home"));
        write("a", r#"{"connection":"work","site":"acme"}"#);
        let binding = of(&inner).unwrap().unwrap();
        assert_eq!(binding.connection.as_deref(), Some("work"));
        assert_eq!(binding.site.as_deref(), Some("acme"));
        assert_eq!(binding.file, root.path().join("a").join(FILE_NAME));
        // A directory of that name is not a binding.
        std::fs::create_dir(inner.join(FILE_NAME)).unwrap();
        assert_eq!(of(&inner).unwrap().unwrap().connection.as_deref(), Some("work"));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_and_not_another_account() {
        let root = crate::effects::file_store::tests::scratch_dir();
        for text in ["", "work", "{\"conection\":\"work\"}", "{\"connection\":7}"] {
            std::fs::write(root.path().join(FILE_NAME), text).unwrap();
            let failure = of(root.path()).unwrap_err();
            assert!(failure.message.contains(FILE_NAME), "{}", failure.message);
        }
    }
}
