//! The protocols by which other programs ask for credentials.
//!
//! Standard output has an answer of the protocol, or nothing. No answer holds a refresh token.

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

/// A limit, because questions are short.
const MAX_QUESTION: u64 = 64 * 1024;

/// The question on standard input. It may hold a secret to store.
fn question() -> Result<Secret, Failure> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(4096));
    let read = std::io::stdin().lock().take(MAX_QUESTION + 1).read_to_end(&mut bytes);
    let is_whole = read.is_ok_and(|length| length as u64 <= MAX_QUESTION);
    let text = if is_whole { std::str::from_utf8(&bytes).ok() } else { None };
    text.map(Secret::new)
        .ok_or_else(|| Failure::usage("The question on standard input is too long or not UTF-8"))
}

fn answer(text: &Secret) -> Result<ExitCode, Failure> {
    print_data(text.expose().as_bytes())
        .map(|()| ExitCode::SUCCESS)
        .map_err(|_| Failure::internal("Cannot write to standard output"))
}

/// Reports a failure to people, also with `--json`, because the program that reads standard output expects its protocol.
fn or_tell(context: &mut Context, result: Result<ExitCode, Failure>) -> Result<ExitCode, Failure> {
    result.or_else(|failure| {
        context.report(&failure);
        Ok(ExitCode::from(failure.exit() as u8))
    })
}
