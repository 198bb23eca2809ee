//! The parts of the machine that no flow asks for: processes, permissions, the scheduler, the
//! environment.

pub(crate) mod entropy;
pub(crate) mod git;
pub(crate) mod hardening;
pub(crate) mod host;
pub(crate) mod interrupt;
pub(crate) mod notification;
pub(crate) mod os_error;
pub(crate) mod platform;
pub(crate) mod privacy;
pub(crate) mod scheduler;
pub(crate) mod subprocess;
pub(crate) mod surroundings;
pub(crate) mod tool;
