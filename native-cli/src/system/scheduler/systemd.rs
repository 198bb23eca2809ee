//! Linux: a systemd user timer and the service that it starts.

use std::path::PathBuf;

use super::{DESCRIPTION, Job, MINUTES, Placed, Refused, Schedule, Scheduler, unlink, writable};
use crate::system::tool::{Ended, Invocation, Runner, trouble};

pub(super) struct Systemd<'a, C> {
    /// `~/.config/systemd/user`
    pub(super) units: PathBuf,
    /// The user's number.
    pub(super) user: String,
    pub(super) runner: &'a C,
}

impl<C: Runner> Scheduler for Systemd<'_, C> {
    fn name(&self) -> &'static str {
        "systemd user timer"
    }

    fn enable(&self, job: &Job) -> Result<(), Refused> {
        writable(job)?;
        let timer = format!("{}.timer", job.name);
        let guided = |refused: Refused| Refused { guidance: Some(guidance(job)), ..refused };
        // Write no file that systemd would not read.
        self.systemctl(&["show", "--property=Version"]).map_err(guided)?;
        let mut placed = Placed::nothing();
        placed.put(&self.units.join(format!("{}.service", job.name)), service(job).as_bytes())?;
        placed.put(&self.units.join(&timer), TIMER.as_bytes())?;
        let done = self
            .systemctl(&["daemon-reload"])
            .and_then(|_| self.systemctl(&["enable", &timer]))
            // A running timer would keep its old definition.
            .and_then(|_| self.systemctl(&["restart", &timer]));
        if let Err(refused) = done {
            let were_there = placed.were_there();
            drop(placed);
            if were_there {
                let _ = self.systemctl(&["daemon-reload"]);
            } else {
                let _ = self.disable(&job.name);
            }
            return Err(guided(refused));
        }
        placed.keep();
        Ok(())
    }

    fn disable(&self, name: &str) -> Result<bool, Refused> {
        let timer = format!("{name}.timer");
        let before = self.look(name);
        let stopped = match before {
            // It may run even if its files are gone.
            Ok(Schedule::Active | Schedule::Broken(_)) => {
                self.systemctl(&["stop", &timer]).map(drop)
            }
            Ok(Schedule::Absent) => Ok(()),
            Err(ref refused) => Err(refused.clone()),
        };
        // What `systemctl disable` would remove. `disable` itself refuses if the timer's file is
        // missing.
        let mut there = unlink(&self.units.join("timers.target.wants").join(&timer))?;
        there |= unlink(&self.units.join(&timer))?;
        there |= unlink(&self.units.join(format!("{name}.service")))?;
        if there && before.is_ok() {
            self.systemctl(&["daemon-reload"])?;
        }
        match stopped {
            Ok(()) => Ok(there || before != Ok(Schedule::Absent)),
            // Without a user instance, nothing runs.
            Err(refused) if there => Err(Refused {
                trouble: format!(
                    "its files are removed, but it may run until you log out: {}",
                    refused.trouble
                ),
                guidance: None,
            }),
            Err(_) if before.is_err() => Ok(false),
            Err(refused) => Err(refused),
        }
    }

    fn look(&self, name: &str) -> Result<Schedule, Refused> {
        let timer = format!("{name}.timer");
        let shown =
            self.systemctl(&["show", &timer, "--property=LoadState,ActiveState,UnitFileState"])?;
        let is = |line: &str| shown.stdout.lines().any(|shown| shown == line);
        let files = [timer, format!("{name}.service")].map(|file| self.units.join(file).exists());
        let enabled = is("UnitFileState=enabled");
        let service = std::fs::read_to_string(self.units.join(format!("{name}.service")));
        let program = service.ok().as_deref().and_then(program_of);
        if let Some(program) = program.filter(|program| !program.is_file()) {
            let shown = twg_core::text::inert(&program.display().to_string());
            return Ok(Schedule::Broken(format!(
                "the program that it starts, {shown}, is missing"
            )));
        }
        Ok(match (is("ActiveState=active"), enabled, files) {
            (true, true, [true, true]) => Schedule::Active,
            (false, false, [false, false]) => Schedule::Absent,
            (_, _, [false, _] | [_, false]) => {
                Schedule::Broken("a unit file is missing".to_owned())
            }
            (false, ..) => Schedule::Broken("the timer is not active".to_owned()),
            (_, false, _) => Schedule::Broken("the timer is not enabled".to_owned()),
        })
    }

    fn outlives_login(&self) -> Option<bool> {
        let invocation =
            Invocation::new("loginctl", &["show-user", &self.user, "--property=Linger"]);
        match self.runner.run(&invocation).ok()?.stdout.trim() {
            "Linger=yes" => Some(true),
            "Linger=no" => Some(false),
            _ => None,
        }
    }
}

