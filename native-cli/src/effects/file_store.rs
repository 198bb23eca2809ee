//! The file store: whole files, replaced atomically and durably, readable by their owner only.
//!
//! All checks are made on open descriptors: a file is opened without following symlinks, and then
//! the opened file is checked, because its name may mean another file a moment later.

mod siblings;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use twg_core::credential::Generation;
use twg_core::flow::{StoreError, StoreErrorKind};
use twg_core::secret::Secret;
use zeroize::Zeroizing;

use self::siblings::{DAMAGED, RemoveOnDrop, suffixed};
use crate::config_dir::ConfigDir;
use crate::system::os_error::words;
use crate::system::platform::{self, Unfit};

pub(crate) use self::siblings::{Temporary, abandoned, beside, stages_set_aside};

/// A larger file is not a record.
const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;

/// The space that a preflight reserves: a record with the largest tokens seen.
pub(crate) const PREFLIGHT_BYTES: u32 = 64 * 1024;

/// The files of one configuration directory.
#[derive(Clone, Debug)]
pub(crate) struct FileStore {
    config: ConfigDir,
}

/// What the caller of a replacement knows of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing: the last writer wins. For files that are not records of connections.
    Anything,
    /// The caller holds the lock, and read this generation under it; `None` if it found no readable
    /// record.
    Generation(Option<Generation>),
}

impl FileStore {
    /// The store in this directory, which need not exist.
    pub(crate) const fn new(config: ConfigDir) -> Self {
        Self { config }
    }

    /// The content of a file, or `None` if there is none.
    ///
    /// Bytes that are not UTF-8 become U+FFFD. Such a file is not a record of twg, which writes
    /// ASCII-compatible JSON. So the parser finds it damaged, and it is set aside unchanged.
    ///
    /// # Errors
    /// [`StoreErrorKind::CannotRead`] if it is not a regular file, larger than 4 MiB, or
    /// unreadable.
    pub(crate) fn load(&self, path: &Path) -> Result<Option<Secret>, StoreError> {
        let file = match platform::open_to_read(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => match self.locate(path) {
                // It is an allowed symlink.
                Ok(real) if real != path => {
                    platform::open_to_read(&real).map_err(|e| self.cannot_read(path, &e))?
                }
                Ok(_) => return Err(self.cannot_read(path, &error)),
                Err(refused) => {
                    return Err(StoreError { kind: StoreErrorKind::CannotRead, ..refused });
                }
            },
        };
        let metadata = file.metadata().map_err(|e| self.cannot_read(path, &e))?;
        let refuse = |detail: &str| self.error(StoreErrorKind::CannotRead, path, detail);
        if !metadata.is_file() {
            return Err(refuse("it is not a regular file"));
        }
        let size = metadata.len();
        if size > MAX_RECORD_BYTES {
            return Err(refuse("it is larger than 4 MiB, so it is not a record"));
        }
        // One allocation of the right size, so that no copy of a token stays in memory.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        (&file)
            .take(MAX_RECORD_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| self.cannot_read(path, &e))?;
        Ok(Some(Secret::new(String::from_utf8(bytes).unwrap_or_else(|error| {
            let bytes = Zeroizing::new(error.into_bytes());
            String::from_utf8_lossy(&bytes).into_owned()
        }))))
    }

    /// Replaces a file atomically. Returns once the new bytes and their name are on disk. At every
    /// moment there is a whole file under that name, the old one or the new one.
    ///
    /// # Errors
    /// Any [`StoreError`]. The old file is unchanged, unless only making the name durable
    /// failed.
    pub(crate) fn replace(
        &self,
        path: &Path,
        expected: Expected,
        bytes: &Secret,
    ) -> Result<(), StoreError> {
        let place = self.prepare(path)?;
        let mut temporary = match expected {
            Expected::Generation(expected) => {
                self.check_generation(path, expected)?;
                self.create_alone(&beside(&place, "tmp"))?
            }
            Expected::Anything => self.create_beside(&place, "tmp")?,
        };
        temporary.file.write_all(bytes.expose().as_bytes()).map_err(|e| self.failed(path, &e))?;
        temporary.file.sync_all().map_err(|e| self.failed(path, &e))?;
        temporary.rename(&place).map_err(|e| self.failed(path, &e))?;
        self.sync_parent(&place)
    }

    /// Checks that a record of 64 KiB could be stored: reserves the space, makes it durable, moves
    /// it and removes it, with the same calls as [`FileStore::replace`].
    ///
    /// # Errors
    /// Any [`StoreError`]. Nothing is left behind.
    pub(crate) fn preflight(&self, path: &Path) -> Result<(), StoreError> {
        let place = self.prepare(path)?;
        if platform::is_mount_point(&place) {
            return Err(self.failed(path, &io::ErrorKind::ResourceBusy.into()));
        }
        self.sweep(&place);
        let mut probe = self.create_beside(&place, "probe")?;
        platform::reserve(&probe.file, PREFLIGHT_BYTES).map_err(|e| self.failed(path, &e))?;
        probe.file.sync_all().map_err(|e| self.failed(path, &e))?;
        let elsewhere = self.temporary_name(&place, "probe")?;
        probe.rename(&elsewhere).map_err(|e| self.failed(path, &e))?;
        let moved = RemoveOnDrop(elsewhere);
        self.sync_parent(&place)?;
        drop(moved);
        Ok(())
    }

