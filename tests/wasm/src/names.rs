//! The named values of the scenarios, and the texts that are made from values: see `tests/scenarios/README.md`.
//! `tests/scenarios/notation.mjs` expands in the same way; a test compares the two.

use serde_json::{Map, Value};

use crate::json::Json;

/// The value itself with changes. A layout makes a text of it.
const WITH: &str = "$with";

/// How a text shows a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Without spaces.
    Json,
    /// Without spaces, and with a final newline.
    Line,
    /// Indented, and with a final newline.
    Record,
}

impl Layout {
    const ALL: [Self; 3] = [Self::Json, Self::Line, Self::Record];

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "$json",
            Self::Line => "$line",
            Self::Record => "$record",
        }
    }

    fn text(self, value: &Json) -> String {
        match self {
            Self::Json => serde_json::to_string(value).expect("JSON"),
            Self::Line => Self::Json.text(value) + "\n",
            Self::Record => serde_json::to_string_pretty(value).expect("JSON") + "\n",
        }
    }

    /// The layout of that text, and the list or object that it shows.
    fn of(text: &str) -> Option<(Self, Json)> {
        let value: Json = serde_json::from_str(text).ok()?;
        let is_whole = matches!(value, Json::List(_) | Json::Object(_));
        let layout = Self::ALL.into_iter().find(|layout| layout.text(&value) == text)?;
        is_whole.then_some((layout, value))
    }
}

/// A named value.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Its name, without `$`.
    pub name: String,
    /// The value in full.
    pub value: Json,
}

/// Named values, in the order in which they are preferred: the shared ones, and then a scenario's own.
#[derive(Clone, Debug, Default)]
pub struct Names {
    all: Vec<Named>,
    shared: usize,
}

