//! A thousand days of one machine with an unused login, which only the scheduled upkeep keeps
//! alive: the shipped flow runs every 12 minutes while the machine is on, with sleep, shutdowns,
//! power failures, kills, lost responses and clock changes. Events are random, from a seed; the
//! model check covers a few minutes exhaustively.
//!
//! Two cases that no client can survive are left out. First, a machine that stops in the second
//! between a request and its response, and stays off for longer than the server's leeway. So the
//! user closes the lid at least three minutes after the last fault, and power returns within four
//! minutes. Second, a clock that is set in the minutes between such a power failure and the repair,
//! so that the age of the request is unknown. So the clock is set at other times.

use std::sync::Arc;

use twg_core::credential::StoredCredential;
use twg_core::flow::{Effect, Outcome, StoreError, StoreErrorKind};
use twg_core::http::{HttpResponse, TransportError, TransportFailure};
use twg_core::schedule::{UPKEEP_WINDOW, is_due};
use twg_core::secret::Secret;

use crate::disk::torn;
use crate::process::{Clocks, Running, Want, key, time};
use crate::server::{Rules, Server};
use crate::shell::unknown;
use crate::world::{first_record, name, number_in};

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// How often the scheduler runs the upkeep.
pub const EVERY: u32 = 12 * MINUTE;
/// How long after the start of the machine the first run comes,
const AFTER_START: u32 = MINUTE;
/// and how long after a killed run the next one comes.
pub const AFTER_KILL: u32 = 30;
/// How long a machine stays on after a fault.
const GRACE: u32 = 3 * MINUTE;

/// Seed 001: "After 30 days of inactivity, the refresh token itself expires".
const IDLE: u32 = 30 * DAY;

/// Atlassian's rules.
const RULES: Rules = Rules { leeway: 600, newest_only: false };

/// When the machine is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Always, except for a restart now and then.
    AlwaysOn,
    /// On weekdays from 9 to 17, with the lid closed over lunch.
    Office,
    /// From 20 minutes to hours, then off for up to three days.
    Laptop,
    /// For 12 minutes every 29 days. While the machine is on, the network works.
    TwelveMinutesAMonth,
}

/// The record of a machine's life.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Runs of the upkeep and of one-shot recoveries.
    pub runs: u32,
    /// Requests to the token endpoint.
    pub requests: u32,
    /// Refreshes that the server carried out.
    pub rotations: u32,
    /// Kills, power failures, lost responses, full disks and so on.
    pub faults: u32,
    /// Times when the clock was set.
    pub clock_sets: u32,
    /// Violations: the time in seconds, and a description.
    pub broken: Vec<(u32, String)>,
}

/// A fault in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    // Faults of the network hit the first request of a run.
    /// Killed before or after the step with this number, or in the middle of its write.
    Kill(u32, When),
    /// Power fails before or after the step with this number, or in the middle of its write.
    PowerFailure(u32, When),
    NotSent,
    RequestLost,
    ReplyLost,
    Gateway,
    TooMany,
    /// The step with this number fails, if it writes.
    DiskFull(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
    Midway,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Itself,
    Killed,
    PowerFailure,
}

/// A machine, its disk, and the server far away.
struct Machine {
    pattern: Pattern,
    lifetime: u32,
    after_kill: u32,
    random: Random,
    passed: u32,
    set: i32,
    boot: u32,
    record: Arc<str>,
    stage: Option<Arc<str>>,
    server: Server,
    used_at: u32,
    armed_at: Option<u32>,
    fault_at: Option<u32>,
    life: Life,
}

/// A life of so many days. Access tokens live for `lifetime` seconds. After a killed run, the
/// scheduler waits for `after_kill` seconds.
#[must_use]
pub fn live(pattern: Pattern, days: u32, lifetime: u32, after_kill: u32, seed: u64) -> Life {
    let mut machine = Machine::new(pattern, lifetime, after_kill, seed);
    let end = days * DAY;
    while machine.passed < end && machine.life.broken.is_empty() {
        let (on, off) = machine.next_window();
        machine.stay_on(on);
        machine.passed += off;
    }
    machine.life
}

