//! Windows: a Scheduled Task.

use std::path::{Path, PathBuf};

use super::{DESCRIPTION, Job, MINUTES, Placed, Refused, Schedule, Scheduler, writable, xml};
use crate::environment::{self, SYSTEM_ROOT};
use crate::system::tool::{Ended, Invocation, Runner, trouble};

pub(super) struct TaskScheduler<'a, C> {
    /// A directory of this user for a temporary file.
    pub(super) scratch: PathBuf,
    /// `DOMAIN\name`
    pub(super) user: String,
    pub(super) runner: &'a C,
}

impl<C: Runner> Scheduler for TaskScheduler<'_, C> {
    fn name(&self) -> &'static str {
        "Scheduled Task"
    }

    fn enable(&self, job: &Job) -> Result<(), Refused> {
        writable(job)?;
        // The Task Scheduler expands both.
        let values = job.environment.iter().map(|(_, value)| value);
        if let Some(text) =
            values.chain([&job.program]).find(|t| t.contains(['%', '"']) || t.contains("$("))
        {
            return Err(Refused::because(format!("'{text}' cannot be part of a scheduled task")));
        }
        let mut placed = Placed::nothing();
        let file = self.scratch.join(format!("{}.xml", job.name));
        // schtasks reads UTF-16 with a byte order mark.
        let text = document(job, &self.user);
        let text = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes);
        placed.put(&file, &text.collect::<Vec<_>>())?;
        // The file is only read, and dropping `placed` removes it. The task itself is created as a
        // whole or not at all.
        let invocation = self.invocation(&["/Create", "/F", "/TN", &job.name, "/XML"]).arg(&file);
        let result = self.runner.run(&invocation);
        match &result {
            Ok(ended) if ended.well() => Ok(()),
            _ => Err(Refused::because(trouble(&invocation, &result))),
        }
    }

    fn disable(&self, name: &str) -> Result<bool, Refused> {
        if self.look(name)? == Schedule::Absent {
            return Ok(false);
        }
        let invocation = self.invocation(&["/Delete", "/F", "/TN", name]);
        let result = self.runner.run(&invocation);
        match &result {
            Ok(ended) if ended.well() => Ok(true),
            _ => Err(Refused::because(trouble(&invocation, &result))),
        }
    }

    fn look(&self, name: &str) -> Result<Schedule, Refused> {
        let invocation = self.invocation(&["/Query", "/TN", name]);
        let result = self.runner.run(&invocation);
        match &result {
            Ok(ended) if ended.well() => Ok(Schedule::Active),
            // Its message is in the user's language, so only the code counts.
            Ok(Ended { code: Some(1), .. }) => Ok(Schedule::Absent),
            _ => Err(Refused::because(trouble(&invocation, &result))),
        }
    }
}

impl<C: Runner> TaskScheduler<'_, C> {
    fn invocation(&self, words: &[&str]) -> Invocation {
        Invocation::new(system_program("schtasks.exe"), words)
    }
}

/// A program of Windows, by its full path, so that no other program of that name is started.
fn system_program(name: &str) -> PathBuf {
    let system = environment::env(SYSTEM_ROOT).unwrap_or_else(|| "C:\\Windows".into());
    Path::new(&system).join("System32").join(name)
}

/// A task, in the words and the order of its schema.
///
/// `conhost.exe --headless` gives the program a console without a window: otherwise a window would
/// flash. A task has no environment of its own, so its variables are arguments.
fn document(job: &Job, user: &str) -> String {
    let mut words = vec!["--headless".to_owned(), quoted(&job.program)];
    words.extend(job.arguments.iter().map(|word| quoted(word)));
    for (name, value) in &job.environment {
        words.push("--environment".to_owned());
        words.push(quoted(&format!("{name}={value}")));
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{DESCRIPTION}</Description>
    <URI>\{name}</URI>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <Repetition>
        <Interval>PT{MINUTES}M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <Enabled>true</Enabled>
    <Hidden>true</Hidden>
    <ExecutionTimeLimit>PT5M</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{conhost}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"#,
        name = xml(&job.name),
        user = xml(user),
        conhost = xml(&system_program("conhost.exe").to_string_lossy()),
        arguments = xml(&words.join(" ")),
    )
}

