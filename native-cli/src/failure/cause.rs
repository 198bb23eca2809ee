//! Why a command failed. All decisions depend on this type, and so do the exit codes and the codes
//! for programs.

use twg_core::error::{Error, Party};
use twg_core::flow::{LockError, StoreError, StoreErrorKind, UserAgentError};

/// The exit codes, those of `sysexits.h` where it has one. `docs/exit-codes.md` explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It failed, and no other code tells why.
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
    /// The code for a store that cannot be used.
    const fn of_store(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::CannotCreate => Self::CannotCreate,
            StoreErrorKind::CannotWrite | StoreErrorKind::CannotRead => Self::CannotWrite,
            StoreErrorKind::Changed => Self::Temporary,
        }
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An error of the core.
    Core(Box<Error>),
    /// A damaged record. Signing in replaces it.
    DamagedRecord(Box<Error>),
    /// An error of a request with a credential of the environment. Signing in does not help.
    Given(Box<Error>),
    /// A file beside the records could not be written.
    FileNotStored(StoreErrorKind),
    /// The memory of the upkeep could not be written.
    UpkeepNotStored(StoreErrorKind),
    /// The server may have carried out a request that changes data.
    MaybeDone(Box<Error>),
    Usage,
    Configuration,
    Interrupted,
    /// An error inside this program or the operating system, without a better description.
    Internal,
    /// The person did not answer.
    NoAnswer,
    /// No client ID.
    ClientRequired,
    /// No usable credential is stored.
    AuthRequired,
    /// The server does not accept the token of the environment.
    GivenTokenRejected,
    /// The server does not accept a token that was entered.
    TokenRejected,
    /// Atlassian does not accept the admin API key.
    KeyRejected,
    /// The admin API key may not do this.
    KeyNotPermitted,
    /// The person entered no token.
    NothingEntered,
    /// At least one connection was not signed out.
    NotSignedOut,
    /// A file for other programs could not be written.
    NotWritten,
    /// The doctor's bundle could not be created.
    BundleNotCreated,
    /// The sandbox cannot run.
    Sandbox,
    /// The scheduler of this system refused.
    Scheduler,
    /// Another run of the upkeep is active.
    UpkeepBusy,
    /// An API refused or failed.
    Api(ApiTrouble),
    /// A problem with a release, or with downloading one.
    Release(ReleaseTrouble),
}

/// How an API refused or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiTrouble {
    Redirected,
    NotPermitted,
    NotFound,
    Unavailable,
    Other,
}

/// A problem with a release, or with downloading one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseTrouble {
    Offline,
    BadRedirect,
    NoSuchRelease,
    NotSigned,
    Unreadable,
    Damaged,
    TooLarge,
    ArchiveRefused,
    NotForThisSystem,
    UpdateRunning,
    LauncherTaken,
    DowngradeRefused,
    DoesNotStart,
    NotRolledBack,
    NoReleases,
    NotManaged,
}

impl Cause {
    /// Whether a person or another program ended it.
    pub(crate) fn is_interruption(&self) -> bool {
        let is_closed = |error: &Error| matches!(error, Error::UserAgent(UserAgentError::Closed));
        matches!(self, Self::Interrupted) || matches!(self, Self::Core(error) if is_closed(error))
    }

    /// A server does not accept a token or a key that a person entered.
    pub(crate) const fn is_rejection(&self) -> bool {
        matches!(self, Self::TokenRejected | Self::KeyRejected | Self::KeyNotPermitted)
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Core(error) => exit_of(error),
            Self::Given(error) if needs_sign_in(error) => Exit::Failed,
            Self::Given(error) => exit_of(error),
            Self::FileNotStored(kind) | Self::UpkeepNotStored(kind) => Exit::of_store(*kind),
            Self::Usage => Exit::Usage,
            Self::Configuration | Self::ClientRequired => Exit::Configuration,
            Self::Interrupted => Exit::Interrupted,
            Self::DamagedRecord(_)
            | Self::AuthRequired
            | Self::GivenTokenRejected
            | Self::TokenRejected
            | Self::KeyRejected
            | Self::KeyNotPermitted => Exit::AuthRequired,
            Self::NotWritten | Self::Sandbox => Exit::CannotWrite,
            Self::BundleNotCreated => Exit::CannotCreate,
            Self::UpkeepBusy => Exit::Temporary,
            Self::Api(ApiTrouble::Unavailable)
            | Self::Release(ReleaseTrouble::Offline | ReleaseTrouble::UpdateRunning) => {
                Exit::Temporary
            }
            Self::Release(
                ReleaseTrouble::LauncherTaken
                | ReleaseTrouble::NoReleases
                | ReleaseTrouble::NotManaged,
            ) => Exit::Configuration,
            Self::MaybeDone(_)
            | Self::Internal
            | Self::NoAnswer
            | Self::NothingEntered
            | Self::NotSignedOut
            | Self::Scheduler
            | Self::Api(_)
            | Self::Release(_) => Exit::Failed,
        }
    }

    /// The code for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Core(error)
            | Self::DamagedRecord(error)
            | Self::Given(error)
            | Self::MaybeDone(error) => error.code(),
            Self::FileNotStored(kind) => code_of_store(*kind),
            Self::UpkeepNotStored(_) => "STORE",
            Self::Usage => "USAGE",
            Self::Configuration => "CONFIGURATION",
            Self::Interrupted | Self::NothingEntered => "CANCELLED",
            Self::Internal => "INTERNAL",
            Self::NoAnswer => "NO_ANSWER",
            Self::ClientRequired => "CLIENT_REQUIRED",
            Self::AuthRequired => "AUTH_REQUIRED",
            Self::GivenTokenRejected => "AUTH_EXPIRED",
            Self::TokenRejected => "TOKEN_REJECTED",
            Self::KeyRejected => "KEY_REJECTED",
            Self::KeyNotPermitted => "KEY_NOT_PERMITTED",
            Self::NotSignedOut => "NOT_SIGNED_OUT",
            Self::NotWritten => "NOT_WRITTEN",
            Self::BundleNotCreated => "STORE_CANNOT_CREATE",
            Self::Sandbox => "SANDBOX",
            Self::Scheduler => "SCHEDULER",
            Self::UpkeepBusy => "BUSY",
            Self::Api(trouble) => trouble.code(),
            Self::Release(trouble) => trouble.code(),
        }
    }

    /// Whether the same command may succeed later without any change.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Core(error) | Self::DamagedRecord(error) | Self::Given(error) => {
                error.is_retryable()
            }
            Self::UpkeepBusy => true,
            Self::Api(trouble) => *trouble == ApiTrouble::Unavailable,
            Self::Release(trouble) => {
                matches!(trouble, ReleaseTrouble::Offline | ReleaseTrouble::UpdateRunning)
            }
            Self::FileNotStored(_)
            | Self::UpkeepNotStored(_)
            | Self::MaybeDone(_)
            | Self::Usage
            | Self::Configuration
            | Self::Interrupted
            | Self::Internal
            | Self::NoAnswer
            | Self::ClientRequired
            | Self::AuthRequired
            | Self::GivenTokenRejected
            | Self::TokenRejected
            | Self::KeyRejected
            | Self::KeyNotPermitted
            | Self::NothingEntered
            | Self::NotSignedOut
            | Self::NotWritten
            | Self::BundleNotCreated
            | Self::Sandbox
            | Self::Scheduler => false,
        }
    }
}

