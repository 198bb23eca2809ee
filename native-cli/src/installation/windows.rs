//! Windows: the launcher is a copy of the current version's program, because users may lack the
//! right to make links. A running program cannot be overwritten, but it can be renamed. So it is
//! renamed, and the next update removes it. Between the two renames there is no launcher for a
//! moment. After a kill at that moment, the old launcher is beside it, under the name
//! `twg.exe.oldN`. Never tried on a real Windows.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{PROGRAM, Version};

pub(super) fn launcher(data: &Path, _home: &Path) -> PathBuf {
    data.join("bin").join(PROGRAM)
}

/// The version that the launcher is a copy of.
pub(super) fn target(launcher: &Path, versions: &Path, installed: &[Version]) -> Option<Version> {
    let there = fs::read(launcher).ok()?;
    let program = |version: &Version| versions.join(version.to_string()).join(PROGRAM);
    let is_copy =
        |version: &&Version| fs::read(program(version)).is_ok_and(|program| program == there);
    installed.iter().rev().find(is_copy).copied()
}

/// Only twg writes to this directory.
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
    // Those that exist are still running.
    let last = moved_away(launcher).last().map_or(0, |(number, _)| number + 1);
    let old = launcher.with_extension(format!("exe.old{last}"));
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

/// How many old launchers can run at once, each from before one more update.
const MOST: u32 = 16;

/// The launchers that were renamed while they ran, oldest first.
fn moved_away(launcher: &Path) -> Vec<(u32, PathBuf)> {
    let names = (0..MOST).map(|n| (n, launcher.with_extension(format!("exe.old{n}"))));
    names.filter(|(_, path)| path.exists()).collect()
}

/// Removes what an earlier change left behind, or restores the old launcher if the change was
/// killed half-way.
pub(super) fn sweep(launcher: &Path) {
    let mut moved = moved_away(launcher);
    if !launcher.exists()
        && let Some((_, last)) = moved.pop()
    {
        let _ = fs::rename(last, launcher);
    }
    for (_, old) in moved {
        // It may still run.
        let _ = fs::remove_file(old);
    }
    let _ = fs::remove_file(launcher.with_extension("exe.new"));
}

/// A running program is renamed, and stays under that name until it is deleted by hand.
pub(super) fn remove_program(path: &Path) -> io::Result<()> {
    let last = moved_away(path).last().map_or(0, |(number, _)| number + 1);
    let old = path.with_extension(format!("exe.old{last}"));
    fs::remove_file(path).or_else(|_| fs::rename(path, old))
}

pub(super) fn create(path: &Path, _is_program: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
