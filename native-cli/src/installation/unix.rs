//! Unix: the launcher is a symbolic link. It costs nothing, and a running process keeps the file
//! that it was started from.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::version_of;
use crate::installation::release::{PROGRAM, Version};
use crate::system::privacy;

pub(super) fn launcher(_data: &Path, home: &Path) -> PathBuf {
    home.join(".local/bin").join(PROGRAM)
}

/// The version that the launcher points to.
pub(super) fn target(launcher: &Path, versions: &Path, _: &[Version]) -> Option<Version> {
    let program = fs::read_link(launcher).ok()?;
    let dir = program.parent()?;
    let is_program = dir.parent() == Some(versions) && program.file_name()? == PROGRAM;
    version_of(dir).filter(|_| is_program)
}

/// Whether the launcher points to a version, even one that is gone.
pub(super) fn is_ours(launcher: &Path, versions: &Path) -> bool {
    target(launcher, versions, &[]).is_some()
}

/// Points the launcher to this program, atomically.
pub(super) fn point(launcher: &Path, program: &Path) -> io::Result<()> {
    if let Some(dir) = launcher.parent() {
        privacy::make_dirs(dir)?;
    }
    let new = preliminary(launcher);
    sweep(launcher);
    symlink(program, &new)?;
    fs::rename(&new, launcher)
}

/// Removes an unfinished launcher.
pub(super) fn sweep(launcher: &Path) {
    let new = preliminary(launcher);
    if fs::symlink_metadata(&new).is_ok_and(|found| found.is_symlink()) {
        // If this fails, the next attempt to make a launcher reports it.
        let _ = fs::remove_file(new);
    }
}

fn preliminary(launcher: &Path) -> PathBuf {
    launcher.with_file_name(".twg.new")
}

pub(super) fn remove_program(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Creates a new file of a version, which only its owner can change.
pub(super) fn create(path: &Path, is_program: bool) -> io::Result<File> {
    let mode = if is_program { 0o755 } else { 0o644 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The umask may have removed permissions.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}
