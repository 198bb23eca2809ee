//! `twg setup`: makes this machine ready.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

/// Runs the command.
pub(crate) async fn run(_context: &mut Context) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
