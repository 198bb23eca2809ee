//! The refresh: a transaction between the server and the store.
//!
//! The server spends a rotating refresh token the moment it responds, and the next one exists nowhere else until
//! it is saved. So:
//!
//! ```text
//! look -> fresh? done, without lock, write or request
//!      -> lock -> reload -> refreshed meanwhile? adopt
//!                        -> an intent is pending? recover:
//!                             response staged? commit it, without a request
//!                             otherwise        quarantine, then send again, if that can only help
//!      -> intent (the same record, plus `pending`) -> stage -> send -> stage the response -> commit
//!      -> discard the stage -> unlock
//! ```
//!
//! The intent is also the preflight: it takes the same path as the commit, and nothing is sent before it is durable.
//! A failure before the request costs nothing. A failure after it leaves the intent, the stage or both behind, and the
//! next process that holds the lock continues from there.

mod attempt;
mod leeway;
mod recovery;

use alloc::boxed::Box;
use alloc::string::String;

use crate::client::Registered;
use crate::credential::{AttemptId, ConnectionKey, EndReason, Host, StoredCredential, Tokens};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::flow::{Effect, LockError, Machine, Next, Outcome, Running};
use crate::http::HttpResponse;
use crate::record_update::LOCK_PATIENCE;
use crate::schedule::{TokenState, is_due, token_state};
use crate::secret::Secret;
use crate::time::{Now, Span, UnixTime};

use attempt::{Attempt, Commit};
pub use leeway::repairable_until;
use recovery::Quarantine;

/// How long to wait for the refresh of another process while the token still works.
const PATIENCE_WITH_LIVE_TOKEN: Span = Span::from_secs(5);

/// What a refresh is for. Decides when there is nothing to do, and whether a token that still works is
/// good enough if the refresh fails.
#[derive(Clone, Debug)]
pub enum Need {
    /// An access token that works, for a request or a program: refreshed if that is due. If the refresh fails, the
    /// old token is used as long as it lives.
    Live,
    /// An access token that works and is not this one, which a resource server has just rejected.
    Other(Secret),
    /// A refresh if one is due, or will be after this span.
    Due(Span),
    /// A refresh, now.
    Now,
}

/// Whose tokens to refresh, and what is known about them beside the record.
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// Which connection.
    pub key: ConnectionKey,
    /// What for.
    pub need: Need,
    /// The provider's profile and client; or, for people, why they cannot be read, which matters only
    /// if something must be sent.
    pub registered: Result<Registered, String>,
    /// This machine.
    pub host: Host,
}

/// A record whose access token works, as far as its lifetime shows.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The record as it is stored.
    pub credential: StoredCredential,
    /// Where its token came from.
    pub how: How,
}

/// Where a live token came from.
#[derive(Clone, Debug)]
pub enum How {
    /// No refresh was due, and no request was sent.
    StillFresh,
    /// Another process refreshed it meanwhile.
    Adopted,
    /// It was refreshed.
    Refreshed,
    /// An interrupted refresh was finished.
    Recovered,
    /// The refresh that was due failed. The old token still works.
    NotRefreshed(Box<Error>),
}

/// Refreshes a connection's tokens, or finds that there is no need to.
pub type RefreshFlow = Running<RefreshMachine>;

/// The transitions of [`RefreshFlow`].
#[derive(Clone, Debug)]
pub struct RefreshMachine {
    request: RefreshRequest,
    /// Where the IDs of attempts come from.
    seed: Secret,
    /// How many IDs were made from it.
    ids: u32,
    /// Requests that this flow has sent.
    sent: u32,
    /// The access token at the first look.
    seen: Option<Secret>,
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    Start,
    Looking,
    /// The record as it was before the lock.
    Locking(Box<StoredCredential>),
    Reloading,
    LoadingStage(Box<Attempt>),
    LoadingRescue(Box<Attempt>, StageWas),
    SettingStageAside(Box<Attempt>),
    ArmingBeforehand(Box<Attempt>),
    Announcing(Box<Attempt>),
    InQuarantine(Box<Attempt>, Quarantine),
    Intending(Box<Attempt>),
    OpeningStage(Box<Attempt>),
    Sending(Box<Attempt>),
    Staging(Box<Attempt>, HttpResponse),
    Committing(Box<Commit>),
    LookingAfterFailedCommit(Box<Commit>),
    Rescuing(Box<Commit>),
    /// The server refused the refresh token. Perhaps the record shows why.
    Rereading(Box<Attempt>),
    Burying(Box<Attempt>),
    /// The intent of this attempt is withdrawn: it cannot have spent anything.
    Withdrawing(AttemptId, Ending, Option<UnixTime>),
    Arming(Ending),
    /// With the time of the recovery, if an earlier attempt still needs a repair.
    Discarding(Ending, Option<UnixTime>),
    Releasing(Ending),
    Over,
}

