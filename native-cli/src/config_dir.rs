//! The configuration directory, and the paths of everything in it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use twg_core::credential::{AttemptId, ConnectionKey};
use twg_core::text::is_plain_name;

use crate::environment::{
    APPDATA, CONFIG_DIR, LOCALAPPDATA, XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_RUNTIME_DIR,
    XDG_STATE_HOME, home_dir,
};

/// The default provider. The record of its default connection has the short name `auth.conf`.
pub(crate) const MAIN_PROVIDER: &str = "atlassian";

/// The configuration directory. It need not exist: the first write creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigDir {
    dir: PathBuf,
    home: Option<PathBuf>,
    /// Other directories of this user for a response that cannot be saved here; best first.
    refuges: Vec<PathBuf>,
}

impl ConfigDir {
    /// The directory that this environment names. Nothing is read from the disk.
    ///
    /// `TWG_CONFIG_DIR`, else `$XDG_CONFIG_HOME/twg`, else `~/.config/twg`; on Windows
    /// `%APPDATA%\twg` stands for the latter two.
    ///
    /// # Errors
    /// [`NoConfigDir`] if `TWG_CONFIG_DIR` is relative, or if no variable names the home
    /// directory.
    pub(crate) fn resolve(env: &impl Fn(&str) -> Option<OsString>) -> Result<Self, NoConfigDir> {
        let path = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = home_dir(env);
        let refuges = refuges(&path, home.as_deref());
        if let Some(dir) = path(CONFIG_DIR) {
            // A relative path would put credentials into the directory where the command is
            // started.
            return if dir.is_absolute() {
                Ok(Self { dir, home, refuges })
            } else {
                Err(NoConfigDir::Relative(dir))
            };
        }
        // XDG Base Directory Specification: "All paths set in these environment variables must be
        // absolute. If an implementation encounters a relative path in any of these variables it
        // should consider the path invalid and ignore it." Unset and empty mean the default.
        let base = if cfg!(windows) {
            path(APPDATA).filter(|dir| dir.is_absolute())
        } else {
            path(XDG_CONFIG_HOME)
                .filter(|dir| dir.is_absolute())
                .or_else(|| home.as_ref().map(|home| home.join(".config")))
        };
        base.map_or(Err(NoConfigDir::NoHome), |base| {
            Ok(Self { dir: base.join("twg"), home, refuges })
        })
    }

