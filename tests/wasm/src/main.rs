//! Records how the flows of `tests/scenarios` go now: `cargo run -p twg-wasm-tests -- record`. The README there says how to
//! write a new scenario. Read `git diff` after recording.

use std::fs;
use std::process::ExitCode;

use twg_wasm_tests::host::Native;
use twg_wasm_tests::{notation, replay, scenario};

#[expect(clippy::print_stderr, reason = "a tool of the tests prints what it does")]
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("record") {
        eprintln!("usage: cargo run -p twg-wasm-tests -- record");
        return ExitCode::from(2);
    }
    let mut result = ExitCode::SUCCESS;
    let names = scenario::names();
    for (path, given) in scenario::all() {
        let seen = replay::record(&mut Native::default(), &given);
        match seen.and_then(|seen| notation::print(&seen, &names)) {
            Ok(text) => fs::write(path, text).expect("a scenario can be written"),
            Err(why) => {
                eprintln!("{}: {why}", path.display());
                result = ExitCode::FAILURE;
            }
        }
    }
    result
}
