//! One user at one server: a home with its own login, in which the cases run one after the other.

use std::path::{Path, PathBuf};

use serde_json::Value;
use twg_tests::{Record, TempHome, TwgCommand};

use crate::background;
use crate::protocol::Layout;
use crate::server::{Counted, Server};
use crate::trace::Trace;
use crate::traced::{Detail, Injection, Traced};

/// The age of the access token at the beginning of a case. The case changes the record, as if the
/// machine had been off for a while: no test waits, and the refresh is due without `--force`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It has expired: every command needs a refresh.
    Expired,
    /// A refresh is due, and the token still works.
    Due,
}

/// A home and its login.
#[derive(Debug)]
pub struct Place<'server> {
    /// The server of the login.
    pub server: &'server Server,
    home: TempHome,
    /// The paths of its files.
    pub layout: Layout,
    family: Option<String>,
}

impl<'server> Place<'server> {
    /// Signs in, with a real `twg login` and its approval. For `known_leeway` see
    /// [`Server::furnish`].
    #[must_use]
    pub fn sign_in(server: &'server Server, known_leeway: Option<u64>) -> Self {
        let home = TempHome::new();
        server.furnish(&home, known_leeway);
        let layout = Layout {
            config: home.config_dir(),
            state: home.path().join(".local"),
            record: server.record().to_owned(),
        };
        let words = ["login"].into_iter().chain(server.provider()).chain(["--loopback"]);
        let output = server.finish(home.twg(words).start());
        assert_eq!(output.code(), Some(0), "{output}");
        let mut place = Self { server, home, layout, family: None };
        place.family = server.family_of(&place.refresh_token());
        place
    }

    /// `twg auth refresh` with these further arguments.
    #[must_use]
    pub fn refresh(&self, args: &[&str]) -> TwgCommand {
        let words = ["auth", "refresh"].into_iter().chain(self.server.provider());
        self.home.twg(words.chain(args.iter().copied()))
    }

    /// `twg auth token`.
    #[must_use]
    pub fn token(&self) -> TwgCommand {
        self.home.twg(["auth", "token"].into_iter().chain(self.server.provider()))
    }

    /// `twg auth refresh` under strace.
    #[must_use]
    pub fn traced(&self, detail: Detail, injections: &[Injection], args: &[&str]) -> Traced {
        let file = self.home.path().join("trace");
        let mut traced = Traced::run(&self.refresh(args), &file, detail, injections);
        let started = traced.trace.started();
        started.iter().for_each(|id| background::wait_for(*id));
        let armed = self.stop_recoveries();
        let now = now();
        // Its recovery has not begun, so it has sent nothing: the case itself does the repair.
        assert!(armed.iter().all(|at| *at > now), "a recovery in the background has begun");
        traced.armed = armed.len();
        assert!(started.is_empty() || traced.armed > 0, "a recovery was armed, and is not there");
        traced
    }

    /// A refresh without a fault, to compare the others with.
    #[must_use]
    pub fn undisturbed(&self, detail: Detail) -> Trace {
        self.age(Age::Expired);
        let traced = self.traced(detail, &[], &[]);
        assert_eq!(traced.output.code(), Some(0), "{}", traced.output);
        traced.trace
    }

    /// Kills the background recoveries of runs here, and returns their start times.
    pub fn stop_recoveries(&self) -> Vec<u64> {
        background::stop(self.home.path())
    }

    /// `twg` as this user, with its own copy of the configuration.
    #[must_use]
    pub fn apart(&self, command: TwgCommand, number: usize) -> TwgCommand {
        let copy = self.home.path().join(format!("apart-{number}"));
        let mut words = std::process::Command::new("cp");
        let status = words.arg("-a").arg(self.config_dir()).arg(&copy).status();
        assert!(status.expect("there is a cp").success(), "the configuration can be copied");
        command.env("TWG_CONFIG_DIR", copy)
    }

    /// Sets the times of the stored access token back.
    pub fn age(&self, age: Age) {
        // A recovery of the case before must not read a record that is being written.
        self.stop_recoveries();
        let mut record = self.record().members().clone();
        let issued = record["tokens"]["issued_at"].as_u64().expect("a time");
        let expires = record["tokens"]["expires_at"].as_u64().expect("a time");
        let by = match age {
            Age::Expired => expires - issued + 60_000,
            Age::Due => (expires - issued) / 10 * 9,
        };
        record["tokens"]["issued_at"] = (issued - by).into();
        record["tokens"]["expires_at"] = (expires - by).into();
        std::fs::write(self.record_path(), record.to_string()).expect("the record can be written");
    }

    /// The current record.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::read(&self.record_path())
    }

    /// The stored refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> String {
        self.record().refresh_token().expect("every login here has one").to_owned()
    }

    /// Whether the record contains an intent.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !matches!(self.record().members().get("pending"), None | Some(Value::Null))
    }

    /// The path of the record.
    #[must_use]
    pub fn record_path(&self) -> PathBuf {
        self.layout.record_path()
    }

    /// The configuration directory.
    #[must_use]
    pub fn config_dir(&self) -> &Path {
        &self.layout.config
    }

    /// The directory of the record.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.record_path().parent().expect("it is in a directory").to_owned()
    }

    /// The server's counts for this login.
    #[must_use]
    pub fn counted(&self) -> Option<Counted> {
        self.server.counted(self.family.as_deref())
    }

    /// Files that must not exist at rest.
    #[must_use]
    pub fn litter(&self) -> Vec<PathBuf> {
        let record = self.record_path();
        let lock = PathBuf::from(format!("{}.lock", record.display()));
        let files = files_in(&self.directory()).into_iter().chain(self.rescued());
        files
            .filter(|path| *path != record && *path != lock && *path != self.layout.claim_path())
            .collect()
    }

    /// The rescued responses.
    #[must_use]
    pub fn rescued(&self) -> Vec<PathBuf> {
        files_in(&self.layout.state.join("state/twg/rescue"))
    }

    /// Whether the server still knows this login.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.server.is_alive(self.family.as_deref(), &self.refresh_token())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.stop_recoveries();
    }
}

/// The time now, in milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The files in a directory, which may not exist.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_file()).collect()
}
