//! The installation of this program, and how one version replaces another.
//!
//! A managed program is in `versions/1.2.3/`, one directory for each version, and is started
//! through the launcher, whose path never changes. A directory with such a name is complete: it is
//! written as `1.2.3.partial`, made durable, and then renamed. Before it is removed, it is renamed
//! back.

pub(crate) mod marked_file;
pub(crate) mod release;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use twg_core::error::Error;
use twg_core::flow::{LockError, StoreError};
use twg_core::json::{self, FromJson, Members, Mistakes};
use twg_core::secret::Secret;
use twg_core::time::Span;

use crate::config_dir::ConfigDir;
use crate::context::Context;
use crate::effects::clock;
use crate::effects::file_store::{Expected, FileStore};
use crate::effects::lock::{self, Lock};
use crate::environment::{PATH, SYSTEM_ROOT, env};
use crate::failure::{Cause, Failure, ReleaseTrouble};
use crate::installation::release::{PROGRAM, Unpacked, Version};
use crate::system::os_error::words;

/// How long to wait for another process that changes the installation. An update may take minutes;
/// a note of a new version takes moments.
const LOCK_PATIENCE: Span = Span::from_secs(2);

/// How long a program may take to print its version. Virus scanners check a new file at its first
/// start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The suffix for the directory of an incomplete version.
const PARTIAL: &str = ".partial";

/// The path that schedulers, shells and other programs should use. It stays the same over updates.
pub(crate) fn launcher() -> Result<PathBuf, Failure> {
    let program = this_program()?;
    let managed = Managed::of_user(&env).ok().filter(|managed| managed.current().is_some());
    let own = managed.as_ref().filter(|managed| managed.is_managed());
    if let Some(managed) = own {
        return Ok(managed.launcher.clone());
    }
    // This program is a download that was installed since. The launcher is what stays.
    Ok(found_on_path(&program, env(PATH))
        .or_else(|| managed.map(|managed| managed.launcher))
        .unwrap_or(program))
}

/// Whether a shell finds this program.
pub(crate) fn is_on_path() -> bool {
    this_program().is_ok_and(|program| found_on_path(&program, env(PATH)).is_some())
}

/// Whether cargo installed this program.
pub(crate) fn is_from_cargo(program: &Path) -> bool {
    program.parent().is_some_and(|dir| dir.ends_with(".cargo/bin"))
}

fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::internal(format!("Cannot find the path of this program: {}", words(&error)))
    })
}

/// The path under which a shell finds this very file. A package manager keeps it over its updates.
fn found_on_path(program: &Path, path: Option<OsString>) -> Option<PathBuf> {
    let program = fs::canonicalize(program).ok()?;
    std::env::split_paths(&path?)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(PROGRAM))
        .find(|found| fs::canonicalize(found).is_ok_and(|found| found == program))
}

/// The installation that `twg setup` makes and `twg update` keeps up to date.
pub(crate) struct Managed {
    /// For the lock, and for the newest version that was seen.
    store: FileStore,
    versions: PathBuf,
    launcher: PathBuf,
}

impl Managed {
    /// The installation of this user, which need not exist.
    ///
    /// # Errors
    /// [`Cause::Configuration`] if no variable names the home directory.
    pub(crate) fn of_user(env: &impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let (data, home) = ConfigDir::data(env).map_err(|_| {
            Failure::configuration("There is no home directory to install to: HOME is not set")
        })?;
        let versions = data.path().join("versions");
        let launcher = platform::launcher(data.path(), &home);
        Ok(Self { store: FileStore::new(data), versions, launcher })
    }

    /// Whether the running program belongs to it.
    pub(crate) fn is_managed(&self) -> bool {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let Some(program) = std::env::current_exe().ok().and_then(|program| real(&program)) else {
            return false;
        };
        let in_versions = program.parent().is_some_and(|dir| {
            dir.parent().map(Path::to_owned) == real(&self.versions) && version_of(dir).is_some()
        });
        in_versions || (self.current().is_some() && real(&self.launcher) == Some(program))
    }

