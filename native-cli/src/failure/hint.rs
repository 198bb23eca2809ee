//! The next command to run after an error of the core.

use twg_core::credential::RecordError;
use twg_core::error::Error;
use twg_core::flow::{LockError, UserAgentError};

use crate::advice::Advice;

/// The command that signs in to the connection of an error: `twg login example --connection work`.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    command: String,
    is_forced: bool,
}

impl SignIn {
    /// A command that contains `--force` already.
    pub(crate) fn forced(command: impl Into<String>) -> Self {
        Self { command: command.into(), is_forced: true }
    }

    /// The command with `--force`.
    fn again(&self) -> String {
        let force = if self.is_forced { "" } else { " --force" };
        format!("{}{force}", self.command)
    }
}

impl<T: Into<String>> From<T> for SignIn {
    fn from(command: T) -> Self {
        Self { command: command.into(), is_forced: false }
    }
}

/// What to do after an error; `None` if its message is enough.
pub(super) fn hint_for(error: &Error, login: &SignIn) -> Option<Advice> {
    let (again, login_here) = (login.again(), &login.command);
    let hint = match error {
        Error::NotSaved(cause) | Error::NotForgotten(cause) => return hint_for(cause, login),
        Error::GrantNotEnabled(_) => {
            format!("Run `{login_here} --loopback` to sign in with the browser on this machine.")
        }
        Error::Refused(error) if error.is_client_problem() => format!(
            "Check the client ID and secret; run `{login_here} --new-client` to enter them again."
        ),
        Error::Refused(error) if error.is_declined() => {
            format!("Run `{login_here}` to try again and choose Accept.")
        }
        Error::NotSignedIn(_) => format!("Run `{login_here}` to sign in."),
        Error::Ended { .. } | Error::ReplyDamaged => {
            format!("Run `{login_here}` to sign in again.")
        }
        Error::NoRefreshToken { .. } => {
            format!("Run `{again}` to sign in again; ask for the scope offline_access.")
        }
        // While the access token works, no attempt puts it at risk.
        Error::Interrupted { repairable_until: None, .. } => {
            format!("`twg auth status` shows the state; `{again}` signs in again at once.")
        }
        Error::Interrupted { .. } => {
            "Try the same command again in a moment; `twg auth status` shows the state.".to_owned()
        }
        Error::ReplyNotSaved { .. } => {
            "Make that place writable, then run `twg auth refresh`; do not delete the kept response."
                .to_owned()
        }
        Error::TokenRejected => format!("Run `{again}` to sign in again."),
        Error::Transport { .. } if !error.is_retryable() => return None,
        Error::Unavailable { .. } | Error::NotOAuth { .. } | Error::Transport { .. } => {
            "Check the network and try the same command again; `twg doctor` shows proxy and CA settings."
                .to_owned()
        }
        Error::UserAgent(UserAgentError::PortBusy(_)) => {
            format!("Stop that program, or sign in without a local port: `{login_here} --device`.")
        }
        Error::UserAgent(UserAgentError::TimedOut) | Error::CodeExpired => {
            format!("Run `{login_here}` to try again.")
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
            format!("Run `{login_here}`: it keeps the damaged file beside the new one.")
        }
        Error::Refused(_)
        | Error::PeerMisbehaved { .. }
        | Error::NotPermitted
        | Error::UserAgent(UserAgentError::Closed | UserAgentError::Unavailable(_))
        | Error::Configuration(_)
        | Error::OutOfOrder => return None,
    };
    Some(hint.into())
}
