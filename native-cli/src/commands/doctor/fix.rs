//! `twg doctor --fix`: repairs what needs no decision from the user. It deletes no file that could hold the only copy
//! of a token: a file goes only if the record proves that its content is not needed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::json::{self, FromJson, Members, Mistakes};
use twg_core::provider::ProviderProfile;
use twg_core::refresh::{How, Need};
use twg_core::secret::Secret;
use twg_core::time::Span;

use super::store::{names_in, private_paths};
use crate::commands::upkeep::{self, Health};
use crate::context::Context;
use crate::credentials::{clients, refresh};
use crate::effects::file_store::{self, beside, stages_set_aside};
use crate::effects::{clock, lock};
use crate::failure::Failure;
use crate::system::privacy;

/// How long to wait for another process that uses a connection.
const PATIENCE: Span = Span::from_secs(5);

/// A problem that was found, and whether it was repaired.
pub(super) struct Fix {
    pub(super) name: &'static str,
    /// Whether it is repaired.
    pub(super) fixed: bool,
    pub(super) what: String,
}

/// Repairs everything, and shows each repair.
pub(super) async fn everything(
    context: &mut Context,
    profile: &ProviderProfile,
    key: &ConnectionKey,
) -> Result<Vec<Fix>, Failure> {
    let mut fixes = privacy(context);
    let mut keys = context.records.list();
    if !keys.contains(key) {
        keys.push(key.clone());
    }
    for key in &keys {
        leftovers(context, key, &mut fixes).await;
    }
    abandoned(context, &mut fixes);
    rescued(context, &keys, &mut fixes);
    fixes.extend(client(context, profile));
    fixes.extend(interrupted(context, key).await?);
    fixes.extend(upkeep(context).await);
    for fix in &fixes {
        if fix.fixed {
            context.achieved(&fix.what);
        } else {
            context.warn(&fix.what);
        }
    }
    Ok(fixes)
}

/// Files and directories that other users can read.
fn privacy(context: &Context) -> Vec<Fix> {
    let exposed = private_paths(context).into_iter();
    let exposed = exposed.filter_map(|path| Some((privacy::exposure(&path)?, path)));
    exposed
        .map(|(exposure, path)| {
            let shown = context.config.display(&path);
            let made = privacy::make_private(&path);
            let fixed = made.is_ok() && privacy::exposure(&path).is_none();
            let what = match made {
                Ok(()) if fixed => format!("{shown}: only you can read it now (it {exposure})"),
                Ok(()) => format!("{shown} {exposure}, and that could not be changed"),
                Err(error) => format!("{shown} {exposure}: {error}"),
            };
            Fix { name: "privacy", fixed, what }
        })
        .collect()
}

/// What processes left beside a record that died while they wrote.
async fn leftovers(context: &Context, key: &ConnectionKey, fixes: &mut Vec<Fix>) {
    let record = context.config.record_path(key);
    let Ok(place) = context.files.locate(&record) else { return };
    let mut files: Vec<PathBuf> = ["tmp", "stage"].map(|kind| beside(&place, kind)).into();
    files.extend(stages_set_aside(&place));
    files.retain(|file| file.exists());
    if files.is_empty() {
        return;
    }
    // A process that holds the lock is alive and needs them.
    let path = context.config.lock_path(key);
    let deadline = clock::now().plus(PATIENCE);
    let Ok(_held) = lock::acquire(&context.files, &path, "twg doctor", deadline).await else {
        return;
    };
    let stored = context.credential(key).ok().flatten();
    if stored.as_ref().is_some_and(|stored| stored.pending.is_some()) {
        // They belong to an unfinished refresh.
        return;
    }
    for file in files {
        fixes.extend(remove_if_needless(context, &file, stored.as_slice()));
    }
}

/// What a killed writer without a lock left behind: removed if the file that it was writing has the same content.
fn abandoned(context: &Context, fixes: &mut Vec<Fix>) {
    for file in private_paths(context) {
        let Some(of) = file_store::abandoned(&file) else { continue };
        let now = context.files.load(&of).ok().flatten();
        let left = context.files.load(&file).ok().flatten();
        let same = now.zip(left).is_some_and(|(now, left)| now.matches(left.expose()));
        fixes.extend(remove_if(context, &file, |text| same || is_needless(text, &[])));
    }
}

/// Rescued responses whose tokens are now in a record.
fn rescued(context: &Context, keys: &[ConnectionKey], fixes: &mut Vec<Fix>) {
    let stored: Vec<_> =
        keys.iter().filter_map(|key| context.credential(key).ok().flatten()).collect();
    let pending = |file: &Path| {
        let id = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stored.iter().any(|stored| stored.pending.as_ref().is_some_and(|p| p.id.as_str() == id))
    };
    let replies = context.config.rescue_dirs().flat_map(|dir| names_in(&dir));
    let replies = replies.filter(|file| file.extension().is_some_and(|kind| kind == "reply"));
    for file in replies.filter(|file| !pending(file)) {
        fixes.extend(remove_if_needless(context, &file, &stored));
    }
}

fn remove_if_needless(context: &Context, file: &Path, stored: &[StoredCredential]) -> Option<Fix> {
    remove_if(context, file, |text| is_needless(text, stored))
}

fn remove_if(
    context: &Context,
    file: &Path,
    is_needless: impl FnOnce(&Secret) -> bool,
) -> Option<Fix> {
    let shown = context.config.display(file);
    let name = "leftovers";
    let text = context.files.load(file).ok().flatten()?;
    if !is_needless(&text) {
        let what = format!("{shown} stays: it may hold the only copy of a secret");
        return Some(Fix { name, fixed: false, what });
    }
    Some(match context.files.unlink(file) {
        Ok(_) => {
            Fix { name, fixed: true, what: format!("Removed {shown}, left behind by a crash") }
        }
        Err(error) => Fix { name, fixed: false, what: error.to_string() },
    })
}