    /// The version that the launcher starts. `None` if there is no launcher, or if it is another
    /// program.
    pub(crate) fn current(&self) -> Option<Version> {
        platform::target(&self.launcher, &self.versions, &self.installed())
            .filter(|version| self.program(*version).is_file())
    }

    /// The path of a version's program.
    pub(crate) fn program(&self, version: Version) -> PathBuf {
        self.dir(version).join(PROGRAM)
    }

    /// The path of the launcher, which never changes.
    pub(crate) fn launcher(&self) -> &Path {
        &self.launcher
    }

    /// The same path, for people.
    pub(crate) fn shown_launcher(&self) -> String {
        self.store.shown(&self.launcher)
    }

    fn dir(&self, version: Version) -> PathBuf {
        self.versions.join(version.to_string())
    }

    fn partial(&self, version: Version) -> PathBuf {
        self.versions.join(format!("{version}{PARTIAL}"))
    }

    /// The installed versions, oldest first.
    pub(crate) fn installed(&self) -> Vec<Version> {
        let mut versions: Vec<_> =
            entries(&self.versions).iter().filter_map(|dir| version_of(dir)).collect();
        versions.sort();
        versions
    }

    /// Takes the lock, so that no other process changes the installation.
    pub(crate) async fn lock(&self, context: &Context) -> Result<Lock, Failure> {
        let path = self.store.config().path().join("update.lock");
        let deadline = clock::now().plus(LOCK_PATIENCE);
        let name = format!("{} update", context.person.program);
        lock::acquire(&self.store, &path, &name, deadline).await.map_err(|error| match error {
            LockError::TimedOut { holder } => {
                let holder =
                    holder.map(|holder| format!(" (process {holder})")).unwrap_or_default();
                let message = format!("Another process is changing the installation{holder}");
                Failure::new(Cause::Release(ReleaseTrouble::UpdateRunning), message)
                    .or_hint("Let it finish, then try again.")
            }
            LockError::Unusable(error) => unusable(error),
        })
    }

    /// Refuses to replace a launcher of another program. A copy of the running program is accepted,
    /// because a download to that path is one.
    pub(crate) fn check_launcher(&self) -> Result<(), Failure> {
        let path = &self.launcher;
        let is_this = || {
            let this = std::env::current_exe().and_then(fs::canonicalize).ok();
            this.is_some() && this == fs::canonicalize(path).ok()
        };
        if fs::symlink_metadata(path).is_err()
            || platform::is_ours(path, &self.versions)
            || is_this()
        {
            return Ok(());
        }
        let message = format!("{} is another program and was not replaced", self.shown_launcher());
        Err(Failure::new(Cause::Release(ReleaseTrouble::LauncherTaken), message)
            .or_hint("Move it away, then try again."))
    }

    /// Installs the running program, which was downloaded, and points the launcher to it. If a
    /// newer version is installed, the launcher keeps starting that.
    pub(crate) async fn install_this(&self, context: &Context) -> Result<(), Failure> {
        let version = Version::this();
        let _lock = self.lock(context).await?;
        self.check_launcher()?;
        if self.current().is_some_and(|current| current > version) {
            return Ok(());
        }
        let source = this_program()?;
        let bytes = fs::read(&source).map_err(|error| {
            Failure::internal(format!("Cannot read this program: {}", words(&error)))
        })?;
        let program = self.program(version);
        if !fs::read(&program).is_ok_and(|there| there == bytes) {
            let staged = self.stage(version, &[Unpacked { name: PROGRAM, bytes }])?;
            if self.dir(version).is_dir() {
                // The launcher may point to it: a program exists at every moment, and on a full
                // disk it is the old one.
                fs::rename(&staged, &program).map_err(|error| self.failed(&program, &error))?;
                self.store.sync_parent(&program).map_err(unusable)?;
                self.sweep()?;
            } else {
                self.complete(version)?;
            }
        }
        self.point_to(version)
    }

