//! SIGKILL at every important system call of `twg update`.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use twg_tests::release::{Installed, Release, Releases, THIS};

/// SIGKILL instead of each call that changes something or waits. Afterwards the launcher works, and
/// the next update completes.
#[test]
fn after_a_kill_at_any_call_twg_works_and_the_next_update_finishes() {
    let releases = Releases::start();
    releases.publish(&Release::new("0.2.0"));
    let prepare = || {
        let installed = Installed::new();
        installed.add("0.0.9", |path| symlink("/bin/true", path).expect("a link"));
        installed.add("0.0.8.partial", |path| std::fs::write(path, "half").expect("a file"));
        installed
    };
    let run = |installed: &Installed, injection: Option<&str>| {
        let trace = installed.home.path().join("trace");
        let mut words = vec!["strace", "-s", "0", "-o", trace.to_str().expect("text")];
        words.extend(["-e", "trace=all"]);
        words.extend(injection.iter().flat_map(|inject| ["-e", inject]));
        words.push("--");
        let twg = installed.twg(&releases, &["update"]).by_program(installed.program(THIS));
        let output = twg.behind(words).run();
        let text = std::fs::read_to_string(&trace).expect("a trace");
        std::fs::remove_file(trace).expect("it is there");
        (output, text)
    };
    let (output, trace) = run(&prepare(), None);
    output.expect_success();
    let points = points(&trace);
    let named = |name: &str| points.iter().filter(|(call, _)| call.starts_with(name)).count();
    for (name, least) in [
        ("rename", 4),
        ("symlink", 1),
        ("fsync", 6),
        ("unlink", 3),
        ("mkdir", 1),
        ("clone", 2),
        ("connect", 3),
    ] {
        assert!(named(name) >= least, "{name}: {points:?}");
    }
    let mut reached = 0;
    for (call, occurrence) in &points {
        let installed = prepare();
        let inject = format!("inject={call}:signal=SIGKILL:when={occurrence}");
        let (output, trace) = run(&installed, Some(&inject));
        let at = format!("{call} #{occurrence}");
        if trace.contains("+++ killed by SIGKILL +++") {
            reached += 1;
        } else {
            output.expect_success();
        }
        let says = installed.says();
        assert!(says == format!("twg {THIS}") || says == "twg 0.2.0", "{at}: {says}");
        let next =
            installed.twg(&releases, &["update", "--json"]).by_program(installed.program(THIS));
        let next = next.run();
        assert_eq!(next.code(), Some(0), "{at}: {next}");
        assert_eq!(installed.says(), "twg 0.2.0", "{at}");
        assert_eq!(installed.versions(), [THIS, "0.2.0"], "{at}");
        let left = |dir: &Path| {
            let names = std::fs::read_dir(dir).expect("a directory");
            let mut names: Vec<_> =
                names.map(|entry| entry.expect("an entry").file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(left(installed.launcher().parent().expect("a directory")), ["twg"], "{at}");
        assert_eq!(left(&installed.data()), ["releases.json", "update.lock", "versions"], "{at}");
        assert_eq!(left(&installed.data().join("versions/0.2.0")), ["LICENSE", "twg"], "{at}");
    }
    assert!(reached * 10 >= points.len() * 9, "{reached} of {}", points.len());
}

/// The calls of a trace before which a kill matters, each with its number among the calls of its
/// name.
fn points(trace: &str) -> Vec<(String, usize)> {
    const NAMES: [&str; 22] = [
        "write",
        "fsync",
        "fdatasync",
        "rename",
        "renameat",
        "renameat2",
        "symlink",
        "symlinkat",
        "link",
        "linkat",
        "mkdir",
        "mkdirat",
        "unlink",
        "unlinkat",
        "rmdir",
        "ftruncate",
        "fchmod",
        "fchmodat",
        "flock",
        "clone3",
        "clone",
        "connect",
    ];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in trace.lines() {
        let Some((name, arguments)) = line.split_once('(') else { continue };
        let count = counts.entry(name).or_default();
        *count += 1;
        if NAMES.contains(&name) || (name == "openat" && arguments.contains("O_CREAT")) {
            points.push((name.to_owned(), *count));
        }
    }
    points
}
