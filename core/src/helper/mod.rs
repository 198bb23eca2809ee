//! The protocols in which other programs ask for a credential.

pub mod docker_credential;
pub mod git_credential;
