//! The scheduled upkeep: what the system's scheduler gets, what a run does, and what the user sees
//! of it.
//!
//! No systemd is started here: programs that record their calls come first on `PATH`. Real are
//! systemd's check of the unit files, the D-Bus, and the sandbox.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use twg_tests::{Played, Sandbox, TempHome, schema};

fn units(home: &TempHome) -> PathBuf {
    home.path().join(".config/systemd/user")
}

fn files_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn state(dir: &Path) -> Value {
    let text = fs::read_to_string(dir.join("upkeep.json")).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn enable_tells_systemd_and_disable_takes_it_back() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    let usual = |args: &[&str]| played.before(home.twg(args).env_remove("TWG_CONFIG_DIR"));
    for _ in 0..2 {
        let enabled = usual(&["upkeep", "enable"]).run();
        enabled.expect_success().expect_stderr("every 12 minutes").expect_stderr("enable-linger");
        assert_eq!(
            played.calls(),
            [
                "systemctl --user show --property=Version",
                "systemctl --user daemon-reload",
                "systemctl --user enable twg-upkeep.timer",
                "systemctl --user restart twg-upkeep.timer",
                &format!(
                    "loginctl show-user {} --property=Linger",
                    rustix::process::geteuid().as_raw()
                ),
            ]
        );
    }
    played.timer_is("active", "enabled");
    let status = usual(&["upkeep", "status", "--json"]).run();
    let status = status.expect_success().json();
    schema::check("upkeep-status", &status);
    assert_eq!(status["scheduled"], true);
    assert_eq!(status["launcherExists"], true);
    assert_eq!(status["outlivesLogin"], false);
    let _ = played.calls();
    fs::write(home.path().join(".config/twg/upkeep.json"), "{}").unwrap();
    usual(&["upkeep", "disable"]).run().expect_success();
    assert_eq!(
        played.calls(),
        [
            "systemctl --user show twg-upkeep.timer --property=LoadState,ActiveState,UnitFileState",
            "systemctl --user stop twg-upkeep.timer",
            "systemctl --user daemon-reload",
        ]
    );
    assert!(files_in(&units(&home)).iter().all(|name| name == "timers.target.wants"));
    assert!(!home.path().join(".config/twg/upkeep.json").exists());
    played.timer_is("inactive", "");
    let again = usual(&["upkeep", "disable"]).run();
    again.expect_success().expect_stderr("nothing to do");
}

/// A running upkeep saves its state at its end. A schedule that was disabled meanwhile does not
/// come back.
#[test]
fn disable_waits_for_a_run_that_is_under_way() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    home.write_config("upkeep.json.lock", "");
    let file = home.config_dir().join("upkeep.json");
    let run = fs::File::create(file.with_extension("json.lock")).expect("it can be made");
    run.lock().expect("the lock is free");
    let disable = played.before(home.twg(["upkeep", "disable"])).start();
    // The schedule is already removed. The state file comes next.
    disable.wait_for_stderr(|said| said.contains("Waiting for the run").then_some(()));
    fs::write(&file, r#"{"schema_version":1}"#).expect("it can be written");
    drop(run);
    disable.wait().expect_success();
    assert!(!file.exists());
}

/// Of two failures, the more important one is reported: the schedule is still there.
#[test]
fn a_refusing_scheduler_is_reported_before_other_failures() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    played.before(home.twg(["upkeep", "enable"])).run().expect_success();
    home.write_config("upkeep.json/in-the-way", "");
    played.program(
        "systemctl",
        "case \"$*\" in *stop*) echo no >&2; exit 1;; *) echo LoadState=loaded;; esac",
    );
    let disable = played.before(home.twg(["upkeep", "disable"])).run();
    disable.expect_code(1).expect_stderr("stop twg-upkeep");
    assert!(!disable.stderr.contains("no longer scheduled"), "{disable}");
}

/// Two runs at once would do everything twice, so without a lock there is no run.
#[test]
fn a_run_needs_its_lock() {
    let home = TempHome::new();
    home.write_config("upkeep.json.lock/in-the-way", "");
    let run = home.twg(["upkeep", "run"]).run();
    run.expect_code(73).expect_stderr("Could not store the state of the upkeep");
}

#[test]
fn json_is_as_its_schemas_say() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let played = Played::scheduler(sandbox.home().path());
    for what in ["enable", "run", "status", "disable"] {
        let output = played.before(sandbox.twg(["upkeep", what, "--json"])).run();
        schema::check(&format!("upkeep-{what}"), &output.expect_success().json());
    }
}

