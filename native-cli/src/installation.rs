//! Where this program is installed.

use std::path::PathBuf;

use crate::failure::Failure;

/// The path that schedulers, shells and other programs shall call: it stays the same over updates.
pub(crate) fn launcher() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::internal(format!("cannot tell where this program lies: {error}")))
}
