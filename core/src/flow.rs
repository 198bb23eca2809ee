//! The boundary between the core and a shell. Read this first.
//!
//! OAuth is lock-step: at any moment a flow waits for exactly one thing. So a [`Flow`] hands out one
//! [`Effect`] at a time and is resumed with that effect's [`Outcome`]. A shell is one short loop that
//! serves every flow:
//!
//! ```
//! use twg_core::flow::{Effect, Flow, Misuse, Outcome, Step};
//! use twg_core::time::UnixTime;
//!
//! /// What every shell looks like; `perform` is the only place that touches the world.
//! fn drive<F: Flow>(
//!     flow: &mut F,
//!     now: impl Fn() -> UnixTime,
//!     mut perform: impl FnMut(Effect) -> Outcome,
//! ) -> Result<F::Output, Misuse> {
//!     let mut step = flow.begin(now())?;
//!     loop {
//!         match step {
//!             Step::Perform(id, effect) => step = flow.resume(id, perform(effect), now())?,
//!             Step::Done(output) => return Ok(output),
//!         }
//!     }
//! }
//! ```
//!
//! Every effect can fail, and failure is an ordinary outcome. A stale or wrong outcome returns
//! [`Misuse`] and changes nothing. Step IDs are never reused, so that an outcome never reaches
//! another request. Inside the core, a flow is a [`Machine`]: private state and its transitions,
//! nothing else. [`Running`] adds the IDs and checks the outcomes, in one place.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::credential::{AttemptId, ConnectionKey, Generation};
use crate::http::{HttpRequest, HttpResponse, TransportError};
use crate::secret::Secret;
use crate::time::{Now, UnixTime};

/// What a flow wants next.
#[derive(Debug)]
#[must_use = "a step that is dropped leaves its flow waiting forever"]
pub enum Step<T> {
    /// Perform the effect, then call [`Flow::resume`] with this ID and the outcome.
    Perform(StepId, Effect),
    /// The flow is over.
    Done(T),
}

/// Names one step of one flow. Never reused, not even after a flow was suspended and restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(u64);

