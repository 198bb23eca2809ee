//! `twg upkeep`: refreshes the connections in the background.

mod run;
mod status;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use twg_core::flow::{StoreError, StoreErrorKind};
use twg_core::time::Span;
use twg_core::upkeep::Upkeep as State;

use crate::config_dir::ConfigDir;
use crate::context::Context;
use crate::driver::interruptible;
use crate::effects::clock;
use crate::environment::{
    self, CLIENT_SECRET, CONFIG_DIR, NO_PROXY, VARIABLES, XDG_CONFIG_HOME, env, home_dir,
};
use crate::failure::{Cause, Failure};
use crate::installation;
use crate::output::print_json;
use crate::system::scheduler::{self, Job, Refused, Schedule, Scheduler};
use crate::system::tool::{Runner, System};

/// `twg upkeep ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Upkeep {
    /// Schedule the upkeep
    Enable,
    /// Show the schedule and the last run
    Status,
    /// Run it once: refresh what is due soon, look for an update once a day
    Run(run::Run),
    /// Stop the scheduled upkeep
    Disable,
}

/// The variables that the schedule stores beside [`CONFIG_DIR`], which it always stores.
fn kept_by_schedule() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().filter(|variable| variable.is_scheduled).map(|variable| variable.name)
}

/// A schedule without a run for this long is broken.
const SILENCE: Span = Span::from_mins(120);

/// A run may have to wait for an interrupted request (20 s) before it refreshes.
const PATIENCE: Span = Span::from_secs(60);

/// Runs the command.
pub(crate) async fn run(context: &mut Context, what: &Upkeep) -> Result<ExitCode, Failure> {
    if matches!(what, Upkeep::Enable | Upkeep::Disable) {
        context.unless_in_sandbox(
            "has no schedule, because it would outlive the sandbox",
            "Run `twg upkeep run` to do by hand what a schedule would do.",
        )?;
    }
    match what {
        Upkeep::Enable => enable(context).await?,
        Upkeep::Disable => disable(context).await?,
        Upkeep::Status => return status::run(context),
        Upkeep::Run(arguments) => return run::run(context, arguments).await,
    }
    if context.json {
        let scheduled = matches!(what, Upkeep::Enable);
        print_json(&json!({ "schemaVersion": 1, "ok": true, "scheduled": scheduled }));
    }
    Ok(ExitCode::SUCCESS)
}

/// Schedules the upkeep, or repairs its schedule.
pub(crate) async fn enable(context: &mut Context) -> Result<(), Failure> {
    let job = job(context)?;
    let scheduler = scheduler(context, &System)?;
    // Prepared first, because the scheduler's file is for a moment in this directory, which only this user can read.
    context.files.prepare_dir(&state_path(context)).map_err(|error| {
        Failure::new(
            Cause::UpkeepNotStored(StoreErrorKind::CannotCreate),
            format!("Could not enable the upkeep: {error}"),
        )
    })?;
    scheduler.enable(&job).map_err(|refused| {
        failure("Could not enable the upkeep", refused)
            .keeping("The schedule is unchanged.")
            .or_hint("Commands still refresh when needed. Run `twg upkeep enable` again when this is repaired:")
    })?;
    let name = scheduler.name();
    context.achieved(format!("The upkeep runs every 12 minutes ({name})"));
    if let Some(remark) = lingering_remark(scheduler.as_ref()) {
        context.say_lines(&remark.into());
    }
    Ok(())
}

/// Removes the schedule and the state of the upkeep.
pub(crate) async fn disable(context: &mut Context) -> Result<(), Failure> {
    let scheduler = scheduler(context, &System)?;
    let removed = scheduler.disable(&name_of(&context.config));
    // Also after a failure, because the state is not needed any more. Of two failures, the first is reported.
    let forgotten = forget(context).await;
    let removed = removed.map_err(|refused| failure("Could not disable the upkeep", refused))?;
    let had_state = forgotten?;
    if removed {
        context.achieved("The upkeep is stopped, and its state is removed");
    } else if had_state {
        context.achieved("The upkeep was not scheduled; its state is removed");
    } else {
        context.say("The upkeep is not scheduled: nothing to do");
    }
    Ok(())
}