/// The content of a stage without a readable response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StageWas {
    Empty,
    Damaged,
}

type Ending = Result<Box<Refreshed>, Error>;
type Transition = Next<Result<Refreshed, Error>>;

impl RefreshFlow {
    /// A refresh that has not begun. The entropy names its attempts.
    #[must_use]
    pub fn refresh(request: RefreshRequest, entropy: Entropy) -> Self {
        Self::new(RefreshMachine::new(request, entropy))
    }
}

impl RefreshMachine {
    pub(crate) fn new(request: RefreshRequest, entropy: Entropy) -> Self {
        Self {
            request,
            seed: entropy.into_text(),
            ids: 0,
            sent: 0,
            seen: None,
            phase: Phase::Start,
        }
    }

    /// Starts again for another need, once this machine is done.
    pub(crate) fn again(&mut self, need: Need) {
        self.request.need = need;
        self.seen = None;
        self.sent = 0;
        self.phase = Phase::Start;
    }

    fn perform(&mut self, phase: Phase, effect: Effect) -> Transition {
        self.phase = phase;
        Next::Perform(effect)
    }

    /// What the record says, or why it cannot be used.
    fn read(&self, record: Option<&Secret>) -> Result<StoredCredential, Error> {
        let key = &self.request.key;
        let Some(record) = record else {
            return Err(Error::NotSignedIn(key.clone()));
        };
        let credential =
            StoredCredential::parse_for(key, record.expose()).map_err(Error::Record)?;
        match credential.ended.as_ref().map(|ended| ended.reason) {
            Some(EndReason::SignedOutUnconfirmed | EndReason::Other) => {
                Err(Error::NotSignedIn(key.clone()))
            }
            // The server may be wrong about it for a while. Only an explicit refresh tries again.
            Some(_) if matches!(self.request.need, Need::Now) && has_refresh_token(&credential) => {
                Ok(credential)
            }
            Some(reason) => Err(Error::Ended { interrupted: reason == EndReason::Interrupted }),
            None if credential.tokens.is_none() => Err(Error::NotSignedIn(key.clone())),
            None => Ok(credential),
        }
    }

    /// Whether the record is enough, without a refresh.
    fn is_satisfied_by(&self, credential: &StoredCredential, now: Now) -> bool {
        let Some(tokens) = &credential.tokens else { return false };
        if credential.pending.is_some() || credential.ended.is_some() {
            return false;
        }
        match &self.request.need {
            Need::Live => {
                matches!(token_state(credential, now.wall), TokenState::Fresh { .. })
                    || tokens.refresh_token.is_none() && is_live(credential, now)
            }
            Need::Other(rejected) => {
                !tokens.access_token.matches(rejected.expose()) && is_live(credential, now)
            }
            Need::Due(ahead) => !is_due(tokens, now.wall, *ahead),
            Need::Now => false,
        }
    }

