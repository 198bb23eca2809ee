//! The one-shot recovery: another process that repairs an interrupted refresh while the server still lets it,
//! whether or not anybody runs a command until then.

use std::fs::File;
use std::process::{Command, Stdio};

use twg_core::credential::ConnectionKey;
use twg_core::flow::StoreError;
use twg_core::time::UnixTime;

use super::file_store::FileStore;
use crate::environment;
use crate::system::platform;

/// The hidden argument of `twg auth refresh` that says when to begin, in milliseconds since the epoch.
pub(crate) const FLAG: &str = "--recover-at";

/// Starts `twg auth refresh` for that time, detached from this process and its terminal. Best effort: if it
/// cannot be started, the next command of the user repairs the login just as well, if it comes in time.
/// Whether it was started.
pub(crate) fn arm(store: &FileStore, key: &ConnectionKey, at: UnixTime) -> bool {
    let Ok(program) = std::env::current_exe() else { return false };
    let mut command = Command::new(program);
    command
        .args(["auth", "refresh", key.provider(), "--connection", key.connection()])
        .arg(format!("{FLAG}={}", at.as_millis()))
        // Whichever way the directory was chosen, it is this one.
        .env(environment::CONFIG_DIR, store.config().path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir(std::env::temp_dir());
    // Of other ways to sign in it needs nothing; of the variables that name a client it does.
    for name in [environment::ACCESS_TOKEN, environment::API_TOKEN, environment::BITBUCKET_TOKEN] {
        command.env_remove(name);
    }
    platform::detach(&mut command);
    // It is not waited for: it outlives this process.
    command.spawn().is_ok()
}

/// Whoever waits to recover a connection holds this, so that one is enough however often it was armed.
/// `None` if another process does.
///
/// # Errors
/// [`StoreError`] if the file cannot be used.
pub(crate) fn claim(store: &FileStore, lock: &std::path::Path) -> Result<Option<File>, StoreError> {
    // Where the directory is gone there is nothing to recover, and nothing to make.
    let path = super::file_store::beside(lock, "recovery");
    store.claim_alone(&path)
}
