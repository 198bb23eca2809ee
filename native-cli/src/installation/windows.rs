//! Windows: the launcher is a copy of the current version's program, because links need rights there that users
//! do not have. A program that runs cannot be overwritten, but renamed: it makes room for the new one, and is
//! removed by the next update. Between the two renames there is no launcher for a moment; whoever is killed just
//! then finds the old one beside it, under the name `twg.exe.oldN`. Never tried on a real Windows.

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
    // Those that are there still run.
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

/// The most programs that can run at once, each after one update more.
const MOST: u32 = 16;

/// The launchers that made room while they ran, the last one last.
fn moved_away(launcher: &Path) -> Vec<(u32, PathBuf)> {
    let names = (0..MOST).map(|n| (n, launcher.with_extension(format!("exe.old{n}"))));
    names.filter(|(_, path)| path.exists()).collect()
}

/// Removes what an earlier change left; or puts the old launcher back, if it was killed half-way.
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

/// A program that runs is renamed, and stays under that name until somebody deletes it.
pub(super) fn remove_program(path: &Path) -> io::Result<()> {
    let last = moved_away(path).last().map_or(0, |(number, _)| number + 1);
    let old = path.with_extension(format!("exe.old{last}"));
    fs::remove_file(path).or_else(|_| fs::rename(path, old))
}

pub(super) fn create(path: &Path, _is_program: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
