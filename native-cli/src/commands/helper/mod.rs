//! The protocols by which other programs ask for credentials.

pub(super) mod docker;
pub(super) mod exec;
pub(super) mod git;
pub(super) mod process;
