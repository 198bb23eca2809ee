//! `twg setup bitbucket`: the Bitbucket token.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

/// Runs the command.
pub(crate) async fn setup(_context: &mut Context, _force: bool) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
