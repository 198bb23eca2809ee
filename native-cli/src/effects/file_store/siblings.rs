//! The files beside a record that belong to it: unfinished replacements, probes, stages, and
//! damaged files that were set aside.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// After this time, a file of a writer without a lock belongs to a process that died.
pub(super) const STALE_PROBE: Duration = Duration::from_secs(3600);

/// The suffix for a file that was set aside. The time follows it.
pub(super) const DAMAGED: &str = ".damaged-";

/// A new file that is removed when it is dropped, unless it is renamed or kept.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) file: File,
    pub(super) name: RemoveOnDrop,
}

impl Temporary {
    /// Leaves the file where it is.
    pub(crate) fn keep(mut self) -> File {
        self.name.0.clear();
        self.file
    }

    pub(super) fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.name.0, to)?;
        // The old name does not exist any more. An empty path names nothing.
        self.name.0.clear();
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct RemoveOnDrop(pub(super) PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // The next writer removes it, see `FileStore::sweep`.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// `.NAME.KIND` in the directory of the file NAME.
pub(crate) fn beside(place: &Path, kind: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(format!(".{kind}"));
    place.with_file_name(name)
}

/// The file that this temporary file belongs to, if a writer without a lock left it behind and
/// died.
pub(crate) fn abandoned(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_prefix('.')?;
    let name = name.strip_suffix(".tmp").or_else(|| name.strip_suffix(".probe"))?;
    let (name, random) = name.rsplit_once('.')?;
    let modified = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let is_old = modified.elapsed().is_ok_and(|age| age > STALE_PROBE);
    (is_random(random) && is_old).then(|| path.with_file_name(name))
}

/// Unreadable stages of this record that were moved out of the way. They may still hold tokens.
pub(crate) fn stages_set_aside(record: &Path) -> Vec<PathBuf> {
    let stem = suffixed(&beside(record, "stage"), DAMAGED);
    let stem = stem.file_name().unwrap_or_default().as_encoded_bytes();
    let names = record.parent().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten();
    let names = names.flatten().map(|entry| entry.path());
    names
        .filter(|path| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(stem))
        })
        .collect()
}

pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_random(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit())
}
