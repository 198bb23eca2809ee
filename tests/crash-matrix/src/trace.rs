//! Parses strace's output: every system call with its arguments and its result.
//!
//! Expects the option `-yy`, with which the file or connection follows a descriptor:
//! `9</home/auth.conf>` or `7<TCP:[...]>`. With `-f` each line begins with a thread id; without it,
//! all calls are of one thread.

use std::fmt;

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The calls in the order of their beginning.
    pub calls: Vec<Call>,
    /// Whether SIGKILL ended it.
    pub was_killed: bool,
    /// Its exit code, if it exited.
    pub exit_code: Option<i32>,
}

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The thread; 0 if the trace has only one.
    pub thread: u32,
    /// Its name.
    pub name: String,
    /// Its arguments as strace shows them.
    pub args: Vec<String>,
    /// Its result, if it returned.
    pub value: Option<i64>,
    /// The file or connection of the returned descriptor.
    pub opened: Option<String>,
    /// The error's name, such as `ENOSPC`.
    pub error: Option<String>,
    /// Whether strace injected the result.
    pub is_injected: bool,
}

/// A trace that this parser does not understand. It skips nothing silently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the trace: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Trace {
    /// Parses a trace.
    ///
    /// # Errors
    /// [`Unreadable`] with the first unknown line.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut trace = Self::default();
        // Calls that another thread interrupted: their index, and their text so far.
        let mut unfinished: Vec<(u32, usize, String)> = Vec::new();
        for line in text.lines() {
            let wrong = || Unreadable(line.to_owned());
            let (thread, rest) = if line.starts_with(|first: char| first.is_ascii_digit()) {
                let (thread, rest) = line.split_once(' ').ok_or_else(wrong)?;
                (thread.parse().map_err(|_| wrong())?, rest.trim_start())
            } else {
                (0, line)
            };
            if let Some(end) = rest.strip_prefix("+++ ") {
                trace.was_killed |= end.starts_with("killed by SIGKILL");
                let code = end.strip_prefix("exited with ").and_then(|rest| rest.split(' ').next());
                trace.exit_code = code.and_then(|code| code.parse().ok()).or(trace.exit_code);
            } else if rest.starts_with("--- ") {
                // A signal. Its effects show in the calls.
            } else if let Some(resumed) = rest.strip_prefix("<... ") {
                let at = unfinished.iter().position(|(t, ..)| *t == thread).ok_or_else(wrong)?;
                let (_, index, begun) = unfinished.swap_remove(at);
                let (_, tail) = resumed.split_once(" resumed>").ok_or_else(wrong)?;
                trace.calls[index] =
                    Call::parse(thread, &format!("{begun}{tail}")).ok_or_else(wrong)?;
            } else if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
                unfinished.push((thread, trace.calls.len(), begun.to_owned()));
                trace.calls.push(Call::parse(thread, &format!("{begun}) = ?")).ok_or_else(wrong)?);
            } else {
                trace.calls.push(Call::parse(thread, rest).ok_or_else(wrong)?);
            }
        }
        Ok(trace)
    }

    /// The call that SIGKILL prevented: the last one that did not return.
    #[must_use]
    pub fn killed_before(&self) -> Option<usize> {
        self.was_killed.then(|| self.calls.iter().rposition(|call| call.value.is_none())).flatten()
    }

    /// The ids of the processes that it started.
    #[must_use]
    pub fn started(&self) -> Vec<i64> {
        let forks = self.calls.iter().filter(|call| call.is_fork() && call.succeeded());
        forks.filter_map(|call| call.value).collect()
    }

    /// Whether it had a second thread.
    #[must_use]
    pub fn has_threads(&self) -> bool {
        let is_thread = |call: &Call| call.args.iter().any(|arg| arg.contains("CLONE_THREAD"));
        self.calls.iter().any(|call| call.is_fork() && is_thread(call))
    }

    /// How many calls of this name its thread had made, including this one: strace's count for
    /// `when=`.
    #[must_use]
    pub fn occurrence(&self, index: usize) -> usize {
        let this = &self.calls[index];
        let same = |call: &&Call| call.thread == this.thread && call.name == this.name;
        self.calls[..=index].iter().filter(same).count()
    }
}

