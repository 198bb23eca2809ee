//! Reading JSON, member by member.
//!
//! The readers that serde derives are a function per member of each type, and each of them can return early: they were
//! more than a third of the WebAssembly modules. (The writers that it derives cost little, and are used.) A reader here
//! notes a mistake and goes on, so that it is one plain list of members, and the mistake names the member. A mistake
//! never shows a text from the JSON, which may be a secret; only names of members, and numbers.
//!
//! If a member occurs twice, the last one counts, as in most readers of JSON.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::text::printable;

/// A type that can be read from JSON, with [`parse`] or [`read`].
pub trait FromJson: Sized {
    /// Reads the value. If it is wrong, this notes the mistake and returns a placeholder that no caller sees.
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self;
}

/// The mistakes in the values that were read so far.
#[derive(Default)]
pub struct Mistakes {
    /// The members that are being read, the outermost first.
    path: Vec<&'static str>,
    /// Later mistakes may only follow from it.
    first: Option<BadJson>,
}

/// The members of an object that are not read yet.
pub struct Members<'a> {
    members: Vec<(String, Value)>,
    mistakes: &'a mut Mistakes,
}

/// What is wrong with a value, and in which member of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadJson {
    /// Empty for the value itself.
    member: String,
    what: Cow<'static, str>,
}

/// Reads text.
///
/// # Errors
/// [`BadJson`], with the line if the text is not JSON.
pub fn parse<T: FromJson>(json: &str) -> Result<T, BadJson> {
    read(value(json)?)
}

/// Reads a value.
///
/// # Errors
/// [`BadJson`]
pub fn read<T: FromJson>(value: Value) -> Result<T, BadJson> {
    let mut mistakes = Mistakes::default();
    let read = T::from_json(value, &mut mistakes);
    match mistakes.first {
        None => Ok(read),
        Some(bad) => Err(bad),
    }
}

/// The value in a text.
///
/// # Errors
/// [`BadJson`], with the line.
pub fn value(json: &str) -> Result<Value, BadJson> {
    // The only place that parses, so that serde_json's reader is in a module only once.
    serde_json::from_str(json).map_err(|error| {
        let what = if error.is_eof() { "unexpected end" } else { "not JSON" };
        let what = format!("{what}, line {}", error.line());
        BadJson { member: String::new(), what: what.into() }
    })
}

/// The number in a text, written as in JSON.
pub(crate) fn number_in(text: &str) -> Option<f64> {
    value(text.trim()).ok()?.as_f64()
}

/// The value in `octets`, if there is one.
pub(crate) fn value_in(octets: &[u8]) -> Option<Value> {
    value(core::str::from_utf8(octets).ok()?).ok()
}

/// The object in `octets`, if they are one.
pub(crate) fn object_in(octets: &[u8]) -> Option<Map<String, Value>> {
    let Value::Object(members) = value_in(octets)? else { return None };
    Some(members)
}

impl Mistakes {
    /// Notes what is wrong with the value that is being read, in words that fit behind its name and a colon.
    pub fn note(&mut self, what: impl Into<Cow<'static, str>>) {
        self.note_text(what.into());
    }

    fn note_text(&mut self, what: Cow<'static, str>) {
        if self.first.is_none() {
            self.first = Some(BadJson { member: self.path.join("."), what });
        }
    }
}

impl<'a> Members<'a> {
    /// The members of `value`, which must be an object.
    pub fn of(value: Value, mistakes: &'a mut Mistakes) -> Self {
        let members = if let Value::Object(members) = value {
            members.into_iter().collect()
        } else {
            mistakes.note("not an object");
            Vec::new()
        };
        Self { members, mistakes }
    }

    /// A member that must be there.
    pub fn required<T: FromJson>(&mut self, name: &'static str) -> T {
        let value = self.begin(name).unwrap_or_else(|| {
            self.mistakes.note("missing");
            Value::Null
        });
        let read = T::from_json(value, self.mistakes);
        self.end_member();
        read
    }

    /// A member that may be absent, or null.
    pub fn optional<T: FromJson>(&mut self, name: &'static str) -> Option<T> {
        let value = self.begin(name).filter(|value| !value.is_null());
        let read = value.map(|value| T::from_json(value, self.mistakes));
        self.end_member();
        read
    }

    /// As [`Members::optional`], with the type's own default.
    pub fn or_default<T: FromJson + Default>(&mut self, name: &'static str) -> T {
        self.optional(name).unwrap_or_default()
    }

    /// The members that were not read.
    #[must_use]
    pub fn rest(self) -> Map<String, Value> {
        let mut rest = Map::new();
        for (name, value) in self.members {
            rest.insert(name, value);
        }
        rest
    }

    /// Ends the reading: a member that was not read is a mistake.
    pub fn end(self) {
        if let Some((name, _)) = self.members.first() {
            self.mistakes.note(format!("unknown member '{}'", printable(name)));
        }
    }

    fn begin(&mut self, name: &'static str) -> Option<Value> {
        self.mistakes.path.push(name);
        let at = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(at).1)
    }

    fn end_member(&mut self) {
        self.mistakes.path.pop();
    }
}

