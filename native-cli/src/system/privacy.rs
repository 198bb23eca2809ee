//! Who else can get at a file. For the doctor: whoever writes to the store makes sure of it anyway.

use std::fs::Metadata;
use std::path::Path;

use super::platform;

/// In which way others can get at a file or directory; `None` if they cannot, or if there is none.
pub(crate) fn exposure(path: &Path) -> Option<String> {
    platform::exposure(&std::fs::symlink_metadata(path).ok()?)
}

/// Takes the access of all others away, if this is a file or directory of this user.
///
/// # Errors
/// Those of the operating system, or that it is somebody else's.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    platform::make_private(path)
}

/// Creates a new file that only its owner can read.
///
/// # Errors
/// Those of the operating system, also if there is one.
pub(crate) fn create_private(path: &Path) -> std::io::Result<std::fs::File> {
    platform::create_private(path)
}

/// The permissions, as `chmod` takes them; `None` where there are none.
pub(crate) fn mode(metadata: &Metadata) -> Option<String> {
    platform::mode(metadata)
}

/// What kind of network file system this directory lies on, if it does. Locks there may exclude the processes of
/// this machine only.
pub(crate) fn network_file_system(dir: &Path) -> Option<&'static str> {
    platform::network_file_system(dir)
}

/// Whether this is an ordinary file of this user. (On Windows every ordinary file counts as one.)
pub(crate) fn is_own_file(metadata: &Metadata) -> bool {
    platform::check_own_file(metadata).is_ok()
}

/// Makes a directory, and those that lead to it, so that nobody else can put anything there, whatever the umask.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn make_dirs(path: &Path) -> std::io::Result<()> {
    platform::make_dirs(path)
}

/// For a file that holds no secret, but must not become somebody else's, whatever the umask.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn let_only_the_owner_write(path: &Path) -> std::io::Result<()> {
    platform::set_mode(path, 0o644)
}

/// Opens a file to be read; a link is not followed, and what is no file makes nobody wait.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn open(path: &Path) -> std::io::Result<std::fs::File> {
    platform::open_to_read(path)
}