impl StepId {
    /// The number that crosses a wasm or JSON boundary.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The ID that came back over a wasm or JSON boundary; an invented one returns [`Misuse`].
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// What the shell must do. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send one request, once. Answer: [`Outcome::Http`].
    SendHttp(HttpRequest),
    /// Wait until the wall clock shows this time. Check again at least every 30 s, because clocks
    /// stop during suspend. Also stop once that much time has passed on a monotonic clock, because
    /// clocks are set back. Answer: [`Outcome::Waited`].
    WaitUntil(UnixTime),
    /// Show the verification URL and the user code, then open the URL if `open` is set.
    /// Answer: [`Outcome::Shown`].
    ShowUserCode(DevicePrompt),
    /// Get ready to receive a redirect, and return the redirect URI. Answer: [`Outcome::RedirectUri`].
    ObtainRedirectUri(RedirectTarget),
    /// Show the URL to the user, open a browser if `open` is set, and wait for the redirect
    /// until the deadline. Answer: [`Outcome::Redirected`].
    OpenUserAgent(AuthorizationPrompt),
    /// The last redirect did not belong to this sign-in. Wait for another one, without opening a
    /// browser again. Answer: [`Outcome::Redirected`].
    AwaitRedirect {
        /// When to give up.
        deadline: UnixTime,
    },
    /// Tell the user something that cannot wait for the end. Answer: [`Outcome::Notified`].
    Notify(Notice),
    /// Prove that the store could take this record: create a file beside it, make it durable, move
    /// it, remove it. Nothing is sent to a server before this succeeded. Answer: [`Outcome::Store`].
    PreflightStore(ConnectionKey),
    /// Take the connection's exclusive lock. The shell releases it at [`Effect::ReleaseLock`], when
    /// the flow is done, or when the flow is dropped. Answer: [`Outcome::Locked`].
    AcquireLock {
        /// Whose lock.
        key: ConnectionKey,
        /// When to give up.
        deadline: UnixTime,
    },
    /// Release the lock. Answer: [`Outcome::Notified`].
    ReleaseLock(ConnectionKey),
    /// Read the record. Answer: [`Outcome::Loaded`].
    LoadRecord(ConnectionKey),
    /// Atomically and durably replace the record, which holds generation `expected`. The flow holds
    /// the lock. Answer: [`Outcome::Store`], only once the bytes are on disk.
    ReplaceRecord {
        /// Which record.
        key: ConnectionKey,
        /// The generation that the flow read under this lock; `None` if there was no record.
        expected: Option<Generation>,
        /// The whole new record.
        bytes: Secret,
    },
    /// Move a record that cannot be read out of the way, keeping every byte of it.
    /// Answer: [`Outcome::Kept`].
    SetAsideRecord(ConnectionKey),
    /// Durably remove the record, and the files that are kept for it. The flow holds the lock.
    /// Answer: [`Outcome::Store`].
    RemoveRecord(ConnectionKey),
    /// Prepare the place for the response to one refresh attempt: a new private file beside the record, with
    /// [`STAGE_BYTES`] reserved, the file and its name durable, kept open. A connection has one stage; a new
    /// one replaces that of an earlier attempt. The flow holds the lock. Answer: [`Outcome::Store`].
    OpenStage {
        /// Whose stage.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
    },
    /// Write the response into the open stage, and make it durable. Answer: [`Outcome::Kept`].
    StageReply {
        /// Whose stage.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
        /// The response, as [`StagedReply`](crate::credential::StagedReply) writes it.
        bytes: Secret,
    },
    /// Read the stage of an attempt. Answer: [`Outcome::Loaded`].
    LoadStage {
        /// Whose stage.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
    },
    /// Neither the stage nor the record could take the response: keep it anywhere else, durably and for this
    /// user only. Answer: [`Outcome::Kept`].
    RescueReply {
        /// Whose response.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
        /// As in [`Effect::StageReply`].
        bytes: Secret,
    },
    /// Read the response that [`Effect::RescueReply`] kept of an attempt. Answer: [`Outcome::Loaded`].
    LoadRescue {
        /// Whose response.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
    },
    /// Move a stage that cannot be read out of the way, keeping every byte of it. Answer: [`Outcome::Kept`].
    SetAsideStage {
        /// Whose stage.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
    },
    /// The attempt is over and its outcome is safe: remove its stage and its rescued response.
    /// Answer: [`Outcome::Store`].
    DiscardStage {
        /// Whose stage.
        key: ConnectionKey,
        /// Which attempt's.
        id: AttemptId,
    },
    /// Schedule one refresh of this connection at that time, which must start even if this process has ended:
    /// an interrupted refresh can be repaired only while the server's leeway lasts. Best effort.
    /// Answer: [`Outcome::Notified`].
    ArmRecovery {
        /// Which connection.
        key: ConnectionKey,
        /// When.
        at: UnixTime,
    },
}

/// How much room [`Effect::OpenStage`] reserves: enough for a response with the largest tokens seen. A
/// larger one is still written, if there is room.
pub const STAGE_BYTES: u32 = 64 * 1024;

/// How an effect ended. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Answers [`Effect::SendHttp`].
    Http(Result<HttpResponse, TransportError>),
    /// Answers [`Effect::WaitUntil`].
    Waited,
    /// Answers [`Effect::ShowUserCode`]. A browser that could not be opened is not a failure: the URL is on
    /// the screen.
    Shown(Result<(), UserAgentError>),
    /// Answers [`Effect::ObtainRedirectUri`] with the exact redirect URI.
    RedirectUri(Result<String, UserAgentError>),
    /// Answers [`Effect::OpenUserAgent`] and [`Effect::AwaitRedirect`] with the whole URL of the redirect,
    /// which holds the code.
    Redirected(Result<Secret, UserAgentError>),
    /// Answers [`Effect::Notify`], [`Effect::ReleaseLock`] and [`Effect::ArmRecovery`].
    Notified,
    /// Answers [`Effect::AcquireLock`].
    Locked(Result<(), LockError>),
    /// Answers [`Effect::LoadRecord`], [`Effect::LoadStage`] and [`Effect::LoadRescue`]; `None` if there is
    /// nothing.
    Loaded(Result<Option<Secret>, StoreError>),
    /// Answers [`Effect::PreflightStore`], [`Effect::ReplaceRecord`], [`Effect::RemoveRecord`],
    /// [`Effect::OpenStage`] and [`Effect::DiscardStage`].
    Store(Result<(), StoreError>),
    /// Answers [`Effect::SetAsideRecord`], [`Effect::SetAsideStage`], [`Effect::StageReply`] and
    /// [`Effect::RescueReply`] with the place, for people, where the bytes are now.
    Kept(Result<String, StoreError>),
}

