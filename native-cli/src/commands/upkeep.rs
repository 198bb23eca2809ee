//! `twg upkeep`: keeps the login alive in the background.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use crate::cli::Upkeep;

/// Runs the command.
pub(crate) async fn run(_context: &mut Context, _what: &Upkeep) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
