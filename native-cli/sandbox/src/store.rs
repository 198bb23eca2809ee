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
    /// Opens the directory. Creates it if it is missing, for its owner only.
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

    /// The lock file. A running sandbox holds its lock, and nothing deletes it.
    pub(crate) fn lock_file(&self) -> io::Result<File> {
        private().create(true).open(self.directory.join("sandbox.lock"))
    }

    /// Reads the state. Without a file, it is a new one.
    pub(crate) fn load(&self) -> io::Result<State> {
        match fs::read(self.directory.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {error}"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the state, durably: a client must not forget a rotation, so the server that tests it
    /// must not either.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        let bytes = serde_json::to_vec(state)?;
        // Only the holder of the lock writes, so one name is enough, and a leftover file can go.
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
