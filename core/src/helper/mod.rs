//! The questions of programs that ask for a credential, and for which server.

pub mod docker_credential;
pub mod git_credential;
