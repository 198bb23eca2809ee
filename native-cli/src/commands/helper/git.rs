//! `twg auth git-credential`.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use crate::cli::GitOperation;

/// Runs the command.
pub(crate) fn run(_context: &mut Context, _operation: GitOperation) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
