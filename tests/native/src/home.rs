//! A user's home directory, for the time of a test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::twg::TwgCommand;

/// A new empty directory. Drop removes it with its content.
#[derive(Debug)]
pub struct TempHome {
    directory: TempDir,
}

impl TempHome {
    /// Creates it.
    #[must_use]
    pub fn new() -> Self {
        let directory = TempDir::with_prefix("twg-test-").expect("a temporary directory");
        Self { directory }
    }

    /// The home directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The value of `TWG_CONFIG_DIR`. The program creates this directory, not the test.
    #[must_use]
    pub fn config_dir(&self) -> PathBuf {
        self.path().join("config")
    }

    /// Writes a file of the configuration directory, as a user would. `path` is relative to it.
    pub fn write_config(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.config_dir().join(path);
        std::fs::create_dir_all(path.parent().expect("it is a file in a directory"))
            .expect("directories can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    /// The files that contain this text, as sorted relative paths.
    #[must_use]
    pub fn files_with(&self, text: &str) -> Vec<String> {
        let contains = |path: &Path| {
            let bytes = std::fs::read(path).expect("a file that can be read");
            bytes.windows(text.len()).any(|part| part == text.as_bytes())
        };
        let mut found = Vec::new();
        let mut dirs = vec![self.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    dirs.push(path);
                } else if contains(&path) {
                    let path = path.strip_prefix(self.path()).expect("below it");
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// `twg` with these arguments, in this home.
    #[must_use]
    pub fn twg<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> TwgCommand {
        TwgCommand::new(self).args(args)
    }
}

impl Default for TempHome {
    fn default() -> Self {
        Self::new()
    }
}
