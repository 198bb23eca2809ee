//! Turns a trace into the operations of [`crate::disk`].

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::{Change, Disk, Inode, Op};
use crate::protocol::{Layout, Object};
use crate::trace::{Call, Trace, Unreadable};

/// An open file of the program.
#[derive(Clone, Copy, Debug)]
enum Open {
    File { inode: Inode, position: usize },
    Directory,
}

/// The possible disk of a run, and the run's progress.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The disk after the calls so far.
    pub disk: Disk,
    open: BTreeMap<i32, Open>,
    directory: String,
}

impl Replay {
    /// The state before the first call: these files, all durable.
    #[must_use]
    pub fn new(layout: &Layout, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let record = layout.record_path();
        let directory = record.parent().unwrap_or(&record).display().to_string();
        Self { disk: Disk::with(files), open: BTreeMap::new(), directory }
    }

    /// The process is gone. Another one begins with the visible files.
    pub fn next_process(&mut self) {
        self.open.clear();
    }

    /// Applies every completed call of a trace.
    ///
    /// # Errors
    /// [`Unreadable`] if a call changes files in a way that the model does not know.
    pub fn all(&mut self, layout: &Layout, trace: &Trace) -> Result<(), Unreadable> {
        trace.calls.iter().try_for_each(|call| self.call(layout, call))
    }

