//! Text from outside: made safe to show, or a plain name.

use alloc::string::String;
use core::fmt::Write as _;

/// No explanation needs more characters than this.
const MAX_SHOWN: usize = 500;

/// `text` with everything but printable ASCII escaped (`\u{1b}`), and cut to a sensible length.
///
/// For error codes and descriptions, RFC 6749 section 5.2 allows only %x20-21 / %x23-5B / %x5D-7E; quotes and
/// backslashes are harmless to show, terminal escapes and bidirectional controls are not.
#[must_use]
pub fn printable(text: &str) -> String {
    escape(text, |c| matches!(c, ' '..='~'))
}

/// `text`, such as a person's or a site's name, [`inert`], and cut to a sensible length.
#[must_use]
pub fn displayable(text: &str) -> String {
    escape(text, |c| !is_active(c))
}

/// `text` with every character escaped that could move the cursor, change colours, ring, make a link
/// (OSC 8), or hide or reorder what is around it. Letters of all scripts stay.
#[must_use]
pub fn inert(text: &str) -> String {
    escape_all(text.chars(), |c| !is_active(c))
}

/// Whether `name` may name a provider or a connection. Such a name is a file name too.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// As [`inert`], but its line breaks stay: for text of our own that quotes a name from outside.
#[must_use]
pub fn inert_lines(text: &str) -> String {
    escape_all(text.chars(), |c| c == '\n' || !is_active(c))
}

fn escape(text: &str, harmless: impl Fn(char) -> bool) -> String {
    let mut shown = escape_all(text.chars().take(MAX_SHOWN), harmless);
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn escape_all(text: impl Iterator<Item = char>, harmless: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    for c in text {
        if harmless(c) {
            shown.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        }
    }
    shown
}

/// Control characters (C0, DEL, C1), and those that are invisible or change the direction.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A21: characters that RFC 6749 forbids in an error are escaped before display.
    #[test]
    fn terminal_escapes_are_inert() {
        assert_eq!(printable("a\u{1b}]8;;http://x\u{7}b"), "a\\u{1b}]8;;http://x\\u{7}b");
        assert_eq!(displayable("Zoë \u{202e}evil\u{9b}1m"), "Zoë \\u{202e}evil\\u{9b}1m");
    }

    /// A21 and the incidents gitoxide CVE-2024-43785 and CVE-2026-47090 (OSC 8): no text of a server moves the cursor,
    /// hides text or makes a link.
    #[test]
    fn no_active_character_survives() {
        assert_eq!(inert("Zürich ✔ 東京 (a\\b)"), "Zürich ✔ 東京 (a\\b)");
        let hostile = "a\x1b]8;;https://evil\x1b\\b\x07\u{9b}2J\r\n\0\x7f";
        let shown = "a\\u{1b}]8;;https://evil\\u{1b}\\b\\u{7}\\u{9b}2J\\u{d}\\u{a}\\u{0}\\u{7f}";
        assert_eq!(inert(hostile), shown);
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            assert!(!inert(c.encode_utf8(&mut [0; 4])).contains(is_active), "{c:?}");
        }
        for c in "\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{200b}\u{2028}\u{feff}".chars()
        {
            assert!(is_active(c), "{c:?}");
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable(&"x".repeat(10_000)).chars().count(), MAX_SHOWN + 1);
    }
}
