//! The recovery that `twg` arms in the background: a detached `twg auth refresh ... --recover-at=...`, which
//! repairs an interrupted refresh if nobody else does.
//!
//! Here somebody else does. It would be a second one who repairs, after a time that no case waits for, and must
//! not outlive the case.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A busy machine may take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends all of them whose configuration is below `home`, also those that the first ones armed meanwhile. Says
/// when each would have begun, in milliseconds since the epoch.
///
/// # Panics
/// If one of them cannot be ended.
pub fn stop(home: &Path) -> Vec<u64> {
    let mut stopped = BTreeMap::new();
    // A process that was killed is not gone at once.
    until("a recovery to be gone", || {
        let running = armed(home);
        for (id, at) in &running {
            if stopped.insert(id.clone(), *at).is_none() {
                // By its number, and this one only. It may have ended by itself.
                let kill =
                    Command::new("sh").args(["-c", "kill -KILL \"$0\" 2>/dev/null", id]).status();
                kill.expect("there is a shell");
            }
        }
        running.is_empty()
    });
    stopped.into_values().collect()
}

/// Waits until a process that was started shows what it is. Whoever started it goes on as soon as it has left the
/// memory that they had in common, and that is a little before its own has arguments.
pub fn wait_for(id: i64) {
    let file = |name: &str| std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
    // One that is gone has no state; one that nobody has waited for yet is as good as gone.
    let is_gone = || {
        let stat = String::from_utf8_lossy(&file("stat")).into_owned();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
    };
    until("a process to show what it is", || {
        !file("cmdline").is_empty() && !file("environ").is_empty() || is_gone()
    });
}

/// Looks again and again: nobody is told when a process that is not his child begins its program, or is gone.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Those that run, by their process ids, and when they begin.
fn armed(home: &Path) -> Vec<(String, u64)> {
    let processes = std::fs::read_dir("/proc").expect("there is a /proc");
    // Whatever ends while it is looked at, and what belongs to others, is none of them.
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

/// The time in the command line of an armed recovery.
fn begins_at(command_line: &[u8]) -> Option<u64> {
    let mut words = command_line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    words.find_map(|word| word.strip_prefix("--recover-at=")?.parse().ok())
}

/// Whether the configuration that an environment names is below `home`.
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
    fn it_is_stopped_and_nobody_else_is() {
        let sleeper = |home: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "read -r line", "--recover-at=77"]).env("TWG_CONFIG_DIR", home);
            command.stdin(std::process::Stdio::piped()).spawn().unwrap()
        };
        let home = format!("/nowhere/{}", std::process::id());
        let (mut ours, mut other) = (sleeper(&format!("{home}/config")), sleeper("/nowhere/else"));
        wait_for(ours.id().into());
        assert_eq!(stop(Path::new(&home)), [77]);
        // It is not waited for yet.
        wait_for(ours.id().into());
        assert!(!ours.wait().unwrap().success());
        wait_for(ours.id().into());
        assert!(other.try_wait().unwrap().is_none());
        drop(other.stdin.take());
        other.wait().unwrap();
    }
}