impl Machine {
    fn new(pattern: Pattern, lifetime: u32, after_kill: u32, seed: u64) -> Self {
        Self {
            pattern,
            lifetime,
            after_kill,
            random: Random(seed),
            passed: 0,
            set: 0,
            boot: 0,
            record: first_record(time(0).as_millis(), lifetime.into()),
            stage: None,
            server: Server::default(),
            used_at: 0,
            armed_at: None,
            fault_at: None,
            life: Life::default(),
        }
    }

    /// How long the machine is on, and then off.
    fn next_window(&mut self) -> (u32, u32) {
        match self.pattern {
            Pattern::AlwaysOn => {
                (self.random.between(DAY, 20 * DAY), self.random.between(40, 5 * MINUTE))
            }
            Pattern::Office => {
                let second = self.passed % DAY;
                let is_weekend = (self.passed / DAY) % 7 >= 5;
                match second {
                    _ if is_weekend => (0, DAY - second),
                    s if s < 9 * HOUR => (0, 9 * HOUR - s),
                    s if s < 12 * HOUR => (12 * HOUR - s, 45 * MINUTE),
                    s if s < 17 * HOUR => (17 * HOUR - s, 16 * HOUR),
                    s => (0, DAY - s),
                }
            }
            Pattern::Laptop => (
                self.random.between(20 * MINUTE, 5 * HOUR),
                self.random.between(5 * MINUTE, 3 * DAY),
            ),
            Pattern::TwelveMinutesAMonth => (12 * MINUTE, 29 * DAY - 12 * MINUTE),
        }
    }

    /// Runs the scheduler and the scheduled recoveries.
    fn stay_on(&mut self, seconds: u32) {
        // The machine slept or was off, so no earlier run is still running.
        if self.random.one_in(2) {
            self.boot += 1;
            self.armed_at = None;
        }
        let mut until = self.passed + seconds;
        let mut next = self.passed + AFTER_START;
        loop {
            let recovery = self.armed_at.filter(|at| *at < next);
            let at = recovery.unwrap_or(next);
            if let Some(fault) = self.fault_at.take() {
                until = until.max(fault + GRACE);
            }
            if at > until || !self.life.broken.is_empty() {
                self.passed = until;
                return;
            }
            self.passed = self.passed.max(at);
            self.perhaps_set_the_clock();
            let want = if recovery.is_some() { Want::Due } else { Want::Upkeep };
            if recovery.is_some() {
                self.armed_at = None;
            }
            let began = self.passed;
            match self.run(want) {
                End::Itself if recovery.is_some() => {}
                End::Itself => next = began + EVERY,
                End::Killed => next = self.passed + self.after_kill,
                End::PowerFailure => {
                    self.passed += self.random.between(MINUTE, 4 * MINUTE);
                    self.boot += 1;
                    self.armed_at = None;
                    self.fault_at = Some(self.passed);
                    next = self.passed + AFTER_START;
                }
            }
        }
    }

    fn perhaps_set_the_clock(&mut self) {
        if self.stored().pending.is_some() {
            return;
        }
        if self.set != 0 && self.random.one_in(40) {
            self.set = 0;
        } else if self.random.one_in(400) {
            let far = self.random.between(1, 40 * DAY).cast_signed();
            self.set = if self.random.one_in(2) { far } else { -far };
            self.life.clock_sets += 1;
        }
    }

    fn clocks(&self) -> Clocks {
        // The model begins well after 1970, so that a clock can be set back.
        Clocks { passed: self.passed + 50 * DAY, set: self.set, has_boot_clock: true }
    }

    fn stored(&self) -> StoredCredential {
        StoredCredential::parse_for(&key(), &self.record).expect("what is written can be read")
    }

