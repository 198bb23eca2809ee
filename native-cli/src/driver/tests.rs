//! Two flows over one shell. Each has its own user, and one waits for the other's lock.

use twg_core::credential::ConnectionKey;
use twg_core::flow::{
    AuthorizationPrompt, DevicePrompt, Effect, Flow, Misuse, Notice, Outcome, Step, StepId,
};
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

use super::{Shell, User};
use crate::effects::clock;
use crate::effects::file_store::tests::{scratch_dir, store_in};
use crate::effects::http::HttpClient;
use crate::effects::record_store::RecordStore;

/// Takes the lock, reads the record, waits, replaces the record, and gives the lock back.
struct Update {
    key: ConnectionKey,
    text: &'static str,
    effects: u64,
    found: Option<Secret>,
}

impl Update {
    fn new(text: &'static str) -> Self {
        let key = ConnectionKey::new("example", ConnectionKey::DEFAULT).unwrap();
        Self { key, text, effects: 0, found: None }
    }

    fn effect(&self) -> Option<Effect> {
        let key = self.key.clone();
        let soon = |milliseconds| clock::now().plus(Span::from_millis(milliseconds));
        Some(match self.effects {
            0 => Effect::AcquireLock { key, deadline: soon(10_000) },
            1 => Effect::LoadRecord(key),
            // The other flow has to wait for the lock.
            2 => Effect::WaitUntil(soon(20)),
            3 => Effect::ReplaceRecord { key, expected: None, bytes: Secret::new(self.text) },
            4 => Effect::ReleaseLock(key),
            _ => return None,
        })
    }

    fn step(&mut self) -> Step<Option<Secret>> {
        match self.effect() {
            Some(effect) => Step::Perform(StepId::from_raw(self.effects), effect),
            None => Step::Done(self.found.take()),
        }
    }
}

impl Flow for Update {
    type Output = Option<Secret>;

    fn begin(&mut self, _: impl Into<Now>) -> Result<Step<Self::Output>, Misuse> {
        Ok(self.step())
    }

    fn resume(
        &mut self,
        _: StepId,
        outcome: Outcome,
        _: impl Into<Now>,
    ) -> Result<Step<Self::Output>, Misuse> {
        match outcome {
            Outcome::Loaded(record) => self.found = record.unwrap(),
            Outcome::Locked(locked) => locked.unwrap(),
            Outcome::Store(stored) => stored.unwrap(),
            Outcome::Waited | Outcome::Notified => {}
            Outcome::Http(_)
            | Outcome::Shown(_)
            | Outcome::RedirectUri(_)
            | Outcome::Redirected(_)
            | Outcome::Kept(_) => unreachable!(),
        }
        self.effects += 1;
        Ok(self.step())
    }
}

/// A user to whom nothing is shown.
struct Absent;

impl User for Absent {
    fn show_user_code(&mut self, _: &DevicePrompt) {}
    fn show_authorization(&mut self, _: &AuthorizationPrompt) {}
    async fn open(&mut self, _: &str) {}
    async fn pasted_url(&mut self, _: UnixTime) -> Secret {
        std::future::pending().await
    }
    fn waiting(&mut self, _: &str, _: Span) {}
    fn done_waiting(&mut self) {}
    fn notify(&mut self, _: &Notice) {}
    fn narrate(&mut self, _: impl FnOnce() -> String) {}
}

#[test]
fn many_flows_run_over_one_shell() {
    let dir = scratch_dir();
    let (records, http) = (RecordStore::Files(store_in(dir.path())), HttpClient::new());
    let shell = Shell { records: &records, http: &http };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut one, mut other) = (Absent, Absent);
    let (first, second) = runtime.block_on(async {
        tokio::join!(
            shell.drive(&mut one, Update::new("first")),
            shell.drive(&mut other, Update::new("second")),
        )
    });
    let found = [first, second].map(|driven| driven.unwrap_or_else(|f| panic!("{f:?}")).output);
    // The second flow waited for the lock, and then read what the first one wrote.
    let [None, Some(found)] = found else { panic!("{found:?}") };
    assert_eq!(found.expose(), "first");
    let key = Update::new("").key;
    assert_eq!(records.load(&key).unwrap().unwrap().expose(), "second");
}