impl<C: Runner> Systemd<'_, C> {
    fn systemctl(&self, words: &[&str]) -> Result<Ended, Refused> {
        let invocation =
            words.iter().fold(Invocation::new("systemctl", &["--user"]), |invocation, word| {
                invocation.arg(word)
            });
        let result = self.runner.run(&invocation);
        match result {
            Ok(ended) if ended.well() => Ok(ended),
            _ => Err(Refused::because(trouble(&invocation, &result))),
        }
    }
}

/// 75: try again later. On a machine without a network, the service then does not count as failed.
///
/// If a run is killed between a request and its response, the next run can repair it only within
/// the server's leeway. At Atlassian that is ten minutes, shorter than the schedule (tests/model
/// shows it). So the process that repairs an interrupted refresh must outlive the run. (`simple`,
/// because systemd before 244 does not restart `oneshot`.)
fn service(job: &Job) -> String {
    let mut text = format!(
        "[Unit]\nDescription={DESCRIPTION}\n\n[Service]\nType=simple\nSuccessExitStatus=75\nRuntimeMaxSec=5min\n\
         Restart=on-abnormal\nRestartSec=30s\nKillMode=process\n"
    );
    for (name, value) in &job.environment {
        text.push_str(&format!("Environment={}\n", quoted(&format!("{name}={value}"))));
    }
    text.push_str(&format!("ExecStart={}", quoted(&job.program)));
    for argument in &job.arguments {
        // systemd expands variables only here: not in the program, and not in the environment.
        text.push_str(&format!(" {}", quoted(argument).replace('$', "$$")));
    }
    text.push('\n');
    text
}

/// A calendar timer, because only such a timer notices a run that was missed while the machine
/// slept. It also runs soon after login. Each machine adds its own random delay.
const TIMER: &str = "\
[Unit]
Description=Keeps the connections of twg alive, every 12 minutes

[Timer]
OnCalendar=*:0/12
OnStartupSec=1min
Persistent=true
RandomizedDelaySec=1min
AccuracySec=10s

[Install]
WantedBy=timers.target
";

const _: () = assert!(MINUTES == 12, "the timer has the same interval");

/// The program that a service of ours starts.
fn program_of(service: &str) -> Option<PathBuf> {
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=\""))?;
    let (mut program, mut letters) = (String::new(), line.chars());
    loop {
        match letters.next()? {
            '"' => return Some(program.into()),
            // The letter after it was doubled or escaped.
            '\\' | '%' => program.push(letters.next()?),
            letter => program.push(letter),
        }
    }
}

/// systemd.syntax(7), "Quoting", and systemd.unit(5), "Specifiers".
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{text}\"")
}

fn guidance(job: &Job) -> String {
    format!(
        "The schedule needs a systemd user instance and its D-Bus session. A login at a desktop, at a console\n\
         or over ssh has them; a container, `su` and `sudo` do not.\n\
         On a machine without a permanent login: run `loginctl enable-linger`, then log in again.\n\
         Without systemd, use cron. Add this line with `crontab -e`:\n{}",
        cron_line(job)
    )
}

fn cron_line(job: &Job) -> String {
    let quoted = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-,:=".contains(c);
        if text.chars().all(plain) {
            text.to_owned()
        } else {
            // crontab(5): a percent sign is a line break unless a backslash is before it, even
            // between quotes.
            format!("'{}'", text.replace('\'', "'\\''").replace('%', "\\%"))
        }
    };
    let environment =
        job.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let words =
        environment.chain([quoted(&job.program)]).chain(job.arguments.iter().map(|a| quoted(a)));
    format!("*/{MINUTES} * * * * {}", words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::job;
    use super::*;

    #[test]
    fn the_program_is_found_again() {
        assert_eq!(program_of(&service(&job())), Some(PathBuf::from(&job().program)));
        assert_eq!(program_of("[Service]"), None);
    }

    #[test]
    fn systemd_expands_nothing_in_a_value() {
        let text = service(&job());
        let lines: Vec<_> = text.lines().filter(|line| line.contains('"')).collect();
        assert_eq!(
            lines,
            [
                r#"Environment="TWG_CONFIG_DIR=/home/a b/%%h/\"c\"\\d/$HOME/<&>'""#,
                r#"Environment="NO_PROXY=localhost,.example.com""#,
                r#"ExecStart="/opt/a \"b\" 100%%/$x/tw\\g" "upkeep" "run""#,
            ]
        );
    }

    #[test]
    fn the_line_for_cron_is_one_for_sh() {
        let line = cron_line(&job());
        assert_eq!(
            line,
            r#"*/12 * * * * TWG_CONFIG_DIR='/home/a b/\%h/"c"\d/$HOME/<&>'\''' NO_PROXY=localhost,.example.com '/opt/a "b" 100\%/$x/tw\g' upkeep run"#
        );
    }
}
