//! A transcript of one flow, and its file.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::names::Names;
use crate::notation;

/// The request of a flow, the effects that it must want, and their outcomes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scenario {
    /// What it shows.
    pub about: String,
    /// The shared ones, and those of this scenario.
    #[serde(skip)]
    pub names: Names,
    /// `FlowRequest`
    pub request: Value,
    /// 64 octets in hexadecimal digits.
    pub entropy: String,
    /// `Now`, at the beginning.
    pub now: Value,
    /// In order, to the end.
    pub steps: Vec<Step>,
    /// `Done`: how the flow must end. Or `HostError["code"]`, if it must not begin.
    pub done: Value,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The step of the flow that is expected: `Step["perform"]`.
    pub perform: Value,
    /// What the host does wrong first. The flow must refuse it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// The host ends here. Another one continues from the suspended flow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
    /// `Outcome`. None if the host ends instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// `Now`, when the flow gets it.
    pub now: Value,
}

/// A call that must be refused.
#[derive(Clone, Debug, Serialize)]
pub struct Mistake {
    /// The id that is given.
    pub id: u64,
    /// The outcome that is given.
    pub outcome: Value,
    /// `HostError["code"]`
    pub code: String,
}

/// Where the scenarios are.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The names that every scenario has.
///
/// # Panics
/// If they cannot be read.
#[must_use]
pub fn names() -> Names {
    let text =
        fs::read_to_string(directory().join("names.json")).expect("tests/scenarios/names.json");
    Names::parse(&text).unwrap_or_else(|why| panic!("tests/scenarios/names.json: {why}"))
}

/// All scenarios, by file.
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn all() -> Vec<(PathBuf, Scenario)> {
    let names = names();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a scenario");
        let scenario = notation::parse(&text, &names);
        let scenario = scenario.unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        (path, scenario)
    };
    let entries = fs::read_dir(directory()).expect("tests/scenarios");
    let paths = entries.map(|entry| entry.expect("an entry of tests/scenarios").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension() == Some("jsonl".as_ref())).collect();
    paths.sort();
    paths.into_iter().map(read).collect()
}

/// The scenario of that name.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn named(name: &str) -> Scenario {
    let found = all().into_iter().find(|(path, _)| path.file_stem() == Some(name.as_ref()));
    found.unwrap_or_else(|| panic!("there is no scenario {name}")).1
}
