//! The shell of every process: performs the effects of a flow in the world, or lets them fail. Also
//! the responses of server and network.

use std::sync::Arc;

use twg_core::credential::StoredCredential;
use twg_core::flow::{Effect, Outcome, StoreError, StoreErrorKind};
use twg_core::http::{HttpResponse, TransportError, TransportFailure};
use twg_core::secret::Secret;

use crate::disk::{Content, Trouble};
use crate::mutation::Mutation;
use crate::network::{Flight, Reply};
use crate::process::Running;
use crate::properties;
use crate::world::{QUARANTINE, State, World, name, number_in, record_token};

impl World {
    pub(crate) fn begin(&self, state: &mut State, p: usize) {
        let clocks = self.clocks(state);
        let process = &mut state.processes[p];
        let want = self.scenario.commands[p][process.begun];
        process.begun += 1;
        let seed = u8::try_from(p * 16 + process.begun).unwrap_or_default();
        let leeway = self.scenario.rules.leeway;
        process.running = Some(Running::begin(want, leeway, clocks, state.boot.into(), seed));
    }

    /// Performs the current effect of a process, as far as the world permits.
    pub(crate) fn go(&self, state: &mut State, p: usize) {
        let effect = state.running(p).effect.clone();
        properties::watch_leaving(state, self, p);
        match &effect {
            Effect::LoadRecord(_) => {
                let running = state.running(p);
                let seen = if running.in_section && self.mutated(Mutation::Reload) {
                    running.first_look.clone().flatten()
                } else {
                    state.disk.record.visible.clone()
                };
                let running = state.running_mut(p);
                running.first_look.get_or_insert_with(|| seen.clone());
                self.loaded(state, p, seen);
            }
            Effect::LoadStage { .. } => self.loaded(state, p, state.disk.stage.visible.clone()),
            Effect::LoadRescue { .. } => self.loaded(state, p, state.disk.rescue.visible.clone()),
            Effect::AcquireLock { .. } => {
                state.lock = Some(p);
                state.running_mut(p).in_section = true;
                self.answer(state, p, Outcome::Locked(Ok(())), &"locked");
            }
            Effect::ReleaseLock(_) => {
                state.running_mut(p).in_section = false;
                state.unlock(p);
                self.answer(state, p, Outcome::Notified, &"released");
            }
            Effect::ReplaceRecord { bytes, .. } => self.replace(state, p, bytes),
            Effect::OpenStage { .. } => {
                if state.disk.trouble == Trouble::None {
                    state.disk.stage.set(Some("".into()));
                    self.answer(state, p, Outcome::Store(Ok(())), &"opened");
                } else {
                    self.fail(state, p);
                }
            }
            Effect::StageReply { bytes, .. } => self.stage(state, p, bytes.expose().into()),
            Effect::RescueReply { bytes, .. } => self.rescue(state, p, bytes.expose().into()),
            Effect::SetAsideStage { .. } => {
                state.disk.stage.set(None);
                self.answer(state, p, Outcome::Kept(Ok("aside".to_owned())), &"aside");
            }
            Effect::DiscardStage { .. } => {
                // Not synced: after a power failure it may be back.
                state.disk.stage.visible = None;
                state.disk.rescue.visible = None;
                self.answer(state, p, Outcome::Store(Ok(())), &"discarded");
            }
            Effect::SendHttp(request) => {
                let token = number_in(request.body.expose());
                properties::watch_sending(state, self, p, token);
                let sent_at = state.clock;
                state.flights.push(Flight { sender: Some(p), token, sent_at, reply: None });
                state.running_mut(p).sent = true;
            }
            Effect::WaitUntil(_) => {
                if self.mutated(Mutation::Quarantine) {
                    state.imagined += QUARANTINE;
                }
                self.answer(state, p, Outcome::Waited, &"waited");
            }
            Effect::ArmRecovery { .. } => {
                state.facts.armed = !self.mutated(Mutation::Arming);
                self.answer(state, p, Outcome::Notified, &"armed");
            }
            Effect::Notify(_) => self.answer(state, p, Outcome::Notified, &"noted"),
            other => panic!("a refresh does not ask for {other:?}"),
        }
    }

    fn stage(&self, state: &mut State, p: usize, reply: Arc<str>) {
        let is_full = state.disk.trouble == Trouble::Full;
        if state.disk.trouble == Trouble::Broken || is_full && self.mutated(Mutation::Preallocation)
        {
            return self.fail(state, p);
        }
        if self.mutated(Mutation::StageSync) {
            state.disk.stage.visible = Some(reply);
        } else {
            state.disk.stage.set(Some(reply));
        }
        state.is_safe(p);
        self.answer(state, p, Outcome::Kept(Ok("stage".to_owned())), &"staged");
    }