    /// The directory of what is installed for this user: `$XDG_DATA_HOME/twg`, else
    /// `~/.local/share/twg`; on Windows `%LOCALAPPDATA%\twg`. And the user's home directory.
    ///
    /// # Errors
    /// [`NoConfigDir::NoHome`]
    pub(crate) fn data(
        env: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Self, PathBuf), NoConfigDir> {
        let path =
            |name: &str| env(name).map(PathBuf::from).filter(|directory| directory.is_absolute());
        let home = home_dir(env).ok_or(NoConfigDir::NoHome)?;
        let (variable, usual) = if cfg!(windows) {
            (LOCALAPPDATA, "AppData\\Local")
        } else {
            (XDG_DATA_HOME, ".local/share")
        };
        let dir = path(variable).unwrap_or_else(|| home.join(usual)).join("twg");
        Ok((Self { dir, home: Some(home.clone()), refuges: Vec::new() }, home))
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The record of a connection: `auth.conf` for the default connection of the default provider.
    pub(crate) fn record_path(&self, key: &ConnectionKey) -> PathBuf {
        if key.provider() == MAIN_PROVIDER && key.connection() == ConnectionKey::DEFAULT {
            return self.dir.join("auth.conf");
        }
        let mut path = self.dir.join("connections");
        path.push(key.provider());
        path.push(format!("{}.conf", key.connection()));
        path
    }

    /// The lock of a connection: a file beside its record that is never removed.
    pub(crate) fn lock_path(&self, key: &ConnectionKey) -> PathBuf {
        let mut path = self.record_path(key).into_os_string();
        path.push(".lock");
        path.into()
    }

    /// The files that can hold a response if this directory cannot; best first. Each comes with the
    /// directory that takes the place of this one.
    pub(crate) fn rescue_paths(&self, id: &AttemptId) -> Vec<(Self, PathBuf)> {
        let elsewhere = |dir: PathBuf| {
            let place = Self { dir, home: self.home.clone(), refuges: Vec::new() };
            let file = place.dir.join(format!("{}.reply", id.as_str()));
            (place, file)
        };
        self.rescue_dirs().map(elsewhere).collect()
    }

    /// The directories of those files.
    pub(crate) fn rescue_dirs(&self) -> impl Iterator<Item = PathBuf> {
        self.refuges.iter().map(|dir| dir.join("rescue"))
    }

    /// The client ID (and secret) of this user at a provider. `None` if the name cannot be a
    /// provider's.
    pub(crate) fn client_path(&self, provider: &str) -> Option<PathBuf> {
        is_plain_name(provider).then(|| self.dir.join("clients").join(format!("{provider}.conf")))
    }

    /// The provider file of this user. `None` if the name cannot be a provider's.
    pub(crate) fn provider_path(&self, provider: &str) -> Option<PathBuf> {
        is_plain_name(provider).then(|| self.dir.join("providers").join(format!("{provider}.json")))
    }

    /// The Bitbucket token.
    pub(crate) fn bitbucket_path(&self) -> PathBuf {
        self.dir.join("bitbucket.conf")
    }

    /// The admin API key. It is never in the file of a connection.
    pub(crate) fn admin_key_path(&self) -> PathBuf {
        self.dir.join("admin.conf")
    }

    /// The names of the providers that this user defined.
    pub(crate) fn own_providers(&self) -> Vec<String> {
        let files = names_in(&self.dir.join("providers"));
        let names = files.iter().filter_map(|file| file.strip_suffix(".json"));
        names.filter(|name| is_plain_name(name)).map(str::to_owned).collect()
    }

    /// The configuration directory of the sandbox.
    pub(crate) fn sandbox(&self) -> Self {
        Self { dir: self.dir.join("sandbox"), ..self.clone() }
    }

    /// Every connection that has a record, sorted by name. A directory that cannot be listed counts
    /// as empty.
    pub(crate) fn stored_connections(&self) -> Vec<ConnectionKey> {
        let mut keys = Vec::new();
        if let Ok(main) = ConnectionKey::new(MAIN_PROVIDER, ConnectionKey::DEFAULT)
            && self.record_path(&main).exists()
        {
            keys.push(main);
        }
        for provider in names_in(&self.dir.join("connections")) {
            for file in names_in(&self.dir.join("connections").join(&provider)) {
                if let Some(name) = file.strip_suffix(".conf")
                    && let Ok(key) = ConnectionKey::new(&provider, name)
                    // `connections/atlassian/default.conf` is not the record of any connection.
                    && self.record_path(&key).ends_with(&file)
                {
                    keys.push(key);
                }
            }
        }
        keys.sort();
        keys
    }

    /// A path for people: `~` stands for the home directory, and control characters are escaped.
    pub(crate) fn display(&self, path: &Path) -> String {
        let shown = match self.home.as_ref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Some(rest) => format!("~{}{}", std::path::MAIN_SEPARATOR, rest.display()),
            None => path.display().to_string(),
        };
        twg_core::text::inert(&shown)
    }
}

/// The state directory and the runtime directory. The state directory is for data that outlives a
/// restart and is less important than configuration (XDG Base Directory Specification). The runtime
/// directory is usually in memory, so that a full disk does not affect it.
fn refuges(path: &impl Fn(&str) -> Option<PathBuf>, home: Option<&Path>) -> Vec<PathBuf> {
    let state = if cfg!(windows) {
        path(LOCALAPPDATA)
    } else {
        path(XDG_STATE_HOME)
            .filter(|dir| dir.is_absolute())
            .or_else(|| home.map(|home| home.join(".local/state")))
    };
    [state, path(XDG_RUNTIME_DIR)]
        .into_iter()
        .flatten()
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("twg"))
        .collect()
}

fn names_in(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// Why there is no configuration directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoConfigDir {
    /// `TWG_CONFIG_DIR` is not absolute.
    Relative(PathBuf),
    /// The variables that name the home directory are unset, empty or relative.
    NoHome,
}