impl Effect {
    /// Whether `outcome` answers this effect, successful or not.
    #[must_use]
    pub const fn is_answered_by(&self, outcome: &Outcome) -> bool {
        match self {
            Self::SendHttp(_) => matches!(outcome, Outcome::Http(_)),
            Self::WaitUntil(_) => matches!(outcome, Outcome::Waited),
            Self::ShowUserCode(_) => matches!(outcome, Outcome::Shown(_)),
            Self::ObtainRedirectUri(_) => matches!(outcome, Outcome::RedirectUri(_)),
            Self::OpenUserAgent(_) | Self::AwaitRedirect { .. } => {
                matches!(outcome, Outcome::Redirected(_))
            }
            Self::Notify(_) | Self::ReleaseLock(_) | Self::ArmRecovery { .. } => {
                matches!(outcome, Outcome::Notified)
            }
            Self::AcquireLock { .. } => matches!(outcome, Outcome::Locked(_)),
            Self::LoadRecord(_) | Self::LoadStage { .. } | Self::LoadRescue { .. } => {
                matches!(outcome, Outcome::Loaded(_))
            }
            Self::PreflightStore(_)
            | Self::ReplaceRecord { .. }
            | Self::RemoveRecord(_)
            | Self::OpenStage { .. }
            | Self::DiscardStage { .. } => matches!(outcome, Outcome::Store(_)),
            Self::SetAsideRecord(_)
            | Self::SetAsideStage { .. }
            | Self::StageReply { .. }
            | Self::RescueReply { .. } => matches!(outcome, Outcome::Kept(_)),
        }
    }

    /// Whether a signal (Ctrl-C, a closed terminal) may end the flow before or during this effect.
    ///
    /// It may not from the moment when a refresh token may be spent until its successor is safe: then the
    /// signal takes effect afterwards.
    #[must_use]
    pub const fn is_interruptible(&self) -> bool {
        match self {
            Self::SendHttp(request) => !request.single_use,
            Self::WaitUntil(_)
            | Self::ShowUserCode(_)
            | Self::ObtainRedirectUri(_)
            | Self::OpenUserAgent(_)
            | Self::AwaitRedirect { .. }
            | Self::Notify(_)
            | Self::PreflightStore(_)
            | Self::AcquireLock { .. } => true,
            Self::ReleaseLock(_)
            | Self::LoadRecord(_)
            | Self::ReplaceRecord { .. }
            | Self::SetAsideRecord(_)
            | Self::RemoveRecord(_)
            | Self::OpenStage { .. }
            | Self::StageReply { .. }
            | Self::LoadStage { .. }
            | Self::RescueReply { .. }
            | Self::LoadRescue { .. }
            | Self::SetAsideStage { .. }
            | Self::DiscardStage { .. }
            | Self::ArmRecovery { .. } => false,
        }
    }
}

/// What the user needs for a sign-in with a device code. RFC 8628 section 3.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePrompt {
    /// Where to enter the code: `https`, or `http` on loopback; checked and free of control characters.
    pub verification_uri: String,
    /// The same URL with the code filled in, if the server gave one. Checked like the other.
    pub verification_uri_complete: Option<String>,
    /// What to enter there, escaped for a terminal. Never the device code.
    pub user_code: String,
    /// When the code stops working.
    pub expires_at: UnixTime,
    /// Whether to open a browser after showing the code.
    pub open: bool,
}

