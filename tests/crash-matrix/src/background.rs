//! The recovery that `twg` schedules in the background: a detached `twg auth refresh ...
//! --recover-at=...`, which repairs an interrupted refresh later.
//!
//! Here the case itself repairs the refresh. The background recovery would be a second one, at a
//! later time, so it must be stopped before the case ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A busy machine may take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills all recoveries whose configuration is below `home`, including those that another recovery
/// schedules meanwhile. Returns their start times in milliseconds since the epoch.
///
/// # Panics
/// If one of them cannot be killed.
pub fn stop(home: &Path) -> Vec<u64> {
    let mut stopped = BTreeMap::new();
    // A killed process takes a moment to disappear.
    until("a recovery to be gone", || {
        let running = armed(home);
        for (id, at) in &running {
            if stopped.insert(id.clone(), *at).is_none() {
                // Only this process, by its id. It may have ended already.
                let kill =
                    Command::new("sh").args(["-c", "kill -KILL \"$0\" 2>/dev/null", id]).status();
                kill.expect("there is a shell");
            }
        }
        running.is_empty()
    });
    stopped.into_values().collect()
}

/// Waits until a new process has its own command line. Its parent runs on as soon as the two no
/// longer share memory, which is a moment before that.
pub fn wait_for(id: i64) {
    let file = |name: &str| std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
    // A process that is gone has no state. A zombie counts as gone.
    let is_gone = || {
        let stat = String::from_utf8_lossy(&file("stat")).into_owned();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
    };
    until("a process to show what it is", || {
        !file("cmdline").is_empty() && !file("environ").is_empty() || is_gone()
    });
}

/// Polls, because there is no event for the start and the end of a process that is not a child.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The running recoveries: their process ids and start times.
fn armed(home: &Path) -> Vec<(String, u64)> {
    let processes = std::fs::read_dir("/proc").expect("there is a /proc");
    // Processes that end meanwhile, and those of other users, are left out.
    let one = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.to_owned();
        if !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let at = begins_at(&std::fs::read(path.join("cmdline")).ok()?)?;
        is_below(&std::fs::read(path.join("environ")).ok()?, home).then_some((id, at))
    };
    processes.filter_map(one).collect()
}

/// The start time in the command line of a scheduled recovery.
fn begins_at(command_line: &[u8]) -> Option<u64> {
    let mut words = command_line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    words.find_map(|word| word.strip_prefix("--recover-at=")?.parse().ok())
}

/// Whether the configuration directory in this environment is below `home`.
fn is_below(environment: &[u8], home: &Path) -> bool {
    let mut variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    variables.any(|variable| {
        let directory = variable.strip_prefix("TWG_CONFIG_DIR=");
        directory.is_some_and(|directory| Path::new(directory).starts_with(home))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_known_by_its_arguments_and_its_home() {
        let line =
            b"/bin/twg\0auth\0refresh\0atlassian\0--connection\0default\0--recover-at=1234\0";
        assert_eq!(begins_at(line), Some(1234));
        assert_eq!(begins_at(b"/bin/twg\0auth\0refresh\0"), None);
        let environment = b"PATH=/bin\0TWG_CONFIG_DIR=/tmp/a/config\0HOME=/tmp/b\0";
        assert!(is_below(environment, Path::new("/tmp/a")));
        assert!(!is_below(environment, Path::new("/tmp/b")));
        assert!(!is_below(b"", Path::new("/tmp/a")));
    }

    #[test]
    fn only_the_recovery_is_stopped() {
        let sleeper = |home: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "read -r line", "--recover-at=77"]).env("TWG_CONFIG_DIR", home);
            command.stdin(std::process::Stdio::piped()).spawn().unwrap()
        };
        let home = format!("/nowhere/{}", std::process::id());
        let (mut ours, mut other) = (sleeper(&format!("{home}/config")), sleeper("/nowhere/else"));
        wait_for(ours.id().into());
        assert_eq!(stop(Path::new(&home)), [77]);
        // It is a zombie, because this process has not waited for it.
        wait_for(ours.id().into());
        assert!(!ours.wait().unwrap().success());
        wait_for(ours.id().into());
        assert!(other.try_wait().unwrap().is_none());
        drop(other.stdin.take());
        other.wait().unwrap();
    }
}
