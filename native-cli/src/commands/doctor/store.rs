//! Checks that the store does what a refresh needs: in the directory of the record and with the same calls, but on
//! files of the doctor.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};

use twg_core::credential::{AttemptId, ConnectionKey, Generation, StagedReply};
use twg_core::error::Error;
use twg_core::flow::{LockError, StoreError};
use twg_core::http::HttpResponse;
use twg_core::secret::Secret;
use twg_core::time::Span;

use super::check::Check;
use crate::context::Context;
use crate::effects::file_store::{Expected, FileStore};
use crate::effects::stage::Stage;
use crate::effects::{clock, lock};
use crate::failure::{Exit, Failure};
use crate::system::{privacy, subprocess};

/// The name of the doctor's record, beside the real one.
const OWN: &str = ".doctor";

/// How long a lock may stay taken after its holder died.
const PATIENCE: Span = Span::from_secs(5);

/// Replaces a file atomically and durably, twice; and stages a response, reads it back and discards it.
pub(super) fn prove_replace(context: &Context, key: &ConnectionKey) -> Check {
    let record = context.config.record_path(key);
    let own = record.with_file_name(OWN);
    let result = context.files.preflight(&record).and_then(|()| {
        let proof = replace_twice(&context.files, &own).and_then(|()| stage_once(context, &own));
        // Also after a failure.
        let removed = context.files.remove(&own);
        proof.and(removed)
    });
    let dir = record.parent().unwrap_or(&record);
    let shown = context.config.display(dir);
    Check::of(
        "store",
        result
            .map(|()| {
                format!(
                    "in {shown} a file was replaced atomically and durably, and a response was staged \
                     in reserved space and read back"
                )
            })
            .map_err(|error| format!("{error}; a refresh could not be saved, so none is sent")),
    )
}

fn replace_twice(store: &FileStore, own: &Path) -> Result<(), StoreError> {
    let _ = store.remove(own);
    let first = Generation::FIRST;
    let version = |generation: Generation| {
        Secret::new(format!("{{\"generation\":{},\"doctor\":true}}\n", generation.get()))
    };
    store.replace(own, Expected::Generation(None), &version(first))?;
    store.replace(own, Expected::Generation(Some(first)), &version(first.next()))?;
    let found = store.load(own)?;
    if found.is_some_and(|found| found.matches(version(first.next()).expose())) {
        return Ok(());
    }
    Err(store.error(twg_core::flow::StoreErrorKind::CannotRead, own, "it lacks what was written"))
}

fn stage_once(context: &Context, own: &Path) -> Result<(), StoreError> {
    let store = &context.files;
    let id = AttemptId::parse(&"0".repeat(32));
    let kind = twg_core::flow::StoreErrorKind::CannotRead;
    let Some(id) = id else { return Err(store.error(kind, own, "no ID")) };
    let reply = HttpResponse { status: 200, headers: Vec::new(), body: b"{}".to_vec() };
    let mut stage = Stage::open(store, own)?;
    stage.write(store, &StagedReply::write(&id, &reply))?;
    let found = Stage::load(store, own)?;
    let found = found.map(|found| StagedReply::parse(&id, found.expose()));
    Stage::discard(store, own, &id)?;
    match found {
        Some(StagedReply::Complete(_)) => Ok(()),
        _ => Err(store.error(kind, own, "the staged response cannot be read back")),
    }
}

/// Checks that another process cannot take the lock while this one holds it, nor the reverse, and that a killed holder
/// loses it. It uses a lock of its own, so that the doctor need not wait for a busy connection.
pub(super) async fn prove_lock(context: &Context, key: &ConnectionKey) -> Check {
    let path = context.config.record_path(key).with_file_name(format!("{OWN}.lock"));
    let result = exclude(&context.files, &path).await;
    // Only the doctor uses it.
    let _ = std::fs::remove_file(&path);
    let kind = privacy::network_file_system(path.parent().unwrap_or(&path));
    Check::of(
        "lock",
        result.map(|()| {
            let found = "a second process could not take it, and a killed one lost it";
            match kind {
                Some(kind) => {
                    format!("{found}; but on {kind} other machines may not see it")
                }
                None => found.to_owned(),
            }
        }),
    )
}

