//! `twg auth docker-credential`.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use crate::cli::DockerOperation;

/// Runs the command.
pub(crate) fn run(
    _context: &mut Context,
    _operation: DockerOperation,
) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
