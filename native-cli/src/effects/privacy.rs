//! Who else can get at a file. For the doctor: whoever writes makes sure of it anyway.

use std::fs::Metadata;
use std::path::Path;

use super::platform;

/// In which way others can get at a file or directory; `None` if they cannot, or if there is none.
pub(crate) fn exposure(path: &Path) -> Option<String> {
    platform::exposure(&std::fs::symlink_metadata(path).ok()?)
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
