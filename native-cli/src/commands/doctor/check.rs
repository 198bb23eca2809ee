//! A check of the doctor and its result.

use serde_json::{Value, json};

use crate::advice::{Advice, Program};
use crate::failure::Failure;

/// A check and its result.
pub(super) struct Check {
    pub(super) name: &'static str,
    verdict: Verdict,
    /// What was found, for people.
    pub(super) found: Advice,
    /// What to do about it, if that needs lines of its own.
    pub(super) remedy: Vec<Advice>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Worth knowing; nothing is broken.
    Note,
    Bad,
}

impl Check {
    pub(super) fn of(name: &'static str, result: Result<String, String>) -> Self {
        let (verdict, found) = match result {
            Ok(found) => (Verdict::Good, found),
            Err(found) => (Verdict::Bad, found),
        };
        Self { name, verdict, found: found.into(), remedy: Vec::new() }
    }

    pub(super) fn failed(name: &'static str, failure: Failure) -> Self {
        let remedy = failure.hint.into_iter().chain(failure.advice).collect();
        Self { name, verdict: Verdict::Bad, found: failure.message.into(), remedy }
    }

    pub(super) fn note(name: &'static str, found: impl Into<Advice>) -> Self {
        Self { name, verdict: Verdict::Note, found: found.into(), remedy: Vec::new() }
    }

    pub(super) fn is_good(&self) -> bool {
        self.verdict != Verdict::Bad
    }

    /// Turns a good result into one that is worth knowing.
    pub(super) fn needs_attention(&mut self) {
        if self.verdict == Verdict::Good {
            self.verdict = Verdict::Note;
        }
    }

    /// The check in one line. `program` is how this program is called.
    pub(super) fn line(&self, program: Program) -> String {
        let mark = match self.verdict {
            Verdict::Good => '✔',
            Verdict::Note => ' ',
            Verdict::Bad => '✘',
        };
        format!("{mark} {:<12} {}", self.name, self.found.as_called(program))
    }

    pub(super) fn to_json(&self, program: Program) -> Value {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Bad => "bad",
        };
        let remedy: Vec<_> = self.remedy.iter().map(|advice| advice.as_called(program)).collect();
        let found = self.found.as_called(program);
        json!({ "name": self.name, "verdict": verdict, "found": found, "remedy": remedy })
    }
}
