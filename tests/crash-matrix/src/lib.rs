#![cfg(target_os = "linux")]
#![doc = include_str!("../README.md")]

pub mod aftermath;
pub mod kill;
pub mod parallel;
pub mod place;
pub mod protocol;
pub mod server;
pub mod trace;
pub mod traced;
