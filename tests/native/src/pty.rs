//! A program in a real pseudo-terminal, with a user who reads its screen and types.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use pty_process::blocking::Command;
use rustix::termios::{LocalModes, tcgetattr};
use shared_child::SharedChild;

use crate::PATIENCE;
use crate::capture::Capture;

/// A running program and its terminal. Killed on drop.
#[derive(Debug)]
pub struct Pty {
    child: SharedChild,
    terminal: File,
    output: Capture,
}

const ROWS: NonZero<u16> = NonZero::new(50).expect("not zero");
/// So wide that no line of twg is folded, and a test can look for whole sentences and URLs.
const COLUMNS: NonZero<u16> = NonZero::new(400).expect("not zero");

impl Pty {
    /// Starts `program` with exactly this environment, plus `TERM` if it is missing.
    #[must_use]
    pub fn start(program: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a pseudo-terminal");
        pty.resize(pty_process::Size::new(ROWS.get(), COLUMNS.get())).expect("it has a size");
        let env = env.iter().map(|(name, value)| (name, value));
        let command = Command::new(program).args(args).env_clear().env("TERM", "xterm-256color");
        let child = command.envs(env).spawn(pts).expect("the program starts");
        let child = SharedChild::new(child).expect("the program starts");
        let terminal = File::from(std::os::fd::OwnedFd::from(pty));
        let output = Capture::of(terminal.try_clone().expect("a second handle"));
        Self { child, terminal, output }
    }

    /// Types. Ctrl-C is `"\x03"`, the Enter key is `"\r"`.
    pub fn send(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).expect("the terminal takes input");
    }

    /// Types and presses Enter.
    pub fn send_line(&mut self, text: &str) {
        self.send(text);
        self.send("\r");
    }

    /// Waits until the text is on the screen. Fails the test if the program ends first.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let seen = self
            .output
            .wait_for(PATIENCE, |bytes| screen_after(bytes).contains(text).then_some(()));
        if let Err(missing) = seen {
            panic!("{text:?} is not on the screen ({missing:?}):\n{}", self.screen());
        }
    }

    /// Waits until the terminal hides typed text, because a program asks for a secret. Call this
    /// before typing a secret: the prompt may be visible a moment before the echo is off.
    ///
    /// The kernel has no event for a change of a terminal's mode, so this polls.
    #[track_caller]
    pub fn wait_for_no_echo(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.echoes() {
            assert!(Instant::now() < deadline, "the echo stays on:\n{}", self.screen());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the terminal shows typed text.
    #[must_use]
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.terminal).expect("a terminal has modes");
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// What the screen shows now.
    #[must_use]
    pub fn screen(&self) -> String {
        screen_after(&self.output.bytes())
    }

    /// All output to the terminal, with its control sequences.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.output.text()
    }

    /// Waits for the program's end. Kills it and fails the test if it does not end within
    /// [`PATIENCE`]. The screen stays available.
    #[track_caller]
    pub fn wait(&self) -> ExitStatus {
        let status = self.child.wait_timeout(PATIENCE).expect("it can be waited for");
        let Some(status) = status else {
            self.child.kill().expect("it can be killed");
            panic!("the program did not end:\n{}", self.screen());
        };
        let ended = self.output.wait_for_end(PATIENCE);
        assert!(ended.is_ok(), "a process that was left behind holds the terminal open");
        status
    }
}

/// The screen of a terminal after this output.
fn screen_after(bytes: &[u8]) -> String {
    let mut parser = vt100::Parser::new(ROWS, COLUMNS, 0);
    parser.process(bytes);
    parser.screen().contents()
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
