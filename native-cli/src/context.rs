//! What every command works with.

use twg_core::credential::{ConnectionKey, RecordError, StoredCredential};
use twg_core::error::Error;
use twg_core::pkce::Entropy;
use twg_core::plan::Surroundings;

use crate::config_dir::{ConfigDir, MAIN_PROVIDER};
use crate::effects::browser;
use crate::effects::store::Store;
use crate::effects::terminal::{PromptError, Terminal};
use crate::environment::env;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::system::entropy;
use crate::system::surroundings;

/// Fresh randomness for one use.
pub(crate) fn entropy() -> Result<Entropy, Failure> {
    entropy::fresh()
        .map(Entropy::new)
        .map_err(|error| Failure::internal(format!("no randomness to be had: {error}")))
}

/// Who opens addresses for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserAgent {
    /// The user's browser.
    Browser,
    /// `twg sandbox --approve`: fills in the sandbox's pages itself. Holds the sandbox's address.
    SandboxApprover(String),
}

/// What every command works with.
pub(crate) struct Context {
    pub(crate) config: ConfigDir,
    pub(crate) store: Store,
    pub(crate) terminal: Terminal,
    pub(crate) here: Surroundings,
    pub(crate) user_agent: UserAgent,
    /// `--json`
    pub(crate) json: bool,
    /// `--quiet`
    pub(crate) quiet: bool,
    /// `--verbose`
    pub(crate) verbose: bool,
    /// `--yes`: whoever would ask whether to go on, goes on.
    pub(crate) yes: bool,
    /// Neither `--no-input` nor CI: somebody may be asked.
    pub(crate) may_ask: bool,
    /// Against the sandbox, whose clients are its own: the user's in the environment are not meant.
    pub(crate) in_sandbox: bool,
    /// The command that was typed, for remarks: `twg`, or `twg sandbox` inside the sandbox. (The hints of
    /// failures say `twg`; `twg sandbox` adapts them all in one place.)
    pub(crate) program: &'static str,
    /// A signal came while something was finished that must not be interrupted. Nothing new is begun.
    pub(crate) interrupted: bool,
}

impl Context {
    pub(crate) fn new(config: ConfigDir, options: &Global) -> Self {
        let here = surroundings::look(env);
        Self {
            store: Store::new(config.clone()),
            config,
            terminal: Terminal::new(&env),
            may_ask: !options.no_input && !here.ci,
            here,
            user_agent: UserAgent::Browser,
            json: options.json,
            quiet: options.quiet,
            verbose: options.verbose,
            yes: options.yes,
            in_sandbox: false,
            program: "twg",
            interrupted: false,
        }
    }

    /// Whether to go on after a flow: not if a signal came meanwhile.
    pub(crate) fn unless_interrupted(&self) -> Result<(), Failure> {
        if self.interrupted {
            let kept = "What was under way was finished and saved first.";
            return Err(Failure::interrupted().keeping(kept));
        }
        Ok(())
    }

    /// For what changes this machine, and not the sandbox: it would still be there when the sandbox is forgotten.
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
    pub(crate) fn say(&mut self, line: &str) {
        if !self.quiet {
            self.terminal.line(line);
        }
    }

    /// Shows a warning to the user, unless `--quiet`.
    pub(crate) fn warn(&mut self, line: &str) {
        if !self.quiet {
            self.terminal.warning(line);
        }
    }

    /// Shows several lines, indented, to the user, unless `--quiet`.
    pub(crate) fn say_lines(&mut self, lines: &str) {
        for line in lines.lines() {
            self.say(format!("  {line}").trim_end());
        }
    }

    /// Shows a `✔` line to the user, unless `--quiet`.
    pub(crate) fn achieved(&mut self, line: &str) {
        if !self.quiet {
            self.terminal.success(line);
        }
    }

    /// Opens an address for the user. It stands on the screen already, so a failure is only a remark.
    pub(crate) async fn open(&mut self, url: &str) {
        match self.user_agent.clone() {
            UserAgent::Browser => {
                if let Err(reason) = browser::open(url, &env).await {
                    self.say(&format!("  (No browser was opened: {reason})"));
                }
            }
            UserAgent::SandboxApprover(base_url) => {
                let url = url.to_owned();
                // It ends with the login: either its last request is answered, or nobody listens.
                std::thread::spawn(move || {
                    // A login that is refused says so itself.
                    let _ = twg_sandbox::approve(&url, &base_url);
                });
            }
        }
    }

    /// The record of a connection, without its lock: reading needs none, because records are replaced
    /// as a whole.
    pub(crate) fn credential(
        &self,
        key: &ConnectionKey,
    ) -> Result<Option<StoredCredential>, Failure> {
        let path = self.config.record_path(key);
        let record = self.store.load(&path);
        let record = record.map_err(|error| self.unusable_record(key, &Error::Store(error)))?;
        let record = record.map(|record| StoredCredential::parse_for(key, record.expose()));
        record.transpose().map_err(|error| self.unusable_record(key, &Error::Record(error)))
    }

    /// A record that cannot be read, or not understood.
    pub(crate) fn unusable_record(&self, key: &ConnectionKey, error: &Error) -> Failure {
        let shown = self.config.display(&self.config.record_path(key));
        let mut failure =
            Failure::from_core(&format!("Cannot use {shown}"), error, &login_command(key));
        if matches!(error, Error::Record(RecordError::Damaged(_))) {
            failure.exit = Exit::AuthRequired;
        }
        failure.keeping("The file is unchanged.")
    }
}

/// A connection for people: the provider, and the connection where it is not the usual one.
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

/// How a connection is named behind a command: nothing for the usual one.
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
                Self::new(Exit::Failed, "NO_ANSWER", error.to_string())
            }
            other => Self::configuration(other.to_string()),
        }
    }
}
