//! Errors of the operating system, for people.

use std::io;

/// The words of the operating system, without std's " (os error 28)".
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
