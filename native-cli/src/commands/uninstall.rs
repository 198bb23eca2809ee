//! `twg uninstall`: removes the upkeep, the credentials and the program, in this order, so that nothing is left that
//! needs what is gone already.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use twg_core::credential::ConnectionKey;

use super::setup::{files, git};
use super::{admin, logout, upkeep};
use crate::context::Context;
use crate::credentials::source::TOKEN_PAGE;
use crate::driver::interruptible;
use crate::environment::env;
use crate::failure::{Cause, Exit, Failure};
use crate::installation::marked_file;
use crate::installation::{self, Managed};
use crate::output::{print_json, print_lines};

/// `twg uninstall`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg uninstall --dry-run   show what this would remove
  twg uninstall             remove it, after a question")]
pub(crate) struct Uninstall {
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What there is to remove.
struct Plan {
    upkeep: bool,
    connections: Vec<ConnectionKey>,
    /// Files with secrets, and what the program keeps beside them.
    kept: Vec<PathBuf>,
    /// Files for other programs, as `twg setup` wrote them.
    written: Vec<PathBuf>,
    /// git's settings that name this program; or why nobody knows.
    git: Result<Vec<String>, String>,
    /// No other configuration directory is in use.
    is_the_only_one: bool,
    /// The program, if it is this one's to remove.
    managed: Option<Managed>,
}

/// Runs the command.
pub(crate) async fn run(context: &mut Context, arguments: &Uninstall) -> Result<ExitCode, Failure> {
    context.unless_in_sandbox(
        "is not installed anywhere",
        "Delete the directory `sandbox` in the configuration directory to forget it.",
    )?;
    let plan = Plan::make(context)?;
    if arguments.dry_run {
        show(context, &plan);
        return Ok(ExitCode::SUCCESS);
    }
    if !agrees(context, &plan).await? {
        context.say("Nothing was removed.");
        return Ok(ExitCode::SUCCESS);
    }
    // First, so that it does not come back to what is being removed. Where the scheduler cannot be reached, what is
    // left of it finds nobody signed in.
    let disabled = upkeep::disable(context).await;
    if let Err(failure) = &disabled {
        if failure.cause.is_interruption() {
            return Err(failure.clone().keeping("Nothing but the schedule was removed."));
        }
        context.person.terminal.warning(&failure.message);
    }
    // Where there never was a schedule, it is no wonder that nobody can be told.
    let is_off = disabled.is_ok() || !plan.upkeep;
    // As they are by now: somebody may have signed in while this was asked.
    let connections = context.records.list();
    let out = logout::sign_out_of(context, connections, true).await?;
    if out.failed.is_some() {
        return Err(Failure::new(Cause::NotSignedOut, "Could not sign out everywhere")
            .keeping("The credentials that are still here, and the program, are kept.")
            .or_hint("Repair what is named above, then run `twg uninstall` again."));
    }
    // A signal that came while tokens were revoked waited until they were forgotten here.
    context.unless_interrupted()?;
    let is_withdrawn = git::withdraw(context, &plan.git);
    let mut left = Vec::new();
    for path in &ours_in(context.config.path()) {
        remove(context, path, &mut left);
    }
    // Replies of every configuration directory are rescued there.
    for dir in context.config.rescue_dirs() {
        let _ = std::fs::remove_dir(&dir);
        if dir.exists() {
            let shown = context.config.display(&dir);
            context.person.terminal.warning(&format!(
                "Replies with tokens are in {shown}: they may belong to another configuration directory, and stay"
            ));
        }
    }
    for path in &plan.written {
        if marked_file::remove(path).is_err() {
            left.push(path.clone());
        }
    }
    let removed = match &plan.managed {
        Some(managed) => managed.remove_all(context).await,
        None => Ok(()),
    };
    // It stays if anything of the user's own is in it, such as providers.
    let _ = std::fs::remove_dir(context.config.path());
    let revoked = out.confirmed && !left.iter().any(|path| is_set_aside(path));
    let end = End { revoked, is_complete: is_off && is_withdrawn && removed.is_ok(), left };
    end.tell(context, &plan);
    // One document: that of the failure, if there is one.
    removed?;
    Ok(end.report(context))
}

impl Plan {
    fn make(context: &Context) -> Result<Self, Failure> {
        let config = &context.config;
        // Another configuration directory of this user may need the program, and what is for all of them.
        let is_the_only_one = !upkeep::is_another_in_use(config);
        let files = files::completions().into_iter().chain(files::skills());
        let files = files.filter(|_| is_the_only_one);
        let written =
            files.map(|file| file.path).filter(|path| marked_file::is_written_by_us(path));
        let managed = Managed::of_user(&env)?;
        Ok(Self {
            upkeep: upkeep::is_enabled(context),
            connections: config.stored_connections(),
            kept: ours_in(config.path()),
            written: written.collect(),
            git: git::configured(context, is_the_only_one && managed.is_managed()),
            managed: (is_the_only_one && managed.is_managed()).then_some(managed),
            is_the_only_one,
        })
    }

