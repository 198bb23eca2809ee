//! What every command works with.

use twg_core::credential::{ConnectionKey, RecordError, StoredCredential};
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::plan::Surroundings;

use crate::advice::Advice;
use crate::config_dir::{ConfigDir, MAIN_PROVIDER};
use crate::effects::file_store::FileStore;
use crate::effects::http::HttpClient;
use crate::effects::record_store::RecordStore;
use crate::effects::terminal::PromptError;
use crate::environment::env;
use crate::failure::{Cause, Failure};
use crate::options::Global;
use crate::person::Person;
use crate::system::entropy;
use crate::system::surroundings;

/// Fresh random numbers for one use.
pub(crate) fn entropy() -> Result<Entropy, Failure> {
    entropy::fresh()
        .map(Entropy::new)
        .map_err(|error| Failure::internal(format!("No random numbers available: {error}")))
}

/// What every command works with.
pub(crate) struct Context {
    pub(crate) config: ConfigDir,
    /// The files beside the records.
    pub(crate) files: FileStore,
    pub(crate) records: RecordStore,
    pub(crate) http: HttpClient,
    pub(crate) person: Person,
    pub(crate) here: Surroundings,
    /// `--json`
    pub(crate) json: bool,
    /// `--yes`: every confirmation is answered with yes.
    pub(crate) yes: bool,
    /// Inside the sandbox, which has its own clients and credentials. Those in the environment do
    /// not apply.
    pub(crate) in_sandbox: bool,
    /// A signal came during a step that must not be interrupted. No new step begins.
    pub(crate) interrupted: bool,
}

impl Context {
    pub(crate) fn new(config: ConfigDir, options: &Global) -> Self {
        let here = surroundings::look(env);
        Self {
            records: RecordStore::Files(FileStore::new(config.clone())),
            files: FileStore::new(config.clone()),
            http: HttpClient::new(),
            config,
            person: Person::new(options, here.ci),
            here,
            json: options.json,
            yes: options.yes,
            in_sandbox: false,
            interrupted: false,
        }
    }

    /// Fails if a signal came during a flow: then the command stops after it.
    pub(crate) fn unless_interrupted(&self) -> Result<(), Failure> {
        if self.interrupted {
            let kept = "The running step was finished and saved first.";
            return Err(Failure::interrupted().keeping(kept));
        }
        Ok(())
    }

    /// Refuses a change of this machine from inside the sandbox, because the change would outlive
    /// the sandbox.
    pub(crate) fn unless_in_sandbox(&self, what: &str, hint: &str) -> Result<(), Failure> {
        if self.in_sandbox {
            return Err(Failure::usage(format!("The sandbox {what}")).or_hint(hint));
        }
        Ok(())
    }

    pub(crate) fn can_open_browser(&self) -> bool {
        self.here.browser && !self.here.ci
    }

    /// Shows a line to the user, unless `--quiet`.
    pub(crate) fn say(&mut self, line: impl Into<Advice>) {
        self.person.say(line);
    }

    /// Shows a warning to the user, unless `--quiet`.
    pub(crate) fn warn(&mut self, line: impl Into<Advice>) {
        self.person.warn(line);
    }

    /// Shows several lines, indented, to the user, unless `--quiet`.
    pub(crate) fn say_lines(&mut self, lines: &Advice) {
        for line in lines.as_called(self.person.program).lines() {
            self.person.say_plainly(format!("  {line}").trim_end());
        }
    }

    /// Shows a `✔` line to the user, unless `--quiet`.
    pub(crate) fn achieved(&mut self, line: impl Into<Advice>) {
        self.person.achieved(line);
    }

    /// Opens a URL for the user. The URL is on the screen already, so a failure is only a remark.
    pub(crate) async fn open(&mut self, url: &str) {
        self.person.open(url).await;
    }

    /// The record of a connection. Reading needs no lock, because records are replaced as a whole.
    pub(crate) fn credential(
        &self,
        key: &ConnectionKey,
    ) -> Result<Option<StoredCredential>, Failure> {
        let record = self.records.load(key);
        let record = record.map_err(|error| self.unusable_record(key, &Error::Store(error)))?;
        let record = record.map(|record| StoredCredential::parse_for(key, record.expose()));
        record.transpose().map_err(|error| self.unusable_record(key, &Error::Record(error)))
    }

    /// The failure of a record that cannot be read or parsed.
    pub(crate) fn unusable_record(&self, key: &ConnectionKey, error: &Error) -> Failure {
        let shown = self.records.place(key);
        let mut failure =
            Failure::from_core(&format!("Cannot use {shown}"), error, login_command(key));
        if let Error::Record(RecordError::Damaged(what)) = error {
            failure.message = format!("{shown} is damaged ({what})");
            failure.cause = Cause::DamagedRecord(Box::new(error.clone()));
        }
        failure.keeping("The file is unchanged.")
    }
}

/// A connection for people: the provider, and the name of the connection unless it is the default
/// one.
pub(crate) fn shown(key: &ConnectionKey) -> String {
    if key.connection() == ConnectionKey::DEFAULT {
        key.provider().to_owned()
    } else {
        key.to_string()
    }
}

/// The command that signs in to a connection.
pub(crate) fn login_command(key: &ConnectionKey) -> String {
    format!("twg login{}", arguments(key))
}

/// The arguments that name a connection in a command: none for the default connection.
pub(crate) fn arguments(key: &ConnectionKey) -> String {
    let mut arguments = String::new();
    if key.provider() != MAIN_PROVIDER {
        arguments = format!(" {}", key.provider());
    }
    if key.connection() != ConnectionKey::DEFAULT {
        arguments = format!("{arguments} --connection {}", key.connection());
    }
    arguments
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Interrupted => Self::interrupted(),
            error @ (PromptError::Closed | PromptError::NotPlain) => {
                Self::new(Cause::NoAnswer, error.to_string())
            }
            error @ (PromptError::NoTerminal | PromptError::Failed(_)) => {
                Self::configuration(error.to_string())
            }
        }
    }
}
