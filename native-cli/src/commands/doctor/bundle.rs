//! `twg doctor --bundle`: a file for a bug report, without names of people and sites. It contains what is known to be
//! harmless, and only the shape of everything else.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use twg_core::provider::BUNDLED;
use twg_core::text::inert;
use twg_core::text::is_plain_name;

use super::check::Check;
use super::store::names_in;
use super::version;
use crate::commands::auth_status::Status;
use crate::context::Context;
use crate::credentials::source;
use crate::effects::clock;
use crate::environment;
use crate::environment::{Bundle, HOMES, NETWORK, PERSONAL, VARIABLES, env};
use crate::failure::{Cause, Failure};
use crate::output::rfc3339;
use crate::system::privacy;

/// The members of the status that say nothing about a person.
const STATE: [&str; 11] = [
    "signedIn",
    "tokenState",
    "accessTokenExpiresAt",
    "refreshDueAt",
    "pendingRefresh",
    "ended",
    "loginEndsAt",
    "loginEndsSoon",
    "hasRefreshToken",
    "grant",
    "source",
];

/// Strings of a record that say nothing about a person.
const PUBLIC: [&str; 9] = [
    "device_code",
    "authorization_code",
    "client_secret_post",
    "client_secret_basic",
    "none",
    "active",
    "revoked",
    "interrupted",
    "signed_out_unconfirmed",
];

/// Writes the file, which must not exist. `None` chooses a name in the current directory.
pub(super) fn write(
    context: &Context,
    file: Option<&Path>,
    status: &Status<'_>,
    checks: &[Check],
) -> Result<PathBuf, Failure> {
    let now = rfc3339(clock::now());
    let usual = || PathBuf::from(format!("twg-doctor-{}.json", now.replace(['-', ':'], "")));
    let file = file.map_or_else(usual, Path::to_owned);
    let text = format!("{:#}\n", document(context, &now, status, checks));
    let failed = |error: &std::io::Error| {
        let shown = context.config.display(&file);
        Failure::new(Cause::BundleNotCreated, format!("Cannot write {shown}: {error}"))
            .keeping("Nothing was overwritten.")
            .or_hint("Name a file that does not exist yet: `twg doctor --bundle FILE`.")
    };
    let mut created = privacy::create_private(&file).map_err(|error| failed(&error))?;
    created.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    Ok(std::path::absolute(&file).unwrap_or(file))
}

fn document(context: &Context, now: &str, status: &Status<'_>, checks: &[Check]) -> Value {
    let redactor = Redactor::new(context, status);
    let set = |shown: Bundle| {
        let of_interest = VARIABLES.iter().filter(move |variable| variable.bundle == shown);
        of_interest.map(|variable| variable.name).filter(|name| environment::is_set(name))
    };
    let values = set(Bundle::Value);
    let lower_case =
        NETWORK.into_iter().filter(|name| name.starts_with(|c: char| c.is_lowercase()));
    let lower_case = lower_case.filter(|name| environment::is_set(name));
    let values = values.map(|name| (name.to_owned(), redactor.text(&shown(name)).into()));
    let here = &context.here;
    let report = status.to_json();
    let mut state: Map<String, Value> =
        STATE.iter().map(|name| ((*name).to_owned(), report[name].clone())).collect();
    state.insert("sites".to_owned(), report["sites"].as_array().map_or(0, Vec::len).into());
    let surroundings = [
        ("terminal", here.terminal),
        ("ssh", here.ssh),
        ("wsl", here.wsl),
        ("container", here.container),
        ("ci", here.ci),
        ("browser", here.browser),
    ];
    let surroundings = surroundings.map(|(name, is)| (name, is.into()));
    let checks = checks
        .iter()
        .map(|check| check.to_json(context.person.program))
        .map(|check| redactor.check(check));
    object(&[
        ("schemaVersion", 1.into()),
        ("about", "made by `twg doctor --bundle`; names and secrets are left out".into()),
        ("at", now.into()),
        ("version", version().into()),
        ("surroundings", object(&surroundings)),
        ("agent", here.agent.clone().into()),
        ("environment", Value::Object(values.collect())),
        ("environmentSet", set(Bundle::Name).chain(lower_case).collect()),
        ("status", state.into()),
        ("checks", checks.collect()),
        ("files", redactor.files(context)),
        ("upkeep", shape_of(context, &context.config.path().join("upkeep.json"))),
    ])
}

