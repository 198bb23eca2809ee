//! How an attempt whose end is unknown is repaired.

use alloc::boxed::Box;

use super::attempt::Attempt;
use super::leeway::{backoff, left_of, quarantine, repairable_until};
use super::{Ending, Need, Phase, RefreshMachine, StageWas, Transition, is_live};
use crate::credential::StagedReply;
use crate::error::Error;
use crate::flow::{Effect, Notice, StoreError};
use crate::secret::Secret;
use crate::time::{Now, Span, UnixTime};

/// A flow sends at most this often.
const SENDS: u32 = 2;

/// A flow waits at most this often for the same quarantine, because the wall clock may be set meanwhile.
const WAITS: u32 = 8;

/// A wait until an interrupted request is certainly over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quarantine {
    /// When it is over by the clock that cannot be set, if there is one.
    over_at: Option<Span>,
    /// Counts the waits.
    times: u32,
}

impl RefreshMachine {
    /// Looks for a kept response first.
    pub(super) fn recover(&mut self, attempt: Attempt) -> Transition {
        let effect =
            Effect::LoadStage { key: self.request.key.clone(), id: attempt.pending.id.clone() };
        self.perform(Phase::LoadingStage(Box::new(attempt)), effect)
    }

    pub(super) fn stage_loaded(
        &mut self,
        attempt: Box<Attempt>,
        stage: Result<Option<Secret>, StoreError>,
        now: Now,
    ) -> Transition {
        let stage = match stage {
            Ok(stage) => stage,
            // A stage that cannot be read may hold the response.
            Err(error) => return self.give_up(*attempt, Error::Store(error), now),
        };
        let found = stage.map_or(StagedReply::Empty, |stage| {
            StagedReply::parse(&attempt.pending.id, stage.expose())
        });
        let stage = match found {
            StagedReply::Complete(reply) => return self.understand(attempt, &reply, now),
            StagedReply::Empty => StageWas::Empty,
            StagedReply::Damaged => StageWas::Damaged,
        };
        let effect =
            Effect::LoadRescue { key: self.request.key.clone(), id: attempt.pending.id.clone() };
        self.perform(Phase::LoadingRescue(attempt, stage), effect)
    }

    pub(super) fn rescue_loaded(
        &mut self,
        attempt: Box<Attempt>,
        stage: StageWas,
        rescued: Result<Option<Secret>, StoreError>,
        now: Now,
    ) -> Transition {
        let rescued = rescued.ok().flatten();
        let rescued =
            rescued.map(|rescued| StagedReply::parse(&attempt.pending.id, rescued.expose()));
        if let Some(StagedReply::Complete(reply)) = rescued {
            return self.understand(attempt, &reply, now);
        }
        match stage {
            StageWas::Empty => self.without_reply(attempt, None, now),
            StageWas::Damaged if self.leeway_left(&attempt, now).is_some() => {
                let effect = Effect::SetAsideStage {
                    key: self.request.key.clone(),
                    id: attempt.pending.id.clone(),
                };
                self.perform(Phase::SettingStageAside(attempt), effect)
            }
            // The server responded, so the token is spent, and the server is not known to accept it twice.
            StageWas::Damaged => self.give_up(*attempt, Error::ReplyDamaged, now),
        }
    }

    /// There is no usable response: wait until the interrupted request cannot be running, then send again. `cause` is
    /// what became of the request, if this flow sent it.
    pub(super) fn without_reply(
        &mut self,
        attempt: Box<Attempt>,
        cause: Option<Error>,
        now: Now,
    ) -> Transition {
        if !self.may_send_again(&attempt, now) {
            return self.interrupted(*attempt, cause, now);
        }
        let quarantine_left = self.quarantine_left(&attempt, now);
        if quarantine_left == Span::ZERO {
            return self.send_again(*attempt, now);
        }
        let Some(leeway_left) = self.leeway_left(&attempt, now) else {
            return self.announce(attempt);
        };
        // Users press Ctrl-C during a wait. If this flow ends here, the scheduled recovery follows a little later.
        let later = quarantine(self.leeway(&attempt.credential)).percent(50);
        let at = now.wall.plus(quarantine_left.plus(later).min(leeway_left));
        let effect = Effect::ArmRecovery { key: self.request.key.clone(), at };
        self.perform(Phase::ArmingBeforehand(attempt), effect)
    }

    pub(super) fn announce(&mut self, attempt: Box<Attempt>) -> Transition {
        self.perform(Phase::Announcing(attempt), Effect::Notify(Notice::Recovering))
    }

    pub(super) fn begin_quarantine(&mut self, attempt: Box<Attempt>, now: Now) -> Transition {
        let left = self.quarantine_left(&attempt, now);
        let over_at = now.uptime.map(|uptime| uptime.plus(left));
        self.wait(attempt, Quarantine { over_at, times: 1 }, left, now)
    }

    fn wait(
        &mut self,
        attempt: Box<Attempt>,
        quarantine: Quarantine,
        left: Span,
        now: Now,
    ) -> Transition {
        let effect = Effect::WaitUntil(now.wall.plus(left));
        self.perform(Phase::InQuarantine(attempt, quarantine), effect)
    }

