//! The place where the reply to a refresh is kept until its tokens are in the record: a file with room
//! reserved before anything is sent, so that a disk that fills up meanwhile cannot hurt.
//!
//! A record has one stage, `.auth.conf.stage` beside `auth.conf`: whoever uses it holds the lock. What it
//! holds says which attempt it belongs to.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use twg_core::credential::AttemptId;
use twg_core::flow::{STAGE_BYTES, StoreError, StoreErrorKind};
use twg_core::secret::Secret;

use super::file_store::{Expected, FileStore, beside};
use crate::system::platform;

/// An open stage.
#[derive(Debug)]
pub(crate) struct Stage {
    file: File,
    path: PathBuf,
}

impl Stage {
    /// Makes the stage of a new attempt for this record. That of an earlier one is gone then.
    ///
    /// # Errors
    /// Any [`StoreError`]. Nothing is left behind.
    pub(crate) fn open(store: &FileStore, record: &Path) -> Result<Self, StoreError> {
        let place = store.prepare(record)?;
        let path = beside(&place, "stage");
        let mut stage = store.create_alone(&path)?;
        platform::reserve(&stage.file, STAGE_BYTES)
            .and_then(|()| stage.file.sync_all())
            // Reserving may move the place where writing begins. Later, each call between the reply and its
            // writing would be one more at which the reply is lost if the process dies.
            .and_then(|()| stage.file.rewind())
            .map_err(|error| store.failed(&path, &error))?;
        store.sync_parent(&path)?;
        Ok(Self { file: stage.keep(), path })
    }

    /// Writes the reply, of which there is one, and returns where once it is on the disk.
    ///
    /// # Errors
    /// Any [`StoreError`]; the stage may hold a part of it then.
    pub(crate) fn write(
        &mut self,
        store: &FileStore,
        reply: &Secret,
    ) -> Result<String, StoreError> {
        self.file
            .write_all(reply.expose().as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| store.failed(&self.path, &error))?;
        Ok(store.shown(&self.path))
    }

    /// What the stage of this record holds; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreErrorKind::CannotRead`].
    pub(crate) fn load(store: &FileStore, record: &Path) -> Result<Option<Secret>, StoreError> {
        store.load(&path_of(store, record)?)
    }

    /// Moves a stage that cannot be read out of the way, unchanged; returns where it is.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub(crate) fn set_aside(store: &FileStore, record: &Path) -> Result<String, StoreError> {
        store.set_aside(&path_of(store, record)?)
    }

    /// Removes the stage of this record, and what was rescued of the attempt's reply.
    ///
    /// Not durable by itself, which would cost as much as saving the tokens did: after a power failure a
    /// stage can be back, where the next refresh replaces it.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub(crate) fn discard(
        store: &FileStore,
        record: &Path,
        id: &AttemptId,
    ) -> Result<(), StoreError> {
        // The stage first: where nothing was rescued, its place may be out of reach.
        let removed = path_of(store, record).and_then(|stage| store.unlink(&stage));
        for (_, rescued) in store.config().rescue_paths(id) {
            store.unlink(&rescued)?;
        }
        removed.map(drop)
    }
}

/// Keeps a reply in the first place elsewhere that takes it; returns where.
///
/// # Errors
/// The [`StoreError`] of the last place.
pub(crate) fn rescue(
    store: &FileStore,
    id: &AttemptId,
    reply: &Secret,
) -> Result<String, StoreError> {
    let dir = store.config().path();
    let mut refused = store.error(StoreErrorKind::CannotCreate, dir, "there is no other place");
    for (place, file) in store.config().rescue_paths(id) {
        match FileStore::new(place).replace(&file, Expected::Anything, reply) {
            Ok(()) => return Ok(store.shown(&file)),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// What was rescued of a reply; `None` if nothing was. A place that cannot be read is none that could be
/// written, and does not hide the next one.
///
/// # Errors
/// [`StoreErrorKind::CannotRead`] if there is no reply and a place could not be read.
pub(crate) fn load_rescued(
    store: &FileStore,
    id: &AttemptId,
) -> Result<Option<Secret>, StoreError> {
    let mut nothing = Ok(None);
    for (_, file) in store.config().rescue_paths(id) {
        match store.load(&file) {
            Ok(Some(reply)) => return Ok(Some(reply)),
            Ok(None) => {}
            Err(error) => nothing = Err(error),
        }
    }
    nothing
}

fn path_of(store: &FileStore, record: &Path) -> Result<PathBuf, StoreError> {
    Ok(beside(&store.locate(record)?, "stage"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::file_store::tests::{scratch_dir, store_in};
    use super::*;

    fn id(digit: char) -> AttemptId {
        AttemptId::parse(&digit.to_string().repeat(32)).unwrap()
    }

    #[test]
    fn a_reply_is_kept_in_reserved_room_until_it_is_discarded() {
        let dir = scratch_dir();
        let (store, record) = (store_in(dir.path()), dir.path().join("auth.conf"));
        let mut stage = Stage::open(&store, &record).unwrap();
        let path = dir.path().join(".auth.conf.stage");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert!(metadata.len() >= u64::from(STAGE_BYTES));
        let nothing = Stage::load(&store, &record).unwrap().unwrap();
        assert!(nothing.expose().bytes().all(|byte| byte == 0));
        let place = stage.write(&store, &Secret::new("the reply")).unwrap();
        assert!(place.ends_with(".auth.conf.stage"), "{place}");
        let kept = Stage::load(&store, &record).unwrap().unwrap();
        assert_eq!(kept.expose().trim_end_matches('\0'), "the reply");
        Stage::discard(&store, &record, &id('a')).unwrap();
        assert!(!path.exists());
        assert!(Stage::load(&store, &record).unwrap().is_none());
        Stage::discard(&store, &record, &id('a')).unwrap();
    }

    /// What an earlier attempt left is gone, not mixed with the new reply.
    #[test]
    fn a_new_stage_replaces_the_old_one() {
        let dir = scratch_dir();
        let (store, record) = (store_in(dir.path()), dir.path().join("auth.conf"));
        Stage::open(&store, &record).unwrap().write(&store, &Secret::new("long and old")).unwrap();
        let mut stage = Stage::open(&store, &record).unwrap();
        stage.write(&store, &Secret::new("new")).unwrap();
        let kept = Stage::load(&store, &record).unwrap().unwrap();
        assert_eq!(kept.expose().trim_end_matches('\0'), "new");
        let place = Stage::set_aside(&store, &record).unwrap();
        assert!(place.contains(".auth.conf.stage.damaged-"), "{place}");
        assert!(Stage::load(&store, &record).unwrap().is_none());
    }

    #[test]
    fn a_stage_that_cannot_be_made_leaves_nothing() {
        let dir = scratch_dir();
        let (store, record) = (store_in(dir.path()), dir.path().join("auth.conf"));
        fs::create_dir(dir.path().join(".auth.conf.stage")).unwrap();
        assert!(Stage::open(&store, &record).is_err());
        let names = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 1);
    }
}
