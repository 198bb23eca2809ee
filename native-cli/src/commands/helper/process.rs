//! `twg auth process`.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use twg_core::credential::ConnectionKey;

/// Runs the command.
pub(crate) async fn run(_context: &mut Context, _key: &ConnectionKey) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