    /// A wait is over by one clock at least, which may have been set forward meanwhile. The machine may also have
    /// slept through the leeway.
    pub(super) fn waited(
        &mut self,
        attempt: Box<Attempt>,
        mut quarantine: Quarantine,
        now: Now,
    ) -> Transition {
        if !self.may_send_again(&attempt, now) {
            return self.interrupted(*attempt, None, now);
        }
        let left = match (quarantine.over_at, now.uptime) {
            (Some(over_at), Some(uptime)) => over_at.minus(uptime).unwrap_or(Span::ZERO),
            // Without such a clock, and if the wall clock cannot tell either, the shell's timer must do.
            _ if self.known_age(&attempt, now).is_none() => Span::ZERO,
            _ => self.quarantine_left(&attempt, now),
        };
        if left == Span::ZERO {
            self.send_again(*attempt, now)
        } else if quarantine.times < WAITS {
            quarantine.times += 1;
            self.wait(attempt, quarantine, left, now)
        } else {
            self.interrupted(*attempt, None, now)
        }
    }

    /// Ends this flow and leaves the attempt interrupted.
    pub(super) fn interrupted(
        &mut self,
        attempt: Attempt,
        cause: Option<Error>,
        now: Now,
    ) -> Transition {
        let leeway = self.leeway(&attempt.credential);
        let repairable_until = repairable_until(&attempt.pending, leeway, &self.request.host, now);
        let error = Error::Interrupted { cause: cause.map(Box::new), repairable_until };
        self.give_up(attempt, error, now)
    }

    /// The new intent also makes the old one durable, which may have been visible only.
    fn send_again(&mut self, attempt: Attempt, now: Now) -> Transition {
        self.attempt(attempt.credential, Some(attempt.pending), now)
    }

    /// Whether this flow may send anything more.
    pub(super) const fn may_send(&self) -> bool {
        self.sent < SENDS
    }

    /// Whether to send the same token again in this flow.
    ///
    /// While the server's leeway lasts, soon: the leeway is what saves the connection. After it, or without one, the
    /// token is sent again only if there is nothing to lose, or if the user insists although an earlier refresh was
    /// interrupted. If the lost request never arrived, that saves the connection too. If it did arrive, the server ends
    /// a connection that could not be refreshed any more, and with it an access token that still worked.
    fn may_send_again(&self, attempt: &Attempt, now: Now) -> bool {
        if !self.may_send() {
            return false;
        }
        let is_live = is_live(&attempt.credential, now);
        let is_urgent = !is_live
            || match self.request.need {
                // The user asked for one refresh, not for a second one that may end the connection.
                Need::Now => attempt.found,
                Need::Other(_) => true,
                Need::Live | Need::Due(_) => false,
            };
        if is_urgent {
            return true;
        }
        let leeway = self.leeway(&attempt.credential);
        let is_asked_for = !matches!(self.request.need, Need::Live);
        let pause =
            if is_asked_for { Span::ZERO } else { backoff(leeway, attempt.pending.attempt) };
        self.leeway_left(attempt, now).is_some() && self.age(attempt, now) >= pause
    }

    /// How long a request with the token can still be sent so that it reaches the server within its leeway.
    fn leeway_left(&self, attempt: &Attempt, now: Now) -> Option<Span> {
        let used = attempt.pending.since_first.plus(self.age(attempt, now));
        left_of(self.leeway(&attempt.credential), used)
    }

    fn quarantine_left(&self, attempt: &Attempt, now: Now) -> Span {
        let whole = quarantine(self.leeway(&attempt.credential));
        whole.minus(self.age(attempt, now)).unwrap_or(Span::ZERO)
    }

    /// The age of the attempt; zero if no clock can tell.
    pub(super) fn age(&self, attempt: &Attempt, now: Now) -> Span {
        self.known_age(attempt, now).unwrap_or(Span::ZERO)
    }

    fn known_age(&self, attempt: &Attempt, now: Now) -> Option<Span> {
        match (now.uptime, attempt.pending.uptime) {
            // Within one process the clock is the same, whether or not its boot session has a name.
            (Some(now), Some(then)) if !attempt.found => now.minus(then),
            _ => attempt.pending.age(&self.request.host, now),
        }
    }

    /// Leaves the attempt as it is.
    pub(super) fn give_up(&mut self, attempt: Attempt, error: Error, now: Now) -> Transition {
        let recovery_at = self.recovery_at(&attempt, now);
        let ending = self.settle(attempt.credential, error, now);
        self.leave(ending, recovery_at)
    }

    /// When the recovery of the attempt must run; `None` if the server's leeway is over, or there is none.
    pub(super) fn recovery_at(&self, attempt: &Attempt, now: Now) -> Option<UnixTime> {
        self.leeway_left(attempt, now)?;
        let pause = backoff(self.leeway(&attempt.credential), attempt.pending.attempt);
        // Never at once: what failed now would fail again.
        let left = pause.minus(self.age(attempt, now)).filter(|left| *left > Span::ZERO);
        Some(now.wall.plus(left.unwrap_or(quarantine(self.leeway(&attempt.credential)))))
    }

    /// Ends with an intent in the record.
    pub(super) fn leave(&mut self, ending: Ending, recovery_at: Option<UnixTime>) -> Transition {
        match recovery_at {
            Some(at) => {
                let effect = Effect::ArmRecovery { key: self.request.key.clone(), at };
                self.perform(Phase::Arming(ending), effect)
            }
            None => self.release(ending),
        }
    }
}
