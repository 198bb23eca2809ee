//! The terminal: output for people, and questions.
//!
//! Output for people goes to standard error through [`Terminal`]. Standard output carries data
//! only. The text of a server is made inert (`twg_core::text`) where it is put into a line.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use clap::builder::StyledStr;
use twg_core::secret::Secret;
use twg_core::time::Span;

use crate::environment::{CLICOLOR_FORCE, NO_COLOR, TERM};

mod prompt;

pub(crate) use prompt::PromptError;

/// Writes data to standard output. No other part of the program does.
///
/// # Errors
/// Those of the operating system; a closed pipe is one.
pub(crate) fn print_data(data: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(data)?;
    out.flush()
}

/// Standard error, and what is known about it.
pub(crate) struct Terminal {
    out: Box<dyn Write + Send>,
    is_tty: bool,
    color: bool,
    can_ask: bool,
    /// Whether the line at the cursor will be overwritten.
    waiting: bool,
}

impl Terminal {
    /// The terminal of this process.
    pub(crate) fn new(env: &impl Fn(&str) -> Option<OsString>) -> Self {
        let is_tty = io::stderr().is_terminal();
        Self {
            out: Box::new(io::stderr()),
            is_tty,
            color: wants_color(env, is_tty),
            can_ask: is_tty && io::stdin().is_terminal(),
            waiting: false,
        }
    }

    /// A terminal that writes to `out`, for tests.
    #[cfg(test)]
    pub(crate) fn fake(out: impl Write + Send + 'static, is_tty: bool, color: bool) -> Self {
        Self { out: Box::new(out), is_tty, color, can_ask: false, waiting: false }
    }

    /// Whether there is a person to ask: standard input and standard error are terminals.
    pub(crate) const fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Shows a line. A failure cannot be shown, and nothing depends on it.
    pub(crate) fn line(&mut self, text: &str) {
        self.done_waiting();
        // In one write, because another program may write to the same terminal.
        let _ = self.out.write_all(format!("{text}\n").as_bytes());
        let _ = self.out.flush();
    }

    /// Shows a success.
    pub(crate) fn success(&mut self, text: &str) {
        self.marked("32", "✔", text);
    }

    /// Shows a warning. The command goes on.
    pub(crate) fn warning(&mut self, text: &str) {
        self.marked("33", "!", text);
    }

    /// Shows why the command fails.
    pub(crate) fn error(&mut self, text: &str) {
        self.marked("31", "✘", text);
    }

    /// Shows a step, with `--verbose`.
    pub(crate) fn remark(&mut self, text: &str) {
        let line = self.paint("2", &format!("· {text}"));
        self.line(&line);
    }

    fn marked(&mut self, color: &str, mark: &str, text: &str) {
        let line = format!("{} {text}", self.paint(color, mark));
        self.line(&line);
    }

    /// Text in bold.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text with styles, which are left out where there are no colors.
    pub(crate) fn styled(&self, text: &StyledStr) -> String {
        if self.color { text.ansi().to_string() } else { text.to_string() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Shows a countdown, in place of what this showed before: `Waiting for approval… 14 min 32 s
    /// left`. Shows nothing without a terminal.
    pub(crate) fn waiting(&mut self, what: &str, left: Span) {
        if self.is_tty {
            self.waiting = true;
            let _ = write!(self.out, "\r{what}… {left} left\x1b[K");
            let _ = self.out.flush();
        }
    }

    /// Shows progress, in place of what this showed before: `Downloading… 42 %`. Shows nothing
    /// without a terminal.
    pub(crate) fn progress(&mut self, what: &str, done: usize, total: usize) {
        if self.is_tty {
            self.waiting = true;
            let percent = done.saturating_mul(100) / total.max(1);
            let _ = write!(self.out, "\r{what}… {percent} %\x1b[K");
            let _ = self.out.flush();
        }
    }

    /// Removes what [`Terminal::waiting`] or [`Terminal::progress`] showed.
    pub(crate) fn done_waiting(&mut self) {
        if std::mem::take(&mut self.waiting) {
            let _ = write!(self.out, "\r\x1b[K");
            let _ = self.out.flush();
        }
    }

    /// Asks for a line, which is shown while it is typed. Spaces around it are removed.
    ///
    /// # Errors
    /// [`PromptError`]. Dropping the future removes the question.
    pub(crate) async fn ask(&mut self, question: &str) -> Result<String, PromptError> {
        self.done_waiting();
        let line = prompt::shown(&format!("{question} ")).await?;
        Ok(line.expose().trim().to_owned())
    }

    /// Asks for a secret, which is not shown while it is typed.
    ///
    /// # Errors
    /// [`PromptError`]. Dropping the future restores the terminal.
    pub(crate) async fn ask_secret(&mut self, question: &str) -> Result<Secret, PromptError> {
        self.done_waiting();
        let line = prompt::hidden(&format!("{question} ")).await?;
        let trimmed = line.expose().trim();
        Ok(if trimmed.len() == line.expose().len() { line } else { Secret::new(trimmed) })
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("is_tty", &self.is_tty)
            .field("color", &self.color)
            .field("can_ask", &self.can_ask)
            .finish_non_exhaustive()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.done_waiting();
    }
}

/// <https://no-color.org> ("when present and not an empty string (regardless of its value),
/// prevents the addition of ANSI color") takes precedence over <https://bixense.com/clicolors>.
pub(crate) fn wants_color(env: &impl Fn(&str) -> Option<OsString>, is_tty: bool) -> bool {
    let set = |name| env(name).filter(|value| !value.is_empty());
    if set(NO_COLOR).is_some() {
        return false;
    }
    match set(CLICOLOR_FORCE) {
        Some(value) if value != "0" => true,
        _ => is_tty && env(TERM).is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn colours_follow_the_conventions() {
        let color = |vars: &[(&str, &str)], tty| {
            let env =
                |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            wants_color(&env, tty)
        };
        assert!(color(&[], true));
        assert!(!color(&[], false));
        assert!(color(&[("NO_COLOR", "")], true));
        assert!(!color(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(color(&[("CLICOLOR_FORCE", "1")], false));
        assert!(!color(&[("CLICOLOR_FORCE", "0")], false));
        assert!(!color(&[("TERM", "dumb")], true));
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(is_tty: bool, color: bool, use_it: impl FnOnce(&mut Terminal)) -> String {
        let shared = Shared::default();
        use_it(&mut Terminal::fake(shared.clone(), is_tty, color));
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_check_mark_is_green_only_in_colour() {
        assert_eq!(output(false, false, |t| t.success("Saved")), "✔ Saved\n");
        assert_eq!(output(true, true, |t| t.success("Saved")), "\x1b[32m✔\x1b[0m Saved\n");
    }

    #[test]
    fn the_countdown_leaves_nothing_behind() {
        let count = |t: &mut Terminal| {
            t.waiting("Waiting for approval", Span::from_secs(872));
            t.waiting("Waiting for approval", Span::from_secs(871));
            t.line("Done");
            t.waiting("Waiting", Span::from_secs(5));
        };
        assert_eq!(output(false, false, count), "Done\n");
        assert_eq!(
            output(true, false, count),
            "\rWaiting for approval… 14 min 32 s left\x1b[K\
             \rWaiting for approval… 14 min 31 s left\x1b[K\
             \r\x1b[KDone\n\rWaiting… 5 s left\x1b[K\r\x1b[K"
        );
    }
}
