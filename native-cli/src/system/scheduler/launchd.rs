//! macOS: a LaunchAgent.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::{Job, MINUTES, Placed, Refused, Schedule, Scheduler, unlink, writable, xml};
use crate::system::tool::{Ended, Invocation, Runner, trouble};

/// `launchctl bootout` returns before the agent is gone, and until then `bootstrap` fails.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 200 });

pub(super) struct Launchd<'a, C> {
    /// `~/Library/LaunchAgents`
    pub(super) agents: PathBuf,
    /// The user's number.
    pub(super) user: String,
    pub(super) runner: &'a C,
}

impl<C: Runner> Scheduler for Launchd<'_, C> {
    fn name(&self) -> &'static str {
        "LaunchAgent"
    }

    fn enable(&self, job: &Job) -> Result<(), Refused> {
        writable(job)?;
        let (target, file) = (self.target(&job.name), self.file(&job.name));
        let mut placed = Placed::nothing();
        placed.put(&file, plist(job).as_bytes())?;
        // A running agent would keep its old definition. If there is no agent, that is no failure.
        let _ = self.launchctl(&["bootout", &target]);
        // The user may have disabled it by hand.
        let enabled = self.launchctl(&["enable", &target]);
        let done = enabled.and_then(|_| self.bootstrap(&file.to_string_lossy()));
        if let Err(refused) = done {
            let were_there = placed.were_there();
            drop(placed);
            if were_there {
                let _ = self.bootstrap(&file.to_string_lossy());
            }
            return Err(refused);
        }
        placed.keep();
        Ok(())
    }

    fn disable(&self, name: &str) -> Result<bool, Refused> {
        let running = self.launchctl(&["print", &self.target(name)]).is_ok();
        if running {
            self.launchctl(&["bootout", &self.target(name)])?;
        }
        Ok(unlink(&self.file(name))? || running)
    }

    fn look(&self, name: &str) -> Result<Schedule, Refused> {
        let invocation = self.invocation(&["print", &self.target(name)]);
        let result = self.runner.run(&invocation);
        let Ok(ended) = &result else {
            return Err(Refused::because(trouble(&invocation, &result)));
        };
        Ok(match (ended.well(), self.file(name).exists()) {
            (true, true) => Schedule::Active,
            (false, false) => Schedule::Absent,
            (true, false) => Schedule::Broken("the LaunchAgent's file is missing".to_owned()),
            (false, true) => Schedule::Broken("the LaunchAgent is not loaded".to_owned()),
        })
    }
}

impl<C: Runner> Launchd<'_, C> {
    fn target(&self, name: &str) -> String {
        format!("gui/{}/{name}", self.user)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.agents.join(format!("{name}.plist"))
    }

    fn bootstrap(&self, file: &str) -> Result<(), Refused> {
        let domain = format!("gui/{}", self.user);
        let mut done = self.launchctl(&["bootstrap", &domain, file]);
        for _ in 1..TRIES {
            if done.is_ok() {
                break;
            }
            thread::sleep(PAUSE);
            done = self.launchctl(&["bootstrap", &domain, file]);
        }
        done.map(drop)
    }

    fn invocation(&self, words: &[&str]) -> Invocation {
        Invocation::new("/bin/launchctl", words)
    }

    fn launchctl(&self, words: &[&str]) -> Result<Ended, Refused> {
        let invocation = self.invocation(words);
        let result = self.runner.run(&invocation);
        match result {
            Ok(ended) if ended.well() => Ok(ended),
            _ => Err(Refused::because(trouble(&invocation, &result))),
        }
    }
}

