//! A model of a disk: which of a run's file operations survive a power failure.
//!
//! POSIX promises little. Content survives if `fsync` of its file returned, and so do all names of
//! a directory if `fsync` of the directory returned. Every other write and every other change of a
//! name may survive or not, *each independently*, and a write may survive in part. Real file
//! systems promise more (ext4 and xfs keep the order of names, for example). So a program that
//! survives this model survives them too.

use std::collections::BTreeMap;

/// The content of a file, without its names.
pub type Inode = usize;

/// A change of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Bytes at an offset.
    Write {
        /// The offset.
        offset: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A new length; new bytes are zeros.
    Resize(usize),
}

/// A file operation of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A new file under a name.
    Create(String, Inode),
    /// Its content changes.
    Change(Inode, Change),
    /// `fsync` or `fdatasync` of a file returned.
    SyncFile(Inode),
    /// A file gets another name. A file that had the new name loses it.
    Rename(String, String),
    /// A name is removed.
    Unlink(String),
    /// `fsync` of the directory returned.
    SyncDirectory,
}

/// The content of one directory.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, Name>,
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// The possible meanings of a name after a power failure.
#[derive(Clone, Debug, Default)]
struct Name {
    durable: Option<Inode>,
    pending: Vec<Option<Inode>>,
}

impl Name {
    fn now(&self) -> Option<Inode> {
        self.pending.last().copied().unwrap_or(self.durable)
    }
}

/// A possible state of the disk. Two states with the same description are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The files by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The state in words, independent of the bytes: which version of which file exists.
    pub description: String,
}

/// How much of a change survived that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survival {
    Lost,
    Whole,
    /// The file has its full length. The sectors with a set bit arrived; the others are zeros.
    Sectors(u32),
    /// The file ends after so many sectors.
    CutAfter(usize),
}

/// The disk writes a sector as a whole or not at all.
const SECTOR: usize = 512;

/// A write of more sectors is torn at this many places, to limit the number of states.
const MOST_PIECES: usize = 6;

/// The length and number of the pieces that a write may be torn into.
fn pieces(length: usize) -> (usize, usize) {
    let count = length.div_ceil(SECTOR).min(MOST_PIECES);
    let size = length.div_ceil(count.max(1)).max(1);
    if length <= SECTOR * MOST_PIECES { (SECTOR, count) } else { (size, length.div_ceil(size)) }
}

/// No run has this many states at one moment; more would be a mistake in the model.
const MOST: usize = 20_000;

impl Disk {
    /// A disk with these files, all durable. They get the inodes 0, 1, ...
    #[must_use]
    pub fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut disk = Self::default();
        for (name, bytes) in files {
            disk.names.insert(
                name.clone(),
                Name { durable: Some(disk.files.len()), pending: Vec::new() },
            );
            disk.files.push(File { durable: bytes.clone(), pending: Vec::new() });
        }
        disk
    }

    /// The inode that a running program sees under this name.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<Inode> {
        self.names.get(name)?.now()
    }

    /// The number of inodes, which is also the number of the next new one.
    #[must_use]
    pub const fn inodes(&self) -> usize {
        self.files.len()
    }

    /// The length of a file for a running program.
    #[must_use]
    pub fn length(&self, inode: Inode) -> usize {
        let file = &self.files[inode];
        let whole = vec![Survival::Whole; file.pending.len()];
        apply(file, &whole).len()
    }

    /// Applies an operation of the program.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(name, inode) => {
                assert_eq!(*inode, self.files.len(), "inodes are numbered in order");
                self.files.push(File::default());
                self.set(name, Some(*inode));
            }
            Op::Change(inode, change) => self.files[*inode].pending.push(change.clone()),
            Op::SyncFile(inode) => {
                let file = &mut self.files[*inode];
                let whole = vec![Survival::Whole; file.pending.len()];
                file.durable = apply(file, &whole);
                file.pending.clear();
            }
            Op::Rename(from, to) => {
                let inode = self.lookup(from);
                // Two changes of names, and each may survive without the other.
                self.set(to, inode);
                self.set(from, None);
            }
            Op::Unlink(name) => self.set(name, None),
            Op::SyncDirectory => {
                for name in self.names.values_mut() {
                    name.durable = name.now();
                    name.pending.clear();
                }
            }
        }
    }

    fn set(&mut self, name: &str, inode: Option<Inode>) {
        self.names.entry(name.to_owned()).or_default().pending.push(inode);
    }

    /// Every possible state of the disk if power fails now.
    #[must_use]
    pub fn after_power_failure(&self) -> Vec<Image> {
        let mut images = Vec::new();
        for names in self.namings() {
            let mut inodes: Vec<Inode> = names.values().copied().collect();
            inodes.sort_unstable();
            inodes.dedup();
            let survivals: Vec<Vec<Vec<Survival>>> =
                inodes.iter().map(|inode| survivals(&self.files[*inode])).collect();
            for choice in product(&survivals) {
                let content: BTreeMap<Inode, &Vec<Survival>> =
                    inodes.iter().copied().zip(choice).collect();
                let of = |inode: &Inode| {
                    let survival = content[inode];
                    (apply(&self.files[*inode], survival), format!("#{inode}{survival:?}"))
                };
                let described: Vec<_> =
                    names.iter().map(|(name, inode)| format!("{name}={}", of(inode).1)).collect();
                images.push(Image {
                    files: names.iter().map(|(name, inode)| (name.clone(), of(inode).0)).collect(),
                    description: described.join(" "),
                });
                assert!(images.len() <= MOST, "the model explodes");
            }
        }
        images
    }

    /// Every possible assignment of names to inodes.
    fn namings(&self) -> Vec<BTreeMap<String, Inode>> {
        let names: Vec<&String> = self.names.keys().collect();
        let meanings: Vec<Vec<Option<Inode>>> = self
            .names
            .values()
            .map(|name| {
                let mut all = vec![name.durable];
                for meaning in &name.pending {
                    if !all.contains(meaning) {
                        all.push(*meaning);
                    }
                }
                all
            })
            .collect();
        product(&meanings)
            .into_iter()
            .map(|choice| {
                let pairs = names.iter().zip(choice);
                pairs.filter_map(|(name, inode)| Some(((*name).clone(), (*inode)?))).collect()
            })
            .collect()
    }
}

