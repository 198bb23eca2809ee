//! The stage keeps the response to a refresh until its tokens are in the record. Its space is
//! reserved before anything is sent, so that a disk that fills up in the meantime does no harm.
//!
//! A record has one stage, `.auth.conf.stage` beside `auth.conf`, and only the holder of the lock
//! uses it. Its content says which attempt it belongs to.

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
    /// Makes the stage of a new attempt for this record. It replaces an earlier stage.
    ///
    /// # Errors
    /// Any [`StoreError`]. Nothing is left behind.
    pub(crate) fn open(store: &FileStore, record: &Path) -> Result<Self, StoreError> {
        let place = store.prepare(record)?;
        let path = beside(&place, "stage");
        let mut stage = store.create_alone(&path)?;
        platform::reserve(&stage.file, STAGE_BYTES)
            .and_then(|()| stage.file.sync_all())
            // Reserving may move the write position. It is restored now, because every call between
            // the response and its write is one more point at which the response is lost if the
            // process dies.
            .and_then(|()| stage.file.rewind())
            .map_err(|error| store.failed(&path, &error))?;
        store.sync_parent(&path)?;
        Ok(Self { file: stage.keep(), path })
    }

    /// Writes the response. Returns its path once it is on disk.
    ///
    /// # Errors
    /// Any [`StoreError`]. The stage may then hold a part of it.
    pub(crate) fn write(
        &mut self,
        store: &FileStore,
        response: &Secret,
    ) -> Result<String, StoreError> {
        self.file
            .write_all(response.expose().as_bytes())
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

    /// Moves an unreadable stage out of the way, unchanged. Returns its new path.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub(crate) fn set_aside(store: &FileStore, record: &Path) -> Result<String, StoreError> {
        store.set_aside(&path_of(store, record)?)
    }

    /// Removes the stage of this record, and the response of the attempt that was saved elsewhere.
    ///
    /// This is not durable, because that would cost as much as saving the tokens did. After a power
    /// failure a stage may be back; the next refresh replaces it.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub(crate) fn discard(
        store: &FileStore,
        record: &Path,
        id: &AttemptId,
    ) -> Result<(), StoreError> {
        // The stage first: the other directories may be unreachable, and mostly hold nothing.
        let removed = path_of(store, record).and_then(|stage| store.unlink(&stage));
        for (_, rescued) in store.config().rescue_paths(id) {
            store.unlink(&rescued)?;
        }
        removed.map(drop)
    }
}

/// Saves a response in the first other directory that accepts it. Returns the path.
///
/// # Errors
/// The [`StoreError`] of the last directory.
pub(crate) fn rescue(
    store: &FileStore,
    id: &AttemptId,
    response: &Secret,
) -> Result<String, StoreError> {
    let dir = store.config().path();
    let mut refused = store.error(StoreErrorKind::CannotCreate, dir, "there is no other directory");
    for (place, file) in store.config().rescue_paths(id) {
        match FileStore::new(place).replace(&file, Expected::Anything, response) {
            Ok(()) => return Ok(store.shown(&file)),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// The response that was saved elsewhere; `None` if there is none. A directory that cannot be read
/// could not be written either, and does not hide the next one.
///
/// # Errors
/// [`StoreErrorKind::CannotRead`] if there is no response and a directory could not be
/// read.
pub(crate) fn load_rescued(
    store: &FileStore,
    id: &AttemptId,
) -> Result<Option<Secret>, StoreError> {
    let mut nothing = Ok(None);
    for (_, file) in store.config().rescue_paths(id) {
        match store.load(&file) {
            Ok(Some(response)) => return Ok(Some(response)),
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
    fn a_response_is_kept_in_reserved_space_until_it_is_discarded() {
        let dir = scratch_dir();
        let (store, record) = (store_in(dir.path()), dir.path().join("auth.conf"));
        let mut stage = Stage::open(&store, &record).unwrap();
        let path = dir.path().join(".auth.conf.stage");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert!(metadata.len() >= u64::from(STAGE_BYTES));
        let nothing = Stage::load(&store, &record).unwrap().unwrap();
        assert!(nothing.expose().bytes().all(|byte| byte == 0));
        let place = stage.write(&store, &Secret::new("the response")).unwrap();
        assert!(place.ends_with(".auth.conf.stage"), "{place}");
        let kept = Stage::load(&store, &record).unwrap().unwrap();
        assert_eq!(kept.expose().trim_end_matches('\0'), "the response");
        Stage::discard(&store, &record, &id('a')).unwrap();
        assert!(!path.exists());
        assert!(Stage::load(&store, &record).unwrap().is_none());
        Stage::discard(&store, &record, &id('a')).unwrap();
    }

    /// What an earlier attempt left behind is replaced, not mixed with the new response.
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
