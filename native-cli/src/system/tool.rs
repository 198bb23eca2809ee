//! Runs the system's own programs: by argv, never through a shell, and never longer than a limit.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use twg_core::text::{displayable, inert};

use super::os_error::words;
use super::subprocess;
use crate::environment::LC_ALL;

/// These programs end within moments, or hang.
const LIMIT: Duration = Duration::from_secs(15);

/// How often to check whether the program has ended.
const LOOK: Duration = Duration::from_millis(10);

/// The longest output that is kept.
const MOST_OUTPUT: u64 = 64 * 1024;

/// A program, its arguments, and the variables that are added to its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Invocation {
    pub(crate) fn new(program: impl Into<OsString>, args: &[&str]) -> Self {
        let args = args.iter().map(OsString::from).collect();
        Self { program: program.into(), args, env: Vec::new() }
    }

    /// One more argument.
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// One more variable.
    #[must_use]
    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// The invocation for people: `systemctl --user daemon-reload`.
    pub(crate) fn shown(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        inert(&words.join(" "))
    }
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn well(&self) -> bool {
        self.code == Some(0)
    }

    /// Its error message, safe to show.
    pub(crate) fn complaint(&self) -> String {
        let in_one_line = |text: &String| {
            let lines: Vec<_> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
            displayable(&lines.join("; "))
        };
        let said = [&self.stderr, &self.stdout].map(in_one_line);
        said.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| match self.code {
            Some(code) => format!("exit code {code}, no message"),
            None => "a signal ended it".to_owned(),
        })
    }
}

/// What runs an invocation: the system, or a test in its place.
pub(crate) trait Runner {
    /// Runs it and waits for its end.
    ///
    /// # Errors
    /// It does not start, or does not end in time.
    fn run(&self, invocation: &Invocation) -> io::Result<Ended>;
}

/// Starts real programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

impl Runner for System {
    fn run(&self, invocation: &Invocation) -> io::Result<Ended> {
        let mut command = subprocess::command(&invocation.program);
        command
            .args(&invocation.args)
            .envs(invocation.env.iter().map(|(name, value)| (name, value)))
            // Its output is parsed and shown to people, so it must be in one language.
            .env(LC_ALL, "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().map(text_of);
        let stderr = child.stderr.take().map(text_of);
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not end in time"));
            }
            thread::sleep(LOOK);
        };
        // A process that it left behind may hold these open.
        let text = |reader: Option<mpsc::Receiver<String>>| {
            let left = LIMIT.saturating_sub(started.elapsed());
            reader.and_then(|reader| reader.recv_timeout(left).ok()).unwrap_or_default()
        };
        Ok(Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) })
    }
}

/// Reads a stream in a thread, so that a program with a lot of output can end.
fn text_of(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = (&mut stream).take(MOST_OUTPUT).read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        let _ = io::copy(&mut stream, &mut io::sink());
    });
    receiver
}

/// What went wrong with an invocation, in one line for people.
pub(crate) fn trouble(invocation: &Invocation, result: &io::Result<Ended>) -> String {
    let why = match result {
        Ok(ended) => ended.complaint(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "program not found".to_owned(),
        Err(error) => inert(&words(error)),
    };
    format!("`{}`: {why}", invocation.shown())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Takes the place of the system: notes every invocation, and returns the result that the test
    /// gives.
    pub(crate) struct FakeRunner<F> {
        pub(crate) invocations: RefCell<Vec<String>>,
        answer: F,
    }

    impl<F: Fn(&str) -> Ended> FakeRunner<F> {
        pub(crate) fn new(answer: F) -> Self {
            Self { invocations: RefCell::default(), answer }
        }
    }

    impl<F: Fn(&str) -> Ended> Runner for FakeRunner<F> {
        fn run(&self, invocation: &Invocation) -> io::Result<Ended> {
            let shown = invocation.shown();
            self.invocations.borrow_mut().push(shown.clone());
            Ok((self.answer)(&shown))
        }
    }

    pub(crate) fn well() -> Ended {
        Ended { code: Some(0), ..Ended::default() }
    }

    pub(crate) fn badly(code: i32, stderr: &str) -> Ended {
        Ended { code: Some(code), stderr: stderr.to_owned(), ..Ended::default() }
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_says_a_lot_and_fails() {
        let invocation =
            Invocation::new("sh", &["-c", "head -c 1000000 /dev/zero; echo no >&2; exit 3"]);
        let ended = System.run(&invocation).unwrap();
        assert_eq!((ended.code, ended.complaint().as_str()), (Some(3), "no"));
        assert_eq!(ended.stdout.len(), 65536);
        let missing = Invocation::new("twg-no-such-program", &[]);
        assert_eq!(
            trouble(&missing, &System.run(&missing)),
            "`twg-no-such-program`: program not found"
        );
    }

    #[test]
    fn what_a_program_said_cannot_move_the_cursor() {
        assert!(!badly(1, "a\u{1b}[2Jb\r\n").complaint().contains(['\u{1b}', '\r', '\n']));
    }
}
