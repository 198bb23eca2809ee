//! The one loop that performs effects. It decides nothing: a flow says what to do, and `effects/`
//! does it.
//!
//! [`Shell::drive`] runs one flow. Many flows can run over one [`Shell`] at once, each with its own
//! [`User`]. Commands call [`drive`], which runs a flow in their [`Context`].

#[doc(hidden)]
pub mod for_benches;
mod narration;
mod performer;
mod user;

use std::time::Instant;

use twg_core::flow::{Effect, Flow, Misuse, Outcome, Step, StepId};
use twg_core::http::{HttpRequest, HttpResponse, TransportError};
use twg_core::time::Now;

use self::performer::Performer;
use crate::context::Context;
use crate::effects::clock;
use crate::effects::http::HttpClient;
use crate::effects::record_store::RecordStore;
use crate::effects::terminal::Terminal;
use crate::failure::Failure;
use crate::system::interrupt::Interrupts;
use crate::system::os_error::words;

pub(crate) use self::user::User;

/// What flows share. Nothing in it belongs to one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shell<'a> {
    pub(crate) records: &'a RecordStore,
    pub(crate) http: &'a HttpClient,
}

/// The result of a flow.
pub(crate) struct Driven<T> {
    pub(crate) output: T,
    /// A signal came while the flow could not be interrupted. No new flow should begin.
    pub(crate) was_interrupted: bool,
}

impl Shell<'_> {
    /// Runs a flow to its end.
    ///
    /// Ctrl-C ends the flow between or during effects. What the flow holds (lock, listener,
    /// connection) is released when it is dropped. While a refresh token may be spent and its
    /// successor is not saved, the signal waits until the next effect that may be interrupted, or
    /// until the end.
    ///
    /// # Errors
    /// The signal, or a defect of this program.
    pub(crate) async fn drive<F: Flow>(
        self,
        user: &mut impl User,
        flow: F,
    ) -> Result<Driven<F::Output>, Failure> {
        let mut flow = Steps { flow, output: None };
        let was_interrupted = self.perform_all(user, &mut flow).await?;
        let output = flow.output.ok_or_else(|| Failure::internal("A flow ended without output"))?;
        Ok(Driven { output, was_interrupted })
    }

    /// Performs every effect of a flow. Returns whether a signal came that had to wait.
    async fn perform_all(
        self,
        user: &mut impl User,
        flow: &mut dyn Effects,
    ) -> Result<bool, Failure> {
        let mut interrupts = watch_for_signals()?;
        let mut performer = Performer::new(self, user);
        let mut next = flow.first(clock::read())?;
        while let Some((id, effect)) = next {
            let outcome = if effect.is_interruptible() {
                match interrupts.or(performer.perform(effect)).await {
                    Ok(outcome) => outcome,
                    Err(_signal) => return Err(performer.interrupted()),
                }
            } else {
                performer.perform(effect).await
            };
            next = flow.next(id, outcome, clock::read())?;
        }
        performer.done();
        Ok(interrupts.came().await)
    }
}

/// The effects of a flow of any type. The loop that performs them is compiled once, not once for each type of flow.
trait Effects {
    fn first(&mut self, now: Now) -> Result<Option<(StepId, Effect)>, Failure>;
    fn next(
        &mut self,
        id: StepId,
        outcome: Outcome,
        now: Now,
    ) -> Result<Option<(StepId, Effect)>, Failure>;
}

/// A flow, and its result at the end.
struct Steps<F: Flow> {
    flow: F,
    output: Option<F::Output>,
}

impl<F: Flow> Steps<F> {
    fn effect_of(
        &mut self,
        step: Result<Step<F::Output>, Misuse>,
    ) -> Result<Option<(StepId, Effect)>, Failure> {
        match step {
            Ok(Step::Perform(id, effect)) => Ok(Some((id, effect))),
            Ok(Step::Done(output)) => {
                self.output = Some(output);
                Ok(None)
            }
            Err(misuse) => Err(Failure::internal(format!("A defect of twg: {misuse}"))),
        }
    }
}

impl<F: Flow> Effects for Steps<F> {
    fn first(&mut self, now: Now) -> Result<Option<(StepId, Effect)>, Failure> {
        let step = self.flow.begin(now);
        self.effect_of(step)
    }

    fn next(
        &mut self,
        id: StepId,
        outcome: Outcome,
        now: Now,
    ) -> Result<Option<(StepId, Effect)>, Failure> {
        let step = self.flow.resume(id, outcome, now);
        self.effect_of(step)
    }
}

/// Runs a flow to its end in the context of a command.
///
/// # Errors
/// Those of [`Shell::drive`]; also if an earlier flow of this command was interrupted.
pub(crate) async fn drive<F: Flow>(context: &mut Context, flow: F) -> Result<F::Output, Failure> {
    if context.interrupted {
        return Err(Failure::interrupted());
    }
    let shell = Shell { records: &context.records, http: &context.http };
    let driven = shell.drive(&mut context.person, flow).await?;
    // The running flow is finished. No new one begins.
    context.interrupted |= driven.was_interrupted;
    Ok(driven.output)
}

/// Waits for a person outside of any flow. Ctrl-C ends it, as it ends a flow.
///
/// # Errors
/// Interrupted.
pub(crate) async fn interruptible<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    watch_for_signals()?.or(work).await.map_err(|_signal| Failure::interrupted())
}

fn watch_for_signals() -> Result<Interrupts, Failure> {
    Interrupts::take_over()
        .map_err(|error| Failure::internal(format!("Cannot watch for signals: {}", words(&error))))
}

/// Sends one request outside of any flow, with the same narration. Ctrl-C ends it.
///
/// # Errors
/// Interrupted; inside, those of [`HttpClient::send`].
pub(crate) async fn send(
    context: &mut Context,
    request: HttpRequest,
) -> Result<Result<HttpResponse, TransportError>, Failure> {
    send_watched(context, request, |_, _| {}).await
}

/// As [`send`]. `watch` gets the number of bytes of the body after each chunk.
///
/// # Errors
/// As there.
pub(crate) async fn send_watched(
    context: &mut Context,
    request: HttpRequest,
    mut watch: impl FnMut(&mut Terminal, usize),
) -> Result<Result<HttpResponse, TransportError>, Failure> {
    let person = &mut context.person;
    person.narrate(|| narration::sending(&request));
    let begun = Instant::now();
    let terminal = &mut person.terminal;
    let mut watch = |bytes| watch(terminal, bytes);
    let response = interruptible(context.http.send_watched(request, &mut watch)).await;
    context.person.done_waiting();
    let response = response?;
    let took = || narration::took(&narration::response(&response), begun.elapsed());
    context.person.narrate(took);
    Ok(response)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
