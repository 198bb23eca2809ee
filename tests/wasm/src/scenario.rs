//! A transcript of one flow, as it lies in `tests/scenarios`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a flow is asked and told, and what it must want.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub about: String,
    /// `FlowRequest`
    pub request: Value,
    /// 64 octets in hexadecimal digits.
    pub entropy: String,
    /// `Now`, at the beginning.
    pub now: Value,
    /// In order, to the end.
    pub steps: Vec<Step>,
    /// `Done`: how the flow must end. Or `HostError["code"]`, if it must not even begin.
    #[serde(default)]
    pub done: Value,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The step of the flow that is expected: `Step["perform"]`.
    #[serde(default)]
    pub perform: Value,
    /// What the host does wrong first. The flow must not mind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// The host ends here. Another goes on with what the flow was suspended to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
    /// `Outcome`. None if the host is ended instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// `Now`, when it is told.
    pub now: Value,
}

/// A call that must be refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// All of them, by file.
///
/// # Panics
/// If one cannot be read: then there is nothing to test.
#[must_use]
pub fn all() -> Vec<(PathBuf, Scenario)> {
    let entries = fs::read_dir(directory()).expect("tests/scenarios");
    let paths = entries.map(|entry| entry.expect("an entry of tests/scenarios").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension() == Some("json".as_ref())).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &Path) -> Scenario {
    let text = fs::read_to_string(path).expect("a scenario");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a scenario down.
///
/// # Panics
/// If it cannot be written.
pub fn write(path: &Path, scenario: &Scenario) {
    let mut text = serde_json::to_string_pretty(scenario).expect("a scenario is JSON");
    text.push('\n');
    fs::write(path, text).expect("a scenario can be written");
}