    /// Writes the files of a version durably under its temporary name. Returns the path of the
    /// program there.
    pub(crate) fn stage(&self, version: Version, files: &[Unpacked]) -> Result<PathBuf, Failure> {
        let partial = self.partial(version);
        self.remove_dir(&partial)?;
        self.store.prepare_dir(&partial.join(PROGRAM)).map_err(unusable)?;
        for Unpacked { name, bytes } in files {
            let path = partial.join(name);
            let write = || {
                let mut file = platform::create(&path, *name == PROGRAM)?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            write().map_err(|error| self.failed(&path, &error))?;
        }
        self.store.sync_parent(&partial.join(PROGRAM)).map_err(unusable)?;
        Ok(partial.join(PROGRAM))
    }

    /// Renames a staged version to its final name.
    pub(crate) fn complete(&self, version: Version) -> Result<(), Failure> {
        let dir = self.dir(version);
        fs::rename(self.partial(version), &dir).map_err(|error| self.failed(&dir, &error))?;
        self.store.sync_parent(&dir).map_err(unusable)
    }

    /// Points the launcher to this version, atomically.
    pub(crate) fn point_to(&self, version: Version) -> Result<(), Failure> {
        platform::point(&self.launcher, &self.program(version))
            .map_err(|error| self.failed(&self.launcher, &error))?;
        self.store.sync_parent(&self.launcher).map_err(unusable)
    }

    /// Removes the launcher, after an installation that failed where there was none before.
    pub(crate) fn remove_launcher(&self) -> Result<(), Failure> {
        if !platform::is_ours(&self.launcher, &self.versions) {
            return Ok(());
        }
        platform::remove_program(&self.launcher)
            .map_err(|error| self.failed(&self.launcher, &error))
    }

    /// Removes a version. From the first moment on it counts as incomplete.
    pub(crate) fn discard(&self, version: Version) -> Result<(), Failure> {
        let (dir, partial) = (self.dir(version), self.partial(version));
        if fs::symlink_metadata(&dir).is_ok() {
            self.remove_dir(&partial)?;
            fs::rename(&dir, &partial).map_err(|error| self.failed(&dir, &error))?;
        }
        self.remove_dir(&partial)
    }

    /// Removes what a killed installation left behind. The lock excludes a running one.
    pub(crate) fn sweep(&self) -> Result<(), Failure> {
        for dir in entries(&self.versions).iter().filter(|dir| partial_of(dir).is_some()) {
            self.remove_dir(dir)?;
        }
        // Files with this name are written under this lock only.
        for path in entries(self.store.config().path()) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| name.starts_with(".releases.json.")) {
                self.store.unlink(&path).map_err(unusable)?;
            }
        }
        platform::sweep(&self.launcher);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), Failure> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(dir, &error)),
            _ => Ok(()),
        }
    }

    /// Everything that [`Managed::remove_all`] would remove now.
    pub(crate) fn what_is_there(&self) -> Vec<PathBuf> {
        let is_version = |dir: &PathBuf| version_of(dir).or_else(|| partial_of(dir)).is_some();
        let launcher =
            platform::is_ours(&self.launcher, &self.versions).then(|| self.launcher.clone());
        let versions = entries(&self.versions).into_iter().filter(is_version);
        let files = self.files().into_iter().filter(|file| fs::symlink_metadata(file).is_ok());
        launcher.into_iter().chain(versions).chain(files).collect()
    }

    /// Removes the launcher and every version, and nothing else. The launcher goes first, because a
    /// launcher must always point to a complete version.
    pub(crate) async fn remove_all(&self, context: &Context) -> Result<(), Failure> {
        let _lock = self.lock(context).await?;
        // Before the launcher is removed, because this may restore one that was lost half-way.
        self.sweep()?;
        self.remove_launcher()?;
        for version in self.installed() {
            self.discard(version)?;
        }
        let [seen, lock] = self.files();
        self.store.unlink(&seen).map_err(unusable)?;
        // On systems where an open file cannot be removed, this one stays. It is empty.
        let _ = self.store.unlink(&lock);
        // Other files there stay, and their directory with them.
        let _ = fs::remove_dir(&self.versions);
        let _ = fs::remove_dir(self.store.config().path());
        Ok(())
    }

    fn files(&self) -> [PathBuf; 2] {
        ["releases.json", "update.lock"].map(|name| self.store.config().path().join(name))
    }

    /// The newest version that was ever announced here.
    pub(crate) fn newest_seen(&self) -> Result<Option<Version>, Failure> {
        let [path, _] = self.files();
        let text = self.store.load(&path).map_err(unusable)?;
        // A damaged file must not keep the old version forever.
        Ok(text.and_then(|text| json::parse::<Seen>(text.expose()).ok()).map(|seen| seen.newest))
    }

    /// Remembers a version that was announced, and refuses an older one, so that no server can
    /// present an older version as the newest later.
    ///
    /// # Errors
    /// `DOWNGRADE_REFUSED`, and those of the store.
    pub(crate) fn note(&self, version: Version) -> Result<(), Failure> {
        let seen = self.newest_seen()?;
        if let Some(seen) = seen.filter(|seen| version < *seen) {
            return Err(downgrade(version, &format!("{seen} was announced already")));
        }
        if seen == Some(version) {
            return Ok(());
        }
        let text = json!({ "schema_version": 1, "newest_seen": version.to_string() });
        let [path, _] = self.files();
        let text = Secret::new(format!("{text}\n"));
        self.store.replace(&path, Expected::Anything, &text).map_err(unusable)
    }

    /// [`Managed::note`] for a command that only checks. Without a managed installation, nothing is
    /// written.
    pub(crate) async fn note_seen(
        &self,
        context: &Context,
        version: Version,
    ) -> Result<(), Failure> {
        if !self.is_managed() {
            return Ok(());
        }
        match self.lock(context).await {
            Ok(_lock) => self.note(version),
            // In the sandbox of an agent nothing can be written, but the check is still possible.
            Err(_) => match self.newest_seen()? {
                Some(seen) if version < seen => {
                    Err(downgrade(version, &format!("{seen} was announced already")))
                }
                _ => Ok(()),
            },
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) -> Failure {
        unusable(self.store.failed(path, error))
    }
}

