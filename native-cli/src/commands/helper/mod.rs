//! The protocols by which other programs ask for credentials.
//!
//! On standard output stands an answer of the protocol, or nothing. No answer ever holds a refresh token.

pub(crate) mod docker;
pub(crate) mod exec;
pub(crate) mod git;
pub(crate) mod process;

use std::io::Read as _;
use std::process::ExitCode;

use twg_core::secret::Secret;

use crate::context::Context;
use crate::effects::terminal::print_data;
use crate::failure::Failure;

/// What a program asks is short.
const MAX_QUESTION: u64 = 64 * 1024;

/// What the program that asks wrote to standard input. It may hold a secret that is to be kept.
fn question() -> Result<Secret, Failure> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(4096));
    let read = std::io::stdin().lock().take(MAX_QUESTION + 1).read_to_end(&mut bytes);
    let is_whole = read.is_ok_and(|length| length as u64 <= MAX_QUESTION);
    let text = if is_whole { std::str::from_utf8(&bytes).ok() } else { None };
    text.map(Secret::new)
        .ok_or_else(|| Failure::usage("The question on standard input cannot be read"))
}

fn answer(text: &Secret) -> Result<ExitCode, Failure> {
    print_data(text.expose().as_bytes())
        .map(|()| ExitCode::SUCCESS)
        .map_err(|_| Failure::internal("cannot write to standard output"))
}

/// A failure is told to people, also with `--json`: the program that reads standard output does not know it.
fn or_tell(context: &mut Context, result: Result<ExitCode, Failure>) -> Result<ExitCode, Failure> {
    result.or_else(|failure| {
        failure.report(&mut context.person.terminal, false);
        Ok(ExitCode::from(failure.exit() as u8))
    })
}
