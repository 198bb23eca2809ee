//! The state directory: one JSON file, replaced atomically, and a lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::state::State;

/// The file in the state directory.
const FILE: &str = "sandbox-state.json";

/// The state directory.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens the directory, and creates it if need be, for its owner only.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
            builder.mode(0o700).create(directory)?;
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        }
        #[cfg(not(unix))]
        builder.create(directory)?;
        Ok(Self { directory: directory.into() })
    }

    /// The lock file, which a running look-alike holds locked. Never deleted.
    pub(crate) fn lock_file(&self) -> io::Result<File> {
        private().create(true).open(self.directory.join("sandbox.lock"))
    }

    /// Reads the state; a fresh one if there is none.
    pub(crate) fn load(&self) -> io::Result<State> {
        match fs::read(self.directory.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {error}"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the state, durably: a look-alike that forgot a rotation would be no test of a client
    /// that must not.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        let bytes = serde_json::to_vec(state)?;
        // Only the holder of the lock writes, so one name is enough, and a left-over is replaced.
        let temporary = self.directory.join("sandbox-state.json.new");
        match fs::remove_file(&temporary) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = private().create_new(true).open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, self.directory.join(FILE))?;
        #[cfg(unix)]
        File::open(&self.directory)?.sync_all()?;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
