//! The one-shot recovery: a background process that repairs an interrupted refresh while the server
//! still allows it, even if the user runs no command until then.

use std::fs::File;
use std::process::{Command, Stdio};

use twg_core::credential::ConnectionKey;
use twg_core::flow::StoreError;
use twg_core::time::UnixTime;

use super::file_store::FileStore;
use crate::environment;
use crate::system::platform;

/// The hidden argument of `twg auth refresh` for the time to begin, in milliseconds since the
/// epoch.
pub(crate) const FLAG: &str = "--recover-at";

/// Starts `twg auth refresh` for that time, detached from this process and its terminal. Returns
/// whether it was started. Best effort: otherwise the next command repairs the connection, if it
/// comes in time.
pub(crate) fn arm(store: &FileStore, key: &ConnectionKey, at: UnixTime) -> bool {
    let Ok(program) = std::env::current_exe() else { return false };
    let mut command = Command::new(program);
    command
        .args(["auth", "refresh", key.provider(), "--connection", key.connection()])
        .arg(format!("{FLAG}={}", at.as_millis()))
        // The directory of this process, however it was chosen.
        .env(environment::CONFIG_DIR, store.config().path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir(std::env::temp_dir());
    // It needs no other credentials, but it does need the variables that name a client.
    for name in [environment::ACCESS_TOKEN, environment::API_TOKEN, environment::BITBUCKET_TOKEN] {
        command.env_remove(name);
    }
    platform::detach(&mut command);
    // It is not waited for, because it outlives this process.
    command.spawn().is_ok()
}

/// The right to wait for the recovery of a connection. It keeps a second process from waiting for
/// the same recovery. `None` if another process has it.
///
/// # Errors
/// [`StoreError`] if the file cannot be used.
pub(crate) fn claim(store: &FileStore, lock: &std::path::Path) -> Result<Option<File>, StoreError> {
    // If the directory is gone, there is nothing to recover, so the directory is not created.
    let path = super::file_store::beside(lock, "recovery");
    store.claim_alone(&path)
}
