//! Plays the shell's part against a flow, one scripted line at a time.
//!
//! Every line of a test names the effect it expects, answers it, and so moves the flow on. A script
//! must be complete: [`Play::done`] fails while the flow still waits, and so does dropping a
//! [`Play`] before its end. Some rules hold for every flow and are checked at every step:
//!
//! - step ids only grow;
//! - records and stages are written only under the lock, which is given back at the end;
//! - no `Debug` of an effect or of the flow shows a secret (A85, A62).

#![allow(dead_code, reason = "each test file is a crate of its own and uses its own part of this")]
#![allow(unused_imports, reason = "as above")]
#![allow(clippy::unwrap_used, reason = "test support: a failed unwrap is a failed test")]

pub(crate) mod fixtures;
pub(crate) mod http;

use std::fmt::Debug;

use twg_core::credential::{AttemptId, Generation, StoredCredential};
use twg_core::flow::{
    AuthorizationPrompt, DevicePrompt, Effect, Flow, Misuse, Notice, Outcome, RedirectTarget, Step,
    StepId, StoreError, StoreErrorKind,
};
use twg_core::http::{HttpRequest, HttpResponse, TransportError, TransportFailure};
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

pub(crate) use fixtures::*;
pub(crate) use http::*;

/// The time at which every script begins.
pub(crate) const T0: UnixTime = UnixTime::from_millis(1_700_000_000_000);

/// A machine that has been up for an hour at [`T0`], and whose clocks agree.
pub(crate) fn up(now: UnixTime) -> Now {
    Now { wall: now, uptime: Some(Span::from_mins(60).plus(now.since(T0))) }
}

pub(crate) const fn secs(count: u64) -> Span {
    Span::from_secs(count)
}

/// A flow under test and the clock of its shell.
pub(crate) struct Play<F: Flow> {
    pub(crate) flow: F,
    pub(crate) now: UnixTime,
    /// How long the machine has been up; `None` for a shell without such a clock.
    pub(crate) uptime: Option<Span>,
    waiting: Option<(StepId, Effect)>,
    output: Option<F::Output>,
    last_id: Option<StepId>,
    locked: bool,
    log: Vec<String>,
    complete: bool,
}