    /// One run, to its end or until it is killed.
    fn run(&mut self, want: Want) -> End {
        self.life.runs += 1;
        let before = self.stored();
        let wall = self.clocks().wall();
        let tokens = before.tokens.as_ref().expect("a login that is not over has tokens");
        let due = is_due(tokens, wall, UPKEEP_WINDOW) || before.pending.is_some();
        let fault = if due { self.next_fault() } else { None };
        let requests = self.life.requests;
        let end = self.perform(want, fault);
        // After a possibly lost response the same run sends again, while the leeway lasts.
        let is_lost = matches!(fault, Some(Fault::RequestLost | Fault::ReplyLost));
        let most = if due { 1 + u32::from(is_lost) } else { 0 };
        let sent = self.life.requests - requests;
        if sent > most {
            self.broke(&format!("{sent} requests, where {most} was due; {fault:?}"));
        }
        if let Some(ended) = self.stored().ended {
            self.broke(&format!("logged out: {:?}", ended.reason));
        }
        if self.server.revoked {
            self.broke("the server ended the login");
        }
        end
    }

    fn perform(&mut self, want: Want, fault: Option<Fault>) -> End {
        let seed = u8::try_from(self.life.runs % 251).unwrap_or_default();
        let mut running = Running::begin(want, RULES.leeway, self.clocks(), self.boot, seed);
        let mut sent = false;
        for step in 0.. {
            let effect = running.effect.clone();
            let (is_killed, end) = match fault {
                Some(Fault::Kill(at, when)) if at == step => (Some(when), End::Killed),
                Some(Fault::PowerFailure(at, when)) if at == step => {
                    (Some(when), End::PowerFailure)
                }
                _ => (None, End::Itself),
            };
            if is_killed == Some(When::Before) {
                return self.stopped(end);
            }
            if is_killed == Some(When::Midway)
                && let Effect::StageReply { bytes, .. } = &effect
            {
                self.stage = Some(torn(bytes.expose()));
                return self.stopped(end);
            }
            let outcome = self.answer(&running, &effect, fault, (step, &mut sent));
            if is_killed.is_some() {
                return self.stopped(end);
            }
            if running.resume(outcome, &step, self.clocks()).is_some() {
                return End::Itself;
            }
        }
        End::Itself
    }

    fn stopped(&mut self, end: End) -> End {
        self.fault();
        end
    }

    fn fault(&mut self) {
        self.life.faults += 1;
        self.fault_at = Some(self.passed);
    }

    /// Performs an effect of the flow, unless the fault prevents it.
    fn answer(
        &mut self,
        running: &Running,
        effect: &Effect,
        fault: Option<Fault>,
        (step, sent): (u32, &mut bool),
    ) -> Outcome {
        let is_full = fault == Some(Fault::DiskFull(step));
        let loaded = |text: Option<&str>| Outcome::Loaded(Ok(text.map(Secret::new)));
        match effect {
            Effect::LoadRecord(_) => loaded(Some(&self.record)),
            Effect::LoadStage { .. } => loaded(self.stage.as_deref()),
            Effect::LoadRescue { .. } => loaded(None),
            Effect::AcquireLock { .. } => Outcome::Locked(Ok(())),
            Effect::ReplaceRecord { .. } | Effect::OpenStage { .. } if is_full => {
                self.fault();
                Outcome::Store(Err(full()))
            }
            Effect::StageReply { .. } if is_full => {
                self.fault();
                Outcome::Kept(Err(full()))
            }
            Effect::ReplaceRecord { bytes, .. } => {
                self.record = bytes.expose().into();
                Outcome::Store(Ok(()))
            }
            Effect::OpenStage { .. } => {
                self.stage = Some("".into());
                Outcome::Store(Ok(()))
            }
            Effect::StageReply { bytes, .. } => {
                self.stage = Some(bytes.expose().into());
                Outcome::Kept(Ok("stage".to_owned()))
            }
            Effect::RescueReply { .. } => Outcome::Kept(Err(full())),
            Effect::SetAsideStage { .. } => {
                self.stage = None;
                Outcome::Kept(Ok("aside".to_owned()))
            }
            Effect::DiscardStage { .. } => {
                self.stage = None;
                Outcome::Store(Ok(()))
            }
            Effect::SendHttp(request) => {
                self.passed += 1;
                self.life.requests += 1;
                let fault = fault.filter(|_| !std::mem::replace(sent, true));
                Outcome::Http(self.send(number_in(request.body.expose()), fault))
            }
            Effect::WaitUntil(_) => {
                while running.is_waiting(self.clocks()) {
                    self.passed += 1;
                }
                Outcome::Waited
            }
            Effect::ArmRecovery { at, .. } => {
                let seconds = at.since(self.clocks().wall()).as_secs();
                self.armed_at = Some(self.passed + u32::try_from(seconds).unwrap_or(u32::MAX / 4));
                Outcome::Notified
            }
            Effect::ReleaseLock(_) | Effect::Notify(_) => Outcome::Notified,
            other => panic!("a refresh does not ask for {other:?}"),
        }
    }

