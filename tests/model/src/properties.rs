//! What must always hold, and what must happen somewhere.

use stateright::Property;
use twg_core::credential::{EndReason, StoredCredential};
use twg_core::error::Error;
use twg_core::flow::Effect;
use twg_core::refresh::How;
use twg_core::secret::Secret;
use twg_core::time::Span;

use crate::disk::Trouble;
use crate::process::{Ended, Want, key, time};
use crate::world::{QUARANTINE, State, World, name, record_token};

/// The facts about the past that the properties need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// A request was sent whose intent was not durable.
    pub sent_without_intent: bool,
    /// A spent token was sent that ends the login, while the access token still worked and the user
    /// did not insist.
    pub gambled: bool,
    /// New tokens never reached a disk.
    pub reply_died: bool,
    /// New tokens reached a process that could not save them, because of the disk.
    pub lost_to_disk: bool,
    /// The machine slept through the leeway.
    pub slept: bool,
    /// The highest generation that was reported durable.
    pub best_generation: u64,
    /// A record with a lower generation was written.
    pub generation_fell: bool,
    /// Tokens that were reported durable.
    pub safe: Vec<usize>,
    /// A refresh succeeded.
    pub refreshed: bool,
    /// Another process's refresh was adopted.
    pub adopted: bool,
    /// The response of a dead process was taken from the disk.
    pub staged: bool,
    /// A token was sent again, and the login lives.
    pub resent: bool,
    /// A login ended.
    pub buried: bool,
    /// A reply was rescued.
    pub rescued: bool,
    /// A recovery of the current intent is scheduled.
    pub armed: bool,
    /// A process left a spent token within its leeway, or could be interrupted there, without a
    /// scheduled recovery.
    pub left_alone: bool,
}

impl Facts {
    /// A record was written and is durable.
    pub fn wrote(&mut self, generation: u64) {
        self.generation_fell |= generation < self.best_generation;
        self.best_generation = self.best_generation.max(generation);
    }

    /// A command ended.
    pub fn note(&mut self, ended: &Ended, sent: bool) {
        match ended {
            Ok(refreshed) => match refreshed.how {
                How::Refreshed => self.refreshed = true,
                How::Adopted => self.adopted = true,
                How::Recovered if sent => self.resent = true,
                How::Recovered => self.staged = true,
                How::StillFresh | How::NotRefreshed(_) => {}
            },
            Err(Error::Ended { .. }) => self.buried = true,
            Err(_) => {}
        }
    }
}

/// A request with this token is about to be sent.
pub fn watch_sending(state: &mut State, world: &World, p: usize, token: usize) {
    let durable = state.disk.record.durable.as_deref();
    let durable = durable.and_then(|record| StoredCredential::parse_for(&key(), record).ok());
    let intent = durable.and_then(|record| record.pending);
    let is_about = intent.is_some_and(|intent| intent.is_about(&Secret::new(name(token))));
    state.facts.sent_without_intent |= !is_about;

    let insisted = state.running(p).want == Want::Now;
    let lives = state.expires_at().is_some_and(|end| time(state.clock) < end);
    let gambles = state.server.is_gamble(token, world.scenario.rules, state.clock);
    state.facts.gambled |= gambles && lives && !insisted;
}

/// A process is about to release the lock, or to do something that a signal may interrupt.
pub fn watch_leaving(state: &mut State, world: &World, p: usize) {
    let running = state.running(p);
    let may_leave =
        matches!(running.effect, Effect::ReleaseLock(_)) || running.effect.is_interruptible();
    if !running.in_section || !may_leave || state.facts.armed {
        return;
    }
    let Some(record) = state.record() else { return };
    let (Some(token), Some(pending)) = (record_token(&record), record.pending) else { return };
    // As far as the record shows.
    let began = pending.uptime.map_or(0, Span::as_secs);
    let used = pending.since_first.as_secs() + u64::from(state.clock).saturating_sub(began);
    let leeway = world.scenario.rules.leeway;
    let can_be_repaired = state.server.is_spent(token)
        && !state.server.is_gamble(token, world.scenario.rules, state.clock)
        && used + u64::from(QUARANTINE) < leeway.into();
    state.facts.left_alone |= can_be_repaired;
}

