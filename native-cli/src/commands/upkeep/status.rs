//! `twg upkeep status`: the schedule of the upkeep and its last run.

use std::process::ExitCode;

use serde_json::json;
use twg_core::time::UnixTime;

use super::{lingering_remark, load, name_of, scheduler};
use crate::context::Context;
use crate::effects::clock;
use crate::failure::Failure;
use crate::installation;
use crate::output::{print_json, print_lines, rfc3339};
use crate::system::scheduler::Schedule;
use crate::system::tool::System;

/// Runs the command. A missing schedule is no failure.
pub(super) fn run(context: &mut Context) -> Result<ExitCode, Failure> {
    let scheduler = scheduler(context, &System)?;
    let name = name_of(&context.config);
    let schedule = scheduler.look(&name);
    let lingering = scheduler.outlives_login();
    let launcher = installation::launcher()?;
    let launcher_exists = launcher.is_file();
    let state = load(context);
    let trouble = match &schedule {
        Ok(Schedule::Broken(why)) => Some(why),
        Err(refused) => Some(&refused.trouble),
        Ok(_) => None,
    };
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "ok": true,
            "scheduled": schedule == Ok(Schedule::Active),
            "scheduler": scheduler.name(),
            "schedule": name,
            "trouble": trouble,
            "outlivesLogin": lingering,
            "launcher": launcher.to_string_lossy(),
            "launcherExists": launcher_exists,
            "lastRunAt": state.last_run_at.map(rfc3339),
            "lastRunSucceeded": state.last_run_at.map(|_| state.last_run_succeeded),
            "nextUpdateCheckAt": state.next_update_check_at.map(rfc3339),
            "availableVersion": state.available_version,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let scheduled = match &schedule {
        Ok(Schedule::Active) => format!("every 12 minutes, by the {} {name}", scheduler.name()),
        Ok(Schedule::Absent) => "no; `twg upkeep enable` schedules it".to_owned(),
        Ok(Schedule::Broken(why)) => format!("no: {why}; `twg upkeep enable` repairs it"),
        Err(refused) => format!("unknown: {}", refused.trouble),
    };
    let missing = if launcher_exists { "" } else { " (missing)" };
    let ago = |at: UnixTime| format!("{} ({} ago)", rfc3339(at), clock::now().since(at));
    let result = if state.last_run_succeeded { "" } else { ", with a failure" };
    let last_run = state.last_run_at.map_or("never".to_owned(), |at| ago(at) + result);
    let check = state.next_update_check_at.map_or("with the next run".to_owned(), rfc3339);
    let mut lines = vec![
        format!("Scheduled:     {scheduled}"),
        format!("Program:       {}{missing}", context.config.display(&launcher)),
        format!("Last run:      {last_run}"),
        format!("Update check:  {check}"),
    ];
    if let Some(version) = &state.available_version {
        let version = twg_core::text::displayable(version);
        lines.push(format!("Available:     version {version}; `twg update` installs it"));
    }
    print_lines(&lines);
    if let (Ok(Schedule::Active), Some(remark)) = (&schedule, lingering_remark(scheduler.as_ref()))
    {
        context.say_lines(&remark.into());
    }
    Ok(ExitCode::SUCCESS)
}
