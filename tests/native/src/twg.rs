//! The built `twg`, run as a user would.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use shared_child::SharedChild;

use crate::capture::Capture;
use crate::home::TempHome;
use crate::{PATIENCE, repository};

/// A call of `twg` that has not started. Its environment has only `PATH`, `HOME` and
/// `TWG_CONFIG_DIR`, and its standard input is empty unless [`stdin`](Self::stdin) sets it.
#[derive(Clone, Debug)]
pub struct TwgCommand {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    directory: Option<PathBuf>,
}

impl TwgCommand {
    /// `twg` without arguments. Builds the program if necessary.
    #[must_use]
    pub fn new(home: &TempHome) -> Self {
        Self {
            program: twg_program().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            directory: None,
        }
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("TWG_CONFIG_DIR", home.config_dir())
    }

    /// Another program file than the one that was built.
    #[must_use]
    pub fn by_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref();
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes a variable that [`new`](Self::new) or [`env`](Self::env) set.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.retain(|(known, _)| known != name.as_ref());
        self
    }

    /// Sets its whole standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets the directory in which it runs.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Runs it to its end. Kills it and fails the test if it does not end within [`PATIENCE`].
    #[must_use]
    pub fn run(&self) -> TwgOutput {
        self.start().wait()
    }

    /// Starts it.
    #[must_use]
    pub fn start(&self) -> RunningTwg {
        let mut command = self.to_command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        RunningTwg::start(command, self.stdin.clone())
    }

    /// The same call for [`std::process::Command`], for tests that put another program in front of
    /// it (`strace`, `bwrap`). It uses the test's standard streams.
    #[must_use]
    pub fn to_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// The path of the program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The same call through a link with another name.
    #[must_use]
    pub fn called(&self, link: impl Into<PathBuf>) -> Self {
        Self { program: link.into(), ..self.clone() }
    }

    /// `wrapper`, with this call as its last arguments and with its environment.
    #[must_use]
    pub fn behind<A: AsRef<OsStr>>(&self, wrapper: impl IntoIterator<Item = A>) -> Self {
        let mut words = wrapper.into_iter().map(|word| word.as_ref().to_owned());
        let program = words.next().expect("a wrapper has a name");
        let args = words.chain([self.program.clone().into()]).chain(self.args.clone()).collect();
        Self { program: program.into(), args, ..self.clone() }
    }

    /// This call in a mount namespace of its own, in which `script`, a line for `sh`, has changed
    /// the mounts.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn after_mounting(&self, script: &str) -> Self {
        let script = format!("set -e; {script}; \"$@\"");
        self.behind(["unshare", "-Urm", "sh", "-c", &script, "sh"])
    }

    /// Starts it in a pseudo-terminal.
    #[cfg(unix)]
    #[must_use]
    pub fn in_terminal(&self) -> crate::Pty {
        crate::Pty::start(&self.program, &self.args, &self.env)
    }
}

/// A running `twg`. Killed on drop.
pub struct RunningTwg {
    child: SharedChild,
    name: String,
    /// Its standard output so far.
    pub stdout: Capture,
    /// Its standard error so far.
    pub stderr: Capture,
}

impl RunningTwg {
    fn start(mut command: Command, input: Vec<u8>) -> Self {
        let name = format!("{command:?}");
        let child = SharedChild::spawn(&mut command)
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let mut stdin = child.take_stdin().expect("standard input is a pipe");
        // In a thread, because a program that does not read must not stop the test. Ending without
        // reading everything is not a failure either.
        std::thread::spawn(move || stdin.write_all(&input).ok());
        let stdout = Capture::of(child.take_stdout().expect("standard output is a pipe"));
        let stderr = Capture::of(child.take_stderr().expect("standard error is a pipe"));
        Self { child, name, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `find` finds something in its standard error. Fails the test if it ends first.
    pub fn wait_for_stderr<T>(&self, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let found = self.stderr.wait_for(PATIENCE, |bytes| find(&String::from_utf8_lossy(bytes)));
        found.unwrap_or_else(|missing| {
            panic!("{}: not on standard error ({missing:?}):\n{}", self.name, self.stderr.text())
        })
    }

    /// Waits for the URL of a sign-in, in a line of its own.
    #[must_use]
    pub fn wait_for_address(&self) -> String {
        self.wait_for_stderr(|text| {
            let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let address =
                |line: &str| line.strip_prefix("  http").map(|rest| format!("http{rest}"));
            whole.filter_map(address).next_back()
        })
    }

    /// Kills it as a crash would: without any cleaning up.
    pub fn kill(&self) {
        self.child.kill().expect("it can be killed");
    }

    /// Presses Ctrl-C.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let id = rustix::process::Pid::from_raw(self.id().cast_signed()).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::INT)
            .expect("it can be interrupted");
    }

    /// Waits for its end. Kills it and fails the test if it does not end within [`PATIENCE`].
    #[must_use]
    pub fn wait(self) -> TwgOutput {
        let status = self.child.wait_timeout(PATIENCE).expect("it can be waited for");
        let Some(status) = status else {
            self.kill();
            panic!(
                "{} did not end. stdout:\n{}\nstderr:\n{}",
                self.name,
                self.stdout.text(),
                self.stderr.text()
            );
        };
        let all = |stream: &Capture| {
            let bytes = stream.wait_for_end(PATIENCE).unwrap_or_else(|_| {
                panic!("{}: a process that it started still holds its output open", self.name)
            });
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (stdout, stderr) = (all(&self.stdout), all(&self.stderr));
        TwgOutput { name: self.name.clone(), status, stdout, stderr }
    }
}

impl Drop for RunningTwg {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl fmt::Debug for RunningTwg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTwg").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The end of a call of `twg`.
#[derive(Clone, Debug)]
pub struct TwgOutput {
    name: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// Its whole standard output.
    pub stdout: String,
    /// Its whole standard error.
    pub stderr: String,
}

impl TwgOutput {
    /// Its exit code; `None` if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test, with all output, unless it ended with this exit code.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "{self}");
        self
    }

    /// Fails the test, with all output, unless it succeeded.
    #[track_caller]
    pub fn expect_success(&self) -> &Self {
        self.expect_code(0)
    }

    /// Fails the test, with all output, unless standard error contains this text.
    #[track_caller]
    pub fn expect_stderr(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not on standard error: {self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for TwgOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, status, stdout, stderr } = self;
        write!(f, "{name}\n{status}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// The `twg` to test: built once per test process, with the profile of the tests. cargo names its
/// path, in any target directory.
#[must_use]
pub fn twg_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--locked", "-p", "twg", "--message-format=json-render-diagnostics"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        build.current_dir(repository()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut build = build.spawn().expect("cargo starts");
        let messages = BufReader::new(build.stdout.take().expect("a pipe")).lines();
        let program = messages
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
            .filter(|message| message["target"]["name"] == "twg")
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            // The last one instead of the first, so that cargo's output is read to its end.
            .last();
        let status = build.wait().expect("cargo can be waited for");
        assert!(status.success(), "cargo build -p twg: {status}");
        program.expect("cargo names the program that it built")
    })
}