/// launchd.plist(5). If the machine sleeps over the interval, the agent runs once when it wakes up.
fn plist(job: &Job) -> String {
    let strings = |words: &mut dyn Iterator<Item = &String>| {
        words.map(|word| format!("    <string>{}</string>\n", xml(word))).collect::<String>()
    };
    let words = strings(&mut [&job.program].into_iter().chain(&job.arguments));
    let environment = job.environment.iter().map(|(name, value)| {
        format!("    <key>{}</key>\n    <string>{}</string>\n", xml(name), xml(value))
    });
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{label}</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>EnvironmentVariables</key>
  <dict>
{environment}  </dict>
  <key>StartInterval</key>
  <integer>{seconds}</integer>
  <key>RunAtLoad</key>
  <true/>
  <key>ProcessType</key>
  <string>Background</string>
  <key>AbandonProcessGroup</key>
  <true/>
</dict>
</plist>
"#,
        label = xml(&job.name),
        environment = environment.collect::<String>(),
        seconds = MINUTES * 60,
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::super::job;
    use super::*;
    use crate::effects::file_store::tests::scratch_dir;
    use crate::system::tool::tests::{FakeRunner, badly, well};

    /// Python reads it as Apple's own libraries do.
    #[test]
    fn the_agent_is_a_property_list() {
        let script = "import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
        let mut python = Command::new("python3");
        python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        python.stdin.take().unwrap().write_all(plist(&job()).as_bytes()).unwrap();
        let read = python.wait_with_output().unwrap();
        let read: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
        let job = job();
        assert_eq!(
            read,
            serde_json::json!({
                "Label": "twg-upkeep",
                "ProgramArguments": [job.program, "upkeep", "run"],
                "EnvironmentVariables": {
                    "TWG_CONFIG_DIR": job.environment[0].1,
                    "NO_PROXY": job.environment[1].1,
                },
                "StartInterval": 720,
                "RunAtLoad": true,
                "ProcessType": "Background",
                // launchd.plist(5): otherwise the process that repairs an interrupted refresh would
                // end with its run.
                "AbandonProcessGroup": true,
            })
        );
    }

    #[test]
    fn enabling_waits_until_the_old_agent_is_gone() {
        let dir = scratch_dir();
        let busy = std::cell::Cell::new(3);
        let runner = FakeRunner::new(|invocation| {
            if invocation.contains("bootstrap") && busy.replace(busy.get() - 1) > 1 {
                return badly(5, "Bootstrap failed: 5: Input/output error");
            }
            well()
        });
        let agents = dir.path().join("Library/LaunchAgents");
        let launchd = Launchd { agents: agents.clone(), user: "501".to_owned(), runner: &runner };
        launchd.enable(&job()).unwrap();
        let file = agents.join("twg-upkeep.plist");
        let bootstrap = format!("/bin/launchctl bootstrap gui/501 {}", file.display());
        assert_eq!(
            *runner.invocations.borrow(),
            [
                "/bin/launchctl bootout gui/501/twg-upkeep",
                "/bin/launchctl enable gui/501/twg-upkeep",
                &bootstrap,
                &bootstrap,
                &bootstrap,
            ]
        );
        assert_eq!(launchd.look("twg-upkeep"), Ok(Schedule::Active));
        assert_eq!(launchd.disable("twg-upkeep"), Ok(true));
        assert!(!file.exists());
    }

    #[test]
    fn what_cannot_be_loaded_leaves_nothing_behind() {
        let dir = scratch_dir();
        let runner = FakeRunner::new(|invocation| {
            if invocation.contains("bootstrap") {
                badly(125, "Domain does not support it")
            } else {
                well()
            }
        });
        let launchd =
            Launchd { agents: dir.path().to_owned(), user: "501".to_owned(), runner: &runner };
        let refused = launchd.enable(&job()).unwrap_err();
        assert!(refused.trouble.ends_with("Domain does not support it"), "{refused:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        // The earlier file is there again.
        fs::write(dir.path().join("twg-upkeep.plist"), "before").unwrap();
        launchd.enable(&job()).unwrap_err();
        assert_eq!(fs::read_to_string(dir.path().join("twg-upkeep.plist")).unwrap(), "before");
    }
}
