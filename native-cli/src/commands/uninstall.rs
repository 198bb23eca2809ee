//! `twg uninstall`: removes the upkeep, the credentials and the program, in this order, so that nothing remains that
//! needs a removed part.

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

/// What can be removed.
struct Plan {
    upkeep: bool,
    connections: Vec<ConnectionKey>,
    /// Files with secrets, and what the program stores beside them.
    kept: Vec<PathBuf>,
    /// Files for other programs, unchanged since `twg setup` wrote them.
    written: Vec<PathBuf>,
    /// git's settings that name this program, or why they are unknown.
    git: Result<Vec<String>, String>,
    /// Whether no other configuration directory is in use.
    is_the_only_one: bool,
    /// The program, if twg installed it.
    managed: Option<Managed>,
}

/// Runs the command.
pub(crate) async fn run(context: &mut Context, arguments: &Uninstall) -> Result<ExitCode, Failure> {
    context.unless_in_sandbox(
        "is not installed anywhere",
        "Delete the directory `sandbox` in the configuration directory to remove it.",
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
    // First, so that no run meets a half-removed twg. If the scheduler cannot be reached, later runs find no
    // connection.
    let disabled = upkeep::disable(context).await;
    if let Err(failure) = &disabled {
        if failure.cause.is_interruption() {
            return Err(failure.clone().keeping("Nothing but the schedule was removed."));
        }
        context.person.terminal.warning(&failure.message);
    }
    // If there never was a schedule, a scheduler that cannot be reached is no failure.
    let is_off = disabled.is_ok() || !plan.upkeep;
    // Read again, because another process may have signed in during the question.
    let connections = context.records.list();
    let out = logout::sign_out_of(context, connections, true).await?;
    if out.failed.is_some() {
        return Err(Failure::new(Cause::NotSignedOut, "Could not sign out of every connection")
            .keeping("The remaining credentials and the program are kept.")
            .or_hint("Repair what is named above, then run `twg uninstall` again."));
    }
    // A signal during the revocation waited until the tokens were deleted here.
    context.unless_interrupted()?;
    let is_withdrawn = git::withdraw(context, &plan.git);
    let mut left = Vec::new();
    for path in &ours_in(context.config.path()) {
        remove(context, path, &mut left);
    }
    // These hold responses of every configuration directory.
    for dir in context.config.rescue_dirs() {
        let _ = std::fs::remove_dir(&dir);
        if dir.exists() {
            let shown = context.config.display(&dir);
            context.person.terminal.warning(&format!(
                "{shown} stays: it holds responses with tokens, perhaps of another configuration directory"
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
    // It stays if it holds files of the user, such as providers.
    let _ = std::fs::remove_dir(context.config.path());
    let revoked = out.confirmed && !left.iter().any(|path| is_set_aside(path));
    let end = End { revoked, is_complete: is_off && is_withdrawn && removed.is_ok(), left };
    end.tell(context, &plan);
    // A failure has a JSON document of its own, so this prints none.
    removed?;
    Ok(end.report(context))
}

impl Plan {
    fn make(context: &Context) -> Result<Self, Failure> {
        let config = &context.config;
        // Another configuration directory of this user may need the program and the files for all of them.
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
            format!("the connection {key} ({path}), after its tokens are revoked")
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
        return Err(Failure::usage("This needs confirmation, and there is no terminal")
            .keeping("Nothing was removed.")
            .or_hint("Run `twg uninstall --dry-run` to see what would be removed, or `twg uninstall --yes` to remove it."));
    }
    context.say("This removes:");
    for line in plan.lines(context) {
        context.say(format!("  {line}"));
    }
    let answer = interruptible(context.person.terminal.ask("Continue? [y/N]")).await;
    let answer = answer.and_then(|answer| answer.map_err(Failure::from));
    let answer = answer.map_err(|failure| failure.keeping("Nothing was removed."))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Removes a file of twg, and its target if it is a link; or a directory of twg with its content, without the targets
/// of links in it, which may be the user's. A damaged file that was set aside stays: it may hold tokens that were never
/// revoked, so the user decides.
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
        // What keeps the directory is in `left` already.
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
    /// Every token is known to be revoked at its server.
    revoked: bool,
    /// Everything beside the files of twg was removed.
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
                .warning(&format!("{shown} could not be removed and may hold secrets: delete it"));
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
                "twg is uninstalled: its upkeep, its credentials and its files are removed",
            );
        } else {
            context.person.terminal.warning("twg is uninstalled, except for what is named above");
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

/// How to remove a program that twg did not install.
fn how_else(context: &mut Context, plan: &Plan) {
    if plan.managed.is_some() {
        return;
    }
    if !plan.is_the_only_one {
        context.say("  The program and its files for other programs stay: another configuration directory is in use.");
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let shown = context.config.display(&program);
    let how = if installation::is_from_cargo(&program) {
        "run `cargo uninstall twg`".to_owned()
    } else {
        format!("remove {shown} the way it was installed")
    };
    context.say(format!("  The program stays: {how}."));
}

/// Everything in the configuration directory except what the user wrote there: provider files, and files that twg does
/// not know.
fn ours_in(directory: &Path) -> Vec<PathBuf> {
    const DIRECTORIES: [&str; 3] = ["clients", "connections", "sandbox"];
    const FILES: [&str; 4] = ["auth.conf", "bitbucket.conf", "admin.conf", "upkeep.json"];
    let is_ours = |name: &str| {
        let beside = name.trim_start_matches('.');
        // Locks, stages and damaged files that were set aside are beside a file and begin with its name.
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