/// Removes the state of the upkeep. Returns whether there was one. It waits for a run in progress, which writes the
/// state when it ends.
async fn forget(context: &mut Context) -> Result<bool, Failure> {
    let state = state_path(context);
    // Each run creates the lock file first, and no process removes it.
    let _no_run = if lock_path(context).exists() {
        Some(interruptible(end_of_runs(context)).await??)
    } else {
        None
    };
    let had_state = state.exists();
    if had_state {
        context.files.remove(&state).map_err(|error| not_disabled(&error))?;
    }
    Ok(had_state)
}

/// Waits until no run is in progress, and lets none begin.
async fn end_of_runs(context: &mut Context) -> Result<File, Failure> {
    let deadline = clock::now().plus(PATIENCE);
    let mut is_told = false;
    loop {
        let claimed = context.files.claim_alone(&lock_path(context));
        if let Some(lock) = claimed.map_err(|error| not_disabled(&error))? {
            return Ok(lock);
        }
        let now = clock::now();
        if now >= deadline {
            return Err(Failure::new(
                Cause::UpkeepBusy,
                "A run of the upkeep is still in progress",
            )
            .keeping("It is no longer scheduled.")
            .or_hint("Run `twg upkeep disable` again to remove its state."));
        }
        if !std::mem::replace(&mut is_told, true) {
            context.say("Waiting for the run in progress…");
        }
        clock::wait_until(now.plus(Span::from_millis(50)), |_| {}).await;
    }
}

fn not_disabled(error: &StoreError) -> Failure {
    Failure::new(
        Cause::UpkeepNotStored(StoreErrorKind::CannotWrite),
        format!("Could not disable the upkeep: {error}"),
    )
}

/// The state of the schedule, for `doctor`.
pub(crate) enum Health {
    /// It runs: the scheduler and the last run.
    Good(String),
    /// There is none, or that is unknown: why.
    Off(String),
    /// It does not run: why. `twg upkeep enable` repairs that.
    Broken(String),
}

/// Checks the schedule and its last run.
pub(crate) fn health(context: &Context) -> Health {
    if context.in_sandbox {
        return Health::Off("the sandbox needs none".to_owned());
    }
    let scheduler = match scheduler(context, &System) {
        Ok(scheduler) => scheduler,
        Err(failure) => return Health::Off(failure.message),
    };
    match scheduler.look(&name_of(&context.config)) {
        Ok(Schedule::Absent) => {
            Health::Off("not scheduled; `twg upkeep enable` schedules it".to_owned())
        }
        Ok(Schedule::Broken(why)) => Health::Broken(why),
        Err(refused) => Health::Off(refused.trouble),
        Ok(Schedule::Active) => {
            let last = load(context).last_run_at.map(|at| clock::now().since(at));
            match last {
                // It runs every 12 minutes, also soon after a sleep of the machine.
                Some(ago) if ago > SILENCE => {
                    Health::Broken(format!("it is scheduled, but has not run for {ago}"))
                }
                Some(ago) => Health::Good(format!("{}, last run {ago} ago", scheduler.name())),
                None => Health::Good(format!("{}, no run yet", scheduler.name())),
            }
        }
    }
}

/// Whether the scheduler knows a schedule, also a broken one.
pub(crate) fn is_enabled(context: &Context) -> bool {
    let Ok(scheduler) = scheduler(context, &System) else { return false };
    !matches!(scheduler.look(&name_of(&context.config)), Ok(Schedule::Absent) | Err(_))
}

