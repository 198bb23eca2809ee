//! The schedulers of the three systems, which start one program of this user every 12 minutes.
//!
//! The definitions of all three are generated and tested on every system.

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

/// Shorter than the window in which the upkeep refreshes ahead of time, so that no due refresh
/// falls between two runs.
const MINUTES: u32 = 12;

const DESCRIPTION: &str = "Keeps the connections of twg alive";

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The name of the schedule: letters, digits and hyphens.
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    /// Variables that are set in its environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// The state of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    Active,
    Absent,
    /// A part of it exists, but it does not work: why.
    Broken(String),
}

/// Why a scheduler refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// One line.
    pub(crate) trouble: String,
    /// How to make it work, in several lines.
    pub(crate) guidance: Option<String>,
}

impl Refused {
    fn because(trouble: impl Into<String>) -> Self {
        Self { trouble: trouble.into(), guidance: None }
    }
}

/// A scheduler of this user.
pub(crate) trait Scheduler {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Schedules a job, or repairs its schedule.
    ///
    /// # Errors
    /// The scheduler refused. Everything is as before.
    fn enable(&self, job: &Job) -> Result<(), Refused>;

    /// Removes a schedule, even an incomplete one. Returns whether a part of it existed.
    ///
    /// # Errors
    /// The part that still exists.
    fn disable(&self, name: &str) -> Result<bool, Refused>;

    /// The state of a schedule.
    ///
    /// # Errors
    /// The scheduler cannot be asked.
    fn look(&self, name: &str) -> Result<Schedule, Refused>;

    /// Whether it goes on after this user logs out. `None` if that is unknown or does not apply.
    fn outlives_login(&self) -> Option<bool> {
        None
    }
}

/// The scheduler of this system. systemd's user units are below `config_base`.
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

/// Files that are written together. Unless they are kept, dropping this restores the earlier files.
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

    /// Whether any of them existed before.
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
            // If this fails too, the next `enable` or `disable` repairs it.
            let _ = match before {
                Some(before) => fs::write(&path, before),
                None => fs::remove_file(&path),
            };
        }
    }
}

/// Removes a file. Returns whether it existed.
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

/// Text in an XML document.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// No format can hold control characters, and no sensible path contains them.
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
