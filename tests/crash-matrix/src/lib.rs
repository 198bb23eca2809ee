#![cfg(target_os = "linux")]
#![doc = include_str!("../README.md")]

pub mod trace;
