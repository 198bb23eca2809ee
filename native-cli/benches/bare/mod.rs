//! The floor: the file system calls that the protocol needs, and no others. Nothing is checked, and
//! an error ends the process.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use twg_core::flow::STAGE_BYTES;

/// The bytes that a refresh writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) intent: usize,
    pub(crate) reply: usize,
    pub(crate) record: usize,
}

pub(crate) struct Bare {
    dir: File,
    lock: PathBuf,
    record: PathBuf,
    temporary: PathBuf,
    stage: PathBuf,
    intent: Vec<u8>,
    reply: Vec<u8>,
    next: Vec<u8>,
}

impl Bare {
    /// A new record in this directory.
    pub(crate) fn new(dir: &Path, sizes: Sizes) -> Self {
        let record = dir.join("bare.conf");
        fs::write(&record, vec![b'r'; sizes.record]).unwrap();
        Self {
            dir: File::open(dir).unwrap(),
            lock: dir.join("bare.conf.lock"),
            record,
            temporary: dir.join(".bare.conf.tmp"),
            stage: dir.join(".bare.conf.stage"),
            intent: vec![b'i'; sizes.intent],
            reply: vec![b's'; sizes.reply],
            next: vec![b'r'; sizes.record],
        }
    }

    /// Lock, reload, intent, stage, response, commit, discard, unlock.
    pub(crate) fn section(&self) {
        let _lock = self.lock();
        let mut old = Vec::with_capacity(self.next.len() + 1);
        File::open(&self.record).unwrap().read_to_end(&mut old).unwrap();
        self.replace(&self.intent);
        let mut stage = create(&self.stage);
        fallocate(&stage, FallocateFlags::empty(), 0, u64::from(STAGE_BYTES)).unwrap();
        stage.sync_all().unwrap();
        self.dir.sync_all().unwrap();
        stage.write_all(&self.reply).unwrap();
        stage.sync_data().unwrap();
        self.replace(&self.next);
        drop(stage);
        fs::remove_file(&self.stage).unwrap();
    }

    /// This many durable replaces under one lock.
    pub(crate) fn replaces(&self, count: usize) {
        let _lock = self.lock();
        for _ in 0..count {
            self.replace(&self.next);
        }
    }

    fn lock(&self) -> File {
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(&self.lock).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        lock
    }

    fn replace(&self, bytes: &[u8]) {
        let mut temporary = create(&self.temporary);
        temporary.write_all(bytes).unwrap();
        temporary.sync_all().unwrap();
        fs::rename(&self.temporary, &self.record).unwrap();
        self.dir.sync_all().unwrap();
    }
}

fn create(path: &Path) -> File {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap()
}