/// An object. (`json!` would be several times the code.)
fn object(members: &[(&str, Value)]) -> Value {
    members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn shown(name: &str) -> String {
    env(name).map(|value| inert(&value.to_string_lossy())).unwrap_or_default()
}

/// Words to hide, and what to write instead.
struct Redactor {
    words: Vec<(String, &'static str)>,
}

impl Redactor {
    fn new(context: &Context, status: &Status<'_>) -> Self {
        let mut words: Vec<(String, &'static str)> = Vec::new();
        let mut hide = |word: &str, name| {
            // A shorter word occurs everywhere and identifies nothing.
            if word.chars().count() > 2 {
                // The longest first, because one may be a part of another.
                let place = words.partition_point(|(other, _)| other.len() > word.len());
                words.insert(place, (word.to_owned(), name));
            }
        };
        hide(&context.config.path().display().to_string(), "CONFIG_DIR");
        hide(&context.config.display(context.config.path()), "CONFIG_DIR");
        for name in HOMES {
            hide(&shown(name), "~");
        }
        for name in PERSONAL {
            hide(&shown(name), "<user or machine>");
        }
        for name in
            VARIABLES.iter().map(|variable| variable.name).filter(|name| name.starts_with("TWG_"))
        {
            hide(&shown(name), "<from the environment>");
        }
        let profile = status.profile;
        if let Ok(Some(known)) = crate::credentials::clients::find(context, profile, None) {
            hide(&known.client.id, "<client ID>");
            if let Some(secret) = &known.client.secret {
                hide(secret.expose(), "<client secret>");
            }
        }
        if !BUNDLED.iter().any(|(name, _)| *name == profile.name) || is_own(context, &profile.name)
        {
            let urls =
                [&profile.issuer, &profile.endpoints.token, &profile.endpoints.authorization];
            for url in urls.into_iter().flatten() {
                hide(url.as_str(), "<URL>");
                hide(&url.host(), "<host>");
            }
            hide(&profile.display_name, "<provider>");
        }
        if let Ok(Some(bitbucket)) = crate::credentials::bitbucket_token::stored(context) {
            for word in [&bitbucket.name, &bitbucket.email].into_iter().flatten() {
                hide(word, "<Bitbucket account>");
            }
        }
        if let Ok(Some(admin)) = crate::credentials::admin_key::stored(context) {
            hide(&admin.email, "<administrator>");
            hide(&admin.org, "<organization>");
            hide(admin.organization(), "<organization>");
        }
        if let Some(site) = source::chosen_site(context) {
            hide(&site, "<site>");
        }
        for key in context.records.list().iter().chain([status.key]) {
            if !is_bundled(key.provider()) {
                hide(key.provider(), "<provider>");
            }
            if key.connection() != twg_core::credential::ConnectionKey::DEFAULT {
                hide(key.connection(), "<connection>");
            }
            let Ok(Some(stored)) = context.credential(key) else { continue };
            hide(&stored.client_id, "<client ID>");
            if let Some(account) = &stored.account {
                let name = [Some(&account.id), account.name.as_ref(), account.email.as_ref()];
                name.into_iter().flatten().for_each(|name| hide(name, "<account>"));
            }
            for site in &stored.sites {
                let host = site.url.split("//").nth(1).unwrap_or_default();
                for name in [&site.id, &site.name, &site.url, host] {
                    hide(name, "<site>");
                }
            }
        }
        Self { words }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, instead) in &self.words {
            text = text.replace(word, instead);
        }
        // A message of a server may name a person that no file here names.
        let is_email = |word: &str| word.contains('@') && word.len() > 1;
        text.split(' ')
            .map(|word| if is_email(word) { "<email>" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn check(&self, check: Value) -> Value {
        match check {
            Value::String(text) => self.text(&text).into(),
            Value::Array(values) => values.into_iter().map(|value| self.check(value)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (name, self.check(value))).collect()
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    /// Everything in the configuration directory with its mode and size, and the shape of records and client files.
    fn files(&self, context: &Context) -> Value {
        let mut dirs = vec![context.config.path().to_owned()];
        dirs.extend(context.config.rescue_dirs());
        let mut files = Vec::new();
        while let Some(dir) = dirs.pop() {
            for path in names_in(&dir) {
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                let is_sandbox = path == context.config.sandbox().path();
                if metadata.is_dir() && !is_sandbox && files.len() < 1000 {
                    dirs.push(path.clone());
                }
                let kind = path.extension().and_then(|kind| kind.to_str());
                let shape =
                    (metadata.is_file() && kind == Some("conf")).then(|| shape_of(context, &path));
                files.push(object(&[
                    ("path", self.path(context, &path).into()),
                    ("mode", privacy::mode(&metadata).into()),
                    ("bytes", metadata.is_file().then_some(metadata.len()).into()),
                    ("shape", shape.into()),
                ]));
            }
        }
        files.into()
    }

    /// A path in which every part is a name that twg gives, or hidden.
    fn path(&self, context: &Context, path: &Path) -> String {
        let config = context.config.path();
        let (root, rest) = match path.strip_prefix(config) {
            Ok(rest) => ("CONFIG_DIR", rest),
            Err(_) => ("ELSEWHERE", Path::new(path.file_name().unwrap_or_default())),
        };
        let mut shown = root.to_owned();
        for part in rest {
            let part = part.to_string_lossy();
            let part = self.text(&part);
            let is_ours = part.trim_start_matches('.').split('.').all(|word| {
                [
                    "auth",
                    "admin",
                    "bitbucket",
                    "conf",
                    "lock",
                    "recovery",
                    "stage",
                    "tmp",
                    "probe",
                    "reply",
                    "json",
                    "clients",
                    "connections",
                    "providers",
                    "sandbox",
                    "upkeep",
                    "<provider>",
                    "<connection>",
                    "default",
                ]
                .contains(&word)
                    || is_bundled(word)
                    || word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
                    || word.strip_prefix("damaged-").is_some_and(|rest| {
                        rest.bytes().all(|b| b.is_ascii_digit() || b"TZ-".contains(&b))
                    })
            });
            shown.push('/');
            shown.push_str(if is_ours { &part } else { "<other>" });
        }
        shown
    }
}

fn is_bundled(name: &str) -> bool {
    BUNDLED.iter().any(|(bundled, _)| *bundled == name)
}

fn is_own(context: &Context, provider: &str) -> bool {
    context.config.provider_path(provider).is_some_and(|path| path.exists())
}

/// The shape of a file of twg, without its texts. `null` if there is none.
fn shape_of(context: &Context, file: &Path) -> Value {
    let Ok(Some(text)) = context.files.load(file) else { return Value::Null };
    match serde_json::from_str(text.expose()) {
        Ok(value) => shape(value),
        Err(error) => format!("damaged at line {}, column {}", error.line(), error.column()).into(),
    }
}

/// Numbers and booleans are harmless. A string is harmless only if it is a known one or a time.
fn shape(value: Value) -> Value {
    match value {
        Value::String(text) if PUBLIC.contains(&text.as_str()) || is_time(&text) => text.into(),
        Value::String(text) => format!("<{} bytes>", text.len()).into(),
        Value::Array(values) => values.into_iter().map(shape).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let name = if is_member(&name) { name } else { "<other>".to_owned() };
                (name, shape(value))
            })
            .collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

/// Names as those of records: `access_token`, `lastRunAt`.
fn is_member(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_plain_name(&lower) && lower.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn is_time(text: &str) -> bool {
    let digits: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    digits == "0000-00-00T00:00:00Z"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_record_only_the_shape_is_left() {
        let golden = include_str!("../../../../core/golden/credential-v1.json");
        let golden = serde_json::from_str::<Value>(golden).unwrap();
        let left = shape(golden.clone());
        assert_eq!(left["generation"], 42);
        assert_eq!(left["login"]["grant"], "device_code");
        assert_eq!(left["tokens"]["access_token"], "<19 bytes>");
        assert_eq!(left["account"]["email"], "<15 bytes>");
        let left = left.to_string();
        for secret in ["golden", "Zo", "example", "5b10", "11223344", "read:"] {
            assert!(!left.contains(secret), "{secret}: {left}");
        }
        assert_eq!(shape(json!({ "ada@example.com": 1 })), json!({ "<other>": 1 }));
    }

    #[test]
    fn people_and_sites_are_hidden_in_results() {
        let redactor = Redactor {
            words: vec![("acme.example".to_owned(), "<site>"), ("acme".to_owned(), "<connection>")],
        };
        let found = "https://acme.example/x of acme: ada@acme.org was refused";
        assert_eq!(redactor.text(found), "https://<site>/x of <connection>: <email> was refused");
    }
}