impl Names {
    /// Reads `names.json`. Its values may use the names above them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Json::Object(members) = json else { return Err("names are an object".to_owned()) };
        let mut names = Self::default();
        for (name, value) in members {
            names.define(name, &value)?;
        }
        Ok(names)
    }

    /// These are shared; what is named from now on is a scenario's own.
    #[must_use]
    pub fn scope(&self) -> Self {
        Self { all: self.all.clone(), shared: self.all.len() }
    }

    /// Names a value, which may use the names that there are.
    ///
    /// # Errors
    /// If the name is taken, or the value uses one that does not exist.
    pub fn define(&mut self, name: String, short: &Json) -> Result<(), String> {
        if self.find(&name).is_some() {
            return Err(format!("${name} is defined twice"));
        }
        let value = self.expand(short)?;
        self.all.push(Named { name, value });
        Ok(())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Named] {
        &self.all
    }

    /// The scenario's own.
    #[must_use]
    pub fn own(&self) -> &[Named] {
        &self.all[self.shared..]
    }

    /// Those that the value of that one may use.
    #[must_use]
    pub fn before(&self, name: &str) -> Self {
        let all = self.all.iter().take_while(|named| named.name != name).cloned().collect();
        Self { all, shared: self.shared }
    }

    fn find(&self, name: &str) -> Option<&Json> {
        self.all.iter().find(|named| named.name == name).map(|named| &named.value)
    }

    /// The value in full.
    ///
    /// # Errors
    /// If there is no such name or layout.
    pub fn expand(&self, short: &Json) -> Result<Json, String> {
        match short {
            Json::Plain(_) => Ok(short.clone()),
            Json::Text(text) => match text.strip_prefix('$') {
                None => Ok(short.clone()),
                Some(literal) if literal.starts_with('$') => Ok(Json::Text(literal.to_owned())),
                Some(name) => self.find(name).cloned().ok_or_else(|| format!("no {text}")),
            },
            Json::List(values) => Ok(Json::List(
                values.iter().map(|value| self.expand(value)).collect::<Result<_, _>>()?,
            )),
            Json::Object(members) => match &**members {
                [(name, base), changes @ ..] if name.starts_with('$') => {
                    self.expand_changed(name, base, changes)
                }
                members => self.members(members),
            },
        }
    }

    /// `{ "$with": base, … }`, and the same of a text in one of the layouts.
    fn expand_changed(
        &self,
        name: &str,
        base: &Json,
        changes: &[(String, Json)],
    ) -> Result<Json, String> {
        let layout = Layout::ALL.into_iter().find(|layout| layout.name() == name);
        let mut value = self.expand(base)?;
        if let (Some(_), Json::Text(text)) = (layout, &value) {
            value = serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))?;
        }
        if !changes.is_empty() {
            value = value.patched(&self.members(changes)?);
        }
        match layout {
            Some(layout) => Ok(Json::Text(layout.text(&value))),
            None if name == WITH => Ok(value),
            None => Err(format!("no {name}")),
        }
    }

    fn members(&self, members: &[(String, Json)]) -> Result<Json, String> {
        let member = |(name, value): &(String, Json)| {
            if name.starts_with('$') {
                return Err(format!("{name} is not the first member"));
            }
            Ok((name.clone(), self.expand(value)?))
        };
        Ok(Json::Object(members.iter().map(member).collect::<Result<_, _>>()?))
    }

    /// The shortest way to write a value that crosses the boundary: the order of its members is of no importance.
    #[must_use]
    pub fn shorten(&self, value: &Value) -> Json {
        let named = self.all.iter().find(|named| named.value.value() == *value);
        match (named, value) {
            (Some(named), _) => named.reference(),
            (None, Value::Array(values)) => {
                Json::List(values.iter().map(|value| self.shorten(value)).collect())
            }
            (None, Value::Object(members)) => self.shorten_object(members),
            (None, value) => self.shorten_exactly(&Json::from(value)),
        }
    }

    /// An object that crosses the boundary, as it is or as a named one of the same type with changes.
    fn shorten_object(&self, members: &Map<String, Value>) -> Json {
        let short = |(name, value): (&String, &Value)| (name.clone(), self.shorten(value));
        let mut whole: Vec<_> = members.iter().map(short).collect();
        whole.sort_by_key(|(name, _)| name != "type");
        let new = Json::from(&Value::from(members.clone()));
        let changed = self.all.iter().filter_map(|named| {
            // What is done, and where: another request with changes would only mislead.
            let kind =
                |json: &Json| Some((json.member("type")?.clone(), json.member("url").cloned()));
            kind(&named.value).filter(|_| kind(&named.value) == kind(&new))?;
            let patch = named.value.patch_to(&new);
            let is_right = named.value.clone().patched(&patch).value() == new.value();
            is_right.then(|| self.changed(WITH, named.reference(), &patch))
        });
        shortest(Json::Object(whole), changed)
    }

    /// The named value or text, with changes.
    fn changed(&self, name: &str, base: Json, patch: &Json) -> Json {
        let Json::Object(changes) = patch else { return Json::object([(name, base)]) };
        let changes = self.shorten_members(changes);
        Json::Object([vec![(name.to_owned(), base)], changes].concat())
    }

    /// The shortest way to write a value within a text: the order of its members counts.
    #[must_use]
    pub fn shorten_exactly(&self, value: &Json) -> Json {
        if let Some(named) = self.all.iter().find(|named| named.value == *value) {
            return named.reference();
        }
        match value {
            Json::Plain(_) => value.clone(),
            Json::Text(text) => match Layout::of(text) {
                Some((layout, value)) => self.shorten_text(layout, &value),
                None if text.starts_with('$') => Json::Text(format!("${text}")),
                None => value.clone(),
            },
            Json::List(values) => {
                Json::List(values.iter().map(|value| self.shorten_exactly(value)).collect())
            }
            Json::Object(members) => Json::Object(self.shorten_members(members)),
        }
    }

    fn shorten_members(&self, members: &[(String, Json)]) -> Vec<(String, Json)> {
        members.iter().map(|(name, value)| (name.clone(), self.shorten_exactly(value))).collect()
    }

    /// A text as the value that it shows, or as a named text of the same layout with changes.
    fn shorten_text(&self, layout: Layout, value: &Json) -> Json {
        let whole = Json::object([(layout.name(), self.shorten_exactly(value))]);
        let changed = self.all.iter().filter_map(|named| {
            let Json::Text(text) = &named.value else { return None };
            let (_, base) = Layout::of(text).filter(|(other, _)| *other == layout)?;
            let patch = base.patch_to(value);
            let is_right = base.patched(&patch) == *value;
            is_right.then(|| self.changed(layout.name(), named.reference(), &patch))
        });
        shortest(whole, changed)
    }
}

fn shortest(whole: Json, others: impl Iterator<Item = Json>) -> Json {
    let length = |short: &Json| Layout::Json.text(short).len();
    std::iter::once(whole).chain(others).min_by_key(length).expect("one at least")
}

impl Named {
    /// `$name`
    #[must_use]
    pub fn reference(&self) -> Json {
        Json::Text(format!("${}", self.name))
    }
}
