//! `twg update`: a verified, atomic self-update.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::environment::env;
use crate::failure::{Cause, Failure, ReleaseTrouble};
use crate::installation::release::{Channel, Manifest, UNCHANGED, Version};
use crate::installation::{self, Managed, downgrade, starts};
use crate::output::print_json;

/// `twg update`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg update                   install the newest version
  twg update --check           show whether there is one
  twg update --version 1.2.3   install this version")]
pub(crate) struct Update {
    /// Show whether there is a newer version, and install nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Install this version instead of the newest
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(context: &mut Context, arguments: &Update) -> Result<ExitCode, Failure> {
    context.unless_in_sandbox(
        "is not installed anywhere",
        "To update the program itself, leave out the word `sandbox`.",
    )?;
    let wanted = arguments.version.as_deref().map(parse).transpose()?;
    let managed = Managed::of_user(&env)?;
    let channel = Channel::of_this_build()?.ok_or_else(no_releases)?;
    let result = if arguments.check {
        check(context, &managed, &channel, wanted).await?
    } else {
        update(context, &managed, &channel, wanted).await?
    };
    show(context, &managed, &result, arguments.check);
    Ok(ExitCode::SUCCESS)
}

/// How it ended.
struct Outcome {
    /// The version that was installed before.
    before: Version,
    manifest: Manifest,
    updated: bool,
}

impl Outcome {
    /// Whether there is a newer version for this system.
    fn is_newer(&self) -> bool {
        self.manifest.archive.is_some() && self.manifest.version > self.before
    }
}

fn parse(text: &str) -> Result<Version, Failure> {
    Version::parse(text).ok_or_else(|| {
        let shown = twg_core::text::displayable(text);
        Failure::usage(format!("'{shown}' is not a version")).or_hint("Versions look like 1.2.3.")
    })
}

/// The version that the launcher starts, or this one if there is no launcher.
fn installed(managed: &Managed) -> Version {
    managed.current().filter(|_| managed.is_managed()).unwrap_or_else(Version::this)
}

async fn check(
    context: &mut Context,
    managed: &Managed,
    channel: &Channel,
    wanted: Option<Version>,
) -> Result<Outcome, Failure> {
    let manifest = channel.manifest(context, wanted).await?;
    managed.note_seen(context, manifest.version).await?;
    Ok(Outcome { before: installed(managed), manifest, updated: false })
}

async fn update(
    context: &mut Context,
    managed: &Managed,
    channel: &Channel,
    wanted: Option<Version>,
) -> Result<Outcome, Failure> {
    if !managed.is_managed() {
        return Err(not_managed());
    }
    let _lock = managed.lock(context).await?;
    managed.check_launcher()?;
    managed.sweep()?;
    let (previous, before) = (managed.current(), installed(managed));
    if let Some(wanted) = wanted {
        allow(managed, before, wanted)?;
    }
    let manifest = channel.manifest(context, wanted).await?;
    let version = manifest.version;
    allow(managed, before, version)?;
    managed.note(version)?;
    if previous == Some(version) {
        // An earlier update may have been killed after it changed the launcher.
        forget_others(managed, version, None);
        return Ok(Outcome { before, manifest, updated: false });
    }
    provide(context, managed, channel, &manifest).await?;
    managed.point_to(version)?;
    if let Err(why) = starts(managed.launcher(), version).await {
        return Err(roll_back(managed, version, previous, &why));
    }
    forget_others(managed, version, previous);
    Ok(Outcome { before, manifest, updated: true })
}

/// Refuses a version that is older than the installed one, or than one that was announced before.
fn allow(managed: &Managed, before: Version, version: Version) -> Result<(), Failure> {
    if version < before {
        return Err(downgrade(version, &format!("{before} is installed")));
    }
    match managed.newest_seen()? {
        Some(seen) if version < seen => {
            Err(downgrade(version, &format!("{seen} was announced already")))
        }
        _ => Ok(()),
    }
}

/// Makes sure that the version is complete and starts.
async fn provide(
    context: &mut Context,
    managed: &Managed,
    channel: &Channel,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let version = manifest.version;
    // An earlier update was killed after the verification and before it changed the launcher.
    if starts(&managed.program(version), version).await.is_ok() {
        return Ok(());
    }
    managed.discard(version)?;
    context.say(format!("Downloading twg {version}…"));
    let files = channel.files(context, manifest).await?;
    let program = managed.stage(version, &files)?;
    if let Err(why) = starts(&program, version).await {
        managed.discard(version)?;
        return Err(does_not_start(version, &why).keeping(UNCHANGED));
    }
    managed.complete(version)
}

/// Returns to the previous version.
fn roll_back(managed: &Managed, version: Version, previous: Option<Version>, why: &str) -> Failure {
    let undone = match previous {
        Some(previous) => managed.point_to(previous),
        None => managed.remove_launcher(),
    };
    if let Err(failure) = undone {
        let message = format!(
            "{}, and it could not be undone: {}",
            does_not_start(version, why).message,
            failure.message
        );
        return Failure::new(Cause::Release(ReleaseTrouble::NotRolledBack), message);
    }
    // If this fails, the next update removes the rest.
    let _ = managed.discard(version);
    let kept = previous.map_or(UNCHANGED.to_owned(), |previous| {
        format!("The update was rolled back; {previous} is in use as before.")
    });
    does_not_start(version, why).keeping(kept)
}

fn does_not_start(version: Version, why: &str) -> Failure {
    Failure::new(
        Cause::Release(ReleaseTrouble::DoesNotStart),
        format!("twg {version} does not start here: {why}"),
    )
}

/// Keeps the version that was in use before this one, or the highest below it if that is unknown. What cannot be
/// removed now, the next update tries again.
fn forget_others(managed: &Managed, version: Version, previous: Option<Version>) {
    let mut others = managed.installed();
    others.retain(|other| *other != version);
    let before = previous.or_else(|| others.iter().rev().find(|other| **other < version).copied());
    for other in others.into_iter().filter(|other| Some(*other) != before) {
        let _ = managed.discard(other);
    }
}

fn no_releases() -> Failure {
    let message = "Built from source: no release to update to";
    Failure::new(Cause::Release(ReleaseTrouble::NoReleases), message)
        .keeping(UNCHANGED)
        .or_hint("Update the source, then run `cargo install --locked --path native-cli`.")
}

fn not_managed() -> Failure {
    let program = std::env::current_exe().unwrap_or_default();
    let shown = twg_core::text::inert(&program.display().to_string());
    let hint = if installation::is_from_cargo(&program) {
        "It was installed with cargo: update the source, then run `cargo install --locked --path native-cli`."
    } else {
        "Update it the way it was installed: with the package manager or a new download."
    };
    Failure::new(
        Cause::Release(ReleaseTrouble::NotManaged),
        format!("{shown} was not installed by twg"),
    )
    .keeping(UNCHANGED)
    .or_hint(hint)
}

fn show(context: &mut Context, managed: &Managed, outcome: &Outcome, only_checked: bool) {
    let Outcome { before, manifest, updated } = outcome;
    let (version, released) = (manifest.version, &manifest.released_at);
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "ok": true,
            "installed": if *updated { version } else { *before }.to_string(),
            "previous": updated.then(|| before.to_string()),
            "announced": version.to_string(),
            "releasedAt": released,
            "updateAvailable": outcome.is_newer() && !updated,
            "updated": updated,
        }));
    } else if *updated {
        context.achieved(format!("Updated twg from {before} to {version}"));
    } else if only_checked && outcome.is_newer() {
        context.say(format!(
            "twg {version} is available, released {released}; {before} is installed."
        ));
        let how = if managed.is_managed() {
            "Run `twg update` to install it.".to_owned()
        } else {
            not_managed().hint.unwrap_or_default().to_string()
        };
        context.say(&how);
    } else if only_checked && version > *before {
        context.say(format!("twg {version} is available, but not for this system."));
    } else {
        context.achieved(format!("twg {before} is up to date"));
    }
}
