//! Text from outside, made safe to show.

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

/// `text`, such as a person's or a site's name, with everything escaped that could move the cursor,
/// change colours, reorder or hide other text, and cut to a sensible length. Letters of all scripts stay.
#[must_use]
pub fn displayable(text: &str) -> String {
    escape(text, |c| !c.is_control() && !is_invisible(c))
}

fn escape(text: &str, harmless: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len().min(MAX_SHOWN));
    for (count, c) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            shown.push('…');
            break;
        }
        if harmless(c) {
            shown.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        }
    }
    shown
}

/// Characters that show nothing or reorder what is around them: bidirectional controls, zero-width
/// characters, line and paragraph separators, tag characters.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
        | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE0FFF)
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

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable(&"x".repeat(10_000)).chars().count(), MAX_SHOWN + 1);
    }
}
