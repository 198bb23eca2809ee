//! The one way in which a flow changes a stored record: under its lock, from what is there now.

use alloc::boxed::Box;
use alloc::string::ToString;

use crate::credential::{ConnectionKey, Generation, RecordError, StoredCredential};
use crate::error::Error;
use crate::flow::{Effect, Machine, Next, Notice, Outcome};
use crate::http::REQUEST_TIMEOUT;
use crate::secret::Secret;
use crate::time::{Now, Span};

/// How long to wait for another process that holds the lock. A logout holds it longest, for two requests. A save
/// that gave up earlier would lose what the user has just approved.
pub(crate) const LOCK_PATIENCE: Span = Span::from_millis(3 * REQUEST_TIMEOUT.as_millis());

/// What to do about a record that cannot be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damaged {
    /// Keep it elsewhere, and write a new one in its place.
    SetAside,
    /// Leave it and fail: the change needs the old record.
    Refuse,
}

/// Computes the new record from the old one; `None` to leave it as it is. The generation is set by
/// [`RecordUpdate`].
type Change = dyn FnOnce(Option<&StoredCredential>) -> Option<StoredCredential>;

/// Lock, load, change, replace, release. A part of a flow.
pub(crate) struct RecordUpdate {
    key: ConnectionKey,
    damaged: Damaged,
    change: Option<Box<Change>>,
    phase: Phase,
}

/// What there was, and what is there now.
#[derive(Debug)]
pub(crate) struct Updated {
    pub(crate) old: Option<StoredCredential>,
    pub(crate) new: Option<StoredCredential>,
}

#[derive(Debug)]
enum Phase {
    Locking,
    Loading,
    SettingAside { reason: RecordError },
    Notifying,
    Replacing(Updated),
    Discarding(Updated),
    Releasing(Result<Updated, Error>),
    Over,
}

impl core::fmt::Debug for RecordUpdate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RecordUpdate")
            .field("key", &self.key)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl RecordUpdate {
    pub(crate) fn new(
        key: ConnectionKey,
        damaged: Damaged,
        change: impl FnOnce(Option<&StoredCredential>) -> Option<StoredCredential> + 'static,
    ) -> Self {
        Self { key, damaged, change: Some(Box::new(change)), phase: Phase::Locking }
    }

    fn perform(&mut self, phase: Phase, effect: Effect) -> Next<Result<Updated, Error>> {
        self.phase = phase;
        Next::Perform(effect)
    }

    /// Every ending releases the lock first.
    fn release(&mut self, result: Result<Updated, Error>) -> Next<Result<Updated, Error>> {
        let effect = Effect::ReleaseLock(self.key.clone());
        self.perform(Phase::Releasing(result), effect)
    }

    fn loaded(&mut self, record: Option<&Secret>) -> Next<Result<Updated, Error>> {
        match record.map(|record| StoredCredential::parse_for(&self.key, record.expose())) {
            None => self.replace(None),
            Some(Ok(old)) => self.replace(Some(old)),
            Some(Err(reason @ RecordError::Damaged(_)))
                if matches!(self.damaged, Damaged::SetAside) =>
            {
                let effect = Effect::SetAsideRecord(self.key.clone());
                self.perform(Phase::SettingAside { reason }, effect)
            }
            Some(Err(error)) => self.release(Err(Error::Record(error))),
        }
    }

    fn replace(&mut self, old: Option<StoredCredential>) -> Next<Result<Updated, Error>> {
        let Some(change) = self.change.take() else {
            return self.release(Err(Error::OutOfOrder));
        };
        let Some(mut new) = change(old.as_ref()) else {
            return self.release(Ok(Updated { old, new: None }));
        };
        let expected = old.as_ref().map(|old| old.generation);
        new.generation = expected.map_or(Generation::FIRST, Generation::next);
        let bytes = new.to_json();
        let effect = Effect::ReplaceRecord { key: self.key.clone(), expected, bytes };
        self.perform(Phase::Replacing(Updated { old, new: Some(new) }), effect)
    }

    /// A new connection ends a pending refresh of the old one, so a staged response to it is useless.
    fn replaced(&mut self, updated: Updated) -> Next<Result<Updated, Error>> {
        let pending = |record: &Option<StoredCredential>| record.as_ref()?.pending.clone();
        match (pending(&updated.old), pending(&updated.new)) {
            (Some(pending), None) => {
                let effect = Effect::DiscardStage { key: self.key.clone(), id: pending.id };
                self.perform(Phase::Discarding(updated), effect)
            }
            _ => self.release(Ok(updated)),
        }
    }
}

impl Machine for RecordUpdate {
    type Output = Result<Updated, Error>;

    fn start(&mut self, now: Now) -> Next<Self::Output> {
        let effect =
            Effect::AcquireLock { key: self.key.clone(), deadline: now.wall.plus(LOCK_PATIENCE) };
        self.perform(Phase::Locking, effect)
    }

    fn advance(&mut self, outcome: Outcome, _now: Now) -> Next<Self::Output> {
        match (core::mem::replace(&mut self.phase, Phase::Over), outcome) {
            (Phase::Locking, Outcome::Locked(Ok(()))) => {
                let effect = Effect::LoadRecord(self.key.clone());
                self.perform(Phase::Loading, effect)
            }
            (Phase::Locking, Outcome::Locked(Err(error))) => Next::Done(Err(Error::Lock(error))),
            (Phase::Loading, Outcome::Loaded(Ok(record))) => self.loaded(record.as_ref()),
            (Phase::SettingAside { reason }, Outcome::Kept(Ok(place))) => {
                let notice = Notice::RecordSetAside { place, reason: reason.to_string() };
                self.perform(Phase::Notifying, Effect::Notify(notice))
            }
            (Phase::Notifying, Outcome::Notified) => self.replace(None),
            (Phase::Replacing(updated), Outcome::Store(Ok(()))) => self.replaced(updated),
            // A stage that could not be discarded does no harm: the next refresh removes it.
            (Phase::Discarding(updated), Outcome::Store(_)) => self.release(Ok(updated)),
            (
                Phase::Loading | Phase::SettingAside { .. } | Phase::Replacing(_),
                Outcome::Loaded(Err(error))
                | Outcome::Kept(Err(error))
                | Outcome::Store(Err(error)),
            ) => self.release(Err(Error::Store(error))),
            (Phase::Releasing(result), Outcome::Notified) => Next::Done(result),
            _ => Next::Done(Err(Error::OutOfOrder)),
        }
    }
}