/// Every combination of surviving changes of a file.
fn survivals(file: &File) -> Vec<Vec<Survival>> {
    let each: Vec<Vec<Survival>> = file
        .pending
        .iter()
        .map(|change| match change {
            Change::Write { bytes, .. } => {
                let (_, count) = pieces(bytes.len());
                let mut all = vec![Survival::Lost, Survival::Whole];
                all.extend((0..(1 << count) - 1).map(Survival::Sectors));
                all.extend((1..count).map(Survival::CutAfter));
                all
            }
            Change::Resize(_) => vec![Survival::Lost, Survival::Whole],
        })
        .collect();
    product(&each).into_iter().map(|choice| choice.into_iter().copied().collect()).collect()
}

fn apply(file: &File, survival: &[Survival]) -> Vec<u8> {
    let mut content = file.durable.clone();
    for (change, survival) in file.pending.iter().zip(survival) {
        if *survival == Survival::Lost {
            continue;
        }
        match change {
            Change::Resize(length) => content.resize(*length, 0),
            Change::Write { offset, bytes } => {
                let (size, count) = pieces(bytes.len());
                let (length, arrived) = match survival {
                    Survival::Sectors(mask) => (bytes.len(), *mask),
                    Survival::CutAfter(n) => ((size * n).min(bytes.len()), u32::MAX),
                    Survival::Lost | Survival::Whole => (bytes.len(), u32::MAX),
                };
                if content.len() < offset + length {
                    content.resize(offset + length, 0);
                }
                for piece in (0..count).filter(|piece| arrived & (1 << piece) != 0) {
                    let (from, to) = (size * piece, (size * (piece + 1)).min(length));
                    if from < to {
                        content[offset + from..offset + to].copy_from_slice(&bytes[from..to]);
                    }
                }
            }
        }
    }
    content
}

