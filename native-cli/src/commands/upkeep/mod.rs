//! `twg upkeep`: keeps the logins alive in the background.

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

/// What can be done about the scheduled upkeep.
#[derive(Debug, Subcommand)]
pub(crate) enum Upkeep {
    /// Schedule the upkeep, every 12 minutes
    Enable,
    /// Show the schedule and the last run
    Status,
    /// Run it once: refresh what is due soon, look for an update once a day
    Run(run::Run),
    /// Stop the scheduled upkeep
    Disable,
}

/// The variables that the schedule keeps beside [`CONFIG_DIR`], which it always has.
fn kept_by_schedule() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().filter(|variable| variable.is_scheduled).map(|variable| variable.name)
}

/// After so much time without a run something is wrong with a schedule.
const SILENCE: Span = Span::from_mins(120);

/// A run may have to wait for an interrupted request (20 s) before it refreshes.
const PATIENCE: Span = Span::from_secs(60);

/// Runs the command.
pub(crate) async fn run(context: &mut Context, what: &Upkeep) -> Result<ExitCode, Failure> {
    if matches!(what, Upkeep::Enable | Upkeep::Disable) {
        context.unless_in_sandbox(
            "has no schedule: it would outlive the sandbox",
            "`twg upkeep run` does by hand what a schedule would.",
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
    // The file lies for a moment where only this user can read it.
    context.files.prepare_dir(&state_path(context)).map_err(|error| {
        Failure::new(
            Cause::UpkeepNotStored(StoreErrorKind::CannotCreate),
            format!("Could not enable the upkeep: {error}"),
        )
    })?;
    scheduler.enable(&job).map_err(|refused| {
        failure("Could not enable the upkeep", refused)
            .keeping("The schedule is as it was before.")
            .or_hint("Every command refreshes by itself all the same. Run `twg upkeep enable` again once it can work:")
    })?;
    let name = scheduler.name();
    context.achieved(format!("The upkeep runs every 12 minutes ({name})"));
    if let Some(remark) = lingering_remark(scheduler.as_ref()) {
        context.say_lines(&remark.into());
    }
    Ok(())
}

/// Removes the schedule and what the upkeep remembers, whichever of them is there.
pub(crate) async fn disable(context: &mut Context) -> Result<(), Failure> {
    let scheduler = scheduler(context, &System)?;
    let removed = scheduler.disable(&name_of(&context.config));
    // Also where that failed: what nobody needs any more goes. Of two failures, the scheduler's is told.
    let forgotten = forget(context).await;
    let removed = removed.map_err(|refused| failure("Could not disable the upkeep", refused))?;
    let had_state = forgotten?;
    if removed {
        context.achieved("The upkeep does not run any more, and what it remembered is removed");
    } else if had_state {
        context.achieved("The upkeep was not enabled; what its runs remembered is removed");
    } else {
        context.say("The upkeep is not enabled: nothing to do");
    }
    Ok(())
}

/// Removes what the upkeep remembers; whether there was anything. A run that is under way notes what it did when it
/// ends, so that is waited for.
async fn forget(context: &mut Context) -> Result<bool, Failure> {
    let state = state_path(context);
    // Each run makes the lock file before anything else, and nobody removes it.
    let _nobody_runs = if lock_path(context).exists() {
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

/// Waits until no run is under way, and lets none begin.
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
            return Err(Failure::new(Cause::UpkeepBusy, "A run of the upkeep is still under way")
                .keeping("It is not scheduled any more.")
                .or_hint("Run `twg upkeep disable` again to remove what it remembers."));
        }
        if !std::mem::replace(&mut is_told, true) {
            context.say("Waiting for the run that is under way…");
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

/// How the schedule is, for `doctor`.
pub(crate) enum Health {
    /// It runs: by whom.
    Good(String),
    /// There is none, or nobody can tell: why.
    Off(String),
    /// There is one that does not do its work: why. Enabling it again repairs that.
    Broken(String),
}

/// Looks at the schedule, and at its last run.
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
            Health::Off("not enabled; `twg upkeep enable` does that".to_owned())
        }
        Ok(Schedule::Broken(why)) => Health::Broken(why),
        Err(refused) => Health::Off(refused.trouble),
        Ok(Schedule::Active) => {
            let last = load(context).last_run_at.map(|at| clock::now().since(at));
            match last {
                // It runs every 12 minutes, and soon after the machine was asleep.
                Some(ago) if ago > SILENCE => {
                    Health::Broken(format!("it is scheduled, but did not run for {ago}"))
                }
                Some(ago) => Health::Good(format!("{}, last run {ago} ago", scheduler.name())),
                None => Health::Good(format!("{}, no run yet", scheduler.name())),
            }
        }
    }
}

/// Whether there is a schedule, or what is left of one, as far as the scheduler tells.
pub(crate) fn is_enabled(context: &Context) -> bool {
    let Ok(scheduler) = scheduler(context, &System) else { return false };
    !matches!(scheduler.look(&name_of(&context.config)), Ok(Schedule::Absent) | Err(_))
}

/// Whether this is not the usual configuration directory, and that one is in use too.
pub(crate) fn is_another_in_use(config: &ConfigDir) -> bool {
    usual_dir().is_some_and(|usual| {
        usual.path() != config.path()
            && (!usual.stored_connections().is_empty() || usual.path().join("upkeep.json").exists())
    })
}

/// The configuration directory of who says nothing about it.
fn usual_dir() -> Option<ConfigDir> {
    let said = |name: &str| name == CONFIG_DIR || name == XDG_CONFIG_HOME;
    ConfigDir::resolve(&|name| (!said(name)).then(|| env(name)).flatten()).ok()
}

/// What the schedule is called. Each configuration directory has one of its own; that of the usual one has the short
/// name.
fn name_of(config: &ConfigDir) -> String {
    if usual_dir().is_some_and(|usual| usual.path() == config.path()) {
        return "twg-upkeep".to_owned();
    }
    let digest = Sha256::digest(config.path().as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("twg-upkeep-{hash}")
}

/// What the scheduler is told. Warns of what it is not told.
fn job(context: &mut Context) -> Result<Job, Failure> {
    let launcher = installation::launcher()?;
    let mut environment = vec![(CONFIG_DIR, text(context.config.path())?)];
    for name in kept_by_schedule() {
        let Some(value) =
            environment::text(name).or_else(|| environment::text(&name.to_ascii_lowercase()))
        else {
            continue;
        };
        // The name alone may be the secret.
        if name.ends_with("PROXY") && name != NO_PROXY && value.contains('@') {
            context.warn(format!(
                "{name} holds a name or a password for the proxy, which is not written down: the upkeep does without that proxy."
            ));
            continue;
        }
        environment.push((name, value));
    }
    if environment::text(CLIENT_SECRET).is_some() {
        context.warn(
            "TWG_CLIENT_SECRET is not written down: the upkeep can refresh only with the secret that `twg login \
             --new-client` keeps.",
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
        Failure::configuration(format!("The path {shown} is not Unicode: no schedule can hold it"))
    })
}

fn scheduler<'a>(
    context: &Context,
    runner: &'a impl Runner,
) -> Result<Box<dyn Scheduler + 'a>, Failure> {
    let home = home_dir(&env)
        .ok_or_else(|| Failure::configuration("Nothing says where the home directory is"))?;
    let config_base = env(XDG_CONFIG_HOME).map(PathBuf::from).filter(|path| path.is_absolute());
    let config_base = config_base.unwrap_or_else(|| home.join(".config"));
    Ok(scheduler::of_this_system(&home, &config_base, context.config.path(), runner))
}

fn failure(doing: &str, refused: Refused) -> Failure {
    let mut failure = Failure::new(Cause::Scheduler, format!("{doing}: {}", refused.trouble));
    failure.advice = refused.guidance.map(Into::into);
    failure
}

/// On a machine where nobody stays logged in, that decides whether anything runs at all.
fn lingering_remark(scheduler: &dyn Scheduler) -> Option<String> {
    (scheduler.outlives_login() == Some(false)).then(|| {
        "It runs while you are logged in. On a machine without a desktop, `loginctl enable-linger` lets it go on after that.".to_owned()
    })
}

fn state_path(context: &Context) -> PathBuf {
    context.config.path().join("upkeep.json")
}

fn lock_path(context: &Context) -> PathBuf {
    context.config.path().join("upkeep.json.lock")
}

/// What earlier runs noted. What cannot be read is forgotten: it can be done without.
fn load(context: &Context) -> State {
    let text = context.files.load(&state_path(context)).ok().flatten();
    text.and_then(|text| State::parse(text.expose()).ok()).unwrap_or_default()
}
