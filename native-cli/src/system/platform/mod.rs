//! What differs between operating systems, behind the same names.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(unix)]
/// How the terminal handles typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    /// The terminal shows it and edits the line.
    Shown,
    /// Nothing is shown. The terminal does not edit the line, because it would cut it off after
    /// 4095 bytes, and tokens are longer.
    Hidden,
}

/// Why the file or directory behind an open descriptor must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not a regular file, or not a directory.
    Kind,
    #[cfg_attr(windows, expect(dead_code, reason = "files have no single owner's number there"))]
    /// It belongs to the user with this number.
    Foreign(u32),
    #[cfg_attr(windows, expect(dead_code, reason = "directories have no sticky bit there"))]
    /// It is a directory for all users, such as `/tmp`.
    Shared,
}
