//! Runs the crash matrix. See README.md.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::ExitCode;

    use twg_crash_matrix::group::{self, Extent};
    use twg_crash_matrix::report;

    const USAGE: &str = "usage: twg-crash-matrix quick|full [--seed NUMBER] [--only kills|errors|power|storm] [--report]";

    struct Options {
        extent: Extent,
        seed: u64,
        only: Option<String>,
        report: bool,
    }

    pub(super) fn main() -> ExitCode {
        let Some(options) = options(std::env::args().skip(1)) else {
            say(USAGE);
            return ExitCode::from(2);
        };
        say(&format!("seed {}", options.seed));
        let results = group::run(options.extent, options.only.as_deref(), options.seed, &mut say);
        if options.report {
            report::write(&results, options.seed);
        }
        say(&format!(
            "{} passed, {} failed, not reached: {}",
            results.passed,
            results.violations.len(),
            results.unreached
        ));
        if results.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn options(args: impl Iterator<Item = String>) -> Option<Options> {
        let mut args = args;
        let extent = match args.next()?.as_str() {
            "quick" => Extent::Quick,
            "full" => Extent::Full,
            _ => return None,
        };
        let mut options = Options { extent, seed: 1, only: None, report: false };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seed" => options.seed = args.next()?.parse().ok()?,
                "--only" => {
                    options.only = args.next().filter(|part| group::PARTS.contains(&&**part));
                    options.only.as_ref()?;
                }
                "--report" if extent == Extent::Full => options.report = true,
                _ => return None,
            }
        }
        // A report needs every part.
        (!options.report || options.only.is_none()).then_some(options)
    }

    #[expect(clippy::print_stdout, reason = "this is what a runner is for")]
    fn say(line: &str) {
        println!("{line}");
    }
}
