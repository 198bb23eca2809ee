//! What every command works with.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;

use twg_core::credential::{ConnectionKey, RecordError, StoredCredential};
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::plan::Surroundings;

use crate::binding::{self, Binding};
use crate::cli::Global;
use crate::config_dir::{ConfigDir, HOME};
use crate::credential_source;
use crate::effects::store::Store;
use crate::effects::terminal::{PromptError, Terminal};
use crate::effects::{browser, entropy};
use crate::failure::{Exit, Failure};
use crate::surroundings;

/// Reads one environment variable. Services and containers often lack the one that says where the home directory is:
/// then the system knows it. One that is empty was emptied on purpose.
pub(crate) fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
        .or_else(|| (name == HOME).then(std::env::home_dir).flatten().map(PathBuf::into_os_string))
}

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
    /// `--connection` was typed: that connection is meant, whatever the environment brings.
    pub(crate) connection_named: Cell<bool>,
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
            connection_named: Cell::new(false),
            interrupted: false,
        }
    }

    /// An environment variable that is set, not empty, and text.
    pub(crate) fn env_text(&self, name: &str) -> Option<String> {
        env(name)?.into_string().ok().filter(|text| !text.is_empty())
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

    /// What the directory is bound to where the command runs. The sandbox has accounts of its own.
    pub(crate) fn binding(&self) -> Result<Option<Binding>, Failure> {
        if self.in_sandbox { Ok(None) } else { binding::here() }
    }

    /// The site that is meant when none is named on the command line: that of `TWG_SITE`, else that of this
    /// directory. A binding that cannot be read is told where the connection is chosen.
    pub(crate) fn chosen_site(&self) -> Option<String> {
        let bound = || self.binding().ok().flatten()?.site;
        self.env_text(credential_source::SITE).filter(|_| !self.in_sandbox).or_else(bound)
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
                    let _ = crate::sandbox::approve(&url, &base_url);
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
    if key.provider() != crate::providers::DEFAULT {
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