/// Whether the usual configuration directory is another one, and in use too.
pub(crate) fn is_another_in_use(config: &ConfigDir) -> bool {
    usual_dir().is_some_and(|usual| {
        usual.path() != config.path()
            && (!usual.stored_connections().is_empty() || usual.path().join("upkeep.json").exists())
    })
}

/// The configuration directory without variables that choose one.
fn usual_dir() -> Option<ConfigDir> {
    let said = |name: &str| name == CONFIG_DIR || name == XDG_CONFIG_HOME;
    ConfigDir::resolve(&|name| (!said(name)).then(|| env(name)).flatten()).ok()
}

/// The name of the schedule. Each configuration directory has its own; the usual one has the short name.
fn name_of(config: &ConfigDir) -> String {
    if usual_dir().is_some_and(|usual| usual.path() == config.path()) {
        return "twg-upkeep".to_owned();
    }
    let digest = Sha256::digest(config.path().as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("twg-upkeep-{hash}")
}

/// The job for the scheduler. Warns about variables that are left out.
fn job(context: &mut Context) -> Result<Job, Failure> {
    let launcher = installation::launcher()?;
    let mut environment = vec![(CONFIG_DIR, text(context.config.path())?)];
    for name in kept_by_schedule() {
        let Some(value) =
            environment::text(name).or_else(|| environment::text(&name.to_ascii_lowercase()))
        else {
            continue;
        };
        // Also a name alone may be a secret.
        if name.ends_with("PROXY") && name != NO_PROXY && value.contains('@') {
            context.warn(format!(
                "{name} contains a user name or a password, so the schedule does not store it: the upkeep does not use this proxy."
            ));
            continue;
        }
        environment.push((name, value));
    }
    if environment::text(CLIENT_SECRET).is_some() {
        context.warn(
            "The schedule does not store TWG_CLIENT_SECRET: the upkeep needs the secret that `twg login \
             --new-client` stores.",
        );
    }
    Ok(Job {
        name: name_of(&context.config),
        program: text(&launcher)?,
        arguments: vec!["upkeep".to_owned(), "run".to_owned()],
        environment,
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = twg_core::text::inert(&path.to_string_lossy());
        Failure::configuration(format!(
            "The path {shown} is not Unicode, so no schedule can contain it"
        ))
    })
}

fn scheduler<'a>(
    context: &Context,
    runner: &'a impl Runner,
) -> Result<Box<dyn Scheduler + 'a>, Failure> {
    let home =
        home_dir(&env).ok_or_else(|| Failure::configuration("The home directory is unknown"))?;
    let config_base = env(XDG_CONFIG_HOME).map(PathBuf::from).filter(|path| path.is_absolute());
    let config_base = config_base.unwrap_or_else(|| home.join(".config"));
    Ok(scheduler::of_this_system(&home, &config_base, context.config.path(), runner))
}

fn failure(doing: &str, refused: Refused) -> Failure {
    let mut failure = Failure::new(Cause::Scheduler, format!("{doing}: {}", refused.trouble));
    failure.advice = refused.guidance.map(Into::into);
    failure
}

/// On a machine without a desktop, this decides whether the upkeep runs at all.
fn lingering_remark(scheduler: &dyn Scheduler) -> Option<String> {
    (scheduler.outlives_login() == Some(false)).then(|| {
        "It runs while you are logged in. On a machine without a desktop, `loginctl enable-linger` lets it continue after that.".to_owned()
    })
}

fn state_path(context: &Context) -> PathBuf {
    context.config.path().join("upkeep.json")
}

fn lock_path(context: &Context) -> PathBuf {
    context.config.path().join("upkeep.json.lock")
}

/// The state that earlier runs wrote. A file that cannot be read is ignored, because no run depends on it.
fn load(context: &Context) -> State {
    let text = context.files.load(&state_path(context)).ok().flatten();
    text.and_then(|text| State::parse(text.expose()).ok()).unwrap_or_default()
}
