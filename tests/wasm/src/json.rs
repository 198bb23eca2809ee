//! JSON whose members keep their order: records and bodies are texts, and the order is part of a text.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// null, true, false or a number.
    Plain(Value),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// Members, each name once.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// An object of these members.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Whether that value stands anywhere in this one.
    #[must_use]
    pub fn contains(&self, value: &Self) -> bool {
        self == value
            || match self {
                Self::Plain(_) | Self::Text(_) => false,
                Self::List(values) => values.iter().any(|inner| inner.contains(value)),
                Self::Object(members) => members.iter().any(|(_, inner)| inner.contains(value)),
            }
    }

    /// The same value without an order.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Text(text) => text.as_str().into(),
            Self::List(values) => values.iter().map(Self::value).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.value())).collect()
            }
        }
    }

    /// This value after a merge patch (RFC 7396). A new member comes last.
    #[must_use]
    pub fn patched(self, patch: &Self) -> Self {
        let Self::Object(changes) = patch else { return patch.clone() };
        let Self::Object(mut members) = self else {
            return Self::Object(Vec::new()).patched(patch);
        };
        for (name, change) in changes {
            let at = members.iter().position(|(other, _)| other == name);
            match (at, change) {
                (Some(at), Self::Plain(Value::Null)) => drop(members.remove(at)),
                (None, Self::Plain(Value::Null)) => {}
                (Some(at), change) => {
                    let old = std::mem::replace(&mut members[at].1, Self::Object(Vec::new()));
                    members[at].1 = old.patched(change);
                }
                (None, change) => {
                    members.push((name.clone(), Self::Object(Vec::new()).patched(change)));
                }
            }
        }
        Self::Object(members)
    }

    /// The merge patch (RFC 7396) that makes `new` of this value.
    #[must_use]
    pub fn patch_to(&self, new: &Self) -> Self {
        let (Self::Object(old), Self::Object(members)) = (self, new) else { return new.clone() };
        let mut patch = Vec::new();
        for (name, value) in members {
            match self.member(name) {
                Some(same) if same == value => {}
                Some(other) => patch.push((name.clone(), other.patch_to(value))),
                None => patch.push((name.clone(), value.clone())),
            }
        }
        let gone = old.iter().filter(|(name, _)| new.member(name).is_none());
        patch.extend(gone.map(|(name, _)| (name.clone(), Self::Plain(Value::Null))));
        Self::Object(patch)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(values) => Self::List(values.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| (name.clone(), Self::from(value));
                Self::Object(members.iter().map(member).collect())
            }
            plain => Self::Plain(plain.clone()),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| list.serialize_element(value))?;
                list.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Plain(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            if members.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(format!("{name} is there twice")));
            }
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}