/// The names of the invariants.
#[must_use]
pub fn invariants() -> Vec<&'static str> {
    all()
        .iter()
        .map(|property| property.name)
        .filter(|name| !name.starts_with("somewhere"))
        .collect()
}

/// All properties.
#[must_use]
pub fn all() -> Vec<Property<World>> {
    vec![
        Property::always("I1 one critical section per connection", |_, s: &State| {
            let inside =
                |p: &&crate::process::Process| p.running.as_ref().is_some_and(|r| r.in_section);
            s.processes.iter().filter(inside).count() <= 1
        }),
        Property::always("I2 nothing is sent without a durable intent", |_, s: &State| {
            !s.facts.sent_without_intent
        }),
        Property::always("I3 a reply reported durable is never lost", nothing_safe_is_lost),
        Property::always(
            "I4 leeway and recovery in time: never revoked",
            |w: &World, s: &State| {
                w.scenario.rules.leeway == 0 || s.facts.slept || !s.server.revoked
            },
        ),
        Property::always("I5 revoked only if a reply died before it was staged", |_, s: &State| {
            !s.server.revoked || s.facts.reply_died
        }),
        Property::always("I6 no trouble of the disk loses a reply", |_, s: &State| {
            !s.facts.lost_to_disk
        }),
        Property::always("I7 the generation only grows", |_, s: &State| !s.facts.generation_fell),
        Property::always("I7 at rest the record holds the current token", holds_the_current_token),
        Property::always("nothing is gambled while there is something to lose", |_, s: &State| {
            !s.facts.gambled
        }),
        Property::always("a repairable refresh always has a scheduled recovery", |_, s: &State| {
            !s.facts.left_alone
        }),
        Property::always("a login is called over only if it is", |_, s: &State| {
            let ended = s.record().and_then(|record| record.ended);
            ended.is_none_or(|ended| {
                s.server.revoked
                    && matches!(ended.reason, EndReason::Revoked | EndReason::Interrupted)
            })
        }),
        Property::sometimes("somewhere a login is refreshed", |_, s: &State| s.facts.refreshed),
        Property::sometimes("somewhere another process's refresh is adopted", |_, s: &State| {
            s.facts.adopted
        }),
        Property::sometimes(
            "somewhere a dead process's reply is taken from the disk",
            |_, s: &State| s.facts.staged,
        ),
        Property::sometimes(
            "somewhere a token is sent again and the login lives",
            |_, s: &State| s.facts.resent,
        ),
        Property::sometimes("somewhere a login ends", |_, s: &State| s.facts.buried),
        Property::sometimes("somewhere a reply is rescued", |_, s: &State| s.facts.rescued),
        // Never true, so that a check visits every state even after all others have happened.
        Property::sometimes("somewhere time runs backwards", |_, _| false),
    ]
}

/// While the server accepts a token that was reported durable, it can be read somewhere.
fn nothing_safe_is_lost(_: &World, state: &State) -> bool {
    state.facts.safe.iter().filter(|token| state.server.accepts(**token)).all(|token| {
        let name = name(*token);
        state.disk.readable().any(|text| is_whole(text) && text.contains(&name))
    })
}

fn is_whole(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text.trim_end_matches('\0')).is_ok()
}

/// At rest the stored token is one that the server accepts, if it accepts any. At rest means: no
/// process runs, no request is on its way, no intent is pending and the disk works.
fn holds_the_current_token(_: &World, state: &State) -> bool {
    let at_rest = state.processes.iter().all(|process| process.running.is_none())
        && state.flights.is_empty()
        && state.disk.trouble == Trouble::None
        && !state.server.revoked;
    let Some(record) = state.record() else { return false };
    if !at_rest || record.pending.is_some() {
        return true;
    }
    record_token(&record).is_some_and(|token| state.server.accepts(token))
}
