//! The program. All of it is in the library beside it, so that benchmarks can measure its parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    twg::main()
}
