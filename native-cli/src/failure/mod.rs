//! Errors for people: what happened, what is kept, and the next command to run.

mod cause;
mod hint;

use serde_json::{Value, json};
use twg_core::error::Error;

pub(crate) use self::cause::{ApiTrouble, Cause, Exit, ReleaseTrouble};
pub(crate) use self::hint::SignIn;
use crate::advice::{Advice, Program};
use crate::effects::terminal::Terminal;

/// Why a command failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The reason, for decisions.
    pub(crate) cause: Cause,
    /// What happened: one sentence without a full stop, safe for a terminal.
    pub(crate) message: String,
    /// What the user still has.
    pub(crate) kept: Option<String>,
    /// What to do next: a command in backquotes, or a change to make.
    pub(crate) hint: Option<Advice>,
    /// How to prevent it in the future, in several lines.
    pub(crate) advice: Option<Advice>,
    /// The name of this program where it failed.
    program: Program,
}

impl Failure {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        let (message, program) = (message.into(), Program::Twg);
        Self { cause, message, kept: None, hint: None, advice: None, program }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Cause::Usage, message)
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Cause::Configuration, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Cause::Interrupted, "Cancelled")
    }

    /// A failure inside this program or the operating system, without a better description.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Cause::Internal, message)
    }

    /// A failure of the core. `doing` says what was tried: "Could not sign in". `login` is the
    /// command that signs in to this connection.
    pub(crate) fn from_core(doing: &str, error: &Error, login: impl Into<SignIn>) -> Self {
        let failure = Self::new(Cause::Core(Box::new(error.clone())), format!("{doing}: {error}"));
        Self { hint: hint::hint_for(error, &login.into()), ..failure }
    }

    /// The same failure for another reason.
    #[must_use]
    pub(crate) fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// What the user still has.
    #[must_use]
    pub(crate) fn keeping(mut self, kept: impl Into<String>) -> Self {
        self.kept = Some(kept.into());
        self
    }

    /// What to do next, unless the failure has a hint already.
    #[must_use]
    pub(crate) fn or_hint(mut self, hint: impl Into<Advice>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same failure, with another name of this program in its commands.
    #[must_use]
    pub(crate) const fn called(mut self, program: Program) -> Self {
        self.program = program;
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.cause.exit()
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let called = |advice: &Option<Advice>| advice.as_ref().map(|a| a.as_called(self.program));
        json!({
            "code": self.cause.code(),
            "message": self.message,
            "kept": self.kept,
            "hint": called(&self.hint),
            "advice": called(&self.advice),
            "retryable": self.cause.is_retryable(),
        })
    }

    /// Reports it on standard error, or with `--json` on standard output.
    pub(crate) fn report(&self, terminal: &mut Terminal, as_json: bool) {
        if as_json {
            let document = json!({ "schemaVersion": 1, "ok": false, "error": self.to_json() });
            crate::output::print_json(&document);
            return;
        }
        terminal.error(&self.message);
        let advice = self.hint.iter().chain(&self.advice).map(|a| a.as_called(self.program));
        for text in self.kept.clone().into_iter().chain(advice) {
            for line in text.lines() {
                terminal.line(format!("  {line}").trim_end());
            }
        }
    }
}
