//! The world, and the possible next events.

use std::sync::Arc;

use stateright::{Model, Property};
use twg_core::credential::StoredCredential;
use twg_core::flow::{Effect, LockError, Outcome};
use twg_core::http::{TransportError, TransportFailure};
use twg_core::time::UnixTime;

use crate::disk::{Disk, Object, Survives, Trouble, torn};
use crate::mutation::Mutation;
use crate::network::{Flight, Reply};
use crate::process::{Clocks, Ended, Process, Running, key, time};
use crate::properties::{self, Facts};
use crate::scenario::{Budget, Scenario};
use crate::server::Server;
use crate::shell::unknown;

/// The beginning of the model, in seconds since 1970.
pub const EPOCH: u32 = 1_700_000_000;

/// A request reaches the server within this time or never, and its sender waits no longer. The
/// core's value for servers without leeway, or with one at least three times as long.
pub(crate) const QUARANTINE: u32 = 20;

/// One step of time.
const TICK: u32 = 10;

/// How long the machine sleeps: longer than the leeway.
const SLEEP: u32 = 70;

/// How long it sleeps at an arbitrary moment: longer than the quarantine.
const STALL: u32 = 30;

/// How far the wall clock is set: beyond every wait, and back before every intent.
const CLOCK_JUMPS: [i32; 2] = [30, -60];

/// A scenario, perhaps with a mutation.
#[derive(Clone, Debug)]
pub struct World {
    /// What is checked.
    pub scenario: Scenario,
    /// The removed part.
    pub mutation: Option<Mutation>,
}

/// The whole state at one moment.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct State {
    /// Seconds since the model began.
    pub clock: u32,
    /// How far the wall clock was set forward, in seconds.
    pub set: i32,
    /// Seconds that the clocks show and that have not passed; only with [`Mutation::Quarantine`].
    pub imagined: u32,
    /// The number of starts of the machine.
    pub boot: u8,
    /// The processes.
    pub processes: Vec<Process>,
    /// The process that holds the lock.
    pub lock: Option<usize>,
    /// The content of the disk.
    pub disk: Disk,
    /// The state of the server.
    pub server: Server,
    /// The requests on their way.
    pub flights: Vec<Flight>,
    /// The remaining faults.
    pub budget: Budget,
    /// Whether the disk may still fail.
    pub may_get_into_trouble: bool,
    /// The facts about the past that the properties need.
    pub facts: Facts,
}

