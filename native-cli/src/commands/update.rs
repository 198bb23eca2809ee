//! `twg update`: a verified, atomic self-update.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use crate::cli::Update;

/// Runs the command.
pub(crate) async fn run(_context: &mut Context, _arguments: &Update) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
