#![cfg(target_os = "linux")]
#![doc = include_str!("../README.md")]

pub mod aftermath;
pub mod disk;
pub mod faults;
pub mod group;
pub mod kill;
pub mod parallel;
pub mod place;
pub mod power;
pub mod protocol;
pub mod replay;
pub mod report;
pub mod server;
pub mod storm;
pub mod trace;
pub mod traced;