/// The content of `releases.json`.
struct Seen {
    newest: Version,
}

impl FromJson for Seen {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self { newest: Members::of(value, mistakes).required("newest_seen") }
    }
}

/// The failure of a version that is too old.
pub(crate) fn downgrade(version: Version, why: &str) -> Failure {
    let message = format!("Version {version} is refused because it is older: {why}");
    Failure::new(Cause::Release(ReleaseTrouble::DowngradeRefused), message)
        .keeping(release::UNCHANGED)
}

fn unusable(error: StoreError) -> Failure {
    let mut failure =
        Failure::from_core("Cannot change the installation", &Error::Store(error), "");
    failure.hint = Some("Make that place writable, then try again.".into());
    failure
}

/// Starts a program to check that it works and is this version. If not, the error says why.
pub(crate) async fn starts(program: &Path, version: Version) -> Result<(), String> {
    let mut command = Command::new(program);
    // It needs nothing from the environment, which holds credentials.
    command
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(root) = env(SYSTEM_ROOT).filter(|_| cfg!(windows)) {
        command.env(SYSTEM_ROOT, root);
    }
    let begun = Instant::now();
    let mut child =
        command.spawn().map_err(|error| format!("it does not start: {}", words(&error)))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| words(&error))? {
            break status;
        }
        if begun.elapsed() > START_LIMIT {
            let _ = child.kill().and_then(|()| child.wait());
            return Err("it does not print its version in time".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        // The pipe holds the output. Read no more than that.
        let _ = output.take(100).read_to_string(&mut said);
    }
    if !status.success() {
        return Err(format!("it ends with {status}"));
    }
    if said.trim_end() != format!("twg {version}") {
        return Err(format!(
            "it prints '{}' as its version",
            twg_core::text::displayable(said.trim_end())
        ));
    }
    Ok(())
}

/// The entries of a directory. A directory that cannot be listed counts as empty.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn version_of(dir: &Path) -> Option<Version> {
    Version::parse(dir.file_name()?.to_str()?)
}

fn partial_of(dir: &Path) -> Option<Version> {
    Version::parse(dir.file_name()?.to_str()?.strip_suffix(PARTIAL)?)
}

#[cfg(test)]
#[cfg(unix)]
#[path = "tests.rs"]
mod tests;