impl Call {
    fn parse(thread: u32, text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let (args, rest) = split_args(rest)?;
        let result = rest.trim_start().strip_prefix("= ")?;
        let mut words = result.split(' ');
        let number = words.next()?;
        let (number, opened) = match number.split_once('<') {
            Some((number, rest)) => (number, rest.strip_suffix('>')),
            None => (number, None),
        };
        let value = match number.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok().or(Some(i64::MAX)),
            None => number.parse().ok(),
        };
        let error = words.next().filter(|word| value == Some(-1) && word.starts_with('E'));
        Some(Self {
            thread,
            name: name.to_owned(),
            args,
            value,
            opened: opened.map(|path| text_of(&unescape(path))),
            error: error.map(ToOwned::to_owned),
            is_injected: result.contains("(INJECTED)"),
        })
    }

    fn is_fork(&self) -> bool {
        matches!(&*self.name, "clone" | "clone3" | "fork" | "vfork")
    }

    /// Whether the call was made and succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.value.is_some_and(|value| value >= 0) && !self.is_injected
    }

    /// The descriptor in the first argument, with its file or connection.
    #[must_use]
    pub fn descriptor(&self) -> Option<(i32, String)> {
        self.descriptor_at(0)
    }

    /// The descriptor of an argument. `AT_FDCWD` is -100.
    #[must_use]
    pub fn descriptor_at(&self, index: usize) -> Option<(i32, String)> {
        let (number, path) = self.args.get(index)?.strip_suffix('>')?.split_once('<')?;
        let number = if number == "AT_FDCWD" { -100 } else { number.parse().ok()? };
        Some((number, text_of(&unescape(path))))
    }

    /// The bytes of a string argument; `None` also if strace shortened it.
    #[must_use]
    pub fn bytes_at(&self, index: usize) -> Option<Vec<u8>> {
        let quoted = self.args.get(index)?.strip_prefix('"')?.strip_suffix('"')?;
        Some(unescape(quoted))
    }

    /// An integer argument.
    #[must_use]
    pub fn number_at(&self, index: usize) -> Option<u64> {
        self.args.get(index)?.parse().ok()
    }

    /// A path argument, made absolute with the directory descriptor before it.
    #[must_use]
    pub fn path_at(&self, index: usize) -> Option<String> {
        let path = text_of(&self.bytes_at(index)?);
        if path.starts_with('/') {
            return Some(path);
        }
        let (_, base) = self.descriptor_at(index.checked_sub(1)?)?;
        Some(if path.is_empty() { base } else { format!("{base}/{path}") })
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The arguments up to the closing parenthesis, and the rest.
fn split_args(text: &str) -> Option<(Vec<String>, &str)> {
    let mut args = Vec::new();
    let mut open = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().copied().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'(' | b'[' | b'{' => open.push(byte),
            // The file of a descriptor; not `1<<3`.
            b'<' if at > 0
                && (bytes[at - 1].is_ascii_digit() || text[..at].ends_with("AT_FDCWD"))
                && bytes.get(at + 1) != Some(&b'<') =>
            {
                open.push(byte);
            }
            b'>' if open.last() == Some(&b'<') => {
                open.pop();
            }
            b')' if open.is_empty() => {
                if !text[start..at].trim().is_empty() {
                    args.push(text[start..at].trim().to_owned());
                }
                return Some((args, &text[at + 1..]));
            }
            b')' | b']' | b'}' => {
                open.pop();
            }
            b',' if open.is_empty() => {
                args.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// Undoes strace's escapes: `\x41`, `\101`, `\n`.
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let Some((kind, tail)) = rest.split_first() else { break };
        rest = tail;
        let digits = |radix: u32, most: usize, rest: &[u8]| {
            let count =
                rest.iter().take(most).take_while(|b| char::from(**b).is_digit(radix)).count();
            let digits = std::str::from_utf8(&rest[..count]).unwrap_or_default();
            (u32::from_str_radix(digits, radix).unwrap_or_default().to_le_bytes()[0], count)
        };
        match kind {
            b'x' => {
                let (byte, count) = digits(16, 2, rest);
                bytes.push(byte);
                rest = &rest[count..];
            }
            b'0'..=b'7' => {
                let whole = &text.as_bytes()[text.len() - rest.len() - 1..];
                let (byte, count) = digits(8, 3, whole);
                bytes.push(byte);
                rest = &rest[count - 1..];
            }
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'v' => bytes.push(11),
            b'f' => bytes.push(12),
            other => bytes.push(*other),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Call {
        let trace = Trace::parse(line).unwrap();
        trace.calls.into_iter().next().unwrap()
    }

    #[test]
    fn arguments_descriptors_and_results() {
        let call = one(
            r#"7 openat(AT_FDCWD</home/a b>, "/c/.auth.conf.0123.tmp", O_RDWR|O_CREAT|O_EXCL, 0600) = 9</c/.auth.conf.0123.tmp>"#,
        );
        assert_eq!((call.thread, call.name.as_str(), call.args.len()), (7, "openat", 4));
        assert_eq!(call.descriptor(), Some((-100, "/home/a b".into())));
        assert_eq!(call.path_at(1).unwrap(), "/c/.auth.conf.0123.tmp");
        assert_eq!((call.value, call.opened.as_deref()), (Some(9), Some("/c/.auth.conf.0123.tmp")));
        let write = one(
            r#"7 writev(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base="a, \"b)\"\n", iov_len=8}], 1) = 8"#,
        );
        assert_eq!(write.descriptor(), Some((9, "TCP:[127.0.0.1:1->127.0.0.1:2]".into())));
        assert_eq!((write.args.len(), write.value), (3, Some(8)));
        let relative = one(r#"7 unlinkat(5</c>, "x", 0) = 0"#);
        assert_eq!(relative.path_at(1).unwrap(), "/c/x");
        let by_descriptor = one(
            r#"7 statx(5</c/x>, "", AT_EMPTY_PATH, STATX_ALL, {stx_mask=STATX_ALL|0x1000, stx_size=1<<3}) = 0"#,
        );
        assert_eq!(
            (by_descriptor.path_at(1).unwrap().as_str(), by_descriptor.args.len()),
            ("/c/x", 5)
        );
    }

    #[test]
    fn errors_injected_and_true() {
        let injected = one("7 fsync(9</c/x>) = -1 ENOSPC (No space left on device) (INJECTED)");
        assert_eq!(injected.error.as_deref(), Some("ENOSPC"));
        assert!(injected.is_injected && !injected.succeeded());
        let real =
            one(r#"7 openat(AT_FDCWD</>, "/x", O_RDONLY) = -1 ENOENT (No such file or directory)"#);
        assert!(real.error.as_deref() == Some("ENOENT") && !real.is_injected);
        assert!(one("7 flock(9</c/l>, LOCK_EX|LOCK_NB) = 0").succeeded());
    }

    #[test]
    fn a_kill_names_the_call_that_was_not_made() {
        let text = "7 getpid() = 7\n7 write(4<anon_inode:[eventfd]>, \"\\1\\0\", 8) = ?\n7 +++ killed by SIGKILL +++";
        let trace = Trace::parse(text).unwrap();
        assert!(trace.was_killed);
        assert_eq!(trace.killed_before(), Some(1));
        assert_eq!(trace.calls[1].bytes_at(1).unwrap(), [1, 0]);
        assert_eq!(trace.occurrence(1), 1);
        let fine = Trace::parse("7 exit_group(3) = ?\n7 +++ exited with 3 +++").unwrap();
        assert_eq!((fine.killed_before(), fine.exit_code), (None, Some(3)));
    }

    #[test]
    fn threads_that_interrupt_each_other() {
        let text = "7 read(3</x>,  <unfinished ...>\n8 getpid() = 7\n7 <... read resumed>\"ab\", 9) = 2\n7 futex(0x1, FUTEX_WAIT <unfinished ...>\n8 +++ killed by SIGKILL +++\n7 +++ killed by SIGKILL +++";
        let trace = Trace::parse(text).unwrap();
        assert_eq!(trace.calls.len(), 3);
        assert_eq!(trace.calls[0].bytes_at(1).unwrap(), b"ab");
        assert_eq!(trace.killed_before(), Some(2));
    }

    #[test]
    fn other_processes_and_other_threads() {
        let text = "clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x7f}, 88) = 9\nclone3({flags=CLONE_VM|CLONE_VFORK}, 88) = ?\n+++ killed by SIGKILL +++";
        let trace = Trace::parse(text).unwrap();
        assert_eq!(
            (trace.started(), trace.has_threads(), trace.calls[0].thread),
            (vec![9], false, 0)
        );
        assert_eq!(trace.killed_before(), Some(1));
        let thread =
            "clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM} => {parent_tid=[9]}, 88) = 9";
        assert!(Trace::parse(thread).unwrap().has_threads());
    }

    #[test]
    fn escapes_of_every_kind() {
        assert_eq!(unescape(r"\x41b\n\101\0\12\377\\\x22"), b"Ab\nA\0\n\xff\\\"");
        assert_eq!(one(r#"7 read(3</x>, "abc"..., 9) = 9"#).bytes_at(1), None, "cut short");
    }

    #[test]
    fn unknown_lines_are_refused() {
        assert!(Trace::parse("strace: Process 7 attached").is_err());
        assert!(Trace::parse("7 what is this").is_err());
    }
}
