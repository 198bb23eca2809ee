//! `twg admin auth`: the admin API key of an organization.

use std::process::ExitCode;

use crate::context::Context;
use crate::failure::Failure;

use crate::cli::Admin;

/// Runs the command.
pub(crate) async fn run(_context: &mut Context, _what: Admin) -> Result<ExitCode, Failure> {
    Err(Failure::internal("not there yet"))
}