    fn send(&mut self, token: usize, fault: Option<Fault>) -> Result<HttpResponse, TransportError> {
        let lost = |machine: &mut Self, error| {
            machine.fault();
            Err(error)
        };
        match fault {
            Some(Fault::NotSent) => {
                return lost(self, TransportError::NotSent(TransportFailure::Connect));
            }
            Some(Fault::RequestLost) => return lost(self, unknown()),
            Some(Fault::TooMany) => {
                self.fault();
                return Ok(answer(429, String::new()));
            }
            _ => {}
        }
        let is_alive = self.passed - self.used_at <= IDLE;
        let new = if is_alive { self.server.exchange(token, RULES, self.passed) } else { None };
        let Some(new) = new else {
            return Ok(answer(403, r#"{"error":"invalid_grant"}"#.to_owned()));
        };
        self.used_at = self.passed;
        self.life.rotations += 1;
        match fault {
            Some(Fault::ReplyLost) => lost(self, unknown()),
            Some(Fault::Gateway) => {
                self.fault();
                Ok(answer(502, "<html>Bad gateway".to_owned()))
            }
            _ => {
                let (refresh, lifetime) = (name(new), self.lifetime);
                let body = format!(
                    r#"{{"access_token":"access{new:06}","refresh_token":"{refresh}","expires_in":{lifetime}}}"#
                );
                Ok(answer(200, body))
            }
        }
    }

    /// Every eighth due refresh has a fault.
    fn next_fault(&mut self) -> Option<Fault> {
        if !self.random.one_in(8) {
            return None;
        }
        // A refresh takes about 15 steps, a recovery a few more.
        let step = self.random.below(18);
        let when = [When::Before, When::After, When::Midway][self.random.below(3) as usize];
        let monthly = self.pattern == Pattern::TwelveMinutesAMonth;
        Some(match self.random.below(if monthly { 4 } else { 8 }) {
            0 => Fault::Kill(step, when),
            1 => Fault::PowerFailure(step, when),
            2 => Fault::ReplyLost,
            3 => Fault::Gateway,
            4 => Fault::NotSent,
            5 => Fault::RequestLost,
            6 => Fault::TooMany,
            _ => Fault::DiskFull(step),
        })
    }

    fn broke(&mut self, what: &str) {
        self.life.broken.push((self.passed, what.to_owned()));
    }
}

fn full() -> StoreError {
    let kind = StoreErrorKind::CannotWrite;
    StoreError { kind, place: "store".to_owned(), detail: "no space left".to_owned() }
}

fn answer(status: u16, body: String) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: body.into_bytes() }
}

/// `SplitMix64`: the same seed gives the same life.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).unwrap_or_default()
    }

    fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most - least + 1)
    }

    fn one_in(&mut self, number: u32) -> bool {
        self.below(number) == 0
    }
}
