//! `twg` under strace, which injects kills and errors.

use std::ffi::OsString;
use std::path::Path;

use twg_tests::{TwgCommand, TwgOutput};

use crate::trace::Trace;

/// How much of the data the trace shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// No data: only the calls matter.
    Calls,
    /// Every byte, for a model of the disk.
    Bytes,
}

/// An injection by strace.
///
/// strace counts per *name* of a call, also for `inject=all`, so "the k-th call of the process" is
/// written as "the n-th `write`".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The name of the call.
    pub call: String,
    /// `signal=SIGKILL`, `error=ENOSPC`.
    pub what: String,
    /// `3`, `3+`, `3..5`.
    pub when: String,
}

impl Injection {
    /// SIGKILL instead of the n-th call of this name: the kernel delivers the signal on entry, and
    /// the call is not made.
    #[must_use]
    pub fn kill(call: &str, occurrence: usize) -> Self {
        Self {
            call: call.to_owned(),
            what: "signal=SIGKILL".to_owned(),
            when: occurrence.to_string(),
        }
    }
}

/// A finished run.
///
/// Its child processes are not traced and get no injections. They are the background recoveries,
/// which must not be taken for the run itself. Threads would not be traced either, so there must be
/// none.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Its output and exit code.
    pub output: TwgOutput,
    /// Its calls.
    pub trace: Trace,
    /// The number of background recoveries that it scheduled. [`crate::place::Place::traced`] stops
    /// them before they do anything.
    pub armed: usize,
}

impl Traced {
    /// Runs `command` to its end. strace writes the trace to `file`.
    #[must_use]
    pub fn run(
        command: &TwgCommand,
        file: &Path,
        detail: Detail,
        injections: &[Injection],
    ) -> Self {
        let mut words: Vec<OsString> = ["strace", "-yy", "-q"].map(Into::into).into();
        words.extend(
            match detail {
                Detail::Calls => &["-s", "0"][..],
                Detail::Bytes => &["-s", "1000000", "-xx"],
            }
            .iter()
            .map(Into::into),
        );
        // strace injects only into traced calls, and is silent about the others.
        words.extend(["-e", "trace=all", "-o"].map(Into::into));
        words.push(file.into());
        for Injection { call, what, when } in injections {
            words.extend(["-e".into(), format!("inject={call}:{what}:when={when}").into()]);
        }
        words.push("--".into());
        let output = command.behind(words).run();
        let text = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("strace wrote no trace ({error}): {output}"));
        std::fs::remove_file(file).expect("the trace can be removed");
        let trace = Trace::parse(&text).unwrap_or_else(|error| panic!("{error}: {output}"));
        assert!(!trace.has_threads(), "the cases count on a program of one thread: {output}");
        Self { output, trace, armed: 0 }
    }
}