/// Where a redirect must arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget {
    /// The loopback port that is registered with the server; `None` for any free one. A registered
    /// port that is busy is an error, because the server compares redirect URIs exactly.
    pub port: Option<u16>,
    /// The path of the redirect URI, beginning with `/`.
    pub path: String,
}

/// What the user needs for a sign-in with a browser. `Debug` leaves out the URL's query, which holds the state.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationPrompt {
    /// The authorization request: `https`, or `http` on loopback; checked like every URL.
    pub url: String,
    /// Where the redirect will arrive.
    pub redirect_uri: String,
    /// When to give up waiting.
    pub deadline: UnixTime,
    /// Whether to open a browser after showing the URL.
    pub open: bool,
}

impl fmt::Debug for AuthorizationPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationPrompt")
            .field("url", &self.url.split(['?', '#']).next().unwrap_or_default())
            .field("redirect_uri", &self.redirect_uri)
            .field("deadline", &self.deadline)
            .field("open", &self.open)
            .finish()
    }
}

/// Something that the user should know now, in the middle of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A redirect arrived that does not belong to this sign-in (a wrong or missing `state`, another URL). It
    /// was ignored, and the sign-in still waits.
    RedirectIgnored,
    /// The server or the network has failed for a while; the sign-in keeps trying.
    StillTrying(
        /// The last failure.
        String,
    ),
    /// A refresh was interrupted; its request may still be running. The flow waits until it cannot be, then
    /// repairs the connection.
    Recovering,
    /// The client may not use the device grant; the sign-in continues in the browser, and the shell remembers
    /// this for next time.
    DeviceGrantNotEnabled,
    /// The record of the connection could not be read and was moved elsewhere, unchanged.
    RecordSetAside {
        /// Where it is now.
        place: String,
        /// What was wrong with it.
        reason: String,
    },
}

/// Why a sign-in failed at the user agent (browser) or at its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAgentError {
    /// The user closed the window or pressed Ctrl-C.
    Closed,
    /// No redirect came before the deadline.
    TimedOut,
    /// Another program uses this port, which is the registered one.
    PortBusy(u16),
    /// Nothing can be shown or opened here. The text is the shell's.
    Unavailable(String),
}

/// Why the lock could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Another process held it past the deadline. Its name, if known.
    TimedOut {
        /// For people: a process ID and name.
        holder: Option<String>,
    },
    /// The lock file cannot be opened or is not a plain file.
    Unusable(StoreError),
}

/// Why the store failed. The old record is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// Which kind of failure.
    pub kind: StoreErrorKind,
    /// The directory or file it happened to.
    pub place: String,
    /// The message of the operating system.
    pub detail: String,
}

/// What kind of store failure it was. Decides the exit code and the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The directory or file cannot be created: read-only, permission, not a directory.
    CannotCreate,
    /// It exists and cannot be written, or what was written cannot be made durable: full, quota, I/O.
    CannotWrite,
    /// It cannot be read.
    CannotRead,
    /// The record no longer has the generation that the flow read: a program wrote without the lock.
    Changed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            StoreErrorKind::CannotCreate => "cannot create",
            StoreErrorKind::CannotWrite => "cannot write",
            StoreErrorKind::CannotRead => "cannot read",
            StoreErrorKind::Changed => "another program changed",
        };
        write!(f, "{verb} {}: {}", self.place, self.detail)
    }
}

/// A flow in progress, as a shell sees it.
pub trait Flow {
    /// What the flow is for.
    type Output;

    /// The first step. Called again, it returns the current step, under the same ID.
    ///
    /// # Errors
    /// [`Misuse::NotWaiting`] if the flow is over.
    fn begin(&mut self, now: impl Into<Now>) -> Result<Step<Self::Output>, Misuse>;

    /// The next step.
    ///
    /// # Errors
    /// [`Misuse`] if `id` is not the current step or `outcome` does not answer its effect. The flow is
    /// unchanged and still waits.
    fn resume(
        &mut self,
        id: StepId,
        outcome: Outcome,
        now: impl Into<Now>,
    ) -> Result<Step<Self::Output>, Misuse>;
}

