//! Where this program is installed, and how one version takes another's place.
//!
//! A managed program lies in `versions/1.2.3/`, one directory for each version, and is called through the
//! launcher, whose path never changes. A directory of that name is whole: it is written under the name
//! `1.2.3.partial`, made durable, and renamed; and it is renamed back before it is removed.

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

/// How long another process is waited for that installs. What it does may take minutes; what only notes
/// something takes a moment.
const LOCK_PATIENCE: Span = Span::from_secs(2);

/// How long a program may take to say its version. The first start of a new file is looked at by virus scanners.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What the directory of a version is called that is not whole.
const PARTIAL: &str = ".partial";

/// The path that schedulers, shells and other programs shall call: it stays the same over updates.
pub(crate) fn launcher() -> Result<PathBuf, Failure> {
    let program = this_program()?;
    let managed = Managed::of_user(&env).ok().filter(|managed| managed.current().is_some());
    let own = managed.as_ref().filter(|managed| managed.is_managed());
    if let Some(managed) = own {
        return Ok(managed.launcher.clone());
    }
    // A download that was installed, and is not what stays: the launcher is.
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

/// The path by which a shell would find this very file: a package manager keeps it over its updates.
fn found_on_path(program: &Path, path: Option<OsString>) -> Option<PathBuf> {
    let program = fs::canonicalize(program).ok()?;
    std::env::split_paths(&path?)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(PROGRAM))
        .find(|found| fs::canonicalize(found).is_ok_and(|found| found == program))
}

/// The installation that `twg setup` makes and `twg update` keeps up to date.
pub(crate) struct Managed {
    /// For what is remembered, and the lock.
    store: FileStore,
    versions: PathBuf,
    launcher: PathBuf,
}

impl Managed {
    /// That of this user, which need not exist.
    ///
    /// # Errors
    /// [`Exit::Configuration`] if nothing says where the home directory is.
    pub(crate) fn of_user(env: &impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let (data, home) = ConfigDir::data(env).map_err(|_| {
            Failure::configuration("There is no home directory to install to: HOME is not set")
        })?;
        let versions = data.path().join("versions");
        let launcher = platform::launcher(data.path(), &home);
        Ok(Self { store: FileStore::new(data), versions, launcher })
    }

    /// Whether the program that runs is part of it.
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

    /// The version that the launcher starts. `None` if there is none, or the launcher is not ours.
    pub(crate) fn current(&self) -> Option<Version> {
        platform::target(&self.launcher, &self.versions, &self.installed())
            .filter(|version| self.program(*version).is_file())
    }

    /// Where a version's program lies.
    pub(crate) fn program(&self, version: Version) -> PathBuf {
        self.dir(version).join(PROGRAM)
    }

    /// The path that stays.
    pub(crate) fn launcher(&self) -> &Path {
        &self.launcher
    }

    /// The same, for people.
    pub(crate) fn shown_launcher(&self) -> String {
        self.store.shown(&self.launcher)
    }

    fn dir(&self, version: Version) -> PathBuf {
        self.versions.join(version.to_string())
    }

    fn partial(&self, version: Version) -> PathBuf {
        self.versions.join(format!("{version}{PARTIAL}"))
    }

    /// The versions that are there, oldest first.
    pub(crate) fn installed(&self) -> Vec<Version> {
        let mut versions: Vec<_> =
            entries(&self.versions).iter().filter_map(|dir| version_of(dir)).collect();
        versions.sort();
        versions
    }

    /// Makes sure that nobody else changes the installation meanwhile.
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

