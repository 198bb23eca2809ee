//! The few things that operating systems do differently, behind the same names.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(unix)]
/// How a prompt is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    /// The terminal shows it, and edits the line.
    Shown,
    /// Nothing is shown. The line is not edited by the terminal, which would cut it off after 4095
    /// bytes: tokens are longer than that.
    Hidden,
}

/// What is wrong with the file or directory behind an open descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not a regular file, or not a directory.
    Kind,
    #[cfg_attr(windows, expect(dead_code, reason = "files have no single owner's number there"))]
    /// It belongs to the user with this number.
    Foreign(u32),
    #[cfg_attr(windows, expect(dead_code, reason = "directories have no such bit there"))]
    /// It is a directory that is made for everybody, such as `/tmp`.
    Shared,
}
