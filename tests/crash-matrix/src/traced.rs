//! `twg` under strace, which injects what shall go wrong.

use std::ffi::OsString;
use std::path::Path;

use twg_tests::{TwgCommand, TwgOutput};

use crate::trace::Trace;

/// How much the trace shall show of what is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing: which calls are made is enough.
    Calls,
    /// Every byte, for a model of the disk.
    Bytes,
}

/// What strace shall do to the program.
///
/// strace counts per *name* of a call, also for `inject=all`: "the k-th call of the whole
/// process" must be said as "the n-th `write`".
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
    /// SIGKILL instead of the n-th call of this name: the kernel delivers it on entry, and the call is not
    /// made.
    #[must_use]
    pub fn kill(call: &str, occurrence: usize) -> Self {
        Self {
            call: call.to_owned(),
            what: "signal=SIGKILL".to_owned(),
            when: occurrence.to_string(),
        }
    }
}

/// A run that is over.
///
/// What it started is not traced, and gets no injections: that is the recovery in the background, which must not
/// be mistaken for the run itself. Therefore threads would not be traced either, and there must not be any.
#[derive(Clone, Debug)]
pub struct Traced {
    /// How it ended.
    pub output: TwgOutput,
    /// Every call that it made.
    pub trace: Trace,
    /// How many recoveries it left in the background. [`crate::place::Place::traced`] has stopped them, before
    /// they did anything.
    pub armed: usize,
}

impl Traced {
    /// Runs `command` to its end. The trace is written to `file`.
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
        // A call must be traced, or nothing is injected, silently.
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