impl ApiTrouble {
    const fn code(self) -> &'static str {
        match self {
            Self::Redirected => "REDIRECTED",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::NotFound => "NOT_FOUND",
            Self::Unavailable => "SERVER_UNAVAILABLE",
            Self::Other => "API_ERROR",
        }
    }
}

impl ReleaseTrouble {
    const fn code(self) -> &'static str {
        match self {
            Self::Offline | Self::BadRedirect => "NETWORK",
            Self::NoSuchRelease => "NO_SUCH_RELEASE",
            Self::NotSigned => "RELEASE_NOT_SIGNED",
            Self::Unreadable => "RELEASE_UNREADABLE",
            Self::Damaged => "RELEASE_DAMAGED",
            Self::TooLarge => "RELEASE_TOO_LARGE",
            Self::ArchiveRefused => "ARCHIVE_REFUSED",
            Self::NotForThisSystem => "NOT_FOR_THIS_SYSTEM",
            Self::UpdateRunning => "UPDATE_RUNNING",
            Self::LauncherTaken => "LAUNCHER_TAKEN",
            Self::DowngradeRefused => "DOWNGRADE_REFUSED",
            Self::DoesNotStart => "DOES_NOT_START",
            Self::NotRolledBack => "NOT_ROLLED_BACK",
            Self::NoReleases => "NO_RELEASES",
            Self::NotManaged => "NOT_MANAGED",
        }
    }
}

/// The code that the core has for an error of the store.
fn code_of_store(kind: StoreErrorKind) -> &'static str {
    Error::Store(StoreError { kind, place: String::new(), detail: String::new() }).code()
}

/// Whether the user has to sign in.
fn needs_sign_in(error: &Error) -> bool {
    let is_invalid_grant = matches!(error, Error::Refused(refusal) if refusal.is_invalid_grant());
    is_invalid_grant
        || matches!(
            error,
            Error::NotSignedIn(_)
                | Error::TokenRejected
                | Error::Ended { .. }
                | Error::NoRefreshToken { .. }
                | Error::ReplyDamaged
        )
}

fn exit_of(error: &Error) -> Exit {
    match error {
        // 73 and 74 promise that nothing was sent.
        Error::NotSaved(_) | Error::NotForgotten(_) => Exit::Failed,
        Error::Store(error) | Error::Lock(LockError::Unusable(error)) => Exit::of_store(error.kind),
        Error::Record(_) => Exit::Configuration,
        Error::UserAgent(UserAgentError::Closed) => Exit::Interrupted,
        Error::ReplyNotSaved { .. } => Exit::CannotWrite,
        _ if needs_sign_in(error) => Exit::AuthRequired,
        Error::NotSignedIn(_)
        | Error::TokenRejected
        | Error::Ended { .. }
        | Error::NoRefreshToken { .. }
        | Error::ReplyDamaged
        | Error::Refused(_)
        | Error::GrantNotEnabled(_)
        | Error::Unavailable { .. }
        | Error::NotOAuth { .. }
        | Error::PeerMisbehaved { .. }
        | Error::Transport { .. }
        | Error::NotPermitted
        | Error::UserAgent(_)
        | Error::CodeExpired
        | Error::Configuration(_)
        | Error::Lock(LockError::TimedOut { .. })
        | Error::Interrupted { .. }
        | Error::OutOfOrder => exit_by_party(error),
    }
}

fn exit_by_party(error: &Error) -> Exit {
    if error.is_retryable() {
        return Exit::Temporary;
    }
    match error.party() {
        Party::Configuration => Exit::Configuration,
        Party::User | Party::Server | Party::Network | Party::Store | Party::Defect => Exit::Failed,
    }
}