async fn exclude(store: &FileStore, path: &Path) -> Result<(), String> {
    let words = |error: LockError| match error {
        LockError::Unusable(error) => Error::Store(error).to_string(),
        busy @ LockError::TimedOut { .. } => Error::Lock(busy).to_string(),
    };
    let broken = "this file system's locks do not work, so two processes could spend the same \
                  refresh token";
    let held = lock::acquire(store, path, "twg doctor", clock::now().plus(PATIENCE)).await;
    let held = held.map_err(words)?;
    if probe(path, "try")?.wait().map_err(|error| error.to_string())?.success() {
        return Err(format!("a second process got the lock too: {broken}"));
    }
    drop(held);
    let mut other = probe(path, "hold")?;
    let told = other.stdout.take().map(BufReader::new).and_then(|out| out.lines().next());
    let is_held = told.and_then(Result::ok).is_some_and(|line| line == "held");
    let second = lock::acquire(store, path, "twg doctor", clock::now()).await;
    let _ = other.kill();
    let _ = other.wait();
    match (is_held, second) {
        (true, Err(LockError::TimedOut { .. })) => {}
        (true, Ok(_)) => {
            return Err(format!("this process got a lock that another one held: {broken}"));
        }
        (true, Err(error)) => return Err(words(error)),
        (false, _) => return Err("a second process could not take the lock".to_owned()),
    }
    let after = lock::acquire(store, path, "twg doctor", clock::now().plus(PATIENCE)).await;
    after.map(drop).map_err(|_| "a process that was killed kept the lock".to_owned())
}

/// Starts this program again, as a second process that takes the lock.
fn probe(path: &Path, what: &str) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    subprocess::command(program)
        .args(["doctor", "--probe-lock", what])
        .arg("--probe-file")
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("no second process could be started: {error}"))
}

/// The second process: succeeds if it gets the lock. With `hold` it keeps the lock until it is killed.
pub(super) async fn run_probe(
    context: &Context,
    path: &Path,
    what: &str,
) -> Result<ExitCode, Failure> {
    let deadline = clock::now().plus(if what == "hold" { PATIENCE } else { Span::ZERO });
    match lock::acquire(&context.files, path, "twg doctor", deadline).await {
        Ok(held) => {
            if what == "hold" {
                let _ = crate::effects::terminal::print_data(b"held\n");
                // Until the doctor kills it or ends, which closes its end of the pipe.
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            }
            drop(held);
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => Ok(ExitCode::from(Exit::Temporary as u8)),
    }
}

/// Every directory and file of the configuration that may hold a secret: all except the provider files of the user, and
/// the sandbox, which is a configuration directory of its own.
pub(super) fn private_paths(context: &Context) -> Vec<PathBuf> {
    let config = &context.config;
    let mut dirs = vec![config.path().to_owned()];
    dirs.extend(config.rescue_dirs());
    let mut paths = Vec::new();
    while let Some(dir) = dirs.pop() {
        for path in names_in(&dir) {
            if [config.sandbox().path(), &config.path().join("providers")].contains(&&*path) {
                continue;
            }
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => dirs.push(path),
                Ok(_) => paths.push(path),
                Err(_) => {}
            }
        }
        paths.push(dir);
    }
    paths.sort();
    paths
}

/// Checks that only the owner can read files that may hold a secret.
pub(super) fn privacy_check(context: &Context) -> Check {
    let config = &context.config;
    let open: Vec<String> = private_paths(context)
        .iter()
        .filter_map(|path| Some(format!("{} {}", config.display(path), privacy::exposure(path)?)))
        .collect();
    if open.is_empty() {
        return Check::of("privacy", Ok("only you can read what is stored".to_owned()));
    }
    Check::of("privacy", Err(format!("{}; run `twg doctor --fix`", open.join(", "))))
}

pub(super) fn names_in(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The stored response of an unfinished refresh.
pub(super) fn leftovers(context: &Context, key: &ConnectionKey, id: &AttemptId) -> Option<String> {
    // Not every response holds tokens: the error page of a proxy is stored too.
    let status = |kept: Option<Secret>| match StagedReply::parse(id, kept?.expose()) {
        StagedReply::Complete(reply) => Some(reply.status),
        StagedReply::Empty | StagedReply::Damaged => None,
    };
    if let Some(status) = status(context.records.load_stage(key).ok().flatten()) {
        return Some(format!("its response is in the stage (HTTP {status})"));
    }
    let rescued = status(context.records.load_rescued(id).ok().flatten())?;
    Some(format!("its response was rescued (HTTP {rescued})"))
}