    /// First look, without the lock: reading needs none, because records are replaced as a whole.
    fn looked(&mut self, record: Option<&Secret>, now: Now) -> Transition {
        let credential = match self.read(record) {
            Ok(credential) => credential,
            Err(error) => return Next::Done(Err(error)),
        };
        if self.is_satisfied_by(&credential, now) {
            return Next::Done(Ok(Refreshed { credential, how: How::StillFresh }));
        }
        if let Err(error) = self.can_be_asked_for(&credential) {
            return Next::Done(self.settle(credential, error, now).map(|done| *done));
        }
        self.seen = credential.tokens.as_ref().map(|tokens| tokens.access_token.clone());
        let may_serve = matches!(self.request.need, Need::Live) && is_live(&credential, now);
        let patience = match (may_serve, &credential.pending) {
            (false, _) => LOCK_PATIENCE,
            (true, None) => PATIENCE_WITH_LIVE_TOKEN,
            // Another process is refreshing it, or died while it did.
            (true, Some(_)) => Span::ZERO,
        };
        let effect = Effect::AcquireLock {
            key: self.request.key.clone(),
            deadline: now.wall.plus(patience),
        };
        self.perform(Phase::Locking(Box::new(credential)), effect)
    }

    /// Whether there is a token to send, and a client to send it.
    fn can_be_asked_for(&self, credential: &StoredCredential) -> Result<(), Error> {
        if let Err(reason) = &self.request.registered {
            return Err(Error::Configuration(reason.clone()));
        }
        match &credential.tokens {
            Some(tokens) if tokens.refresh_token.is_none() => {
                Err(Error::NoRefreshToken { expires_at: tokens.expires_at })
            }
            _ => Ok(()),
        }
    }

    /// Second look, under the lock.
    fn reloaded(&mut self, record: Option<&Secret>, now: Now) -> Transition {
        let credential = match self.read(record) {
            Ok(credential) => credential,
            Err(error) => return self.release(Err(error)),
        };
        if self.was_refreshed_meanwhile(&credential, now) || self.is_satisfied_by(&credential, now)
        {
            return self.release(Ok(Box::new(Refreshed { credential, how: How::Adopted })));
        }
        if let Err(error) = self.can_be_asked_for(&credential) {
            let ending = self.settle(credential, error, now);
            return self.release(ending);
        }
        // An intent for another refresh token does not count: a sign-in replaced the record.
        let about = |credential: &StoredCredential| {
            let token = credential.tokens.as_ref()?.refresh_token.as_ref()?;
            credential.pending.as_ref().filter(|pending| pending.is_about(token)).cloned()
        };
        match about(&credential) {
            Some(pending) => self.recover(Attempt::found(credential, pending)),
            None => self.attempt(credential, None, now),
        }
    }

    /// Whether another process has done the refresh that [`Need::Now`] wants.
    fn was_refreshed_meanwhile(&self, credential: &StoredCredential, now: Now) -> bool {
        let tokens = credential.tokens.as_ref();
        let is_other = |tokens: &Tokens| {
            self.seen.as_ref().is_some_and(|seen| !tokens.access_token.matches(seen.expose()))
        };
        matches!(self.request.need, Need::Now)
            && credential.pending.is_none()
            && credential.ended.is_none()
            && tokens.is_some_and(is_other)
            && is_live(credential, now)
    }

    /// A failed refresh is no failure if a live token is enough and the old one still works.
    fn settle(&self, credential: StoredCredential, error: Error, now: Now) -> Ending {
        if matches!(self.request.need, Need::Live) && is_live(&credential, now) {
            let how = How::NotRefreshed(Box::new(error));
            Ok(Box::new(Refreshed { credential, how }))
        } else {
            Err(error)
        }
    }

    fn release(&mut self, ending: Ending) -> Transition {
        let effect = Effect::ReleaseLock(self.request.key.clone());
        self.perform(Phase::Releasing(ending), effect)
    }

    fn leeway(&self, credential: &StoredCredential) -> Span {
        match &self.request.registered {
            Ok(registered) if registered.profile.is_of(&credential.server) => {
                Span::from_secs(registered.profile.reuse_leeway_seconds)
            }
            _ => Span::ZERO,
        }
    }
}

fn has_refresh_token(credential: &StoredCredential) -> bool {
    credential.tokens.as_ref().is_some_and(|tokens| tokens.refresh_token.is_some())
}

/// Whether the access token works, as far as its lifetime shows.
fn is_live(credential: &StoredCredential, now: Now) -> bool {
    matches!(token_state(credential, now.wall), TokenState::Fresh { .. } | TokenState::Due { .. })
}

impl Machine for RefreshMachine {
    type Output = Result<Refreshed, Error>;

