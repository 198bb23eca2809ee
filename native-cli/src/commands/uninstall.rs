//! `twg uninstall`: removes the upkeep, the credentials and the program.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use crate::cli::Uninstall;

/// Runs the command.
pub(crate) async fn run(
    _context: &mut Context,
    _arguments: &Uninstall,
) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