    /// For people, a line each.
    fn lines(&self, context: &Context) -> Vec<String> {
        let mut lines = Vec::new();
        if self.upkeep {
            lines.push("the scheduled upkeep".to_owned());
        }
        lines.extend(self.connections.iter().map(|key| {
            let path = context.records.place(key);
            format!("the login {key} ({path}), which is revoked first")
        }));
        let records: Vec<_> =
            self.connections.iter().map(|key| context.config.record_path(key)).collect();
        let is_named = |path: &&PathBuf| {
            !records.contains(path) && path.extension().is_none_or(|extension| extension != "lock")
        };
        let files = self.kept.iter().filter(is_named).chain(&self.written);
        lines.extend(files.map(|path| context.config.display(path)));
        lines.extend(self.git.iter().flatten().map(|key| format!("git's setting {key}")));
        lines.extend(self.managed.iter().flat_map(|managed| {
            managed.what_is_there().into_iter().map(|path| context.config.display(&path))
        }));
        lines
    }
}

fn show(context: &mut Context, plan: &Plan) {
    let lines = plan.lines(context);
    if context.json {
        print_json(
            &json!({ "schemaVersion": 1, "ok": true, "dryRun": true, "wouldRemove": lines }),
        );
        return;
    }
    if lines.is_empty() {
        context.say("There is nothing to remove.");
        return;
    }
    context.say("Would remove:");
    print_lines(&lines);
    how_else(context, plan);
}

async fn agrees(context: &mut Context, plan: &Plan) -> Result<bool, Failure> {
    if context.yes {
        return Ok(true);
    }
    if !context.person.may_ask || !context.person.terminal.can_ask() {
        return Err(Failure::usage("Nobody is here to agree to that")
            .keeping("Nothing was removed.")
            .or_hint("Run `twg uninstall --dry-run` to see what would be removed, `twg uninstall --yes` to do it."));
    }
    context.say("This removes:");
    for line in plan.lines(context) {
        context.say(format!("  {line}"));
    }
    let answer = interruptible(context.person.terminal.ask("Go on? [y/N]")).await;
    let answer = answer.and_then(|answer| answer.map_err(Failure::from));
    let answer = answer.map_err(|failure| failure.keeping("Nothing was removed."))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A file of ours, and what it leads to if it is a link; or a directory of ours with all that is in it, of which links
/// are only links: somebody may have put them there. What was damaged and set aside may hold tokens that nobody revoked:
/// it is for the user to delete.
fn remove(context: &Context, path: &Path, left: &mut Vec<PathBuf>) {
    let is_dir = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let is_removed = if is_set_aside(path) {
        false
    } else if is_dir(path) {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut inside: Vec<_> = entries.map(|entry| entry.path()).collect();
        inside.sort();
        let before = left.len();
        for path in inside {
            if is_dir(&path) || is_set_aside(&path) {
                remove(context, &path, left);
            } else if context.files.unlink(&path).is_err() {
                left.push(path);
            }
        }
        // What keeps it from going is named already.
        std::fs::remove_dir(path).is_ok() || left.len() > before
    } else {
        context.files.remove(path).is_ok()
    };
    if !is_removed {
        left.push(path.to_owned());
    }
}

fn is_set_aside(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(".damaged-"))
}

/// How it ended.
struct End {
    /// Every token is known to be dead at its server.
    revoked: bool,
    /// What was to be removed beside files of ours is.
    is_complete: bool,
    left: Vec<PathBuf>,
}

impl End {
    fn is_good(&self) -> bool {
        self.revoked && self.is_complete && self.left.is_empty()
    }

    /// For people.
    fn tell(&self, context: &mut Context, plan: &Plan) {
        if context.json {
            return;
        }
        for path in &self.left {
            let shown = context.config.display(path);
            context
                .person
                .terminal
                .warning(&format!("{shown} is still there, and may hold secrets: delete it"));
        }
        for (path, what, page) in [
            (context.config.bitbucket_path(), "Bitbucket token", TOKEN_PAGE),
            (context.config.admin_key_path(), "admin API key", admin::KEY_PAGE),
        ] {
            if plan.kept.contains(&path) {
                context.say(format!("  The {what} works until you revoke it at {page}"));
            }
        }
        if self.is_complete && self.left.is_empty() {
            context.achieved(
                "twg is uninstalled: its upkeep, its credentials and what it wrote are gone",
            );
        } else {
            context.person.terminal.warning("twg is uninstalled, but for what is named above");
        }
        how_else(context, plan);
    }

    /// For programs.
    fn report(&self, context: &Context) -> ExitCode {
        if context.json {
            let left = self.left.iter().map(|path| context.config.display(path));
            print_json(&json!({
                "schemaVersion": 1, "ok": self.is_good(), "dryRun": false, "revoked": self.revoked,
                "left": left.collect::<Vec<_>>(),
            }));
        }
        if self.is_good() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) }
    }
}

/// A program that something else installed is for that to remove.
fn how_else(context: &mut Context, plan: &Plan) {
    if plan.managed.is_some() {
        return;
    }
    if !plan.is_the_only_one {
        context.say("  The program and what it wrote for others stay: another configuration directory is in use.");
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let shown = context.config.display(&program);
    let how = if installation::is_from_cargo(&program) {
        "`cargo uninstall twg`"
    } else {
        "whatever installed it"
    };
    context.say(format!("  The program itself, {shown}, is removed with {how}."));
}

/// Everything in the configuration directory but what the user wrote there: the definitions of providers, and what
/// nobody here knows.
fn ours_in(directory: &Path) -> Vec<PathBuf> {
    const DIRECTORIES: [&str; 3] = ["clients", "connections", "sandbox"];
    const FILES: [&str; 4] = ["auth.conf", "bitbucket.conf", "admin.conf", "upkeep.json"];
    let is_ours = |name: &str| {
        let beside = name.trim_start_matches('.');
        // Locks, stages, and what was damaged and set aside stand beside a file, and are called after it.
        let is_of = |file: &str| {
            beside.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        DIRECTORIES.contains(&name) || FILES.iter().any(|file| is_of(file))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut ours: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
        .map(|entry| entry.path())
        .collect();
    ours.sort();
    ours
}