    /// Refuses a launcher that somebody else made. A copy of the very program that runs is no stranger:
    /// that is what a download to there is.
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
        let message = format!("{} is another program, and is left alone", self.shown_launcher());
        Err(Failure::new(Cause::Release(ReleaseTrouble::LauncherTaken), message)
            .or_hint("Move it away, then try again."))
    }

    /// Installs the program that runs, and makes the launcher start it: for one that was downloaded. A newer
    /// version that is there already stays what is started.
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
                // The launcher may lead to it: there is a program at every moment, and on a full disk the old one.
                fs::rename(&staged, &program).map_err(|error| self.failed(&program, &error))?;
                self.store.sync_parent(&program).map_err(unusable)?;
                self.sweep()?;
            } else {
                self.complete(version)?;
            }
        }
        self.point_to(version)
    }

    /// Writes the files of a version, durably, under its preliminary name. The path of the program there.
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

    /// Gives a staged version its name.
    pub(crate) fn complete(&self, version: Version) -> Result<(), Failure> {
        let dir = self.dir(version);
        fs::rename(self.partial(version), &dir).map_err(|error| self.failed(&dir, &error))?;
        self.store.sync_parent(&dir).map_err(unusable)
    }

    /// Makes the launcher start this version, from one moment to the next.
    pub(crate) fn point_to(&self, version: Version) -> Result<(), Failure> {
        platform::point(&self.launcher, &self.program(version))
            .map_err(|error| self.failed(&self.launcher, &error))?;
        self.store.sync_parent(&self.launcher).map_err(unusable)
    }

    /// Removes the launcher that was just made, where there was none before.
    pub(crate) fn remove_launcher(&self) -> Result<(), Failure> {
        if !platform::is_ours(&self.launcher, &self.versions) {
            return Ok(());
        }
        platform::remove_program(&self.launcher)
            .map_err(|error| self.failed(&self.launcher, &error))
    }

    /// Removes a version, which is not whole from the first moment of that.
    pub(crate) fn discard(&self, version: Version) -> Result<(), Failure> {
        let (dir, partial) = (self.dir(version), self.partial(version));
        if fs::symlink_metadata(&dir).is_ok() {
            self.remove_dir(&partial)?;
            fs::rename(&dir, &partial).map_err(|error| self.failed(&dir, &error))?;
        }
        self.remove_dir(&partial)
    }

    /// Removes what an installation left behind that was killed. Under the lock, nobody is at it.
    pub(crate) fn sweep(&self) -> Result<(), Failure> {
        for dir in entries(&self.versions).iter().filter(|dir| partial_of(dir).is_some()) {
            self.remove_dir(dir)?;
        }
        // What is written under this lock, nobody else writes.
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

    /// Everything that [`Managed::remove_all`] would remove, as it is there now.
    pub(crate) fn what_is_there(&self) -> Vec<PathBuf> {
        let is_version = |dir: &PathBuf| version_of(dir).or_else(|| partial_of(dir)).is_some();
        let launcher =
            platform::is_ours(&self.launcher, &self.versions).then(|| self.launcher.clone());
        let versions = entries(&self.versions).into_iter().filter(is_version);
        let files = self.files().into_iter().filter(|file| fs::symlink_metadata(file).is_ok());
        launcher.into_iter().chain(versions).chain(files).collect()
    }

    /// Removes the launcher and every version, and nothing that is not ours. The launcher goes first: what it
    /// leads to is whole as long as it is there.
    pub(crate) async fn remove_all(&self, context: &Context) -> Result<(), Failure> {
        let _lock = self.lock(context).await?;
        // Before the launcher goes: it may bring one back that was lost half-way.
        self.sweep()?;
        self.remove_launcher()?;
        for version in self.installed() {
            self.discard(version)?;
        }
        let [seen, lock] = self.files();
        self.store.unlink(&seen).map_err(unusable)?;
        // Where an open file cannot be removed, this one stays: it is empty.
        let _ = self.store.unlink(&lock);
        // What somebody else put there stays, and its directory with it.
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
        // A damaged one is no reason to stay with an old version for ever.
        Ok(text.and_then(|text| json::parse::<Seen>(text.expose()).ok()).map(|seen| seen.newest))
    }

    /// Remembers a version that was announced, so that nobody can pass off an older one as the newest later; and
    /// refuses one that is older.
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

    /// [`Managed::note`] for who only looks. Where nothing is managed, nothing is written.
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
            // In the sandbox of an agent nothing can be written: it may look all the same.
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

/// What `releases.json` remembers.
struct Seen {
    newest: Version,
}

impl FromJson for Seen {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self { newest: Members::of(value, mistakes).required("newest_seen") }
    }
}

/// A version that is older than it may be.
pub(crate) fn downgrade(version: Version, why: &str) -> Failure {
    let message = format!("{version} is refused, because it is older: {why}");
    Failure::new(Cause::Release(ReleaseTrouble::DowngradeRefused), message)
        .keeping(release::UNCHANGED)
}

fn unusable(error: StoreError) -> Failure {
    let mut failure =
        Failure::from_core("Cannot change the installation", &Error::Store(error), "");
    failure.hint = Some("Make that place writable, then try again.".into());
    failure
}

/// Starts a program to see that it does start, and is this version. If not, in words why.
pub(crate) async fn starts(program: &Path, version: Version) -> Result<(), String> {
    let mut command = Command::new(program);
    // It needs nothing of the environment, which holds credentials.
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
            return Err("it does not say its version in time".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        // The pipe holds what it said; no more is read than that.
        let _ = output.take(100).read_to_string(&mut said);
    }
    if !status.success() {
        return Err(format!("it ends with {status}"));
    }
    if said.trim_end() != format!("twg {version}") {
        return Err(format!(
            "it says that it is '{}'",
            twg_core::text::displayable(said.trim_end())
        ));
    }
    Ok(())
}

/// What lies in a directory. What cannot be listed is not there.
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