/// systemd itself reads the units, whose paths contain every character with a meaning for it.
#[test]
fn systemd_accepts_the_units() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    let odd = home.path().join("a b 100% %h $HOME \"c\" \\d");
    let enable = home
        .twg(["upkeep", "enable"])
        .env("TWG_CONFIG_DIR", &odd)
        .env("HTTPS_PROXY", "http://proxy.example:3128")
        .env("no_proxy", "localhost")
        .env("SSL_CERT_FILE", "/etc/a b.pem");
    played.before(enable).run().expect_success();
    let files = files_in(&units(&home));
    assert_eq!(files.len(), 2, "{files:?}");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--user", "--man=no"]).env("XDG_RUNTIME_DIR", home.path());
    let verified = verify.args(files.iter().map(|file| units(&home).join(file))).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    // systemd also complains about units of the system that are not ours.
    assert!(verified.status.success() && !said.contains("twg"), "{said}");
    let service = fs::read_to_string(units(&home).join(&files[0])).unwrap();
    for line in [
        "Environment=\"HTTPS_PROXY=http://proxy.example:3128\"",
        "Environment=\"NO_PROXY=localhost\"",
        "Environment=\"SSL_CERT_FILE=/etc/a b.pem\"",
    ] {
        assert!(service.contains(line), "{line}: {service}");
    }
    assert!(service.contains("a b 100%% %%h $HOME \\\"c\\\" \\\\d\""), "{service}");
}

#[test]
fn each_directory_has_a_schedule_of_its_own() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    for dir in ["one", "two"] {
        let enable = home.twg(["upkeep", "enable"]).env("TWG_CONFIG_DIR", home.path().join(dir));
        played.before(enable).run().expect_success();
    }
    assert_eq!(files_in(&units(&home)).len(), 4);
}

/// No file contains a proxy's password.
#[test]
fn a_password_of_the_proxy_is_not_written_down() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    let enable =
        home.twg(["upkeep", "enable"]).env("HTTPS_PROXY", "http://mia:canary@proxy.example");
    let enabled = played.before(enable).run();
    enabled.expect_success().expect_stderr("HTTPS_PROXY").expect_stderr("does not store it");
    for file in files_in(&units(&home)) {
        assert!(!fs::read_to_string(units(&home).join(file)).unwrap().contains("canary"));
    }
}

/// Seed: "Retrying twg upkeep enable reports the underlying systemctl --user error and leaves upkeep disabled."
#[test]
fn without_a_user_instance_nothing_is_left_behind() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    let enable = || played.before(home.twg(["upkeep", "enable"])).run();
    for failing in ["show*Version", "daemon-reload", "enable*timer", "restart*"] {
        played.program(
            "systemctl",
            &format!("case \"$*\" in *{failing}*) printf 'Failed to connect to bus: \\033[2JNo medium\\n' >&2; exit 1;; esac"),
        );
        let refused = enable();
        refused
            .expect_code(1)
            .expect_stderr("systemctl --user")
            .expect_stderr("Failed to connect to bus: \\u{1b}[2JNo medium")
            .expect_stderr("enable-linger")
            .expect_stderr("*/12 * * * * TWG_CONFIG_DIR=");
        assert!(files_in(&units(&home)).is_empty(), "{failing}: {:?}", files_in(&units(&home)));
    }
    fs::remove_file(played.path().join("systemctl")).unwrap();
    let nowhere = home.twg(["upkeep", "enable"]).env("PATH", played.path());
    nowhere.run().expect_code(1).expect_stderr("program not found");
    // A running schedule is not removed because this session has no bus.
    let played = Played::scheduler(home.path());
    enable().expect_success();
    let before = files_in(&units(&home));
    played.program("systemctl", "exit 1");
    enable().expect_code(1);
    assert_eq!(files_in(&units(&home)), before);
}

/// Seed: "It refreshes OAuth only when the normal refresh threshold is within 15 minutes".
#[test]
fn a_run_silently_refreshes_tokens_due_soon() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let played = Played::scheduler(sandbox.home().path());
    let run = played.before(sandbox.twg(["upkeep", "run"]));
    let silent = || {
        let output = run.run();
        output.expect_success();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    };
    silent();
    assert_eq!(sandbox.refreshes().len(), 0);
    sandbox.age_tokens(29 * 60);
    silent();
    assert_eq!(sandbox.refreshes().len(), 0);
    sandbox.age_tokens(2 * 60);
    silent();
    silent();
    assert_eq!(sandbox.refreshes().len(), 1);
    let state = state(&sandbox.config_dir());
    assert_eq!(state["last_run_succeeded"], true);
    // The state contains no secret.
    let text = fs::read_to_string(sandbox.config_dir().join("upkeep.json")).unwrap();
    let record = sandbox.record();
    for secret in [record.access_token(), record.refresh_token().unwrap()] {
        assert!(!text.contains(secret));
    }
    // After a logout: no request, no message.
    sandbox.twg(["logout"]).run().expect_success();
    let before = sandbox.refreshes().len();
    silent();
    assert_eq!(sandbox.refreshes().len(), before);
    assert_eq!(played.calls(), Vec::<String>::new(), "there was no notification");
}