/// Every choice of one element from each list.
fn product<T>(each: &[Vec<T>]) -> Vec<Vec<&T>> {
    each.iter().fold(vec![Vec::new()], |choices, one| {
        let longer = |choice: &Vec<_>| {
            let choice = choice.clone();
            one.iter().map(move |item| {
                let mut choice = choice.clone();
                choice.push(item);
                choice
            })
        };
        choices.iter().flat_map(longer).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk::with(&BTreeMap::from([("record".to_owned(), b"old".to_vec())]))
    }

    fn write(inode: Inode, bytes: &[u8]) -> Op {
        Op::Change(inode, Change::Write { offset: 0, bytes: bytes.to_vec() })
    }

    /// The possible contents of "record", sorted; "-" if it may be missing.
    fn record(disk: &Disk) -> Vec<String> {
        let mut all: Vec<String> = disk
            .after_power_failure()
            .iter()
            .map(|image| match image.files.get("record") {
                Some(bytes) => bytes.escape_ascii().to_string(),
                None => "-".to_owned(),
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }

    fn run(ops: &[Op]) -> Disk {
        let mut disk = disk();
        for op in ops {
            disk.apply(op);
        }
        disk
    }

    #[test]
    fn a_synced_file_has_only_one_state() {
        let disk = run(&[
            Op::Create("tmp".into(), 1),
            write(1, b"new"),
            Op::SyncFile(1),
            Op::Rename("tmp".into(), "record".into()),
            Op::SyncDirectory,
        ]);
        let images = disk.after_power_failure();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].files, BTreeMap::from([("record".into(), b"new".to_vec())]));
    }

    #[test]
    fn a_rename_that_was_not_synced_is_there_or_not_and_the_old_name_too() {
        let disk = run(&[
            Op::Create("tmp".into(), 1),
            write(1, b"new"),
            Op::SyncFile(1),
            Op::Rename("tmp".into(), "record".into()),
        ]);
        assert_eq!(record(&disk), ["new", "old"]);
        let with_tmp = |image: &Image| image.files.contains_key("tmp");
        assert_eq!(disk.after_power_failure().iter().filter(|i| with_tmp(i)).count(), 2);
    }

    /// The usual mistake: the name survives, the content does not.
    #[test]
    fn a_rename_without_fsync_of_the_file_may_leave_anything() {
        let disk = run(&[
            Op::Create("tmp".into(), 1),
            write(1, b"newer!"),
            Op::Rename("tmp".into(), "record".into()),
            Op::SyncDirectory,
        ]);
        assert_eq!(record(&disk), ["", r"\x00\x00\x00\x00\x00\x00", "newer!"]);
    }

    #[test]
    fn reserved_room_may_be_missing_until_it_is_synced() {
        let mut disk = run(&[Op::Create("stage".into(), 1), Op::Change(1, Change::Resize(4))]);
        let lengths = |disk: &Disk| {
            let images = disk.after_power_failure();
            let mut all: Vec<_> =
                images.iter().map(|i| i.files.get("stage").map(Vec::len)).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(lengths(&disk), [None, Some(0), Some(4)]);
        disk.apply(&Op::SyncFile(1));
        assert_eq!(lengths(&disk), [None, Some(4)], "its name may still be missing");
        disk.apply(&Op::SyncDirectory);
        disk.apply(&write(1, b"ab"));
        let images = disk.after_power_failure();
        let mut all: Vec<_> = images.iter().map(|i| i.files["stage"].clone()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all, [&b"\0\0\0\0"[..], b"ab\0\0"]);
        assert_eq!((disk.length(1), disk.lookup("stage")), (4, Some(1)));
    }

    /// Every combination of sectors, and every possible end of the file.
    #[test]
    fn a_long_write_is_torn_between_its_sectors() {
        let bytes: Vec<u8> = [b'a'; 512].into_iter().chain([b'b'; 512]).chain([b'c'; 9]).collect();
        let disk = run(&[Op::Create("stage".into(), 1), Op::SyncDirectory, write(1, &bytes)]);
        let images = disk.after_power_failure();
        let mut all: Vec<_> = images
            .iter()
            .map(|image| {
                let file = &image.files["stage"];
                (file.len(), file.iter().step_by(512).map(|b| char::from(*b)).collect::<String>())
            })
            .collect();
        all.sort();
        let shown: Vec<_> =
            all.iter().map(|(n, s)| format!("{n} {}", s.replace('\0', "-"))).collect();
        assert_eq!(
            shown,
            [
                "0 ", "512 a", "1024 ab", "1033 ---", "1033 --c", "1033 -b-", "1033 -bc",
                "1033 a--", "1033 a-c", "1033 ab-", "1033 abc"
            ]
        );
        assert_eq!((pieces(3072), pieces(3073), pieces(1)), ((512, 6), (513, 6), (512, 1)));
    }

    #[test]
    fn a_removed_name_may_be_back() {
        assert_eq!(record(&run(&[Op::Unlink("record".into())])), ["-", "old"]);
        assert_eq!(record(&run(&[Op::Unlink("record".into()), Op::SyncDirectory])), ["-"]);
    }
}