    fn start(&mut self, _now: Now) -> Transition {
        let effect = Effect::LoadRecord(self.request.key.clone());
        self.perform(Phase::Looking, effect)
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Transition {
        match (core::mem::replace(&mut self.phase, Phase::Over), outcome) {
            (Phase::Looking, Outcome::Loaded(Ok(record))) => self.looked(record.as_ref(), now),
            (Phase::Looking, Outcome::Loaded(Err(error))) => Next::Done(Err(Error::Store(error))),
            (Phase::Locking(_), Outcome::Locked(Ok(()))) => {
                let effect = Effect::LoadRecord(self.request.key.clone());
                self.perform(Phase::Reloading, effect)
            }
            (Phase::Locking(credential), Outcome::Locked(Err(error))) => {
                let error = match error {
                    LockError::Unusable(error) => Error::Store(error),
                    busy @ LockError::TimedOut { .. } => Error::Lock(busy),
                };
                Next::Done(self.settle(*credential, error, now).map(|done| *done))
            }
            (Phase::Reloading, Outcome::Loaded(Ok(record))) => self.reloaded(record.as_ref(), now),
            (Phase::Reloading, Outcome::Loaded(Err(error))) => {
                self.release(Err(Error::Store(error)))
            }
            (Phase::LoadingStage(attempt), Outcome::Loaded(stage)) => {
                self.stage_loaded(attempt, stage, now)
            }
            (Phase::LoadingRescue(attempt, stage), Outcome::Loaded(rescued)) => {
                self.rescue_loaded(attempt, stage, rescued, now)
            }
            (Phase::SettingStageAside(attempt), Outcome::Kept(result)) => match result {
                Ok(_) => self.without_reply(attempt, None, now),
                Err(error) => self.give_up(*attempt, Error::Store(error), now),
            },
            (Phase::ArmingBeforehand(attempt), Outcome::Notified) => self.announce(attempt),
            (Phase::Announcing(attempt), Outcome::Notified) => self.begin_quarantine(attempt, now),
            (Phase::InQuarantine(attempt, quarantine), Outcome::Waited) => {
                self.waited(attempt, quarantine, now)
            }
            (Phase::Intending(attempt), Outcome::Store(result)) => {
                self.intended(attempt, result, now)
            }
            (Phase::OpeningStage(attempt), Outcome::Store(result)) => {
                self.stage_opened(attempt, result, now)
            }
            (Phase::Sending(attempt), Outcome::Http(answer)) => self.answered(attempt, answer, now),
            (Phase::Staging(mut attempt, response), Outcome::Kept(result)) => {
                // Not fatal: the record may still take the tokens.
                attempt.staged_at = result.ok();
                self.understand(attempt, &response, now)
            }
            (Phase::Committing(commit), Outcome::Store(result)) => {
                self.committed(commit, result, now)
            }
            (Phase::LookingAfterFailedCommit(commit), Outcome::Loaded(record)) => {
                self.commit_again(commit, record, now)
            }
            (Phase::Rescuing(commit), Outcome::Kept(result)) => self.rescued(*commit, result, now),
            (Phase::Rereading(attempt), Outcome::Loaded(record)) => {
                self.reread(attempt, record, now)
            }
            (Phase::Burying(attempt), Outcome::Store(_)) => {
                // Whether or not the tombstone could be written: the connection has ended.
                let interrupted = attempt.was_interrupted();
                self.discard(attempt.pending.id, Err(Error::Ended { interrupted }), None)
            }
            // An intent or a stage that stays costs the next refresh a moment, nothing else.
            (Phase::Withdrawing(id, ending, recovery_at), Outcome::Store(_)) => {
                self.discard(id, ending, recovery_at)
            }
            (Phase::Discarding(ending, recovery_at), Outcome::Store(_)) => {
                self.leave(ending, recovery_at)
            }
            (Phase::Arming(ending), Outcome::Notified) => self.release(ending),
            (Phase::Releasing(ending), Outcome::Notified) => Next::Done(ending.map(|done| *done)),
            _ => Next::Done(Err(Error::OutOfOrder)),
        }
    }
}