/// A mistake of the shell. No server and no user can cause it, and it never changes a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The flow does not wait for that step: it was answered already, or belongs to another flow.
    StaleStep,
    /// The outcome does not answer the effect of that step.
    WrongOutcome,
    /// The flow was not begun, or is over.
    NotWaiting,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaleStep => "the outcome belongs to another step",
            Self::WrongOutcome => "the outcome does not answer the effect",
            Self::NotWaiting => "the flow is not waiting for anything",
        })
    }
}

impl core::error::Error for Misuse {}

/// The transitions of one flow. Shells never see this: they hold a [`Running`] machine.
///
/// `start` is called once; `advance` only with an outcome that answers the last effect. A machine
/// may hold another machine as a part of its state and pass outcomes on to it.
pub trait Machine {
    /// What the flow is for.
    type Output;

    /// The first transition.
    fn start(&mut self, now: Now) -> Next<Self::Output>;

    /// The transition that `outcome` causes.
    fn advance(&mut self, outcome: Outcome, now: Now) -> Next<Self::Output>;
}

/// Where a transition leads.
#[derive(Debug)]
#[must_use]
pub enum Next<T> {
    /// Wait for the outcome of this effect.
    Perform(Effect),
    /// Nothing more to do.
    Done(T),
}

impl<T> Next<T> {
    /// Continues when a part of a flow is done: its output leads to the next transition of the whole flow.
    pub(crate) fn and_then<U>(self, done: impl FnOnce(T) -> Next<U>) -> Next<U> {
        match self {
            Self::Perform(effect) => Next::Perform(effect),
            Self::Done(output) => done(output),
        }
    }
}

/// A [`Machine`] with step IDs: the only implementation of [`Flow`].
#[derive(Clone, Debug)]
pub struct Running<M> {
    machine: M,
    next_id: u64,
    waiting: Option<(StepId, Effect)>,
    begun: bool,
}

impl<M: Machine> Running<M> {
    /// A flow that has not begun.
    pub const fn new(machine: M) -> Self {
        Self::resuming_at(machine, 0)
    }

    /// A restored flow: `next_id` is beyond every ID that it gave out before it was suspended.
    pub(crate) const fn resuming_at(machine: M, next_id: u64) -> Self {
        Self { machine, next_id, waiting: None, begun: false }
    }

    /// The machine inside.
    pub(crate) const fn machine(&self) -> &M {
        &self.machine
    }

    /// An ID that was never given out.
    pub(crate) const fn next_id(&self) -> u64 {
        self.next_id
    }

    fn step(&mut self, next: Next<M::Output>) -> Step<M::Output> {
        match next {
            Next::Perform(effect) => {
                let id = StepId(self.next_id);
                self.next_id += 1;
                self.waiting = Some((id, effect.clone()));
                Step::Perform(id, effect)
            }
            Next::Done(output) => {
                self.waiting = None;
                Step::Done(output)
            }
        }
    }
}

impl<M: Machine> Flow for Running<M> {
    type Output = M::Output;

    fn begin(&mut self, now: impl Into<Now>) -> Result<Step<M::Output>, Misuse> {
        if let Some((id, effect)) = &self.waiting {
            return Ok(Step::Perform(*id, effect.clone()));
        }
        if self.begun {
            return Err(Misuse::NotWaiting);
        }
        self.begun = true;
        let next = self.machine.start(now.into());
        Ok(self.step(next))
    }

    fn resume(
        &mut self,
        id: StepId,
        outcome: Outcome,
        now: impl Into<Now>,
    ) -> Result<Step<M::Output>, Misuse> {
        let Some((waiting, effect)) = &self.waiting else {
            return Err(Misuse::NotWaiting);
        };
        if *waiting != id {
            return Err(Misuse::StaleStep);
        }
        if !effect.is_answered_by(&outcome) {
            return Err(Misuse::WrongOutcome);
        }
        let next = self.machine.advance(outcome, now.into());
        Ok(self.step(next))
    }
}
