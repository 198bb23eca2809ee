//! What must hold at every step of a refresh.

use std::fmt::Debug;

use twg_core::credential::StoredCredential;
use twg_core::error::Error;
use twg_core::flow::{Effect, Outcome};

use crate::{CANARY, assert_inert};

/// Watches a refresh. Every method panics if something is wrong.
#[derive(Debug, Default)]
pub struct RefreshWatch {
    locked: bool,
    /// The durable intent: the id of its attempt, and the token that it is about.
    intent: Option<(String, String)>,
    /// The attempt whose stage is open.
    stage: Option<String>,
    /// The record that is being written now.
    writing: Option<StoredCredential>,
    generation: u64,
    sent: u32,
    /// The input put a canary in a place that may be shown.
    blind: bool,
}

impl RefreshWatch {
    /// `blind` means that the watch cannot tell secrets from other text, because the input mixed
    /// them.
    #[must_use]
    pub fn blind(blind: bool) -> Self {
        Self { blind, ..Self::default() }
    }

    /// A step of the flow.
    pub fn step(&mut self, effect: &Effect) {
        self.sees(&format!("{effect:?}"));
        match effect {
            Effect::AcquireLock { .. } => assert!(!self.locked, "the lock is taken twice"),
            Effect::LoadRecord(_) | Effect::Notify(_) => {}
            Effect::WaitUntil(_) => assert!(self.locked, "a wait without the lock"),
            Effect::ReplaceRecord { bytes, .. } => {
                assert!(self.locked, "the lock is not held");
                let record = StoredCredential::parse(bytes.expose())
                    .expect("a record that a flow writes can be read");
                self.writing = Some(record);
            }
            Effect::SendHttp(request) => {
                assert!(self.locked, "the lock is not held");
                assert!(request.single_use && !effect.is_interruptible());
                let (id, token) = self.intent.as_ref().expect("nothing is sent without an intent");
                assert_eq!(self.stage.as_ref(), Some(id), "there is no room for the reply");
                assert!(request.body.expose().contains("refresh_token"));
                let escaped: String =
                    url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                let is_in = |text: &str| request.body.expose().contains(text);
                let json = serde_json::to_string(token).expect("JSON");
                assert!(
                    is_in(&escaped) || is_in(&json),
                    "the request has another token than the intent"
                );
                self.sent += 1;
                assert!(self.sent <= 2, "more than two requests");
                // A stage takes one response.
                self.stage = None;
            }
            _ => assert!(self.locked, "the lock is not held: {effect:?}"),
        }
    }

    /// The outcome of `effect`, before the flow sees it.
    pub fn answer(&mut self, effect: &Effect, outcome: &Outcome) {
        match (effect, outcome) {
            (Effect::AcquireLock { .. }, Outcome::Locked(Ok(()))) => self.locked = true,
            (Effect::ReleaseLock(_), Outcome::Notified) => self.locked = false,
            (Effect::LoadRecord(_), Outcome::Loaded(Ok(Some(record)))) => {
                if let Ok(record) = StoredCredential::parse(record.expose()) {
                    self.generation = record.generation.get();
                }
            }
            (Effect::ReplaceRecord { .. }, Outcome::Store(result)) => {
                let record = self.writing.take().expect("a record is being written");
                if result.is_ok() {
                    let generation = record.generation.get();
                    assert!(generation >= self.generation, "the generation fell");
                    self.generation = generation;
                    let token = record.tokens.as_ref().and_then(|t| t.refresh_token.clone());
                    self.intent = record.pending.zip(token).map(|(pending, token)| {
                        (pending.id.as_str().to_owned(), token.expose().to_owned())
                    });
                }
            }
            (Effect::OpenStage { id, .. }, Outcome::Store(Ok(()))) => {
                self.stage = Some(id.as_str().to_owned());
            }
            _ => {}
        }
    }

    /// The end of the flow.
    pub fn done<T: Debug>(&self, result: &Result<T, Error>) {
        assert!(!self.locked, "the lock was not given back");
        self.sees(&format!("{result:?}"));
        if let Err(error) = result {
            assert_ne!(error.code(), "INTERNAL", "a step out of order");
            let shown = error.to_string();
            self.sees(&shown);
            assert_inert(&shown);
        }
    }

    fn sees(&self, shown: &str) {
        assert!(self.blind || !shown.contains(CANARY), "a secret is shown: {shown}");
    }
}