    /// Applies one call.
    ///
    /// # Errors
    /// As above.
    pub fn call(&mut self, layout: &Layout, call: &Call) -> Result<(), Unreadable> {
        if call.name == "close" {
            if let Some((number, _)) = call.descriptor() {
                self.open.remove(&number);
            }
            return Ok(());
        }
        let object = layout.object_of(call);
        if !call.succeeded() || !object.is_ours() {
            return Ok(());
        }
        // Nothing writes to settings. The text in the lock file is only for people, and a missing
        // lock file is made again: its states would multiply all others and decide nothing.
        if matches!(object, Object::Setting | Object::Lock) {
            return Ok(());
        }
        let unknown = || Unreadable(format!("{}({})", call.name, call.args.join(", ")));
        let file = call.descriptor().and_then(|(number, _)| self.open.get(&number).copied());
        let inode = match file {
            Some(Open::File { inode, .. }) => Some(inode),
            Some(Open::Directory) | None => None,
        };
        match call.name.as_str() {
            "openat" => self.opened(call).ok_or_else(unknown)?,
            "write" => {
                let bytes = call.bytes_at(1).ok_or_else(unknown)?;
                let written = usize::try_from(call.value.unwrap_or(0)).map_err(|_| unknown())?;
                let bytes = bytes.get(..written).ok_or_else(unknown)?.to_vec();
                let position = self.position(call).ok_or_else(unknown)?;
                let change = Change::Write { offset: *position, bytes };
                *position += written;
                self.disk.apply(&Op::Change(inode.ok_or_else(unknown)?, change));
            }
            "read" => {
                if let Some(position) = self.position(call) {
                    *position += usize::try_from(call.value.unwrap_or(0)).map_err(|_| unknown())?;
                }
            }
            "lseek" => {
                let position = usize::try_from(call.value.unwrap_or(0)).map_err(|_| unknown())?;
                *self.position(call).ok_or_else(unknown)? = position;
            }
            "ftruncate" => self.resize(inode, call.number_at(1)).ok_or_else(unknown)?,
            "fallocate" => {
                let inode = inode.ok_or_else(unknown)?;
                let end = call.number_at(2).zip(call.number_at(3)).map(|(from, n)| from + n);
                let now = u64::try_from(self.disk.length(inode)).ok();
                self.resize(Some(inode), end.max(now)).ok_or_else(unknown)?;
            }
            "fsync" | "fdatasync" => match file.ok_or_else(unknown)? {
                Open::File { inode, .. } => self.disk.apply(&Op::SyncFile(inode)),
                Open::Directory => self.disk.apply(&Op::SyncDirectory),
            },
            "rename" => {
                let name = |at| self.name(&call.path_at(at)?);
                let (from, to) = name(0).zip(name(1)).ok_or_else(unknown)?;
                self.disk.apply(&Op::Rename(from, to));
            }
            "unlink" => {
                let name = call.path_at(0).and_then(|path| self.name(&path)).ok_or_else(unknown)?;
                self.disk.apply(&Op::Unlink(name));
            }
            "fchmod" | "statx" | "newfstatat" | "fstat" | "flock" | "fcntl" | "stat" | "lstat" => {}
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn opened(&mut self, call: &Call) -> Option<()> {
        let path = call.path_at(1)?;
        let number = i32::try_from(call.value?).ok()?;
        if Path::new(&self.directory).starts_with(&path) {
            // A directory above it is opened only for reading; nothing in it changes.
            self.open.insert(number, Open::Directory);
            return Some(());
        }
        let name = self.name(&path)?;
        let inode = if let Some(inode) = self.disk.lookup(&name) {
            inode
        } else {
            let inode = self.disk.inodes();
            self.disk.apply(&Op::Create(name, inode));
            inode
        };
        self.open.insert(number, Open::File { inode, position: 0 });
        let flags = call.args.get(2)?;
        (!flags.contains("O_TRUNC") && !flags.contains("O_APPEND")).then_some(())
    }

    fn position(&mut self, call: &Call) -> Option<&mut usize> {
        let (number, _) = call.descriptor()?;
        match self.open.get_mut(&number)? {
            Open::File { position, .. } => Some(position),
            Open::Directory => None,
        }
    }

    fn resize(&mut self, inode: Option<Inode>, length: Option<u64>) -> Option<()> {
        let change = Change::Resize(usize::try_from(length?).ok()?);
        self.disk.apply(&Op::Change(inode?, change));
        Some(())
    }

    /// The name of a file in the record's directory.
    fn name(&self, path: &str) -> Option<String> {
        Some(path.strip_prefix(&self.directory)?.strip_prefix('/')?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(text: &str) -> Result<Replay, Unreadable> {
        let layout = Layout { config: "/c".into(), state: "/s".into(), record: "auth.conf".into() };
        let files = BTreeMap::from([("auth.conf".to_owned(), b"old".to_vec())]);
        let mut replay = Replay::new(&layout, &files);
        replay.all(&layout, &Trace::parse(text).unwrap())?;
        Ok(replay)
    }

    const REPLACE: &str = r#"1 openat(AT_FDCWD</>, "\x2f\x63/.auth.conf.tmp", O_RDWR|O_CREAT|O_EXCL, 0600) = 4<\x2f\x63/.auth.conf.tmp>
1 write(4</c/.auth.conf.tmp>, "\x6e\x65\x77", 3) = 3
1 fsync(4</c/.auth.conf.tmp>) = 0
1 rename("/c/.auth.conf.tmp", "/c/auth.conf") = 0
1 openat(AT_FDCWD</>, "/c", O_RDONLY) = 5</c>"#;

    #[test]
    fn a_replacement() {
        let unsynced = replay(REPLACE).unwrap();
        assert_eq!(
            unsynced.disk.after_power_failure().len(),
            4,
            "two records, with tmp or without"
        );
        let synced = replay(&format!("{REPLACE}\n1 fsync(5</c>) = 0")).unwrap();
        let images = synced.disk.after_power_failure();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].files["auth.conf"], b"new");
    }

    #[test]
    fn failed_and_injected_calls_change_nothing() {
        let failed = format!("{REPLACE}\n1 fsync(5</c>) = -1 EIO (Input/output error) (INJECTED)");
        assert_eq!(replay(&failed).unwrap().disk.after_power_failure().len(), 4);
    }

    #[test]
    fn unknown_changes_are_refused() {
        assert!(replay(r#"1 linkat(5</c>, "a", 5</c>, "b", 0) = 0"#).is_err());
        assert!(replay("1 ftruncate(9</c/auth.conf>, 0) = 0").is_err(), "opened when?");
    }
}