impl<F: Flow + Debug> Play<F>
where
    F::Output: Debug,
{
    /// Begins the flow.
    #[track_caller]
    pub(crate) fn begin(flow: F) -> Self {
        Self::begin_at(flow, T0)
    }

    #[track_caller]
    pub(crate) fn begin_at(flow: F, now: UnixTime) -> Self {
        Self::begin_by(flow, up(now))
    }

    /// With clocks that may disagree.
    #[track_caller]
    pub(crate) fn begin_by(flow: F, now: Now) -> Self {
        let mut play = Self {
            flow,
            now: now.wall,
            uptime: now.uptime,
            waiting: None,
            output: None,
            last_id: None,
            locked: false,
            log: Vec::new(),
            complete: false,
        };
        let step = play.flow.begin(play.clocks()).expect("a new flow can begin");
        play.take(step);
        play
    }

    #[track_caller]
    fn take(&mut self, step: Step<F::Output>) {
        match step {
            Step::Perform(id, effect) => {
                assert!(
                    self.last_id < Some(id),
                    "step id {id:?} was used before\n{}",
                    self.story()
                );
                let shown = format!("{effect:?}");
                self.log.push(shown.clone());
                assert_shows_no_secret(&shown);
                assert_shows_no_secret(&format!("{:?}", self.flow));
                match effect {
                    Effect::AcquireLock { .. } => {
                        assert!(!self.locked, "the lock is taken twice\n{}", self.story());
                    }
                    // Reading a record needs no lock, because a record is replaced as a whole.
                    Effect::ReleaseLock(_)
                    | Effect::ReplaceRecord { .. }
                    | Effect::SetAsideRecord(_)
                    | Effect::RemoveRecord(_)
                    | Effect::OpenStage { .. }
                    | Effect::StageReply { .. }
                    | Effect::LoadStage { .. }
                    | Effect::RescueReply { .. }
                    | Effect::LoadRescue { .. }
                    | Effect::SetAsideStage { .. }
                    | Effect::DiscardStage { .. } => {
                        assert!(self.locked, "the lock is not held\n{}", self.story());
                    }
                    _ => {}
                }
                self.last_id = Some(id);
                self.waiting = Some((id, effect));
            }
            Step::Done(output) => {
                assert!(!self.locked, "the lock was not given back\n{}", self.story());
                let shown = format!("{output:?}");
                self.log.push(format!("done: {shown}"));
                assert_shows_no_secret(&shown);
                self.waiting = None;
                self.output = Some(output);
            }
        }
    }

    /// What happened so far; printed when a test fails.
    pub(crate) fn story(&self) -> String {
        format!("so far:\n  {}", self.log.join("\n  "))
    }

    /// The effect that the flow waits for.
    #[track_caller]
    pub(crate) fn effect(&self) -> &Effect {
        match &self.waiting {
            Some((_, effect)) => effect,
            None => panic!("the flow is done\n{}", self.story()),
        }
    }

    #[track_caller]
    pub(crate) fn step_id(&self) -> StepId {
        self.waiting.as_ref().map(|(id, _)| *id).unwrap_or_else(|| panic!("{}", self.story()))
    }

    /// Answers the current effect, of any kind.
    #[track_caller]
    pub(crate) fn answer(&mut self, outcome: Outcome) {
        let effect = self.effect().clone();
        match (&effect, &outcome) {
            (Effect::AcquireLock { .. }, Outcome::Locked(Ok(()))) => self.locked = true,
            (Effect::ReleaseLock(_), Outcome::Notified) => self.locked = false,
            _ => {}
        }
        let id = self.step_id();
        match self.flow.resume(id, outcome, self.clocks()) {
            Ok(step) => self.take(step),
            Err(misuse) => panic!("{misuse} ({effect:?})\n{}", self.story()),
        }
    }

    #[track_caller]
    fn unexpected(&self, expected: &str) -> ! {
        panic!("expected {expected}\n{}", self.story())
    }

    fn clocks(&self) -> Now {
        Now { wall: self.now, uptime: self.uptime }
    }

    /// Time passes before the next answer.
    pub(crate) fn pass(&mut self, span: Span) {
        self.now = self.now.plus(span);
        self.uptime = self.uptime.map(|uptime| uptime.plus(span));
    }

    /// Expects a request and answers it.
    #[track_caller]
    pub(crate) fn http(&mut self, answer: impl Into<Answer>) -> HttpRequest {
        let Effect::SendHttp(request) = self.effect().clone() else { self.unexpected("a request") };
        self.answer(Outcome::Http(answer.into().0));
        request
    }

    /// Whether the flow wants to wait now.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.waiting, Some((_, Effect::WaitUntil(_))))
    }

    /// Expects a wait, waits exactly that long, and returns the length. The message about a server
    /// in trouble may come first.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Span {
        if matches!(self.effect(), Effect::Notify(Notice::StillTrying(_))) {
            self.notice();
        }
        self.wait_silently()
    }

    /// As [`Play::wait`], but without a message before it.
    #[track_caller]
    pub(crate) fn wait_silently(&mut self) -> Span {
        let Effect::WaitUntil(until) = *self.effect() else { self.unexpected("a wait") };
        let span = until.since(self.now);
        self.pass(span);
        self.answer(Outcome::Waited);
        span
    }

    /// Expects a wait that ends after `passed`. The wall clock then shows `now`, because it was
    /// set.
    #[track_caller]
    pub(crate) fn wait_with_clock(&mut self, now: UnixTime, passed: Span) -> Span {
        let Effect::WaitUntil(until) = *self.effect() else { self.unexpected("a wait") };
        let span = until.since(self.now);
        self.pass(passed);
        self.now = now;
        self.answer(Outcome::Waited);
        span
    }

    #[track_caller]
    pub(crate) fn show_code(&mut self) -> DevicePrompt {
        let Effect::ShowUserCode(prompt) = self.effect().clone() else {
            self.unexpected("a user code")
        };
        self.answer(Outcome::Shown(Ok(())));
        prompt
    }

    #[track_caller]
    pub(crate) fn redirect_uri(&mut self, uri: &str) -> RedirectTarget {
        let Effect::ObtainRedirectUri(target) = self.effect().clone() else {
            self.unexpected("a question for the redirect URI")
        };
        self.answer(Outcome::RedirectUri(Ok(uri.to_owned())));
        target
    }

    /// The authorization request that the flow waits for, unanswered.
    #[track_caller]
    pub(crate) fn authorization(&self) -> AuthorizationPrompt {
        let Effect::OpenUserAgent(prompt) = self.effect().clone() else {
            self.unexpected("an authorization request")
        };
        prompt
    }

    /// A redirect arrives while the flow waits for one.
    #[track_caller]
    pub(crate) fn redirect(&mut self, url: &str) {
        if !matches!(self.effect(), Effect::OpenUserAgent(_) | Effect::AwaitRedirect { .. }) {
            self.unexpected("a wait for a redirect");
        }
        self.answer(Outcome::Redirected(Ok(Secret::new(url))));
    }

    #[track_caller]
    pub(crate) fn assert_still_awaiting_redirect(&mut self) {
        assert_eq!(self.notice(), Notice::RedirectIgnored);
        if !matches!(self.effect(), Effect::AwaitRedirect { .. }) {
            self.unexpected("another wait for the redirect, without a new browser window");
        }
    }

    #[track_caller]
    pub(crate) fn notice(&mut self) -> Notice {
        let Effect::Notify(notice) = self.effect().clone() else { self.unexpected("a notice") };
        self.answer(Outcome::Notified);
        notice
    }

    #[track_caller]
    pub(crate) fn preflight(&mut self) {
        self.preflight_over(None);
    }

    /// The preflight, and the first look at the old record.
    #[track_caller]
    pub(crate) fn preflight_over(&mut self, record: Option<&str>) {
        self.preflight_store();
        self.load(record);
    }

    #[track_caller]
    pub(crate) fn preflight_store(&mut self) {
        let Effect::PreflightStore(_) = self.effect() else { self.unexpected("a preflight") };
        self.answer(Outcome::Store(Ok(())));
    }

    #[track_caller]
    pub(crate) fn lock(&mut self) {
        let Effect::AcquireLock { .. } = self.effect() else { self.unexpected("a lock") };
        self.answer(Outcome::Locked(Ok(())));
    }

    #[track_caller]
    pub(crate) fn release(&mut self) {
        let Effect::ReleaseLock(_) = self.effect() else { self.unexpected("a release") };
        self.answer(Outcome::Notified);
    }

    #[track_caller]
    pub(crate) fn load(&mut self, record: Option<&str>) {
        let Effect::LoadRecord(_) = self.effect() else { self.unexpected("a load") };
        self.answer(Outcome::Loaded(Ok(record.map(Secret::new))));
    }

    /// Expects a replacement of the record and lets it succeed.
    #[track_caller]
    pub(crate) fn replace(&mut self) -> Replacement {
        let replacement = self.replacement();
        self.answer(Outcome::Store(Ok(())));
        replacement
    }

    /// The replacement that the flow waits for, unanswered.
    #[track_caller]
    pub(crate) fn replacement(&self) -> Replacement {
        let Effect::ReplaceRecord { expected, bytes, .. } = self.effect().clone() else {
            self.unexpected("a replacement of the record")
        };
        let record = StoredCredential::parse(bytes.expose())
            .expect("a record that a flow writes can be read");
        Replacement { expected, text: bytes.expose().to_owned(), record }
    }

    #[track_caller]
    pub(crate) fn set_aside(&mut self, place: &str) {
        let Effect::SetAsideRecord(_) = self.effect() else { self.unexpected("setting aside") };
        self.answer(Outcome::Kept(Ok(place.to_owned())));
    }

    #[track_caller]
    pub(crate) fn remove(&mut self) {
        let Effect::RemoveRecord(_) = self.effect() else { self.unexpected("a removal") };
        self.answer(Outcome::Store(Ok(())));
    }

    /// Expects a request to the store and lets it fail.
    #[track_caller]
    pub(crate) fn store_fails(&mut self, kind: StoreErrorKind) -> StoreError {
        let error =
            StoreError { kind, place: "/store/record".to_owned(), detail: "no space".to_owned() };
        let outcome = match self.effect() {
            Effect::LoadRecord(_) | Effect::LoadStage { .. } | Effect::LoadRescue { .. } => {
                Outcome::Loaded(Err(error.clone()))
            }
            Effect::SetAsideRecord(_)
            | Effect::SetAsideStage { .. }
            | Effect::StageReply { .. }
            | Effect::RescueReply { .. } => Outcome::Kept(Err(error.clone())),
            Effect::PreflightStore(_)
            | Effect::ReplaceRecord { .. }
            | Effect::RemoveRecord(_)
            | Effect::OpenStage { .. }
            | Effect::DiscardStage { .. } => Outcome::Store(Err(error.clone())),
            _ => self.unexpected("something of the store"),
        };
        self.answer(outcome);
        error
    }

    /// Lock, load, replace, release: the steps of every successful save.
    #[track_caller]
    pub(crate) fn save(&mut self, old: Option<&str>) -> Replacement {
        self.lock();
        self.load(old);
        let replacement = self.replace();
        self.release();
        replacement
    }

    /// Expects the stage to be opened, and returns the attempt that it is for.
    #[track_caller]
    pub(crate) fn open_stage(&mut self) -> AttemptId {
        let Effect::OpenStage { id, .. } = self.effect().clone() else {
            self.unexpected("a stage being opened")
        };
        self.answer(Outcome::Store(Ok(())));
        id
    }

    /// Expects a response to be staged, and returns the bytes.
    #[track_caller]
    pub(crate) fn stage(&mut self) -> String {
        let Effect::StageReply { bytes, .. } = self.effect().clone() else {
            self.unexpected("a reply being staged")
        };
        self.answer(Outcome::Kept(Ok("/store/stage".to_owned())));
        bytes.expose().to_owned()
    }

    /// Expects the stage to be read, and returns the attempt that it is for.
    #[track_caller]
    pub(crate) fn load_stage(&mut self, stage: Option<&str>) -> AttemptId {
        let Effect::LoadStage { id, .. } = self.effect().clone() else {
            self.unexpected("a stage being read")
        };
        self.answer(Outcome::Loaded(Ok(stage.map(Secret::new))));
        id
    }

    /// Expects a rescue, and returns the rescued bytes.
    #[track_caller]
    pub(crate) fn rescue(&mut self) -> String {
        let Effect::RescueReply { bytes, .. } = self.effect().clone() else {
            self.unexpected("a rescue")
        };
        self.answer(Outcome::Kept(Ok("/rescue/reply".to_owned())));
        bytes.expose().to_owned()
    }

    /// Expects the rescued bytes to be read.
    #[track_caller]
    pub(crate) fn load_rescue(&mut self, rescued: Option<&str>) {
        let Effect::LoadRescue { .. } = self.effect() else { self.unexpected("a rescue read") };
        self.answer(Outcome::Loaded(Ok(rescued.map(Secret::new))));
    }

    #[track_caller]
    pub(crate) fn set_stage_aside(&mut self) {
        let Effect::SetAsideStage { .. } = self.effect() else {
            self.unexpected("a stage being set aside")
        };
        self.answer(Outcome::Kept(Ok("/store/damaged-stage".to_owned())));
    }

    /// Expects the stage to be removed, and returns the attempt that it is for.
    #[track_caller]
    pub(crate) fn discard_stage(&mut self) -> AttemptId {
        let Effect::DiscardStage { id, .. } = self.effect().clone() else {
            self.unexpected("a stage being removed")
        };
        self.answer(Outcome::Store(Ok(())));
        id
    }

    /// Expects a recovery to be scheduled, and returns the delay.
    #[track_caller]
    pub(crate) fn arm(&mut self) -> Span {
        let Effect::ArmRecovery { at, .. } = *self.effect() else { self.unexpected("an alarm") };
        self.answer(Outcome::Notified);
        at.since(self.now)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.output.is_some()
    }

    /// The end of the script: the flow must be done.
    #[track_caller]
    pub(crate) fn done(mut self) -> F::Output {
        self.complete = true;
        match self.output.take() {
            Some(output) => output,
            None => panic!("the flow is not done\n{}", self.story()),
        }
    }

    /// The process dies here: the script ends while the flow still waits.
    pub(crate) fn killed(mut self) {
        self.complete = true;
    }

    /// As [`Play::done`], but keeps the finished flow for further checks.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> F::Output {
        self.complete = true;
        self.output.take().unwrap_or_else(|| panic!("the flow is not done\n{}", self.story()))
    }
}

impl<F: Flow> Drop for Play<F> {
    fn drop(&mut self) {
        if !self.complete && !std::thread::panicking() {
            panic!("the script ends before the flow:\n  {}", self.log.join("\n  "));
        }
    }
}

/// A record that a flow wants to write.
pub(crate) struct Replacement {
    pub(crate) expected: Option<Generation>,
    pub(crate) text: String,
    pub(crate) record: StoredCredential,
}

/// Every secret of the fixtures contains `CANARY`; verifier and state come from known bytes.
#[track_caller]
pub(crate) fn assert_shows_no_secret(shown: &str) {
    for secret in ["CANARY", &verifier()[..16], &state()[..16]] {
        assert!(!shown.contains(secret), "a secret ({secret}) is shown: {shown}");
    }
}

/// As [`assert_shows_no_secret`], for results with `Display`.
#[track_caller]
pub(crate) fn assert_silent<T: Debug, E: Debug + std::fmt::Display>(result: &Result<T, E>) {
    assert_shows_no_secret(&format!("{result:?}"));
    if let Err(error) = result {
        let shown = error.to_string();
        assert_shows_no_secret(&shown);
        assert!(!shown.chars().any(char::is_control), "not inert: {shown:?}");
    }
}
