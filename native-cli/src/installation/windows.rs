//! Windows: the launcher is a copy of the current version's program, because links need rights there that users
//! do not have. A program that runs cannot be overwritten, but renamed: it makes room for the new one, and is
//! removed by the next update. Between the two renames there is no launcher for a moment; whoever is killed just
//! then finds the old one beside it, under the name `twg.exe.old`. Never tried on a real Windows.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{PROGRAM, Version};

pub(super) fn launcher(data: &Path, _home: &Path) -> PathBuf {
    data.join("bin").join(PROGRAM)
}

/// The version whose program the launcher is a copy of.
pub(super) fn target(launcher: &Path, versions: &Path, installed: &[Version]) -> Option<Version> {
    let there = fs::read(launcher).ok()?;
    let program = |version: &Version| versions.join(version.to_string()).join(PROGRAM);
    let is_copy =
        |version: &&Version| fs::read(program(version)).is_ok_and(|program| program == there);
    installed.iter().rev().find(is_copy).copied()
}

/// Nobody else has a program in our directory.
pub(super) fn is_ours(launcher: &Path, _versions: &Path) -> bool {
    launcher.is_file()
}

pub(super) fn point(launcher: &Path, program: &Path) -> io::Result<()> {
    if let Some(dir) = launcher.parent() {
        fs::create_dir_all(dir)?;
    }
    sweep(launcher);
    let new = launcher.with_extension("exe.new");
    fs::copy(program, &new)?;
    OpenOptions::new().write(true).open(&new)?.sync_all()?;
    let old = launcher.with_extension("exe.old");
    let had_one = launcher.exists();
    if had_one {
        fs::rename(launcher, &old)?;
    }
    let renamed = fs::rename(&new, launcher);
    if renamed.is_err() && had_one {
        fs::rename(&old, launcher)?;
    }
    renamed
}

/// Removes what an earlier change left; or puts the old launcher back, if it was killed half-way.
pub(super) fn sweep(launcher: &Path) {
    let old = launcher.with_extension("exe.old");
    if launcher.exists() {
        // It may still run.
        let _ = fs::remove_file(&old);
    } else {
        let _ = fs::rename(&old, launcher);
    }
    let _ = fs::remove_file(launcher.with_extension("exe.new"));
}

/// A program that runs is renamed; it goes with the next restart's cleaning, or by hand.
pub(super) fn remove_program(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|_| fs::rename(path, path.with_extension("exe.old")))
}

pub(super) fn create(path: &Path, _is_program: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
