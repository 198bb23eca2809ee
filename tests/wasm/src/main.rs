//! Writes down what the flows of `tests/scenarios` want now: `cargo run -p twg-wasm-tests -- record`.
//!
//! A new scenario begins as a file with a request, a time and the first outcomes; the recorder says which effect still
//! has none. Whatever it writes is to be looked at, with `git diff`, before it is believed.

use std::fs;
use std::process::ExitCode;

use twg_wasm_tests::host::Native;
use twg_wasm_tests::{notation, replay, scenario};

#[expect(
    clippy::print_stderr,
    reason = "this is a tool of the tests, and it has to say what it does"
)]
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
