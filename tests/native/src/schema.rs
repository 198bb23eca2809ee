//! The schemas of the `--json` documents: `native-cli/json-schema/`.

use std::path::PathBuf;

use serde_json::Value;

use crate::repository;

/// The schema file of a command, such as `auth-status`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    repository().join(format!("native-cli/json-schema/{name}.json"))
}

/// Fails the test unless the document follows the schema of the command, or the schema of errors if
/// it says that it failed.
///
/// # Panics
/// If it does not, naming each wrong member.
#[track_caller]
pub fn check(name: &str, document: &Value) {
    let failed = document["ok"] == false && document.get("error").is_some();
    let name = if failed && name != "api" { "error" } else { name };
    let validator =
        jsonschema::draft202012::options().should_validate_formats(true).build(&load(name));
    let validator = validator.unwrap_or_else(|error| panic!("{name}.json: {error}"));
    let mistakes: Vec<_> = validator
        .iter_errors(document)
        .map(|error| format!("at {}: {error}", error.instance_path()))
        .collect();
    assert!(mistakes.is_empty(), "{name}.json: {mistakes:#?}\n{document:#}");
}

/// A schema with the shared parts included.
fn load(name: &str) -> Value {
    let read = |name: &str| {
        let text = std::fs::read_to_string(path(name));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path(name).display()));
        serde_json::from_str::<Value>(&text.replace("common.json#", "#")).expect("a schema is JSON")
    };
    let mut schema = read(name);
    schema["$defs"] = read("common")["$defs"].clone();
    schema
}