    fn rescue(&self, state: &mut State, p: usize, reply: Arc<str>) {
        if state.disk.trouble == Trouble::Full {
            return self.fail(state, p);
        }
        state.disk.rescue.set(Some(reply));
        state.is_safe(p);
        state.facts.rescued = true;
        self.answer(state, p, Outcome::Kept(Ok("rescue".to_owned())), &"rescued");
    }

    fn loaded(&self, state: &mut State, p: usize, content: Content) {
        let secret = content.as_deref().map(Secret::new);
        self.answer(state, p, Outcome::Loaded(Ok(secret)), &content);
    }

    pub(crate) fn may_replace(&self, running: &Running, state: &State) -> bool {
        let Effect::ReplaceRecord { expected, .. } = &running.effect else { return false };
        let found = state.record().map(|record| record.generation);
        state.disk.trouble == Trouble::None
            && (found == *expected || self.mutated(Mutation::Reload))
    }

    fn replace(&self, state: &mut State, p: usize, bytes: &Secret) {
        if !self.may_replace(state.running(p), state) {
            return self.fail(state, p);
        }
        let record = StoredCredential::parse(bytes.expose()).expect("what is written can be read");
        if record.pending.is_none() {
            state.facts.armed = false;
        }
        let over_intent = state.record().is_some_and(|old| old.pending.is_some());
        let content: Content = Some(bytes.expose().into());
        if self.mutated(Mutation::RecordSync)
            || self.mutated(Mutation::IntentResync) && record.pending.is_some() && over_intent
        {
            state.disk.record.visible = content;
        } else {
            state.disk.replace_record(content);
            state.facts.wrote(record.generation.get());
        }
        if state.running(p).holding == record_token(&record).map(Reply::Tokens) {
            state.is_safe(p);
        }
        self.answer(state, p, Outcome::Store(Ok(())), &"replaced");
    }

    /// The store refuses the current effect.
    pub(crate) fn fail(&self, state: &mut State, p: usize) {
        let running = state.running_mut(p);
        running.disk_failed = true;
        let kind = StoreErrorKind::CannotWrite;
        let error = StoreError { kind, place: "store".to_owned(), detail: "no".to_owned() };
        let outcome = match running.effect {
            Effect::StageReply { .. }
            | Effect::RescueReply { .. }
            | Effect::SetAsideStage { .. } => Outcome::Kept(Err(error)),
            _ => Outcome::Store(Err(error)),
        };
        self.answer(state, p, outcome, &"failed");
    }

    pub(crate) fn arrive(&self, state: &mut State, f: usize) {
        let (token, sender) = (state.flights[f].token, state.flights[f].sender);
        let reply = match state.server.exchange(token, self.scenario.rules, state.clock) {
            Some(new) => Reply::Tokens(new),
            None => Reply::Refused,
        };
        if sender.is_some() {
            state.flights[f].reply = Some(reply);
        } else {
            state.facts.reply_died |= matches!(reply, Reply::Tokens(_));
            state.flights.remove(f);
        }
    }

    pub(crate) fn deliver(&self, state: &mut State, f: usize) {
        let flight = state.flights.remove(f);
        let (Some(p), Some(reply)) = (flight.sender, flight.reply) else { return };
        if matches!(reply, Reply::Tokens(_)) {
            state.running_mut(p).holding = Some(reply);
        }
        self.answer(state, p, Outcome::Http(Ok(response(reply))), &reply);
    }

    pub(crate) fn no_answer(&self, state: &mut State, f: usize, error: TransportError) {
        state.budget.network -= 1;
        let flight = state.flights.remove(f);
        let Some(p) = flight.sender else { return };
        let gist = format!("{error:?}");
        self.answer(state, p, Outcome::Http(Err(error)), &gist);
    }

    pub(crate) fn answer(
        &self,
        state: &mut State,
        p: usize,
        outcome: Outcome,
        gist: &impl std::hash::Hash,
    ) {
        let clocks = self.clocks(state);
        if let Some(ended) = state.running_mut(p).resume(outcome, gist, clocks) {
            state.ended(p, &ended);
        }
    }
}

pub(crate) fn unknown() -> TransportError {
    TransportError::Unknown(TransportFailure::Interrupted)
}

fn response(reply: Reply) -> HttpResponse {
    let (status, body) = match reply {
        Reply::Tokens(token) => {
            let refresh = name(token);
            let body = format!(
                r#"{{"access_token":"access{token:06}","refresh_token":"{refresh}","expires_in":100000}}"#
            );
            (200, body)
        }
        Reply::Refused => (403, r#"{"error":"invalid_grant"}"#.to_owned()),
        Reply::TooMany => (429, String::new()),
        Reply::Gateway => (502, "<html>Bad gateway".to_owned()),
    };
    HttpResponse { status, headers: Vec::new(), body: body.into_bytes() }
}
