//! The person who uses this program: what they see, and what they can be asked.

use crate::advice::{Advice, Program};
use crate::effects::terminal::Terminal;
use crate::effects::user_agent::UserAgent;
use crate::environment::env;
use crate::options::Global;

/// The person who uses this program.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) terminal: Terminal,
    pub(crate) user_agent: UserAgent,
    /// `--quiet`
    pub(crate) quiet: bool,
    /// `--verbose`
    pub(crate) verbose: bool,
    /// The name of this program in commands: `twg`, or `twg sandbox` inside the sandbox.
    pub(crate) program: Program,
    /// Questions are allowed: there is neither `--no-input` nor CI.
    pub(crate) may_ask: bool,
}

impl Person {
    /// The person that these options describe. In CI there is no person to ask.
    pub(crate) fn new(options: &Global, is_ci: bool) -> Self {
        Self {
            terminal: Terminal::new(&env),
            user_agent: UserAgent::Browser,
            quiet: options.quiet,
            verbose: options.verbose,
            program: Program::Twg,
            may_ask: !options.no_input && !is_ci,
        }
    }

    /// Shows a line, unless `--quiet`.
    pub(crate) fn say(&mut self, line: impl Into<Advice>) {
        self.say_plainly(&line.into().as_called(self.program));
    }

    /// Shows a line in which no command has to be called otherwise, unless `--quiet`.
    pub(crate) fn say_plainly(&mut self, line: &str) {
        if !self.quiet {
            self.terminal.line(line);
        }
    }

    /// Shows a warning, unless `--quiet`.
    pub(crate) fn warn(&mut self, line: impl Into<Advice>) {
        if !self.quiet {
            self.terminal.warning(&line.into().as_called(self.program));
        }
    }

    /// Shows a `✔` line, unless `--quiet`.
    pub(crate) fn achieved(&mut self, line: impl Into<Advice>) {
        if !self.quiet {
            self.terminal.success(&line.into().as_called(self.program));
        }
    }

    /// Opens a URL. The URL is on the screen already, so a failure is only a remark.
    pub(crate) async fn open(&mut self, url: &str) {
        if let Err(reason) = self.user_agent.open(url).await {
            self.say(format!("  (No browser was opened: {reason})"));
        }
    }
}