/// The one of `names` that the value is.
pub fn one_of<T: Copy>(
    value: &Value,
    mistakes: &mut Mistakes,
    names: &[(&'static str, T)],
    otherwise: T,
) -> T {
    let text = value.as_str();
    match names.iter().find(|(name, _)| Some(*name) == text) {
        Some((_, meant)) => *meant,
        None => {
            let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            mistakes.note(format!("use one of \"{}\"", names.join("\", \"")));
            otherwise
        }
    }
}

/// A value of several kinds: `"kind"`, or `{"kind": content}`. The content of the former is null.
pub fn kind(value: Value, mistakes: &mut Mistakes) -> (String, Value) {
    match value {
        Value::String(kind) => return (kind, Value::Null),
        Value::Object(members) if members.len() == 1 => {
            if let Some(member) = members.into_iter().next() {
                return member;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {}
    }
    mistakes.note("neither a name nor an object with one member");
    (String::new(), Value::Null)
}

impl BadJson {
    /// The member, as `outer.inner`; empty if it is the value itself that is wrong.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.member.is_empty() {
            f.write_str(&self.member)?;
            f.write_str(": ")?;
        }
        f.write_str(&self.what)
    }
}

impl core::error::Error for BadJson {}

impl FromJson for Value {
    fn from_json(value: Value, _mistakes: &mut Mistakes) -> Self {
        value
    }
}

impl FromJson for String {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        if let Value::String(text) = value {
            return text;
        }
        mistakes.note("not a string");
        Self::new()
    }
}

impl FromJson for Secret {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self::new(String::from_json(value, mistakes))
    }
}

impl FromJson for bool {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        value.as_bool().unwrap_or_else(|| {
            mistakes.note("neither true nor false");
            false
        })
    }
}

impl FromJson for u64 {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        value.as_u64().unwrap_or_else(|| {
            mistakes.note("not a whole number");
            0
        })
    }
}

/// A number that fits into fewer octets.
fn small<T: TryFrom<u64> + Default>(value: Value, mistakes: &mut Mistakes) -> T {
    let number = u64::from_json(value, mistakes);
    T::try_from(number).unwrap_or_else(|_| {
        mistakes.note(format!("{number} is too large"));
        T::default()
    })
}

impl FromJson for u32 {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        small(value, mistakes)
    }
}

impl FromJson for u16 {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        small(value, mistakes)
    }
}

impl FromJson for u8 {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        small(value, mistakes)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut read = Self::new();
        if let Value::Array(values) = value {
            for value in values {
                read.push(T::from_json(value, mistakes));
            }
        } else {
            mistakes.note("not a list");
        }
        read
    }
}

impl<T: FromJson> FromJson for BTreeMap<String, T> {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut read = Self::new();
        if let Value::Object(members) = value {
            for (name, value) in members {
                read.insert(name, T::from_json(value, mistakes));
            }
        } else {
            mistakes.note("not an object");
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[derive(Debug)]
    struct Outer {
        inner: Inner,
        list: Vec<u16>,
        rest: Map<String, Value>,
    }

    #[derive(Debug)]
    struct Inner {
        name: String,
        on: Option<bool>,
    }

    impl FromJson for Outer {
        fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
            let mut members = Members::of(value, mistakes);
            Self {
                inner: members.required("inner"),
                list: members.or_default("list"),
                rest: members.rest(),
            }
        }
    }

    impl FromJson for Inner {
        fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
            let mut members = Members::of(value, mistakes);
            let inner = Self { name: members.required("name"), on: members.optional("on") };
            members.end();
            inner
        }
    }

    #[test]
    fn what_is_there_and_what_is_left() {
        let read: Outer =
            parse(r#"{"new":[1.5],"inner":{"on":null,"name":"n"},"list":[1,65535]}"#).unwrap();
        assert_eq!((read.inner.name.as_str(), read.inner.on), ("n", None));
        assert_eq!(read.list, [1, 65_535]);
        assert_eq!(Value::Object(read.rest).to_string(), r#"{"new":[1.5]}"#);
    }

    /// The first mistake is shown, with its member and without its content.
    #[test]
    fn mistakes() {
        for (json, told) in [
            ("", "unexpected end, line 1"),
            ("{\n\"CANARY", "unexpected end, line 2"),
            ("CANARY", "not JSON, line 1"),
            ("[\"CANARY\"]", "not an object"),
            ("{}", "inner: missing"),
            (r#"{"inner":"CANARY"}"#, "inner: not an object"),
            (r#"{"inner":{"on":true}}"#, "inner.name: missing"),
            (r#"{"inner":{"name":["CANARY"],"on":7}}"#, "inner.name: not a string"),
            (r#"{"inner":{"name":"n","on":"CANARY"}}"#, "inner.on: neither true nor false"),
            (r#"{"inner":{"name":"n","nmae":"CANARY"}}"#, "inner: unknown member 'nmae'"),
            (r#"{"inner":{"name":"n"},"list":["CANARY"]}"#, "list: not a whole number"),
            (r#"{"inner":{"name":"n"},"list":[-1]}"#, "list: not a whole number"),
            (r#"{"inner":{"name":"n"},"list":[65536]}"#, "list: 65536 is too large"),
            (r#"{"inner":{"name":"n"},"list":{}}"#, "list: not a list"),
        ] {
            assert_eq!(parse::<Outer>(json).unwrap_err().to_string(), told, "{json}");
        }
    }
}
