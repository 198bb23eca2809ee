//! Errors for people: what happened, what was kept, which one command to run next.

use serde_json::{Value, json};
use twg_core::credential::RecordError;
use twg_core::error::{Error, Party};
use twg_core::flow::{LockError, StoreErrorKind, UserAgentError};

use crate::effects::terminal::Terminal;

/// The exit codes of COMMANDS: those of `sysexits.h` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It failed, and no other code says why.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The store cannot be created: nothing was sent to the server.
    CannotCreate = 73,
    /// The store cannot be written.
    CannotWrite = 74,
    /// Try again later: nothing is lost.
    Temporary = 75,
    /// Sign in first.
    AuthRequired = 77,
    /// The configuration is wrong.
    Configuration = 78,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// Of a store that could not be used.
    pub(crate) const fn of_store(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::CannotCreate => Self::CannotCreate,
            StoreErrorKind::CannotWrite | StoreErrorKind::CannotRead => Self::CannotWrite,
            StoreErrorKind::Changed => Self::Temporary,
        }
    }
}

/// Why a command failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// For programs.
    pub(crate) code: &'static str,
    /// What happened. One sentence without a full stop; safe for a terminal.
    pub(crate) message: String,
    /// What the user still has.
    pub(crate) kept: Option<String>,
    /// What to do next: a command in backquotes, or what to change.
    pub(crate) hint: Option<String>,
    /// What to change so that it does not happen again, in several lines.
    pub(crate) advice: Option<String>,
    pub(crate) retryable: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        let retryable = exit == Exit::Temporary;
        Self {
            exit,
            code,
            message: message.into(),
            kept: None,
            hint: None,
            advice: None,
            retryable,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, "CONFIGURATION", message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "CANCELLED", "Cancelled")
    }

    /// A failure inside this program or of the operating system, where nothing better is known.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "INTERNAL", message)
    }

    /// What the user still has.
    #[must_use]
    pub(crate) fn keeping(mut self, kept: impl Into<String>) -> Self {
        self.kept = Some(kept.into());
        self
    }

    /// What to do next, unless the failure knows better.
    #[must_use]
    pub(crate) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// A failure of the core. `doing` says what was tried: "Could not sign in"; `login` is the command that
    /// signs in to the connection in question: `twg login example --connection work`.
    pub(crate) fn from_core(doing: &str, error: &Error, login: &str) -> Self {
        Self {
            exit: exit_of(error),
            code: error.code(),
            message: format!("{doing}: {error}"),
            kept: None,
            hint: hint_for(error, login),
            advice: None,
            retryable: error.is_retryable(),
        }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "kept": self.kept,
            "hint": self.hint,
            "advice": self.advice,
            "retryable": self.retryable,
        })
    }

    /// Tells the user, on standard error or, if asked for, as JSON on standard output.
    pub(crate) fn report(&self, terminal: &mut Terminal, as_json: bool) {
        if as_json {
            let document = json!({ "schemaVersion": 1, "ok": false, "error": self.to_json() });
            crate::output::print_json(&document);
            return;
        }
        terminal.error(&self.message);
        for text in self.kept.iter().chain(&self.hint).chain(&self.advice) {
            for line in text.lines() {
                terminal.line(format!("  {line}").trim_end());
            }
        }
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        // 73 and 74 promise that nothing was sent.
        Error::NotSaved(_) | Error::NotForgotten(_) => Exit::Failed,
        Error::Store(error) | Error::Lock(LockError::Unusable(error)) => Exit::of_store(error.kind),
        Error::Lock(LockError::TimedOut { .. }) => Exit::Temporary,
        Error::Record(_) => Exit::Configuration,
        Error::UserAgent(UserAgentError::Closed) => Exit::Interrupted,
        Error::NotSignedIn(_)
        | Error::TokenRejected
        | Error::Ended { .. }
        | Error::NoRefreshToken { .. }
        | Error::ReplyDamaged => Exit::AuthRequired,
        Error::ReplyNotSaved { .. } => Exit::CannotWrite,
        Error::Refused(error) if error.is_invalid_grant() => Exit::AuthRequired,
        _ if error.is_retryable() => Exit::Temporary,
        _ if error.party() == Party::Configuration => Exit::Configuration,
        _ => Exit::Failed,
    }
}

fn hint_for(error: &Error, login: &str) -> Option<String> {
    let hint = match error {
        Error::NotSaved(cause) | Error::NotForgotten(cause) => return hint_for(cause, login),
        Error::GrantNotEnabled(_) => {
            format!("Run `{login} --loopback` to sign in with the browser here.")
        }
        Error::Refused(error) if error.is_client_problem() => format!(
            "Check the client id and secret: run `{login} --new-client` to enter them again."
        ),
        Error::Refused(error) if error.code() == "access_denied" => {
            format!("Run `{login}` to try again and choose Accept.")
        }
        Error::NotSignedIn(_) => format!("Run `{login}` to sign in."),
        Error::Ended { .. } | Error::ReplyDamaged => format!("Run `{login}` to sign in again."),
        Error::NoRefreshToken { .. } => {
            format!("Run `{login} --force` to sign in again; ask for the scope offline_access.")
        }
        // While the access token works it is not put at risk, however often the command is tried.
        Error::Interrupted { repairable_until: None, .. } => format!(
            "`twg auth status` shows how things are; `{login} --force` signs in again at once."
        ),
        Error::Interrupted { .. } => {
            "Try the same command again in a moment; `twg auth status` shows how things are.".to_owned()
        }
        Error::ReplyNotSaved { .. } => {
            "Make that place writable, then run `twg auth refresh`; do not delete the kept answer.".to_owned()
        }
        Error::TokenRejected if login.ends_with("--force") => format!("Run `{login}`."),
        Error::TokenRejected => format!("Run `{login} --force` to sign in again."),
        Error::Transport { .. } if !error.is_retryable() => return None,
        Error::Unavailable { .. } | Error::NotOAuth { .. } | Error::Transport { .. } => {
            "Check the network and try the same command again; `twg doctor` shows proxy and CA settings."
                .to_owned()
        }
        Error::UserAgent(UserAgentError::PortBusy(_)) => {
            format!("Stop that program, or sign in without a local port: `{login} --device`.")
        }
        Error::UserAgent(UserAgentError::TimedOut) | Error::CodeExpired => {
            format!("Run `{login}` to try again.")
        }
        Error::Lock(LockError::TimedOut { .. }) => "Let it finish, then try again.".to_owned(),
        Error::Store(_) | Error::Lock(LockError::Unusable(_)) => {
            "Make that place writable, or choose another with TWG_CONFIG_DIR; `twg doctor` tests it."
                .to_owned()
        }
        Error::Record(RecordError::Newer { .. }) => {
            "Update this twg; nothing was changed.".to_owned()
        }
        Error::Record(RecordError::Damaged(_)) => {
            format!("Run `{login}`: it keeps the damaged file beside the new one.")
        }
        _ => return None,
    };
    Some(hint)
}
