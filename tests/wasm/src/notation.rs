//! How a scenario is written down: a line for each step. `tests/scenarios/README.md` describes it, and
//! `tests/scenarios/notation.mjs` reads it in the same way.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::json::Json;
use crate::names::Names;
use crate::scenario::{Mistake, Scenario, Step};

/// How many milliseconds a step takes, unless its line says otherwise.
const USUAL_TIME: u64 = 5;

/// Each octet of the entropy is that much more than the one before.
const ENTROPY_STEP: u8 = 7;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameLine {
    name: String,
    value: Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AboutLine {
    about: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    request: Value,
    /// The first of the octets.
    entropy: u8,
    now: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MistakeLine {
    mistake: Value,
    id: u64,
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepLine {
    effect: Option<Value>,
    #[serde(default)]
    interruptible: bool,
    id: Option<u64>,
    outcome: Option<Value>,
    #[serde(default)]
    restart: bool,
    after: Option<u64>,
    now: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoneLine {
    done: Value,
}

/// Reads a scenario. `shared` are the names that every scenario has.
///
/// # Errors
/// What is wrong, and in which line.
pub fn parse(text: &str, shared: &Names) -> Result<Scenario, String> {
    let mut reader = Reader::default();
    reader.scenario.names = shared.scope();
    for (number, line) in text.lines().enumerate() {
        reader.line(line).map_err(|why| format!("line {}: {why}", number + 1))?;
    }
    Ok(reader.scenario)
}

#[derive(Default)]
struct Reader {
    scenario: Scenario,
    /// Mistakes for the next step.
    mistakes: Vec<Mistake>,
    next_id: u64,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let short: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if short.member("name").is_some() {
            let NameLine { name, value } =
                serde_json::from_str(line).map_err(|error| error.to_string())?;
            return self.scenario.names.define(name, &value);
        }
        let scenario = &mut self.scenario;
        let full = scenario.names.expand(&short)?;
        let has = |name| full.member(name).is_some();
        if has("about") {
            scenario.about = read::<AboutLine>(&full)?.about;
        } else if has("request") {
            let line: RequestLine = read(&full)?;
            (scenario.request, scenario.now) = (line.request, line.now);
            scenario.entropy = entropy(line.entropy);
        } else if has("mistake") {
            let MistakeLine { mistake, id, code } = read(&full)?;
            self.mistakes.push(Mistake { id, outcome: mistake, code });
        } else if has("done") {
            scenario.done = read::<DoneLine>(&full)?.done;
        } else {
            self.step(read(&full)?);
        }
        Ok(())
    }

    fn step(&mut self, line: StepLine) {
        let id = line.id.unwrap_or(self.next_id);
        self.next_id = id + 1;
        let perform =
            |effect| json!({ "effect": effect, "id": id, "interruptible": line.interruptible });
        let scenario = &mut self.scenario;
        let before = scenario.steps.last().map_or(&scenario.now, |step| &step.now);
        let now = line.now.unwrap_or_else(|| later(before, line.after.unwrap_or(USUAL_TIME)));
        scenario.steps.push(Step {
            perform: line.effect.map(perform).unwrap_or_default(),
            mistakes: std::mem::take(&mut self.mistakes),
            restart: line.restart,
            outcome: line.outcome,
            now,
        });
    }
}

fn read<T: DeserializeOwned>(line: &Json) -> Result<T, String> {
    serde_json::from_value(line.value()).map_err(|error| error.to_string())
}

fn entropy(first: u8) -> String {
    let octet = |at: u8| first.wrapping_add(at.wrapping_mul(ENTROPY_STEP));
    (0..64).map(|at| format!("{:02x}", octet(at))).collect()
}

/// `now`, that many milliseconds later by each clock that it has.
fn later(now: &Value, millis: u64) -> Value {
    let clocks = now.as_object().into_iter().flatten();
    clocks
        .map(|(clock, time)| (clock.clone(), json!(time.as_u64().unwrap_or_default() + millis)))
        .collect()
}

/// The text of a scenario, with names where they fit. A name of its own that fits nowhere is left out.
///
/// # Errors
/// If the notation cannot express it.
pub fn print(scenario: &Scenario, shared: &Names) -> Result<String, String> {
    let mut lines = lines(scenario);
    for own in scenario.names.own().iter().rev() {
        let reference = own.reference();
        if lines.iter().any(|line| line.contains(&reference)) {
            let value = scenario.names.before(&own.name).shorten_exactly(&own.value);
            lines.insert(0, Json::object([("name", own.name.as_str().into()), ("value", value)]));
        }
    }
    let about = scenario.names.shorten(&json!({ "about": scenario.about }));
    let lines: Vec<_> = std::iter::once(&about).chain(&lines).map(spaced).collect();
    let text = lines.join("\n") + "\n";
    let read = parse(&text, shared)?;
    let value = |scenario: &Scenario| serde_json::to_value(scenario).expect("a scenario is JSON");
    if value(&read) == value(scenario) {
        Ok(text)
    } else {
        Err(format!("cannot be written:\n{text}"))
    }
}

/// All lines but the first, and those of the names.
fn lines(scenario: &Scenario) -> Vec<Json> {
    let Scenario { names, request, now, .. } = scenario;
    let first = u8::from_str_radix(&scenario.entropy[..2], 16).expect("digits");
    let mut lines = vec![Json::object([
        ("request", names.shorten(request)),
        ("entropy", Json::Plain(first.into())),
        ("now", names.shorten(now)),
    ])];
    let (mut now, mut next_id) = (now, 0);
    for step in &scenario.steps {
        for Mistake { id, outcome, code } in &step.mistakes {
            lines.push(Json::object([
                ("mistake", names.shorten(outcome)),
                ("id", Json::Plain((*id).into())),
                ("code", code.as_str().into()),
            ]));
        }
        let mut line = Vec::new();
        let perform = &step.perform;
        if let Some(effect) = perform.get("effect") {
            line.push(("effect", names.shorten(effect)));
        }
        if perform["interruptible"] == true {
            line.push(("interruptible", Json::Plain(true.into())));
        }
        let id = perform["id"].as_u64().unwrap_or(next_id);
        if id != next_id {
            line.push(("id", Json::Plain(id.into())));
        }
        line.extend(step.outcome.as_ref().map(|outcome| ("outcome", names.shorten(outcome))));
        if step.restart {
            line.push(("restart", Json::Plain(true.into())));
        }
        line.extend(time_between(now, &step.now));
        lines.push(Json::object(line));
        (now, next_id) = (&step.now, id + 1);
    }
    if !scenario.done.is_null() {
        lines.push(Json::object([("done", names.shorten(&scenario.done))]));
    }
    lines
}

/// The member of a step's line for the time.
fn time_between(before: &Value, now: &Value) -> Option<(&'static str, Json)> {
    let wall = |now: &Value| now["wall"].as_u64().unwrap_or_default();
    let millis = wall(now).saturating_sub(wall(before));
    if later(before, millis) != *now {
        return Some(("now", Json::from(now)));
    }
    (millis != USUAL_TIME).then(|| ("after", Json::Plain(millis.into())))
}

/// With a space after each colon and comma.
fn spaced(json: &Json) -> String {
    let compact = |json: &Json| serde_json::to_string(json).expect("JSON");
    match json {
        Json::Plain(_) | Json::Text(_) => compact(json),
        Json::List(values) => {
            format!("[{}]", values.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        Json::Object(members) => {
            let member = |(name, value): &(String, Json)| {
                format!("{}: {}", compact(&name.as_str().into()), spaced(value))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}