/// A possible event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next command of a process begins.
    Begin(usize),
    /// The current effect of a process succeeds.
    Go(usize),
    /// Its request to the store fails.
    Fail(usize),
    /// The record is replaced, but not made durable.
    FailLate(usize),
    /// It stops waiting for the lock.
    TimeOut(usize),
    /// It is killed before its current effect.
    Kill(usize),
    /// It is killed after its write, before the sync.
    KillMidway(usize),
    /// It is killed during its write.
    KillWriting(usize),
    /// A request arrives, and the server responds.
    Arrive(usize),
    /// A response arrives.
    Deliver(usize),
    /// No connection was made.
    NotSent(usize),
    /// The server is too busy.
    TooMany(usize),
    /// The connection breaks; the request may still arrive.
    Break(usize),
    /// The response is lost.
    LoseReply(usize),
    /// A gateway responds in the server's place, after the server did.
    Gateway(usize),
    /// A request without a waiting sender never arrives.
    Vanish(usize),
    /// Time passes.
    Tick,
    /// The machine sleeps for longer than the leeway.
    Sleep,
    /// The machine sleeps for a while, at an arbitrary moment.
    Stall,
    /// The wall clock is set.
    SetClock(i32),
    /// Power fails, with these survivors of record and stage.
    PowerFails(Survives, Survives),
    /// The disk fails from now on.
    Trouble(Trouble),
    /// The disk works again.
    Repair,
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let lifetime = if self.scenario.live { 100_000 } else { 0 };
        // 75 % of the lifetime are over, or all of it.
        let issued_at = time(0).as_millis() - if self.scenario.live { 90_000_000 } else { 1 };
        let record = first_record(issued_at, lifetime);
        let mut disk = Disk::default();
        disk.record.set(Some(record));
        vec![State {
            clock: 0,
            set: 0,
            imagined: 0,
            boot: 0,
            processes: vec![Process::default(); self.scenario.commands.len()],
            lock: None,
            disk,
            server: Server::default(),
            flights: Vec::new(),
            budget: self.scenario.budget,
            may_get_into_trouble: !self.scenario.trouble.is_empty(),
            facts: Facts { best_generation: 1, ..Facts::default() },
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for p in 0..state.processes.len() {
            self.actions_of(p, state, actions);
        }
        for (f, flight) in state.flights.iter().enumerate() {
            actions_of_flight(f, flight, state.budget.network > 0, actions);
        }
        self.actions_of_nature(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin(p) => self.begin(&mut state, p),
            Action::Go(p) => self.go(&mut state, p),
            Action::Fail(p) => {
                state.budget.store -= 1;
                self.fail(&mut state, p);
            }
            Action::FailLate(p) => {
                state.budget.store -= 1;
                let bytes = state.running(p).replacement()?;
                state.disk.record.visible = Some(bytes);
                self.fail(&mut state, p);
            }
            Action::TimeOut(p) => {
                state.budget.lock_timeouts -= 1;
                let busy = LockError::TimedOut { holder: None };
                self.answer(&mut state, p, Outcome::Locked(Err(busy)), &"busy");
            }
            Action::Kill(p) => state.kill(p),
            Action::KillMidway(p) => {
                let bytes = state.running(p).written()?;
                state.write(p, bytes);
                state.kill(p);
            }
            Action::KillWriting(p) => {
                let bytes = torn(&state.running(p).written()?);
                state.write(p, bytes);
                state.kill(p);
            }
            Action::Arrive(f) => self.arrive(&mut state, f),
            Action::Deliver(f) => self.deliver(&mut state, f),
            Action::NotSent(f) => {
                self.no_answer(&mut state, f, TransportError::NotSent(TransportFailure::Connect));
            }
            Action::TooMany(f) => {
                state.budget.network -= 1;
                state.flights[f].reply = Some(Reply::TooMany);
            }
            Action::Break(f) => {
                // It may still arrive: it stays, without a sender.
                let mut late = state.flights[f].clone();
                late.sender = None;
                self.no_answer(&mut state, f, unknown());
                state.flights.push(late);
            }
            Action::LoseReply(f) => {
                state.facts.reply_died |= matches!(state.flights[f].reply, Some(Reply::Tokens(_)));
                self.no_answer(&mut state, f, unknown());
            }
            Action::Gateway(f) => {
                state.budget.network -= 1;
                state.facts.reply_died |= matches!(state.flights[f].reply, Some(Reply::Tokens(_)));
                state.flights[f].reply = Some(Reply::Gateway);
            }
            Action::Vanish(f) => drop(state.flights.remove(f)),
            Action::Tick => state.clock += TICK,
            Action::Sleep => {
                state.budget.sleeps -= 1;
                state.facts.slept = true;
                state.clock += SLEEP;
            }
            Action::Stall => {
                state.budget.stalls -= 1;
                state.clock += STALL;
            }
            Action::SetClock(seconds) => {
                state.budget.clock_sets -= 1;
                state.set += seconds;
            }
            Action::PowerFails(record, stage) => state.lose_power(record, stage),
            Action::Trouble(trouble) => {
                state.may_get_into_trouble = false;
                state.disk.trouble = trouble;
            }
            Action::Repair => state.disk.trouble = Trouble::None,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl World {
    /// The machine's clocks.
    pub(crate) fn clocks(&self, state: &State) -> Clocks {
        Clocks {
            passed: state.clock + state.imagined,
            set: state.set,
            has_boot_clock: !self.mutated(Mutation::BootClock),
        }
    }

    pub(crate) fn mutated(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn actions_of(&self, p: usize, state: &State, actions: &mut Vec<Action>) {
        let process = &state.processes[p];
        let Some(running) = &process.running else {
            if process.begun < self.scenario.commands[p].len() {
                actions.push(Action::Begin(p));
            }
            return;
        };
        let in_flight = state.flights.iter().any(|flight| flight.sender == Some(p));
        if self.can_go(running, state) && !in_flight {
            actions.push(Action::Go(p));
        }
        if matches!(running.effect, Effect::AcquireLock { .. })
            && state.lock.is_some()
            && state.budget.lock_timeouts > 0
        {
            actions.push(Action::TimeOut(p));
        }
        if state.budget.store > 0 && running.effect.writes() {
            actions.push(Action::Fail(p));
            if running.replacement().is_some_and(|_| self.may_replace(running, state)) {
                actions.push(Action::FailLate(p));
            }
        }
        if state.budget.kills > 0 {
            actions.push(Action::Kill(p));
            match running.effect {
                Effect::ReplaceRecord { .. } if self.may_replace(running, state) => {
                    actions.push(Action::KillMidway(p));
                }
                Effect::StageReply { .. } => {
                    actions.push(Action::KillMidway(p));
                    actions.push(Action::KillWriting(p));
                }
                _ => {}
            }
        }
    }

    fn can_go(&self, running: &Running, state: &State) -> bool {
        match &running.effect {
            Effect::AcquireLock { .. } => state.lock.is_none() || self.mutated(Mutation::Lock),
            Effect::WaitUntil(_) => {
                !running.is_waiting(self.clocks(state)) || self.mutated(Mutation::Quarantine)
            }
            _ => true,
        }
    }

    fn actions_of_nature(&self, state: &State, actions: &mut Vec<Action>) {
        let waits = |process: &Process| {
            process.running.as_ref().is_some_and(|running| running.is_waiting(self.clocks(state)))
        };
        let one_waits = state.processes.iter().any(waits);
        let none_runs = state.processes.iter().all(|process| process.running.is_none());
        // A request arrives in time or never.
        let may_pass = |seconds: u32| {
            let late =
                |f: &Flight| f.reply.is_none() && state.clock + seconds >= f.sent_at + QUARANTINE;
            !state.flights.iter().any(late) && state.clock + seconds <= self.scenario.end
        };
        let nothing_else = one_waits || none_runs && state.may_begin(&self.scenario);
        if nothing_else && may_pass(TICK) {
            actions.push(Action::Tick);
        }
        if state.budget.sleeps > 0 && nothing_else && may_pass(SLEEP) {
            actions.push(Action::Sleep);
        }
        let about_to_send = state.processes.iter().enumerate().any(|(p, process)| {
            let running = process.running.as_ref();
            running.is_some_and(|running| matches!(running.effect, Effect::SendHttp(_)))
                && !state.flights.iter().any(|flight| flight.sender == Some(p))
        });
        if state.budget.stalls > 0 && !none_runs && !about_to_send && may_pass(STALL) {
            actions.push(Action::Stall);
        }
        let in_section = |process: &Process| process.running.as_ref().is_some_and(|r| r.in_section);
        if state.budget.clock_sets > 0 && state.processes.iter().any(in_section) {
            actions.extend(CLOCK_JUMPS.map(Action::SetClock));
        }
        if state.budget.power > 0 {
            for record in survivals(&state.disk.record, false) {
                for stage in survivals(&state.disk.stage, true) {
                    actions.push(Action::PowerFails(record, stage));
                }
            }
        }
        if state.may_get_into_trouble {
            actions.extend(self.scenario.trouble.iter().copied().map(Action::Trouble));
        }
        if state.disk.trouble != Trouble::None {
            actions.push(Action::Repair);
        }
    }
}

fn actions_of_flight(f: usize, flight: &Flight, faults: bool, actions: &mut Vec<Action>) {
    match (flight.sender, flight.reply) {
        (None, _) => actions.extend([Action::Arrive(f), Action::Vanish(f)]),
        (Some(_), None) => {
            actions.push(Action::Arrive(f));
            if faults {
                actions.extend([Action::NotSent(f), Action::TooMany(f), Action::Break(f)]);
            }
        }
        (Some(_), Some(reply)) => {
            actions.push(Action::Deliver(f));
            if faults && matches!(reply, Reply::Tokens(_) | Reply::Refused) {
                actions.extend([Action::LoseReply(f), Action::Gateway(f)]);
            }
        }
    }
}

fn survivals(object: &Object, is_written_in_place: bool) -> Vec<Survives> {
    match (object.visible == object.durable, is_written_in_place) {
        (true, _) => vec![Survives::Durable],
        (false, false) => vec![Survives::Durable, Survives::Visible],
        (false, true) => vec![Survives::Durable, Survives::Visible, Survives::Torn],
    }
}

impl State {
    /// A short description of an event.
    #[must_use]
    pub fn describe(&self, action: Action) -> String {
        use Action::{Begin, Fail, FailLate, Go, Kill, KillMidway, KillWriting, TimeOut};
        let clock = self.clock;
        match action {
            Go(p) | Fail(p) | FailLate(p) | TimeOut(p) | Kill(p) | KillMidway(p)
            | KillWriting(p) => {
                format!("{clock:3} s  {action:?}: {:?}", self.processes[p].running)
            }
            Begin(_) => format!("{clock:3} s  {action:?}"),
            other => format!("{clock:3} s  {other:?}  {:?}", self.flights),
        }
    }

    /// The record as a process reads it now.
    #[must_use]
    pub fn record(&self) -> Option<StoredCredential> {
        StoredCredential::parse_for(&key(), self.disk.record.visible.as_deref()?).ok()
    }

    /// The running command of a process.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn running(&self, p: usize) -> &Running {
        self.processes[p].running.as_ref().expect("it runs")
    }

    pub(crate) fn running_mut(&mut self, p: usize) -> &mut Running {
        self.processes[p].running.as_mut().expect("it runs")
    }

    fn may_begin(&self, scenario: &Scenario) -> bool {
        self.processes.iter().zip(scenario.commands).any(|(process, all)| process.begun < all.len())
    }

    pub(crate) fn unlock(&mut self, p: usize) {
        if self.lock == Some(p) {
            self.lock = None;
        }
    }

    /// The bytes are visible and not synced.
    fn write(&mut self, p: usize, bytes: Arc<str>) {
        let object = match self.running(p).effect {
            Effect::ReplaceRecord { .. } => &mut self.disk.record,
            _ => &mut self.disk.stage,
        };
        object.visible = Some(bytes);
    }

    fn lose_power(&mut self, record: Survives, stage: Survives) {
        self.budget.power -= 1;
        for p in 0..self.processes.len() {
            if self.processes[p].running.is_some() {
                self.budget.kills += 1; // not counted as a kill
                self.kill(p);
            }
        }
        self.boot += 1;
        self.disk.lose_power(record, stage);
    }

    fn kill(&mut self, p: usize) {
        self.budget.kills -= 1;
        let Some(running) = self.processes[p].running.take() else { return };
        self.facts.reply_died |= matches!(running.holding, Some(Reply::Tokens(_)));
        self.unlock(p);
        for f in (0..self.flights.len()).rev() {
            if self.flights[f].sender == Some(p) {
                let reply = self.flights[f].reply;
                self.facts.reply_died |= matches!(reply, Some(Reply::Tokens(_)));
                self.flights[f].sender = None;
                if reply.is_some() {
                    self.flights.remove(f);
                }
            }
        }
    }

    /// The store reported the received tokens of a process as saved.
    pub(crate) fn is_safe(&mut self, p: usize) {
        if let Some(Reply::Tokens(token)) = self.running_mut(p).holding.take() {
            self.facts.safe.push(token);
        }
    }

    pub(crate) fn ended(&mut self, p: usize, ended: &Ended) {
        let Some(running) = self.processes[p].running.take() else { return };
        self.unlock(p);
        if matches!(running.holding, Some(Reply::Tokens(_))) {
            self.facts.reply_died = true;
            self.facts.lost_to_disk |= running.disk_failed;
        }
        self.facts.note(ended, running.sent);
    }

    /// When the record's access token expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.record()?.tokens.map(|tokens| tokens.expires_at)
    }
}

impl Running {
    /// The record that it is about to write.
    fn replacement(&self) -> Option<Arc<str>> {
        match &self.effect {
            Effect::ReplaceRecord { bytes, .. } => Some(bytes.expose().into()),
            _ => None,
        }
    }

    /// The bytes that it is about to write.
    fn written(&self) -> Option<Arc<str>> {
        match &self.effect {
            Effect::ReplaceRecord { bytes, .. } | Effect::StageReply { bytes, .. } => {
                Some(bytes.expose().into())
            }
            _ => None,
        }
    }
}

trait Writes {
    /// Whether a single failure of the store can hit it.
    fn writes(&self) -> bool;
}

impl Writes for Effect {
    fn writes(&self) -> bool {
        matches!(
            self,
            Self::ReplaceRecord { .. }
                | Self::OpenStage { .. }
                | Self::StageReply { .. }
                | Self::RescueReply { .. }
        )
    }
}

/// The record of a new login whose tokens live for `lifetime` seconds.
pub(crate) fn first_record(issued_at: u64, lifetime: u64) -> Arc<str> {
    let record = serde_json::json!({
        "schema_version": 1,
        "generation": 1,
        "provider": "example",
        "connection": "default",
        "server": {
            "token_endpoint": "https://as.example/token",
            "client_authentication": "client_secret_post",
        },
        "client_id": "client",
        "login": { "at": issued_at, "grant": "device_code" },
        "tokens": {
            "access_token": "access000000",
            "refresh_token": name(0),
            "scopes": [],
            "issued_at": issued_at,
            "expires_at": issued_at + lifetime * 1000,
        },
    });
    record.to_string().into()
}

/// The name of a refresh token. All have one length, so that no name is a part of another.
#[must_use]
pub fn name(token: usize) -> String {
    format!("refresh{token:07}")
}

/// The number of the refresh token in this text.
pub(crate) fn number_in(text: &str) -> usize {
    let from = text.find("refresh0").expect("a refresh token") + "refresh".len();
    text.get(from..from + 7).and_then(|digits| digits.parse().ok()).expect("its number")
}

/// The number of the refresh token in a record.
#[must_use]
pub fn record_token(record: &StoredCredential) -> Option<usize> {
    let token = record.tokens.as_ref()?.refresh_token.as_ref()?;
    Some(number_in(token.expose()))
}
