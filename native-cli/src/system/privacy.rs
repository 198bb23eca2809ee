//! Which other users can access a file. This is for the doctor; the store checks before every
//! write.

use std::fs::Metadata;
use std::path::Path;

use super::platform;

/// How other users can access a file or directory. `None` if they cannot, or if it does not exist.
pub(crate) fn exposure(path: &Path) -> Option<String> {
    platform::exposure(&std::fs::symlink_metadata(path).ok()?)
}

/// Removes the access of all other users, if this is a file or directory of this user.
///
/// # Errors
/// Those of the operating system, or that it belongs to another user.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    platform::make_private(path)
}

/// Creates a new file that only its owner can read.
///
/// # Errors
/// Those of the operating system, also if the file exists.
pub(crate) fn create_private(path: &Path) -> std::io::Result<std::fs::File> {
    platform::create_private(path)
}

/// The permissions, as `chmod` takes them. `None` on systems without them.
pub(crate) fn mode(metadata: &Metadata) -> Option<String> {
    platform::mode(metadata)
}

/// The kind of network file system of this directory, if it is on one. Locks there may exclude the
/// processes of this machine only.
pub(crate) fn network_file_system(dir: &Path) -> Option<&'static str> {
    platform::network_file_system(dir)
}

/// Whether this is an ordinary file of this user. (On Windows every ordinary file counts as one.)
pub(crate) fn is_own_file(metadata: &Metadata) -> bool {
    platform::check_own_file(metadata).is_ok()
}

/// Makes a directory and its parents. No other user can write to them, even if the umask would
/// allow it.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn make_dirs(path: &Path) -> std::io::Result<()> {
    platform::make_dirs(path)
}

/// For a file without a secret that only its owner may change, even if the umask would allow more.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn let_only_the_owner_write(path: &Path) -> std::io::Result<()> {
    platform::set_mode(path, 0o644)
}

/// Opens a file for reading. It does not follow a link, and does not wait for a pipe.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn open(path: &Path) -> std::io::Result<std::fs::File> {
    platform::open_to_read(path)
}