/// A word as `CommandLineToArgvW` reads it. It contains no quote; backslashes are special only
/// before one.
fn quoted(word: &str) -> String {
    let backslashes = word.len() - word.trim_end_matches('\\').len();
    format!("\"{word}{}\"", "\\".repeat(backslashes))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::super::job;
    use super::*;
    use crate::effects::file_store::tests::scratch_dir;
    use crate::system::tool::tests::{FakeRunner, badly, well};

    fn windows_job() -> Job {
        Job {
            program: r"C:\Users\Mia & Co\twg.exe".to_owned(),
            environment: vec![("TWG_CONFIG_DIR", r"D:\a <b>\".to_owned())],
            ..job()
        }
    }

    /// The Task Scheduler Schema: the namespace, and the order inside a trigger. (Other elements
    /// may be in any order.)
    #[test]
    fn the_task_is_one_of_its_schema() {
        let script = r#"
import sys, json, xml.etree.ElementTree as tree
space = '{http://schemas.microsoft.com/windows/2004/02/mit/task}'
def plain(e):
    assert e.tag.startswith(space), e.tag
    return [e.tag[len(space):], [plain(c) for c in e] or e.text]
print(json.dumps(plain(tree.fromstring(sys.stdin.buffer.read()))))
"#;
        let mut python = Command::new("python3");
        python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        let text = document(&windows_job(), r"CORP\mia");
        let text = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes);
        python.stdin.take().unwrap().write_all(&text.collect::<Vec<_>>()).unwrap();
        let read = python.wait_with_output().unwrap();
        let read: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
        let read = read.to_string();
        for part in [
            r#"["TimeTrigger",[["Enabled","true"],["StartBoundary","2026-01-01T00:00:00"],["Repetition",[["Interval","PT12M"],"#,
            r#"["UserId","CORP\\mia"],["LogonType","InteractiveToken"]"#,
            r#"["MultipleInstancesPolicy","IgnoreNew"],["DisallowStartIfOnBatteries","false"],["StopIfGoingOnBatteries","false"],["StartWhenAvailable","true"]"#,
            r#"["Hidden","true"]"#,
            r#""--headless \"C:\\Users\\Mia & Co\\twg.exe\" \"upkeep\" \"run\" --environment \"TWG_CONFIG_DIR=D:\\a <b>\\\\\"""#,
        ] {
            assert!(read.contains(part), "{part}\nis not in\n{read}");
        }
    }

    #[test]
    fn the_calls() {
        let dir = scratch_dir();
        let read = RefCell::new(Vec::new());
        let runner = FakeRunner::new(|invocation| {
            if let Some((_, file)) = invocation.split_once("/XML ") {
                *read.borrow_mut() = fs::read(file).unwrap();
            }
            well()
        });
        let tasks = TaskScheduler {
            scratch: dir.path().to_owned(),
            user: "mia".to_owned(),
            runner: &runner,
        };
        tasks.enable(&windows_job()).unwrap();
        assert_eq!(read.borrow()[..4], [0xFF, 0xFE, b'<', 0]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the file is gone");
        assert_eq!(tasks.disable("twg-upkeep"), Ok(true));
        let invocations = runner.invocations.borrow();
        let words: Vec<_> = invocations
            .iter()
            .map(|invocation| invocation.split_once("schtasks.exe ").unwrap().1)
            .collect();
        let create =
            format!("/Create /F /TN twg-upkeep /XML {}/twg-upkeep.xml", dir.path().display());
        assert_eq!(words, [&create, "/Query /TN twg-upkeep", "/Delete /F /TN twg-upkeep"]);
    }

    #[test]
    fn what_the_task_scheduler_would_expand_is_refused() {
        let dir = scratch_dir();
        let runner = FakeRunner::new(|_| badly(1, "no"));
        let tasks = TaskScheduler {
            scratch: dir.path().to_owned(),
            user: "mia".to_owned(),
            runner: &runner,
        };
        for evil in ["C:\\%USERNAME%\\twg.exe", "C:\\$(Arg0)\\twg.exe", "C:\\\" & calc\\twg.exe"] {
            let job = Job { program: evil.to_owned(), ..windows_job() };
            tasks.enable(&job).unwrap_err();
        }
        assert!(runner.invocations.borrow().is_empty());
        tasks.enable(&windows_job()).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(tasks.look("twg-upkeep"), Ok(Schedule::Absent));
    }
}
