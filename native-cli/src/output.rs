//! Standard output: the data that a command was asked for.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use twg_core::time::UnixTime;

use crate::effects::terminal::{Terminal, print_data};
use crate::environment::env;
use crate::system::os_error::words;

/// Prints a JSON document.
pub(crate) fn print_json(document: &impl Serialize) {
    // It has only members with names, so this cannot fail.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    print_text(&text);
}

/// Prints lines for people that are the result of a command, and so belong on standard output.
pub(crate) fn print_lines(lines: &[String]) {
    let mut text = lines.join("\n");
    text.push('\n');
    print_text(&text);
}

/// Whether a part of the result could not be printed.
static IS_INCOMPLETE: AtomicBool = AtomicBool::new(false);

/// Whether standard output lacks a part of the result. The exit code then says so, because a
/// program that reads the output must not take it for the whole.
pub(crate) fn is_incomplete() -> bool {
    IS_INCOMPLETE.load(Ordering::Relaxed)
}

/// Prints the result of a command. If the reader went away, that is no failure. A full disk is one:
/// it is reported, and the exit code says so.
pub(crate) fn print_text(text: &str) {
    match print_data(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Terminal::new(&env)
                .error(&format!("Cannot write to standard output: {}", words(&error)));
            IS_INCOMPLETE.store(true, Ordering::Relaxed);
        }
        _ => {}
    }
}

/// A time as RFC 3339 in UTC, to the second: `2026-11-23T14:00:00Z`.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    let seconds = Duration::from_secs(time.as_secs());
    match UNIX_EPOCH.checked_add(seconds) {
        // The formatter covers the years 1970 to 9999. A later time is damage, not a date.
        Some(time) if seconds.as_secs() < 253_402_300_800 => {
            humantime::format_rfc3339_seconds(time).to_string()
        }
        _ => "9999-12-31T23:59:59Z".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_panic() {
        assert_eq!(rfc3339(UnixTime::from_millis(1_000_000_000_999)), "2001-09-09T01:46:40Z");
        assert_eq!(rfc3339(UnixTime::from_millis(u64::MAX)), "9999-12-31T23:59:59Z");
    }
}