/// Whether a record certainly has everything in a file: the file is empty, an older version of a record, or a response
/// whose tokens are in one.
fn is_needless(text: &Secret, stored: &[StoredCredential]) -> bool {
    let written = text.expose().trim_matches(['\0', ' ', '\n']);
    if written.is_empty() {
        return true;
    }
    // A server may rotate the refresh token and keep the access token.
    let is_stored = |answer: &Answer| {
        let mut tokens = stored.iter().filter_map(|stored| stored.tokens.as_ref());
        tokens.any(|tokens| {
            let refresh = answer.refresh_token.as_ref().is_none_or(|new| {
                tokens.refresh_token.as_ref().is_some_and(|kept| kept.matches(new.expose()))
            });
            refresh && tokens.access_token.matches(answer.access_token.expose())
        })
    };
    if let Ok(older) = json::parse::<StoredCredential>(written) {
        let is_older = |stored: &StoredCredential| {
            (&stored.provider, &stored.connection) == (&older.provider, &older.connection)
                && stored.generation >= older.generation
        };
        return stored.iter().any(is_older);
    }
    let reply = json::parse::<Kept>(written).ok();
    let answer = reply.and_then(|reply| json::parse::<Answer>(reply.body.expose()).ok());
    answer.is_some_and(|answer| is_stored(&answer))
}

/// The one member of a staged response that matters here.
struct Kept {
    body: Secret,
}

impl FromJson for Kept {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self { body: Members::of(value, mistakes).required("body") }
    }
}

/// The members of a token response that matter here.
struct Answer {
    access_token: Secret,
    refresh_token: Option<Secret>,
}

impl FromJson for Answer {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            access_token: members.required("access_token"),
            refresh_token: members.optional("refresh_token"),
        }
    }
}

/// A damaged client file is moved, unchanged, because it may hold the only copy of a secret.
fn client(context: &Context, profile: &ProviderProfile) -> Option<Fix> {
    let name = "client";
    Some(match clients::set_damaged_aside(context, profile)? {
        Ok(place) => {
            let what = format!("The damaged client file was moved, unchanged, to {place}");
            Fix { name, fixed: true, what }
        }
        Err(error) => Fix { name, fixed: false, what: error.to_string() },
    })
}

/// An interrupted refresh. The next refresh repairs it, and this is the next one.
async fn interrupted(context: &mut Context, key: &ConnectionKey) -> Result<Option<Fix>, Failure> {
    let stored = context.credential(key).ok().flatten();
    if stored.is_none_or(|stored| stored.pending.is_none()) {
        return Ok(None);
    }
    let name = "refresh";
    Ok(Some(match refresh::attempt(context, key, Need::Due(Span::ZERO)).await? {
        Ok(refreshed) => match refreshed.how {
            How::NotRefreshed(error) => {
                let doing = "The interrupted refresh is not repaired yet";
                let what = refresh::failure(context, key, doing, &error).message;
                Fix { name, fixed: false, what }
            }
            How::StillFresh | How::Adopted | How::Refreshed | How::Recovered => {
                Fix { name, fixed: true, what: "An interrupted refresh was repaired".to_owned() }
            }
        },
        Err(error) => {
            let doing = "The interrupted refresh cannot be repaired";
            Fix { name, fixed: false, what: refresh::failure(context, key, doing, &error).message }
        }
    }))
}

/// A broken schedule is created again, for this program.
async fn upkeep(context: &mut Context) -> Option<Fix> {
    let Health::Broken(why) = upkeep::health(context) else { return None };
    let fix = |fixed, what| Some(Fix { name: "upkeep", fixed, what });
    match upkeep::enable(context).await {
        Ok(()) => fix(true, format!("The upkeep is scheduled again ({why})")),
        Err(failure) => fix(false, format!("{} ({why})", failure.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(generation: u64, token: &str) -> StoredCredential {
        let text = include_str!("../../../../core/golden/credential-v1.json");
        let text = text.replace("golden.access.token", token);
        json::parse(&text.replace("42", &generation.to_string())).unwrap()
    }

    #[test]
    fn only_what_the_record_has_is_needless() {
        let record = [stored(42, "new")];
        let text = |text: &str| Secret::new(text);
        let reply = |token: &str| {
            let body = serde_json::json!({ "access_token": token }).to_string();
            Secret::new(serde_json::json!({ "id": "x", "body": body }).to_string() + "\n\0\0\0")
        };
        let golden = include_str!("../../../../core/golden/credential-v1.json");
        assert!(is_needless(&text(""), &record));
        assert!(is_needless(&text("\0\0\0\0"), &[]));
        assert!(is_needless(&text(golden), &record));
        assert!(is_needless(&reply("new"), &record));
        // Newer, of another connection, without a record, or incomplete.
        assert!(!is_needless(&text(&golden.replace("42", "43")), &record));
        assert!(!is_needless(&text(&golden.replace("\"default\"", "\"work\"")), &record));
        assert!(!is_needless(&text(golden), &[]));
        assert!(!is_needless(&text(&golden[..golden.len() / 2]), &record));
        assert!(!is_needless(&reply("old"), &record));
        let rotated =
            r#"{"id":"x","body":"{\"access_token\":\"new\",\"refresh_token\":\"only copy\"}"}"#;
        assert!(!is_needless(&text(rotated), &record));
        assert!(!is_needless(&text("{\"body\":\"<html>\"}"), &record));
        assert!(!is_needless(&text("words"), &record));
    }
}
