//! The store of the records of connections, and of what belongs to each: its lock, the stage of a
//! refresh, and a response that was saved elsewhere.
//!
//! A connection is named by its key. Only this module knows which path that is.

use std::fs::File;

use twg_core::credential::{AttemptId, ConnectionKey, Generation};
use twg_core::flow::{LockError, StoreError};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use super::file_store::{Expected, FileStore, beside};
use super::lock::{self, Lock};
use super::recovery;
use super::stage::{self, Stage};

/// The store of this user's records. Another kind of store would be another variant.
#[derive(Clone, Debug)]
pub(crate) enum RecordStore {
    /// Files of one configuration directory, readable by their owner only.
    Files(FileStore),
}

impl RecordStore {
    const fn files(&self) -> &FileStore {
        match self {
            Self::Files(files) => files,
        }
    }

    /// The connections with a record, sorted.
    pub(crate) fn list(&self) -> Vec<ConnectionKey> {
        self.files().config().stored_connections()
    }

    /// The content of a record; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`FileStore::load`].
    pub(crate) fn load(&self, key: &ConnectionKey) -> Result<Option<Secret>, StoreError> {
        let files = self.files();
        files.load(&files.config().record_path(key))
    }

    /// Checks that a record could be replaced.
    ///
    /// # Errors
    /// Those of [`FileStore::preflight`].
    pub(crate) fn preflight(&self, key: &ConnectionKey) -> Result<(), StoreError> {
        let files = self.files();
        files.preflight(&files.config().record_path(key))
    }

    /// Replaces a record whose generation was read before; `None` if there was no readable record.
    ///
    /// # Errors
    /// Those of [`FileStore::replace`].
    pub(crate) fn replace(
        &self,
        key: &ConnectionKey,
        expected: Option<Generation>,
        bytes: &Secret,
    ) -> Result<(), StoreError> {
        let files = self.files();
        files.replace(&files.config().record_path(key), Expected::Generation(expected), bytes)
    }

    /// Moves an unreadable record out of the way. Returns its new path, for people.
    ///
    /// # Errors
    /// Those of [`FileStore::set_aside`].
    pub(crate) fn set_aside(&self, key: &ConnectionKey) -> Result<String, StoreError> {
        let files = self.files();
        files.set_aside(&files.config().record_path(key))
    }

    /// Removes a record, with its stage.
    ///
    /// # Errors
    /// Those of [`FileStore::remove`].
    pub(crate) fn remove(&self, key: &ConnectionKey) -> Result<(), StoreError> {
        let files = self.files();
        files.remove(&files.config().record_path(key))
    }

    /// Takes the lock of a connection.
    ///
    /// # Errors
    /// Those of [`lock::acquire`].
    pub(crate) async fn lock(
        &self,
        key: &ConnectionKey,
        deadline: UnixTime,
    ) -> Result<Lock, LockError> {
        let files = self.files();
        lock::acquire(files, &files.config().lock_path(key), "twg", deadline).await
    }

    /// Makes the stage of a new attempt.
    ///
    /// # Errors
    /// Those of [`Stage::open`].
    pub(crate) fn open_stage(&self, key: &ConnectionKey) -> Result<Stage, StoreError> {
        let files = self.files();
        Stage::open(files, &files.config().record_path(key))
    }

    /// What the stage of a connection holds; `None` if there is no stage.
    ///
    /// # Errors
    /// Those of [`Stage::load`].
    pub(crate) fn load_stage(&self, key: &ConnectionKey) -> Result<Option<Secret>, StoreError> {
        let files = self.files();
        Stage::load(files, &files.config().record_path(key))
    }

    /// Writes a response into an open stage; returns where it is, for people.
    ///
    /// # Errors
    /// Those of [`Stage::write`].
    pub(crate) fn write_stage(
        &self,
        stage: &mut Stage,
        response: &Secret,
    ) -> Result<String, StoreError> {
        stage.write(self.files(), response)
    }

    /// Moves an unreadable stage out of the way. Returns its new path, for people.
    ///
    /// # Errors
    /// Those of [`Stage::set_aside`].
    pub(crate) fn set_aside_stage(&self, key: &ConnectionKey) -> Result<String, StoreError> {
        let files = self.files();
        Stage::set_aside(files, &files.config().record_path(key))
    }

    /// Removes the stage of a connection, and the response of an attempt that was saved elsewhere.
    ///
    /// # Errors
    /// Those of [`Stage::discard`].
    pub(crate) fn discard_stage(
        &self,
        key: &ConnectionKey,
        id: &AttemptId,
    ) -> Result<(), StoreError> {
        let files = self.files();
        Stage::discard(files, &files.config().record_path(key), id)
    }

    /// Saves a response in the first other directory that accepts it. Returns the path, for people.
    ///
    /// # Errors
    /// Those of [`stage::rescue`].
    pub(crate) fn rescue(&self, id: &AttemptId, response: &Secret) -> Result<String, StoreError> {
        stage::rescue(self.files(), id, response)
    }

    /// The response to an attempt that was saved elsewhere; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`stage::load_rescued`].
    pub(crate) fn load_rescued(&self, id: &AttemptId) -> Result<Option<Secret>, StoreError> {
        stage::load_rescued(self.files(), id)
    }

    /// Starts a process that repairs a connection at that time. Returns whether it was started.
    pub(crate) fn arm_recovery(&self, key: &ConnectionKey, at: UnixTime) -> bool {
        recovery::arm(self.files(), key, at)
    }

    /// The right to wait for the repair of a connection, for one process. `None` if another process
    /// has it.
    ///
    /// # Errors
    /// Those of [`recovery::claim`].
    pub(crate) fn claim_recovery(&self, key: &ConnectionKey) -> Result<Option<File>, StoreError> {
        let files = self.files();
        recovery::claim(files, &files.config().lock_path(key))
    }

    /// The path of a record, for people.
    pub(crate) fn place(&self, key: &ConnectionKey) -> String {
        let files = self.files();
        files.shown(&files.config().record_path(key))
    }

    /// The path of a connection's lock, for people.
    pub(crate) fn lock_place(&self, key: &ConnectionKey) -> String {
        let files = self.files();
        files.shown(&files.config().lock_path(key))
    }

    /// The path of a connection's stage, for people.
    pub(crate) fn stage_place(&self, key: &ConnectionKey) -> String {
        let files = self.files();
        files.shown(&beside(&files.config().record_path(key), "stage"))
    }

    /// An error of this store about a record.
    pub(crate) fn error(
        &self,
        kind: twg_core::flow::StoreErrorKind,
        key: &ConnectionKey,
        detail: &str,
    ) -> StoreError {
        let files = self.files();
        files.error(kind, &files.config().record_path(key), detail)
    }
}