    /// Removes a record and the files that belong to it: a stage, or an unfinished replacement of a
    /// process that died. Returns once that is durable. Succeeds if the file does not exist.
    ///
    /// # Errors
    /// Any [`StoreError`]. The file still exists.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        let is_link = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.is_symlink(),
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(self.failed(path, &error)),
        };
        if is_link {
            // Remove the file, not only the link to it.
            let real = self.locate(path)?;
            if real != path {
                self.remove_one(&real)?;
            }
        }
        self.remove_one(path)
    }

    fn remove_one(&self, path: &Path) -> Result<(), StoreError> {
        for kind in ["stage", "tmp"] {
            self.unlink(&beside(path, kind))?;
        }
        for stage in stages_set_aside(path) {
            self.unlink(&stage)?;
        }
        if self.unlink(path)? { self.sync_parent(path) } else { Ok(()) }
    }

    /// Removes one name, not durably yet. Returns whether it existed.
    pub(crate) fn unlink(&self, path: &Path) -> Result<bool, StoreError> {
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
            Err(error) => Err(self.failed(path, &error)),
        }
    }

    /// Moves an unreadable file out of the way, unchanged, to a name with the time. Returns the new
    /// path, for people. Nothing is overwritten. If the path is a symlink, the link is moved.
    ///
    /// # Errors
    /// Any [`StoreError`]. The file was not moved.
    pub(crate) fn set_aside(&self, path: &Path) -> Result<String, StoreError> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let stem = suffixed(path, &format!("{DAMAGED}{}", now.replace(['-', ':'], "")));
        for n in 1_u32..=1000 {
            let place = if n == 1 { stem.clone() } else { suffixed(&stem, &format!("-{n}")) };
            match platform::rename_new(path, &place) {
                Ok(()) => {
                    self.sync_parent(path)?;
                    return Ok(self.config.display(&place));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.failed(path, &error)),
            }
        }
        Err(self.error(
            StoreErrorKind::CannotCreate,
            &stem,
            "there are too many damaged files already",
        ))
    }

    /// Creates the directory of this file if it does not exist. It is private.
    ///
    /// # Errors
    /// [`StoreErrorKind::CannotCreate`], also if another user owns the directory.
    pub(crate) fn prepare_dir(&self, path: &Path) -> Result<(), StoreError> {
        let root = self.config.path();
        let parent = path.parent().unwrap_or(root);
        let below = parent.strip_prefix(root).unwrap_or(Path::new(""));
        let mut dir = root.to_owned();
        self.claim(&dir)?;
        for name in below {
            dir.push(name);
            self.claim(&dir)?;
        }
        Ok(())
    }

    /// Ensures that one of our directories exists and is private. Missing directories above the
    /// configuration directory are created private too; existing ones are not changed.
    fn claim(&self, dir: &Path) -> Result<(), StoreError> {
        let mut claimed = platform::claim_dir(dir);
        if claimed.as_ref().is_err_and(is_absent) {
            self.make_dir(dir)?;
            claimed = platform::claim_dir(dir);
        }
        match claimed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(unfit)) => Err(self.error(StoreErrorKind::CannotCreate, dir, &describe(unfit))),
            Err(error) => Err(self.failed(dir, &error)),
        }
    }

    fn make_dir(&self, dir: &Path) -> Result<(), StoreError> {
        if let Some(parent) = dir.parent()
            && fs::metadata(parent).is_err_and(|e| is_absent(&e))
        {
            self.make_dir(parent)?;
        }
        match platform::make_private_dir(dir) {
            Ok(()) => self.sync_parent(dir),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(self.failed(dir, &error)),
        }
    }

    /// Locks this file, and creates it if it does not exist. Dropping the result releases the lock.
    /// `None` if another process holds it.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be used.
    pub(crate) fn claim_alone(&self, path: &Path) -> Result<Option<File>, StoreError> {
        let file = platform::open_lock(path).map_err(|error| self.failed(path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            // On file systems without locks, no process holds it.
            Err(TryLockError::Error(error)) => Err(self.failed(path, &error)),
        }
    }

    /// The directory of this store.
    pub(crate) const fn config(&self) -> &ConfigDir {
        &self.config
    }

    /// A path for people.
    pub(crate) fn shown(&self, path: &Path) -> String {
        self.config.display(path)
    }

    /// Creates the directory, and returns the file to replace in it.
    pub(crate) fn prepare(&self, path: &Path) -> Result<PathBuf, StoreError> {
        self.prepare_dir(path)?;
        self.locate(path)
    }

    /// The file behind a path: the path itself, unless it is a symlink to a regular file of this
    /// user. Users who manage their dotfiles have such links. A rename over the link would
    /// disconnect it from the file that they manage.
    pub(crate) fn locate(&self, path: &Path) -> Result<PathBuf, StoreError> {
        if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(path.to_owned());
        }
        let refuse = |detail: &str| {
            let detail = format!("it is a symbolic link {detail}; remove it, then try again");
            self.error(StoreErrorKind::CannotCreate, path, &detail)
        };
        let real = fs::canonicalize(path).map_err(|_| refuse("that leads nowhere"))?;
        let metadata = fs::symlink_metadata(&real).map_err(|_| refuse("that leads nowhere"))?;
        match platform::check_own_file(&metadata) {
            Ok(()) => Ok(real),
            Err(Unfit::Kind) => Err(refuse("to something that is not a regular file")),
            Err(Unfit::Foreign(_) | Unfit::Shared) => Err(refuse("to a file of another user")),
        }
    }

    fn check_generation(
        &self,
        path: &Path,
        expected: Option<Generation>,
    ) -> Result<(), StoreError> {
        let found = self.load(path)?.and_then(|record| Generation::of_record(record.expose()));
        if found == expected {
            return Ok(());
        }
        let name = |generation: Option<Generation>| {
            generation.map_or("no record".to_owned(), |g| format!("generation {}", g.get()))
        };
        let detail = format!("it holds {}, not {}", name(found), name(expected));
        Err(self.error(StoreErrorKind::Changed, path, &detail))
    }

    /// Removes old files of writers without a lock that died.
    ///
    /// It reads every name in the directory. A refresh must not do that, because its cost must not
    /// grow with the number of connections; under a lock, the names are fixed.
    fn sweep(&self, place: &Path) {
        for entry in place.parent().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            if abandoned(&entry.path()).is_some_and(|of| of == place) {
                // It blocks nothing, and the next writer tries again.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Creates a file that only the holder of the lock creates. If it exists, a process that died
    /// left it behind.
    pub(crate) fn create_alone(&self, name: &Path) -> Result<Temporary, StoreError> {
        let created = match platform::create_private(name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(name).map_err(|error| self.failed(name, &error))?;
                platform::create_private(name)
            }
            created => created,
        };
        match created {
            Ok(file) => Ok(Temporary { file, name: RemoveOnDrop(name.to_owned()) }),
            Err(error) => Err(self.failed(name.parent().unwrap_or(name), &error)),
        }
    }

    fn create_beside(&self, place: &Path, kind: &str) -> Result<Temporary, StoreError> {
        let name = self.temporary_name(place, kind)?;
        match platform::create_private(&name) {
            Ok(file) => Ok(Temporary { file, name: RemoveOnDrop(name) }),
            Err(error) => Err(self.failed(place.parent().unwrap_or(place), &error)),
        }
    }

    fn temporary_name(&self, place: &Path, kind: &str) -> Result<PathBuf, StoreError> {
        let random = getrandom::u64().map_err(|error| {
            self.error(
                StoreErrorKind::CannotCreate,
                place,
                &format!("no random numbers available: {error}"),
            )
        })?;
        Ok(beside(place, &format!("{random:016x}.{kind}")))
    }

    /// Makes the names beside this file durable.
    pub(crate) fn sync_parent(&self, path: &Path) -> Result<(), StoreError> {
        path.parent()
            .map_or(Ok(()), |dir| platform::sync_dir(dir).map_err(|error| self.failed(dir, &error)))
    }

    fn cannot_read(&self, path: &Path, error: &io::Error) -> StoreError {
        self.error(StoreErrorKind::CannotRead, path, &words(error))
    }

    /// A failure to create, write or rename.
    pub(crate) fn failed(&self, path: &Path, error: &io::Error) -> StoreError {
        use io::ErrorKind as E;
        #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind is open-ended")]
        let (kind, detail) = match error.kind() {
            // No new file can be created there.
            E::ReadOnlyFilesystem
            | E::PermissionDenied
            | E::NotADirectory
            | E::IsADirectory
            | E::NotFound
            | E::InvalidFilename => (StoreErrorKind::CannotCreate, words(error)),
            // A single file that is mounted into a container can be written, but not replaced.
            E::ResourceBusy | E::CrossesDevices => (
                StoreErrorKind::CannotWrite,
                format!(
                    "the file is a mount of its own and cannot be replaced; mount its directory \
                     instead ({})",
                    words(error)
                ),
            ),
            // StorageFull, QuotaExceeded, EIO, and other errors that come once a file exists.
            _ => (StoreErrorKind::CannotWrite, words(error)),
        };
        self.error(kind, path, &detail)
    }

    /// An error at this path.
    pub(crate) fn error(&self, kind: StoreErrorKind, path: &Path, detail: &str) -> StoreError {
        StoreError { kind, place: self.config.display(path), detail: detail.to_owned() }
    }
}

/// Why a file or directory must not be used.
pub(crate) fn describe(unfit: Unfit) -> String {
    match unfit {
        Unfit::Kind => "it is not a plain file or directory".to_owned(),
        Unfit::Shared => "it is a directory for all users; choose one of your own".to_owned(),
        Unfit::Foreign(uid) => format!("it belongs to another user (number {uid})"),
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
#[path = "file_store/tests.rs"]
pub(crate) mod tests;