/// A failing run sends one request. An ended login sends none, and leads to one notification.
#[test]
fn a_failure_and_an_end() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let played = Played::scheduler(sandbox.home().path());
    let run = played.before(sandbox.twg(["upkeep", "run"]));
    sandbox.age_tokens(45 * 60);
    sandbox.switch("fault.refresh", "503*1");
    run.run().expect_code(75);
    assert_eq!(state(&sandbox.config_dir())["last_run_succeeded"], false);
    sandbox.change_record(|record| {
        record["ended"] = json!({ "at": 1_700_000_000_000_u64, "reason": "rejected" });
    });
    let before = sandbox.refreshes().len();
    for _ in 0..3 {
        let output = run.run();
        output.expect_success();
        assert_eq!(output.stderr, "");
    }
    assert_eq!(sandbox.refreshes().len(), before);
    let calls = played.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].contains("has ended") && calls[0].contains("`twg login`"), "{calls:?}");
}

/// A scheduler without an environment passes it as arguments. Only the variables that `enable`
/// writes are accepted.
#[test]
fn a_run_with_an_environment_in_its_arguments() {
    let home = TempHome::new();
    let other = home.path().join("other");
    let with = |pair: String| home.twg(["upkeep", "run", "--environment", &pair]).run();
    with(format!("TWG_CONFIG_DIR={}", other.display())).expect_success();
    assert!(other.join("upkeep.json").exists() && !home.config_dir().exists());
    with("LD_PRELOAD=/x".to_owned()).expect_code(2);
}

/// Killed on drop, so also when the test fails.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A real D-Bus with a notification service of the test, which records its notifications.
struct Desktop {
    _bus: Service,
    _service: Service,
    address: String,
    shown: PathBuf,
}

impl Desktop {
    fn start(dir: &Path) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        bus.arg(format!("--address=unix:path={}", dir.join("bus").display()));
        let mut bus =
            Service(bus.stdout(Stdio::piped()).spawn().expect("dbus-daemon (see tests/run)"));
        let first_line = |service: &mut Service| {
            let mut line = String::new();
            BufReader::new(service.0.stdout.take().expect("it works"))
                .read_line(&mut line)
                .expect("it works");
            line.trim().to_owned()
        };
        let address = first_line(&mut bus);
        let shown = dir.join("shown");
        let mut service = Command::new("/usr/bin/python3");
        service.args(["-c", include_str!("upkeep/notifications.py")]).arg(&shown);
        service.env("DBUS_SESSION_BUS_ADDRESS", &address).stdout(Stdio::piped());
        let mut service = Service(service.spawn().expect("it works"));
        assert_eq!(first_line(&mut service), "ready");
        Self { _bus: bus, _service: service, address, shown }
    }

    fn shown(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.shown).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("it works")).collect()
    }
}

/// Seed: "it sends an initial native notification, up to three daily reminders, then up to three weekly reminders until
/// you update. Each notification tells you to run twg update".
#[test]
fn forty_days_of_reminders() {
    let home = TempHome::new();
    let desktop = Desktop::start(home.path());
    let library = ["x86_64", "aarch64"].map(|cpu| format!("/usr/lib/{cpu}-linux-gnu/faketime"));
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    home.write_config(
        "upkeep.json",
        json!({
            "schema_version": 1,
            "available_version": "99.0.0",
            // No look for updates: this build has no releases to follow, and would find none.
            "next_update_check_at": 0,
        })
        .to_string(),
    );
    let mut days = Vec::new();
    for half_day in 0..80_u64 {
        let now = start.as_millis() as u64 + half_day * 43_200_000;
        let path = home.config_dir().join("upkeep.json");
        let mut state = state(&home.config_dir());
        state["next_update_check_at"] = (now + 86_400_000).into();
        fs::write(&path, state.to_string()).unwrap();
        let before = desktop.shown().len();
        let run = home
            .twg(["upkeep", "run"])
            .env("DBUS_SESSION_BUS_ADDRESS", &desktop.address)
            .env("LD_LIBRARY_PATH", library.join(":"))
            .env("LD_PRELOAD", "libfaketime.so.1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME", format!("+{}h", half_day * 12))
            .run();
        run.expect_success();
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        if desktop.shown().len() > before {
            days.push(half_day / 2);
        }
    }
    assert_eq!(days, [0, 1, 2, 3, 10, 17, 24]);
    let shown = desktop.shown();
    assert_eq!(shown.len(), 7);
    for notification in shown {
        assert_eq!(notification["app"], "twg");
        assert_eq!(notification["summary"], "twg 99.0.0 is available");
        assert!(notification["body"].as_str().unwrap().contains("`twg update`"));
    }
}
