//! The ways in which a user grants access: each runs until the token endpoint has issued tokens.

pub mod authorization_code;
pub(crate) mod device_authorization;
pub mod request;
