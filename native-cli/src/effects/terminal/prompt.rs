//! Reads a line from the terminal. The read can be dropped at any moment.
//!
//! On Windows `rpassword` reads. On Unix it would block a thread that cannot be interrupted, and it
//! turns Ctrl-C into a signal while the terminal shows no typing: the process would end and leave
//! the terminal without echo. Here the terminal is polled, and dropping the future restores it.

use std::fmt;

use twg_core::secret::Secret;

/// Why there is no input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PromptError {
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the terminal was closed.
    Closed,
    /// There is no terminal to ask on.
    NoTerminal,
    /// The input contains a control character or is not text. The error does not contain it.
    NotPlain,
    /// The operating system's words.
    Failed(String),
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("Interrupted"),
            Self::Closed => f.write_str("There was no answer"),
            Self::NoTerminal => f.write_str("There is no terminal to ask on"),
            Self::NotPlain => f.write_str("The input contains control characters"),
            Self::Failed(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for PromptError {}

#[cfg(unix)]
pub(super) use unix::{hidden, shown};

#[cfg(windows)]
pub(super) use windows::{hidden, shown};

/// The text that was typed, unless it contains control characters: then it could be more than one
/// line for a program that reads it.
fn plain(bytes: &[u8]) -> Result<Secret, PromptError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => Ok(Secret::new(text)),
        _ => Err(PromptError::NotPlain),
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::time::Duration;

    use twg_core::secret::Secret;
    use zeroize::Zeroizing;

    use super::{PromptError, plain};
    use crate::system::os_error::words;
    use crate::system::platform::{Tty, Typing};

    /// Too short to be noticed while typing.
    const POLL: Duration = Duration::from_millis(15);

    /// The longest input.
    const MAX_BYTES: usize = 64 * 1024;

    pub(in super::super) async fn shown(question: &str) -> Result<Secret, PromptError> {
        let mut question = Question { tty: open(Typing::Shown, question)?, answered: false };
        let mut line = Zeroizing::new(Vec::with_capacity(4096));
        loop {
            let typed = read(&mut question.tty, &mut line).await?;
            question.answered = line.ends_with(b"\n");
            if let Some(text) = line.strip_suffix(b"\n") {
                return plain(text.strip_suffix(b"\r").unwrap_or(text));
            }
            if !typed {
                return Err(PromptError::Closed);
            }
        }
    }

    pub(in super::super) async fn hidden(question: &str) -> Result<Secret, PromptError> {
        let mut tty = open(Typing::Hidden, question)?;
        let mut line = HiddenLine::default();
        let mut typed = Zeroizing::new(Vec::with_capacity(4096));
        let end = loop {
            if !read(&mut tty, &mut typed).await? {
                break End::Closed;
            }
            let end = typed.iter().find_map(|byte| line.feed(*byte));
            typed.clear();
            if let Some(end) = end {
                break end;
            }
        };
        tty.show(b"\r\n").map_err(failed)?;
        match end {
            End::Line => plain(&line.bytes),
            End::Interrupted => Err(PromptError::Interrupted),
            End::Closed => Err(PromptError::Closed),
        }
    }

    /// A question that is dropped removes itself from the line.
    struct Question {
        tty: Tty,
        answered: bool,
    }

    impl Drop for Question {
        fn drop(&mut self) {
            if !self.answered {
                let _ = self.tty.show(b"\r\x1b[K");
            }
        }
    }

    fn open(typing: Typing, question: &str) -> Result<Tty, PromptError> {
        let mut tty = Tty::open(typing).map_err(|_| PromptError::NoTerminal)?;
        tty.show(question.as_bytes()).map_err(failed)?;
        Ok(tty)
    }

    /// Waits for input and appends it. Returns whether more can follow.
    async fn read(tty: &mut Tty, into: &mut Vec<u8>) -> Result<bool, PromptError> {
        let mut buffer = Zeroizing::new([0; 4096]);
        loop {
            match tty.typed(&mut *buffer) {
                Ok(0) => return Ok(false),
                Ok(n) if into.len() + n > MAX_BYTES => return Err(PromptError::NotPlain),
                Ok(n) => {
                    into.extend_from_slice(buffer.get(..n).unwrap_or_default());
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(POLL).await;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
    fn failed(error: io::Error) -> PromptError {
        PromptError::Failed(words(&error))
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum End {
        Line,
        Interrupted,
        Closed,
    }

    /// A line that is typed without being shown, with the few keys that are useful for that.
    struct HiddenLine {
        bytes: Zeroizing<Vec<u8>>,
        escape: Escape,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Escape {
        None,
        Begun,
        Sequence,
    }

    impl Default for HiddenLine {
        fn default() -> Self {
            // Reserved at once, so that growing leaves no copy behind.
            Self { bytes: Zeroizing::new(Vec::with_capacity(MAX_BYTES)), escape: Escape::None }
        }
    }

    impl HiddenLine {
        fn feed(&mut self, byte: u8) -> Option<End> {
            match (self.escape, byte) {
                // Cursor keys and the like: `ESC [` or `ESC O`, then up to the final byte.
                (Escape::Begun, b'[' | b'O') => {
                    self.escape = Escape::Sequence;
                    return None;
                }
                (Escape::Sequence, 0x20..=0x3f) => return None,
                (Escape::Sequence, 0x40..=0x7e) => {
                    self.escape = Escape::None;
                    return None;
                }
                _ => self.escape = Escape::None,
            }
            match byte {
                b'\r' | b'\n' => return Some(End::Line),
                0x03 => return Some(End::Interrupted),
                0x04 if self.bytes.is_empty() => return Some(End::Closed),
                0x08 | 0x7f => {
                    // One character back, which may be several bytes.
                    while self.bytes.pop().is_some_and(|b| b & 0xc0 == 0x80) {}
                }
                // Ctrl-U and Ctrl-W delete the line, because it is one word.
                0x15 | 0x17 => self.bytes.clear(),
                0x1b => self.escape = Escape::Begun,
                // Any other control character is kept, so that the input is refused.
                byte if self.bytes.len() < MAX_BYTES => self.bytes.push(byte),
                _ => {}
            }
            None
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn typed(keys: &[u8]) -> (Option<End>, Vec<u8>) {
            let mut line = HiddenLine::default();
            let end = keys.iter().find_map(|key| line.feed(*key));
            (end, line.bytes.to_vec())
        }

        #[test]
        fn a_hidden_line_can_be_edited_blindly() {
            assert_eq!(typed(b"abc\rdef"), (Some(End::Line), b"abc".to_vec()));
            assert_eq!(typed("aé\x7f\x7fb\n".as_bytes()), (Some(End::Line), b"b".to_vec()));
            assert_eq!(typed(b"wrong\x15right\n"), (Some(End::Line), b"right".to_vec()));
            assert_eq!(typed(b"a\x1b[Db\x1b[1;5Cc\x1bOHd\n"), (Some(End::Line), b"abcd".to_vec()));
            assert_eq!(typed(b"abc\x03"), (Some(End::Interrupted), b"abc".to_vec()));
            assert_eq!(typed(b"\x04").0, Some(End::Closed));
            assert_eq!(typed(b"abc\x04").0, None);
        }

        /// Incidents: git CVE-2020-5260 and similar ones (CR, LF and NUL in credential fields).
        #[test]
        fn control_characters_are_refused() {
            for keys in [
                &b"a\0b"[..],
                b"a\tb",
                b"a\x07b",
                b"a\x1a",
                b"a\nb",
                "a\u{85}b".as_bytes(),
                b"\xff",
            ] {
                assert_eq!(plain(keys).err(), Some(PromptError::NotPlain), "{keys:?}");
            }
            assert_eq!(typed(b"a\0b\n"), (Some(End::Line), b"a\0b".to_vec()));
            assert_eq!(plain("pässword".as_bytes()).unwrap().expose(), "pässword");
        }

        /// The process that the tests below run on a terminal of its own.
        #[test]
        #[ignore = "started by the tests below"]
        fn on_a_terminal() {
            let answers = std::env::var_os("TWG_TEST_ANSWERS").unwrap();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let told = runtime.block_on(async {
                let name = shown("Name?").await;
                let key = hidden("Key?").await;
                let show = |answer: Result<Secret, PromptError>| match answer {
                    Ok(text) => format!("{} {}", text.expose().len(), text.expose()),
                    Err(error) => format!("{error:?}"),
                };
                format!("{}\n{}\n", show(name), show(key))
            });
            std::fs::write(answers, told).unwrap();
        }

        /// The input, the screen, and the terminal's settings afterwards.
        fn ask(keys: &[(&str, &str)]) -> (String, String, String) {
            use std::io::{Read as _, Write as _};
            use std::process::{Command, Stdio};
            let dir = crate::effects::file_store::tests::scratch_dir();
            let (answers, settings) = (dir.path().join("answers"), dir.path().join("settings"));
            let test = "effects::terminal::prompt::unix::tests::on_a_terminal";
            let command = format!(
                "'{}' --exact --ignored {test}; stty -a > '{}'",
                std::env::current_exe().unwrap().display(),
                settings.display(),
            );
            let mut child = Command::new("script")
                .args(["-qec", &command, "/dev/null"])
                .env("TWG_TEST_ANSWERS", &answers)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut stdin, mut stdout) =
                (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let mut shown = Vec::new();
            for (after, key) in keys {
                // Type after the question is shown, as people do.
                while !String::from_utf8_lossy(&shown).contains(after) {
                    let mut buffer = [0; 1024];
                    let n = stdout.read(&mut buffer).unwrap();
                    assert_ne!(n, 0, "{}", String::from_utf8_lossy(&shown));
                    shown.extend_from_slice(&buffer[..n]);
                }
                stdin.write_all(key.as_bytes()).unwrap();
            }
            stdout.read_to_end(&mut shown).unwrap();
            assert!(child.wait().unwrap().success());
            drop(stdin);
            let shown = String::from_utf8_lossy(&shown).into_owned();
            (
                std::fs::read_to_string(answers).unwrap(),
                shown,
                std::fs::read_to_string(settings).unwrap(),
            )
        }

        #[test]
        fn a_secret_is_not_shown_and_the_terminal_is_put_back() {
            // Longer than the 4095 bytes at which a line-editing terminal cuts off.
            let long = "s3cr3t".repeat(1000);
            let (answers, shown, settings) = ask(&[("Name?", "me\r"), ("Key?", &long), ("", "\r")]);
            assert_eq!(answers, format!("2 me\n6000 {long}\n"));
            assert!(shown.contains("Name?me"), "{shown}");
            assert!(shown.contains("Key?") && !shown.contains("s3cr3t"), "{shown}");
            assert!(settings.contains(" echo ") && settings.contains(" icanon "), "{settings}");
        }

        #[test]
        fn ctrl_c_interrupts_and_puts_the_terminal_back() {
            let (answers, shown, settings) =
                ask(&[("Name?", "me\r"), ("Key?", "s3cr3t"), ("", "\x03")]);
            assert_eq!(answers, "2 me\nInterrupted\n");
            assert!(!shown.contains("s3cr3t"), "{shown}");
            assert!(settings.contains(" echo ") && settings.contains("isig "), "{settings}");
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::io::{self, BufRead, Write};

    use twg_core::secret::Secret;
    use zeroize::Zeroizing;

    use super::{PromptError, plain};
    use crate::system::os_error::words;

    pub(in super::super) async fn shown(question: &str) -> Result<Secret, PromptError> {
        let question = question.to_owned();
        on_a_thread(move || {
            let mut err = io::stderr().lock();
            err.write_all(question.as_bytes())?;
            err.flush()?;
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(line.trim_end_matches(['\r', '\n']).to_owned())
        })
        .await
    }

    pub(in super::super) async fn hidden(question: &str) -> Result<Secret, PromptError> {
        let question = question.to_owned();
        on_a_thread(move || rpassword::prompt_password(question)).await
    }

    async fn on_a_thread(
        ask: impl FnOnce() -> io::Result<String> + Send + 'static,
    ) -> Result<Secret, PromptError> {
        let answer = tokio::task::spawn_blocking(ask).await;
        match answer.map_err(|_| PromptError::Closed)? {
            Ok(line) => plain(Zeroizing::new(line).as_bytes()),
            #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind is open-ended")]
            Err(error) => Err(match error.kind() {
                io::ErrorKind::Interrupted => PromptError::Interrupted,
                io::ErrorKind::UnexpectedEof => PromptError::Closed,
                io::ErrorKind::NotFound => PromptError::NoTerminal,
                _ => PromptError::Failed(words(&error)),
            }),
        }
    }
}
