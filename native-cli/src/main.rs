//! x
mod config_dir;
mod effects;

fn main() {}
