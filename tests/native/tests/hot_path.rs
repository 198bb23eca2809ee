//! `twg auth token` with a fresh token: scripts and agents run it all day.
#![cfg(target_os = "linux")]

use std::path::Path;

use twg_tests::{Sandbox, TempHome, TwgCommand};

/// The system calls of a run, one per line, and its output.
fn traced(home: &Path, command: &TwgCommand) -> (Vec<String>, String) {
    let trace = home.join("trace");
    let strace = ["strace", "-f", "-s", "0", "-o"].map(Path::new).into_iter();
    let output = command.behind(strace.chain([trace.as_path(), Path::new("--")])).run();
    output.expect_success();
    let text = std::fs::read_to_string(&trace).expect("a trace");
    // With -f, each line begins with the process id.
    let call = |line: &str| line.split_once(' ').map(|(_, call)| call.trim_start().to_owned());
    (text.lines().filter_map(call).collect(), output.stdout)
}

fn name(call: &str) -> &str {
    call.split('(').next().unwrap_or_default()
}

/// No thread, no socket, no lock, and no write except to standard output.
#[test]
fn a_fresh_token_costs_no_thread_no_socket_and_no_lock() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let before = sandbox.record();
    let token = sandbox.twg(["auth", "token"]);
    let (calls, printed) = traced(sandbox.home().path(), &token);
    assert_eq!(printed, format!("{}\n", before.access_token()));
    assert!(calls.iter().any(|call| call.starts_with("write(1,")), "it was traced: {calls:?}");
    let never = [
        "socket",
        "socketpair",
        "connect",
        "bind",
        "sendto",
        "sendmsg",
        "clone",
        "clone3",
        "fork",
        "vfork",
        "flock",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "mkdir",
        "mkdirat",
        "chmod",
        "fchmod",
        "fchmodat",
        "fsync",
        "fdatasync",
        "ftruncate",
    ];
    for call in &calls {
        assert!(!never.contains(&name(call)), "{call}");
        assert!(!call.contains("F_SETLK") && !call.contains("F_OFD_SETLK"), "{call}");
        let writes = ["write", "writev", "pwrite64"].contains(&name(call));
        assert!(!writes || call.contains("(1,"), "{call}");
        let opens = ["open", "openat", "creat"].contains(&name(call));
        let to_read =
            !call.contains("O_WRONLY") && !call.contains("O_RDWR") && !call.contains("O_CREAT");
        assert!(!opens || to_read, "{call}");
    }
    let opened = calls.iter().filter(|call| call.contains("/config/")).count();
    assert_eq!(opened, 1, "the record is the only file that is opened: {calls:?}");
    assert_eq!(sandbox.record(), before);
}

/// The record of `twg sandbox login` is an ordinary credential.
#[test]
fn the_sandboxs_directory_is_a_configuration_directory() {
    let home = TempHome::new();
    let login = ["sandbox", "--approve", "login", "--loopback"];
    home.twg(login).run().expect_success();
    let inside = home.config_dir().join("sandbox");
    let record = twg_tests::Record::read(&inside.join("auth.conf"));
    let command = home.twg(["auth", "token"]).env("TWG_CONFIG_DIR", &inside);
    let (calls, printed) = traced(home.path(), &command);
    assert_eq!(printed, format!("{}\n", record.access_token()));
    assert!(!calls.iter().any(|call| name(call) == "socket"));
    // Outside the sandbox there is still no login.
    home.twg(["auth", "token"]).run().expect_code(77);
}

/// A due token and an expired one are refreshed.
#[test]
fn a_token_that_is_not_fresh_takes_the_long_way() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let path = sandbox.config_dir().join("auth.conf");
    let aged = |by_seconds: u64| {
        let mut record = sandbox.record().members().clone();
        for time in ["issued_at", "expires_at"] {
            let then = record["tokens"][time].as_u64().unwrap() - by_seconds * 1000;
            record["tokens"][time] = then.into();
        }
        std::fs::write(&path, record.to_string()).unwrap();
    };
    for seconds in [2701, 3601] {
        let token = sandbox.record().access_token().to_owned();
        aged(seconds);
        let refreshed = sandbox.twg(["auth", "token"]).run();
        let new = sandbox.record();
        assert_eq!(refreshed.expect_success().stdout, format!("{}\n", new.access_token()));
        assert_ne!(new.access_token(), token);
        assert!(sandbox.accepts(new.access_token()));
    }
}
