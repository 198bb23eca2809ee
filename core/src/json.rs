//! Reading JSON, member by member.
//!
//! What serde derives for reading is a function per member of each type, and each of them can return early; those were
//! more than a third of the WebAssembly modules. (What it derives for writing costs little, and is used.) Here a mistake is
//! noted, and reading goes on: the reader of a type is one straight list of members, and a complaint names the member.
//! It never shows a text that stands there, which may be a secret; only names of members, and numbers.
//!
//! Of a member that stands twice, the last one counts, as for most readers of JSON.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::text::printable;

/// What can be read from JSON, with [`parse`] or [`read`].
pub trait FromJson: Sized {
    /// Reads it. Where it is not what it should be, that is noted, and something is returned that nobody will see.
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self;
}

/// What was wrong with the values that were read so far.
#[derive(Default)]
pub struct Mistakes {
    /// The members that are being read, the outermost first.
    path: Vec<&'static str>,
    /// Later ones may only follow from it.
    first: Option<BadJson>,
}

/// The members of an object that were not read yet.
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
/// [`BadJson`]; of text that is not JSON at all it says where.
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
/// [`BadJson`] says where it is none.
pub fn value(json: &str) -> Result<Value, BadJson> {
    // The only place that parses, so that serde_json's reader is in a module only once.
    serde_json::from_str(json).map_err(|error| {
        let what = if error.is_eof() { "it ends too early" } else { "it is not JSON" };
        let what = format!("{what} (line {}, column {})", error.line(), error.column());
        BadJson { member: String::new(), what: what.into() }
    })
}

/// The number that a text is, written as in JSON.
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
    /// Of an object.
    pub fn of(value: Value, mistakes: &'a mut Mistakes) -> Self {
        let members = if let Value::Object(members) = value {
            members.into_iter().collect()
        } else {
            mistakes.note("it is not an object");
            Vec::new()
        };
        Self { members, mistakes }
    }

    /// A member that must be there.
    pub fn required<T: FromJson>(&mut self, name: &'static str) -> T {
        let value = self.begin(name).unwrap_or_else(|| {
            self.mistakes.note("it is missing");
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

    /// What nobody asked for.
    #[must_use]
    pub fn rest(self) -> Map<String, Value> {
        let mut rest = Map::new();
        for (name, value) in self.members {
            rest.insert(name, value);
        }
        rest
    }

    /// Where a member that nobody asked for is a mistake.
    pub fn end(self) {
        if let Some((name, _)) = self.members.first() {
            self.mistakes.note(format!("there is no member '{}'", printable(name)));
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

/// The one of `names` that stands there.
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
    mistakes.note("it is neither a kind nor an object with one member");
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
        mistakes.note("it is not a text");
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
            mistakes.note("it is neither true nor false");
            false
        })
    }
}

impl FromJson for u64 {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        value.as_u64().unwrap_or_else(|| {
            mistakes.note("it is not a whole number");
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
            mistakes.note("it is not a list");
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
            mistakes.note("it is not an object");
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

    /// The first mistake is told with its member, and nothing that stands there.
    #[test]
    fn mistakes() {
        for (json, told) in [
            ("", "it ends too early (line 1, column 0)"),
            ("{\n\"CANARY", "it ends too early (line 2, column 7)"),
            ("CANARY", "it is not JSON (line 1, column 1)"),
            ("[\"CANARY\"]", "it is not an object"),
            ("{}", "inner: it is missing"),
            (r#"{"inner":"CANARY"}"#, "inner: it is not an object"),
            (r#"{"inner":{"on":true}}"#, "inner.name: it is missing"),
            (r#"{"inner":{"name":["CANARY"],"on":7}}"#, "inner.name: it is not a text"),
            (r#"{"inner":{"name":"n","on":"CANARY"}}"#, "inner.on: it is neither true nor false"),
            (r#"{"inner":{"name":"n","nmae":"CANARY"}}"#, "inner: there is no member 'nmae'"),
            (r#"{"inner":{"name":"n"},"list":["CANARY"]}"#, "list: it is not a whole number"),
            (r#"{"inner":{"name":"n"},"list":[-1]}"#, "list: it is not a whole number"),
            (r#"{"inner":{"name":"n"},"list":[65536]}"#, "list: 65536 is too large"),
            (r#"{"inner":{"name":"n"},"list":{}}"#, "list: it is not a list"),
        ] {
            assert_eq!(parse::<Outer>(json).unwrap_err().to_string(), told, "{json}");
        }
    }
}
