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

use twg_core::flow::{Flow, Step};
use twg_core::http::{HttpRequest, HttpResponse, TransportError};

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
    /// # Errors The signal, or a defect of this program.
    pub(crate) async fn drive<F: Flow>(
        self,
        user: &mut impl User,
        mut flow: F,
    ) -> Result<Driven<F::Output>, Failure> {
        let mut interrupts = watch_for_signals()?;
        let mut performer = Performer::new(self, user);
        let misuse = |misuse| Failure::internal(format!("A defect of twg: {misuse}"));
        let mut step = flow.begin(clock::read()).map_err(misuse)?;
        loop {
            let (id, effect) = match step {
                Step::Done(output) => {
                    performer.done();
                    let was_interrupted = interrupts.came().await;
                    return Ok(Driven { output, was_interrupted });
                }
                Step::Perform(id, effect) => (id, effect),
            };
            let outcome = if effect.is_interruptible() {
                match interrupts.or(performer.perform(effect)).await {
                    Ok(outcome) => outcome,
                    Err(_signal) => return Err(performer.interrupted()),
                }
            } else {
                performer.perform(effect).await
            };
            step = flow.resume(id, outcome, clock::read()).map_err(misuse)?;
        }
    }
}

/// Runs a flow to its end in the context of a command.
///
/// # Errors Those of [`Shell::drive`]; also if an earlier flow of this command was interrupted.
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
/// # Errors Interrupted.
pub(crate) async fn interruptible<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    watch_for_signals()?.or(work).await.map_err(|_signal| Failure::interrupted())
}

fn watch_for_signals() -> Result<Interrupts, Failure> {
    Interrupts::take_over()
        .map_err(|error| Failure::internal(format!("Cannot watch for signals: {}", words(&error))))
}

/// Sends one request outside of any flow, with the same narration. Ctrl-C ends it.
///
/// # Errors Interrupted; inside, those of [`HttpClient::send`].
pub(crate) async fn send(
    context: &mut Context,
    request: HttpRequest,
) -> Result<Result<HttpResponse, TransportError>, Failure> {
    send_watched(context, request, |_, _| {}).await
}

/// As [`send`]. `watch` gets the number of bytes of the body after each chunk.
///
/// # Errors As there.
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
