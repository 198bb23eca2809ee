//! The schedulers of the three systems, which start one program of this user every 12 minutes.
//!
//! What they are told is generated, and tested, on every system; only who is asked differs.

mod launchd;
mod systemd;
mod task_scheduler;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use launchd::Launchd;
use systemd::Systemd;
use task_scheduler::TaskScheduler;

use super::os_error::words;
use super::platform;
use super::privacy;
use super::tool::Runner;

/// How often. Shorter than the window in which the upkeep refreshes ahead of time, so that no refresh that is
/// due falls between two runs.
const MINUTES: u32 = 12;

const DESCRIPTION: &str = "Keeps the logins of twg alive";

/// What is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// What the schedule is called: of letters, digits and hyphens.
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    /// What its environment must have, whatever the scheduler's has.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// What became of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    Active,
    Absent,
    /// Something of it is there, and it does not work: why.
    Broken(String),
}

/// Why a scheduler did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// One line.
    pub(crate) trouble: String,
    /// How it can be made to work, in several lines.
    pub(crate) guidance: Option<String>,
}

impl Refused {
    fn because(trouble: impl Into<String>) -> Self {
        Self { trouble: trouble.into(), guidance: None }
    }
}

/// A scheduler of this user.
pub(crate) trait Scheduler {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Schedules a job, or repairs its schedule.
    ///
    /// # Errors
    /// Then everything is as it was before.
    fn enable(&self, job: &Job) -> Result<(), Refused>;

    /// Removes a schedule, whatever of it is there. Whether there was anything.
    ///
    /// # Errors
    /// What is still there.
    fn disable(&self, name: &str) -> Result<bool, Refused>;

    /// What became of a schedule.
    ///
    /// # Errors
    /// If it cannot be asked.
    fn look(&self, name: &str) -> Result<Schedule, Refused>;

    /// Whether it goes on when this user has logged out; `None` where that is not known, or no question.
    fn outlives_login(&self) -> Option<bool> {
        None
    }
}

/// The scheduler of this system. `home` is the user's; `unit_base` where systemd's user units lie.
pub(crate) fn of_this_system<'a>(
    home: &Path,
    config_base: &Path,
    scratch: &Path,
    runner: &'a impl Runner,
) -> Box<dyn Scheduler + 'a> {
    let user = platform::user();
    if cfg!(target_os = "macos") {
        Box::new(Launchd { agents: home.join("Library/LaunchAgents"), user, runner })
    } else if cfg!(windows) {
        Box::new(TaskScheduler { scratch: scratch.to_owned(), user, runner })
    } else {
        Box::new(Systemd { units: config_base.join("systemd/user"), user, runner })
    }
}

/// Files that are being put in place. Unless they are kept, what was there before is put back.
struct Placed(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Placed {
    const fn nothing() -> Self {
        Self(Vec::new())
    }

    fn put(&mut self, path: &Path, text: &[u8]) -> Result<(), Refused> {
        let failed =
            |error: &io::Error| Refused::because(format!("{}: {}", shown(path), words(error)));
        let before = match fs::read(path) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&error)),
        };
        if let Some(parent) = path.parent() {
            privacy::make_dirs(parent).map_err(|error| failed(&error))?;
        }
        self.0.push((path.to_owned(), before));
        fs::write(path, text)
            .and_then(|()| privacy::let_only_the_owner_write(path))
            .map_err(|error| failed(&error))
    }

    /// Whether any of them was there before.
    fn were_there(&self) -> bool {
        self.0.iter().any(|(_, before)| before.is_some())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        for (path, before) in self.0.drain(..).rev() {
            // If this fails too, the next `enable` or `disable` puts it right.
            let _ = match before {
                Some(before) => fs::write(&path, before),
                None => fs::remove_file(&path),
            };
        }
    }
}

/// Removes a file. Whether there was one.
fn unlink(path: &Path) -> Result<bool, Refused> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Refused::because(format!("{}: {}", shown(path), words(&error)))),
    }
}

fn shown(path: &Path) -> String {
    twg_core::text::inert(&path.display().to_string())
}

/// A value in an XML document.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// No format has a place for control characters, and nobody means them in a path.
fn writable(job: &Job) -> Result<(), Refused> {
    let values = job.environment.iter().map(|(_, value)| value);
    for text in values.chain(&job.arguments).chain([&job.program]) {
        if text.chars().any(char::is_control) {
            let text = twg_core::text::inert(text);
            return Err(Refused::because(format!("'{text}' cannot be part of a schedule")));
        }
    }
    Ok(())
}

#[cfg(test)]
fn job() -> Job {
    Job {
        name: "twg-upkeep".to_owned(),
        program: "/opt/a \"b\" 100%/$x/tw\\g".to_owned(),
        arguments: vec!["upkeep".to_owned(), "run".to_owned()],
        environment: vec![
            ("TWG_CONFIG_DIR", "/home/a b/%h/\"c\"\\d/$HOME/<&>'".to_owned()),
            ("NO_PROXY", "localhost,.example.com".to_owned()),
        ],
    }
}
