//! Text for people that names commands of this program.
//!
//! A command in it is a value, because its name depends on the place: behind `twg sandbox`, the
//! hint `twg login` would sign in outside the sandbox, so it becomes `twg sandbox login`.

use std::fmt;

/// The name of this program in commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `twg`
    Twg,
    /// `twg sandbox`, inside the sandbox.
    TwgSandbox,
}

impl Program {
    /// The name to type.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Twg => "twg",
            Self::TwgSandbox => "twg sandbox",
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Words, and commands between them. It is made from a text with commands in backquotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advice(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    /// A command of this program, without its name: `login --force`.
    Command(String),
}

impl Advice {
    /// The text, with this name in its commands.
    pub(crate) fn as_called(&self, program: Program) -> String {
        let part = |part: &Part| match part {
            Part::Words(words) => words.clone(),
            Part::Command(command) => format!("`{program} {command}`"),
        };
        self.0.iter().map(part).collect()
    }
}

impl From<&str> for Advice {
    fn from(text: &str) -> Self {
        let words = |text: &str| Part::Words(text.to_owned());
        let (mut parts, mut rest) = (Vec::new(), text);
        // A backquote without a second one is a character like any other: it may come from a name or a path.
        while let Some((before, (quoted, after))) =
            rest.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
        {
            parts.push(words(before));
            let command = quoted.strip_prefix(Program::Twg.name());
            parts.push(match command.and_then(|rest| rest.strip_prefix(' ')) {
                Some(command) => Part::Command(command.to_owned()),
                None => words(&format!("`{quoted}`")),
            });
            rest = after;
        }
        parts.push(words(rest));
        Self(parts)
    }
}

impl From<String> for Advice {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for Advice {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_called(Program::Twg))
    }
}

/// A text that begins a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_called_as_the_program_is() {
        let advice = Advice::from("Run `twg login --force`, or `git push`, with twg 2.");
        assert_eq!(advice.to_string(), "Run `twg login --force`, or `git push`, with twg 2.");
        let called = advice.as_called(Program::TwgSandbox);
        assert_eq!(called, "Run `twg sandbox login --force`, or `git push`, with twg 2.");
        for plain in ["", "no command", "`twgs login`", "`twg`", "a`b", "`", "`a` b`twg c"] {
            assert_eq!(Advice::from(plain).as_called(Program::TwgSandbox), plain);
        }
    }
}