impl fmt::Display for NoConfigDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(dir) => {
                let shown = dir.display().to_string();
                let shown = twg_core::text::inert(&shown);
                write!(f, "TWG_CONFIG_DIR must be an absolute path, not '{shown}'")
            }
            Self::NoHome => f.write_str(if cfg!(windows) {
                "APPDATA is not set; set TWG_CONFIG_DIR to an absolute path"
            } else {
                "HOME is not set; set TWG_CONFIG_DIR to an absolute path"
            }),
        }
    }
}

impl std::error::Error for NoConfigDir {}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn resolve(vars: &[(&str, &str)]) -> Result<ConfigDir, NoConfigDir> {
        ConfigDir::resolve(&|name| {
            vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))
        })
    }

    #[test]
    fn the_first_absolute_directory_wins() {
        let all = [("TWG_CONFIG_DIR", "/a"), ("XDG_CONFIG_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(resolve(&all).unwrap().path(), Path::new("/a"));
        assert_eq!(resolve(&all[1..]).unwrap().path(), Path::new("/b/twg"));
        assert_eq!(resolve(&all[2..]).unwrap().path(), Path::new("/c/.config/twg"));
        assert_eq!(resolve(&[]), Err(NoConfigDir::NoHome));
    }

    #[test]
    fn empty_is_unset_and_relative_is_never_used() {
        let xdg =
            |value| resolve(&[("TWG_CONFIG_DIR", ""), ("XDG_CONFIG_HOME", value), ("HOME", "/c")]);
        assert_eq!(xdg("").unwrap().path(), Path::new("/c/.config/twg"));
        assert_eq!(xdg("rel").unwrap().path(), Path::new("/c/.config/twg"));
        assert_eq!(resolve(&[("HOME", "rel")]), Err(NoConfigDir::NoHome));
        assert_eq!(
            resolve(&[("TWG_CONFIG_DIR", "rel"), ("HOME", "/c")]),
            Err(NoConfigDir::Relative("rel".into()))
        );
    }

    #[test]
    fn each_connection_has_files_of_its_own() {
        let dir = resolve(&[("TWG_CONFIG_DIR", "/a")]).unwrap();
        let key = |p, c| ConnectionKey::new(p, c).unwrap();
        assert_eq!(dir.record_path(&key("atlassian", "default")), Path::new("/a/auth.conf"));
        assert_eq!(dir.lock_path(&key("atlassian", "default")), Path::new("/a/auth.conf.lock"));
        assert_eq!(
            dir.record_path(&key("atlassian", "work")),
            Path::new("/a/connections/atlassian/work.conf")
        );
        assert_eq!(
            dir.lock_path(&key("github", "default")),
            Path::new("/a/connections/github/default.conf.lock")
        );
        assert_eq!(dir.client_path("github"), Some("/a/clients/github.conf".into()));
        assert_eq!(dir.provider_path("github"), Some("/a/providers/github.json".into()));
        assert_eq!(dir.client_path("../x"), None);
        assert_eq!(
            dir.sandbox().record_path(&key("atlassian", "default")),
            Path::new("/a/sandbox/auth.conf")
        );
    }

    #[test]
    fn lists_records_and_nothing_else() {
        let root = crate::effects::file_store::tests::scratch_dir();
        let dir = ConfigDir { dir: root.path().to_owned(), home: None, refuges: Vec::new() };
        assert!(dir.stored_connections().is_empty());
        let files = [
            "auth.conf",
            "auth.conf.lock",
            "connections/atlassian/work.conf",
            "connections/atlassian/default.conf",
            "connections/atlassian/work.conf.lock",
            "connections/github/default.conf",
            "connections/github/.default.conf.12.tmp",
            "connections/github/UPPER.conf",
        ];
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        let names: Vec<_> = dir.stored_connections().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["atlassian/default", "atlassian/work", "github/default"]);
    }

    #[test]
    fn shows_paths_short_and_inert() {
        let dir = resolve(&[("HOME", "/home/me")]).unwrap();
        assert_eq!(dir.display(&dir.path().join("auth.conf")), "~/.config/twg/auth.conf");
        assert_eq!(dir.display(Path::new("/home/me")), "~");
        assert_eq!(dir.display(Path::new("/home/meow")), "/home/meow");
        assert!(!dir.display(Path::new("/a\x1b[2J")).contains('\x1b'));
    }
}
