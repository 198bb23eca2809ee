//! `twg setup` and `twg uninstall`: their effects on a machine, and that uninstalling removes them
//! all.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use twg_tests::release::{Installed, Releases};
use twg_tests::{Browser, Played, Sandbox, TempHome, TwgCommand, schema};

/// Every file below a directory, with its content.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.ends_with("played") {
                continue;
            }
            if path.is_dir() {
                open.push(path.clone());
                found.insert(path, Vec::new());
            } else {
                found.insert(path.clone(), fs::read(path).unwrap_or_default());
            }
        }
    }
    found
}

struct Machine {
    sandbox: Sandbox,
    played: Played,
}

impl Machine {
    /// A machine with a user who can sign in, Claude Code, and bash.
    fn new() -> Self {
        let sandbox = Sandbox::start();
        let home = sandbox.home().path();
        fs::create_dir(home.join(".claude")).expect("a directory");
        let played = Played::scheduler(home);
        Self { sandbox, played }
    }

    fn twg(&self, args: &[&str]) -> TwgCommand {
        self.played.before_installed(self.sandbox.twg(args)).env("SHELL", "/bin/bash")
    }

    fn home(&self, path: &str) -> PathBuf {
        self.sandbox.home().path().join(path)
    }

    /// The unit that starts the upkeep.
    fn service(&self) -> PathBuf {
        let units = fs::read_dir(self.home(".config/systemd/user")).expect("units");
        let mut units = units.map(|entry| entry.expect("a unit").path());
        let is_service = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "service");
        units.find(is_service).expect("a service")
    }

    fn setup(&self) -> Value {
        let document = self.twg(&["setup", "--json"]).run().json();
        schema::check("setup", &document);
        document
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn states(document: &Value) -> Vec<(&str, &str)> {
    let steps = document["steps"].as_array().expect("steps").iter();
    steps.map(|step| (text(&step["name"]), text(&step["state"]))).collect()
}

#[test]
fn every_step_can_be_done_again() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let first = machine.twg(&["setup"]).run();
    first
        .expect_success()
        .expect_stderr(
            "✔ The completion for bash is in ~/.local/share/bash-completion/completions/twg",
        )
        .expect_stderr("✔ The skill for Claude Code is in ~/.claude/skills/twg/SKILL.md")
        .expect_stderr("✔ The upkeep runs every 12 minutes (systemd user timer)");
    assert_eq!(first.stdout, "");
    let skill = fs::read_to_string(machine.home(".claude/skills/twg/SKILL.md")).unwrap();
    assert!(skill.starts_with("---\nname: twg\ndescription: "), "{skill}");
    assert!(skill.contains("Stop after the same authentication error twice"));
    assert!(!machine.home(".local/bin/twg").exists(), "the program was already installed");

    let before = tree(&machine.home(""));
    let again = machine.setup();
    assert_eq!(
        states(&again),
        [
            ("program", "already"),
            ("login", "already"),
            ("completions", "already"),
            ("skills", "already"),
            ("upkeep", "done"),
        ]
    );
    assert_eq!(tree(&machine.home("")), before);

    // A file that the user changed stays.
    let changed = skill.replace("Never", "Never ever");
    fs::write(machine.home(".claude/skills/twg/SKILL.md"), &changed).unwrap();
    let left = machine.twg(&["setup"]).run();
    left.expect_success().expect_stderr("was changed since twg wrote it, and stays as it is");
    assert_eq!(fs::read_to_string(machine.home(".claude/skills/twg/SKILL.md")).unwrap(), changed);
}

/// The installed completion works: bash completes the commands.
#[test]
fn the_completion_works_in_bash() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let _ = machine.setup();
    let file = machine.home(".local/share/bash-completion/completions/twg");
    let script = format!(
        "source '{}'; COMP_WORDS=(twg upk); COMP_CWORD=1; COMP_LINE='twg upk'; COMP_POINT=7; \
         f=$(complete -p twg | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f twg upk twg; echo \"${{COMPREPLY[*]}}\"",
        file.display()
    );
    let bash = machine.twg(&[]).behind(["bash", "--norc", "-c", &script]).run();
    assert_eq!(bash.expect_success().stdout.trim(), "upkeep", "{bash}");
}

/// Seed: "If setup cannot install the schedule, it completes with repair guidance."
#[test]
fn a_machine_without_a_scheduler_is_still_set_up() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let trouble = "echo 'Failed to connect to bus: No medium found' >&2; exit 1";
    machine.played.program("systemctl", trouble);
    let setup = machine.twg(&["setup"]).run();
    setup
        .expect_success()
        .expect_stderr("Failed to connect to bus: No medium found")
        .expect_stderr("crontab -e");
    let document = machine.setup();
    assert_eq!(document["ok"], true, "{document}");
    assert_eq!(states(&document)[4], ("upkeep", "failed"));
}

/// Without a user, setup does not wait.
#[test]
fn without_a_person_there_is_no_login() {
    let machine = Machine::new();
    let document = machine.setup();
    assert_eq!(states(&document)[1], ("login", "skipped"));
    let shown = machine.twg(&["setup"]).run();
    shown.expect_success().expect_stderr("Skipped login: there is no terminal; run `twg login`");
}

/// As a new user sees it.
#[test]
fn a_person_signs_in_on_the_way() {
    let machine = Machine::new();
    let screen = machine.twg(&["setup"]).env("TWG_BROWSER", "/bin/false").in_terminal();
    screen.wait_for("Only continue if you started this sign-in yourself.");
    let shown = screen.screen();
    let address = shown.lines().map(str::trim).find(|line| line.starts_with("http://"));
    let _ = machine.sandbox.approve(&Browser::new(), address.expect("an address"));
    screen.wait_for("Bitbucket token");
    let mut screen = screen;
    screen.send_line("");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    let shown = screen.screen();
    assert!(shown.contains("✔ Authentication successful!"), "{shown}");
    assert!(shown.contains("✔ The upkeep runs every 12 minutes"), "{shown}");
}

/// A downloaded program that is not on `PATH` installs itself.
#[test]
fn a_downloaded_program_becomes_one_that_is_found() {
    let machine = Machine::new();
    let twg = |args: &[&str]| machine.played.before(machine.sandbox.twg(args));
    let setup = twg(&["setup", "--json"]).run();
    assert_eq!(states(&setup.expect_success().json())[0], ("program", "done"));
    let launcher = machine.home(".local/bin/twg");
    assert!(fs::read_link(&launcher).unwrap().to_str().unwrap().contains("/twg/versions/"));
    // The schedule starts the installed program, not the download.
    let unit = fs::read_to_string(machine.service()).unwrap();
    assert!(unit.contains(&format!("ExecStart=\"{}\"", launcher.display())), "{unit}");
    let says = std::process::Command::new(&launcher).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&says.stdout).starts_with("twg "), "{says:?}");
    // A damaged program of the same version is replaced.
    let program = fs::read_link(&launcher).unwrap();
    fs::write(&program, "torn").unwrap();
    twg(&["setup"]).run().expect_success();
    assert_eq!(fs::read(&program).unwrap(), fs::read(twg_tests::twg_program()).unwrap());
    let versions = program.parent().unwrap().parent().unwrap();
    assert_eq!(fs::read_dir(versions).unwrap().count(), 1, "nothing half-made stays");
}

#[test]
fn a_dry_run_touches_nothing() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let _ = machine.setup();
    machine.played.timer_is("active", "enabled");
    let _ = machine.played.calls();
    machine.sandbox.clear_log();
    let before = tree(&machine.home(""));
    let shown = machine.twg(&["uninstall", "--dry-run"]).run();
    for what in [
        "the scheduled upkeep",
        "the connection atlassian/default",
        "~/.local/share/bash-completion/completions/twg",
        "~/.claude/skills/twg/SKILL.md",
    ] {
        assert!(shown.expect_success().stdout.contains(what), "{what}: {shown}");
    }
    let json = machine.twg(&["uninstall", "--dry-run", "--json"]).run().expect_success().json();
    schema::check("uninstall", &json);
    assert_eq!(tree(&machine.home("")), before);
    assert!(machine.sandbox.log().is_empty());
    assert!(machine.played.calls().iter().all(|call| call.contains(" show ")), "it only looks");
    // Without a terminal, the user cannot agree.
    let alone = machine.twg(&["uninstall"]).run();
    alone.expect_code(2).expect_stderr("Nothing was removed.").expect_stderr("--yes");
    assert_eq!(tree(&machine.home("")), before);
}

/// systemd does not notice that a scheduled program is gone. The doctor does, and schedules it
/// again.
#[test]
fn a_schedule_without_its_program_is_repaired() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let _ = machine.setup();
    machine.played.timer_is("active", "enabled");
    let service = machine.service();
    let good = fs::read_to_string(&service).unwrap();
    let program = twg_tests::twg_program().display().to_string();
    fs::write(&service, good.replace(&program, "/nowhere/twg")).unwrap();
    let status = machine.twg(&["upkeep", "status"]).run();
    assert!(status.stdout.contains("/nowhere/twg, is missing"), "{status}");
    let doctor = machine.twg(&["doctor", "--fix"]).run();
    doctor.expect_stderr("The upkeep is scheduled again (the program that it starts");
    assert_eq!(fs::read_to_string(&service).unwrap(), good);
}

/// Inside the sandbox, no command changes the machine.
#[test]
fn the_sandbox_leaves_the_machine_alone() {
    let home = TempHome::new();
    let played = Played::scheduler(home.path());
    let twg = |words: &[&str]| {
        let words = ["sandbox", "--port", "0"].into_iter().chain(words.iter().copied());
        played.before(home.twg(words)).run()
    };
    for words in [&["uninstall", "--yes"][..], &["update"]] {
        let refused = twg(words);
        refused.expect_code(2).expect_stderr("The sandbox is not installed anywhere");
        assert!(!refused.stderr.contains("twg sandbox u"), "{refused}");
    }
    for words in [&["upkeep", "enable"][..], &["upkeep", "disable"]] {
        twg(words).expect_code(2).expect_stderr("The sandbox has no schedule");
    }
    let setup = twg(&["setup", "--json"]).expect_success().json();
    assert!(states(&setup).iter().all(|(_, state)| *state == "skipped"), "{setup}");
    assert!(twg(&["doctor"]).stdout.contains("upkeep       the sandbox needs none"));
    assert!(!home.path().join(".local").exists() && !home.path().join(".config").exists());
    assert_eq!(played.calls(), [""; 0]);
}

/// Arguments after these commands would be ignored, so they are errors.
#[test]
fn serve_and_switches_take_nothing() {
    let twg = |words: &[&str]| TempHome::new().twg(words).run();
    for name in ["serve", "switches"] {
        twg(&["sandbox", name, "extra"]).expect_code(2).expect_stderr("'extra'");
        twg(&["sandbox", name, "--port", "1"]).expect_code(2).expect_stderr("'--port'");
    }
    let says = twg(&["sandbox", "--approve", "serve"]);
    says.expect_code(2).expect_stderr("twg sandbox --approve login");
    assert!(twg(&["sandbox", "switches", "--json"]).expect_success().json().is_object());
}

/// First the upkeep, then the tokens at the server, then the files. The user's own files stay.
#[test]
fn uninstall_removes_everything_that_setup_made() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    machine.sandbox.sign_in(&["--connection", "work"]);
    let record = machine.sandbox.record();
    let _ = machine.setup();
    machine.played.timer_is("active", "enabled");
    let _ = machine.played.calls();
    let mut screen = machine.twg(&["uninstall"]).in_terminal();
    screen.wait_for("Continue? [y/N]");
    screen.send_line("");
    assert_eq!(screen.wait().code(), Some(0));
    screen.wait_for("Nothing was removed.");
    assert!(machine.sandbox.accepts(record.access_token()));

    let mut screen = machine.twg(&["uninstall"]).in_terminal();
    screen.wait_for("Continue? [y/N]");
    screen.send_line("y");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(screen.screen().contains("✔ twg is uninstalled"), "{}", screen.screen());
    assert!(!machine.sandbox.accepts(record.access_token()));
    let calls = machine.played.calls();
    assert!(calls.iter().any(|call| call.contains("stop twg-upkeep")), "{calls:?}");
    // The user's providers, and the files of the sandbox server, which still runs.
    let left = fs::read_dir(machine.sandbox.config_dir()).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["providers", "sandbox-state.json", "sandbox.lock"]);
    for path in [".claude/skills/twg", ".local/share/bash-completion/completions/twg"] {
        assert!(!machine.home(path).exists(), "{path}");
    }
    assert!(machine.home(".claude/skills").is_dir());
    let again = machine.twg(&["uninstall", "--yes"]).run();
    again.expect_success();
}

/// Ctrl-C while it waits ends the uninstall, and nothing more is removed.
#[test]
fn an_interrupted_uninstall_goes_no_further() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let lock = machine.sandbox.config_dir().join("upkeep.json.lock");
    let run = fs::File::create(lock).expect("it can be made");
    run.lock().expect("the lock is free");
    let uninstall = machine.twg(&["uninstall", "--yes"]).start();
    uninstall.wait_for_stderr(|said| said.contains("Waiting for the run").then_some(()));
    uninstall.interrupt();
    uninstall.wait().expect_code(130).expect_stderr("Nothing but the schedule was removed.");
    assert!(machine.sandbox.accepts(machine.sandbox.record().access_token()));
}

/// All configuration directories share one place for rescued responses, and a damaged file may be
/// the only copy of a token. Both stay.
#[test]
fn a_possible_only_copy_stays() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&["--connection", "work"]);
    let dir = machine.sandbox.config_dir();
    fs::write(dir.join("connections/atlassian/work.conf"), "torn").unwrap();
    // The user's own file, behind a link in the wrong directory, must stay.
    let own = machine.home("own.txt");
    fs::write(&own, "mine").unwrap();
    std::os::unix::fs::symlink(&own, dir.join("connections/atlassian/own.txt")).unwrap();
    let rescue = machine.home(".local/state/twg/rescue");
    fs::create_dir_all(&rescue).unwrap();
    fs::write(rescue.join("0123.reply"), "another's").unwrap();
    let done = machine.twg(&["uninstall", "--yes", "--json"]).run();
    let said = done.expect_code(1).json();
    schema::check("uninstall", &said);
    assert_eq!((&said["ok"], &said["revoked"]), (&json!(false), &json!(false)));
    assert!(said["left"][0].as_str().unwrap().contains("work.conf.damaged-"), "{said}");
    done.expect_stderr("~/.local/state/twg/rescue stays: it holds responses with tokens");
    assert!(rescue.join("0123.reply").exists() && own.exists());
    let kept: Vec<_> = fs::read_dir(dir.join("connections/atlassian")).unwrap().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

/// A login that starts during the confirmation is signed out too. Files that may hold tokens that
/// still work are kept and named.
#[test]
fn nothing_is_forgotten_that_may_still_work() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&["--connection", "work"]);
    let dir = machine.sandbox.config_dir();
    fs::write(dir.join("auth.conf.damaged-1"), "torn").unwrap();
    let elsewhere = machine.home("dotfiles-bitbucket.conf");
    fs::write(&elsewhere, r#"{"schema_version":1,"token":"canary","checked_at":1}"#).unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.join("bitbucket.conf")).unwrap();
    fs::write(dir.join("admin.confluence-notes.md"), "mine").unwrap();
    let mut screen = machine.twg(&["uninstall"]).in_terminal();
    screen.wait_for("Continue? [y/N]");
    machine.sandbox.sign_in(&[]);
    let record = machine.sandbox.record();
    screen.send_line("y");
    assert_eq!(screen.wait().code(), Some(1), "{}", screen.screen());
    assert!(!machine.sandbox.accepts(record.access_token()), "{}", screen.screen());
    let shown = screen.screen();
    assert!(shown.contains("auth.conf.damaged-1 could not be removed"), "{shown}");
    assert!(shown.contains("The Bitbucket token works until you revoke it"), "{shown}");
    assert!(!elsewhere.exists(), "the target of the link is removed");
    assert!(dir.join("admin.confluence-notes.md").exists());
}

/// The program and its files for other programs serve every configuration directory of the user.
#[test]
fn another_configuration_directory_keeps_the_program() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let _ = machine.setup();
    let usual = machine.home(".config/twg");
    fs::create_dir_all(&usual).unwrap();
    fs::copy(machine.sandbox.config_dir().join("auth.conf"), usual.join("auth.conf")).unwrap();
    let done = machine.twg(&["uninstall", "--yes"]).run();
    done.expect_success().expect_stderr("another configuration directory is in use");
    assert!(machine.home(".claude/skills/twg/SKILL.md").exists());
    assert!(usual.join("auth.conf").exists());
}

/// With every umask, other users cannot replace the files that this user's shells and agents run.
#[test]
fn other_users_cannot_write_the_installed_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    let setup = machine.twg(&["setup"]).behind(["sh", "-c", "umask 000; exec \"$@\"", "sh"]);
    setup.run().expect_success();
    for place in [".claude/skills", ".local/share", ".config/systemd"] {
        for path in tree(&machine.home(place)).into_keys() {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode();
            assert!(metadata.is_symlink() || mode & 0o022 == 0, "{}: {mode:o}", path.display());
        }
    }
}

/// The server does not confirm: everything here is removed, and the exit code says that a token may
/// live.
#[test]
fn an_unconfirmed_revocation_is_reported() {
    let machine = Machine::new();
    machine.sandbox.sign_in(&[]);
    machine.sandbox.switch("revocation", "off");
    let done = machine.twg(&["uninstall", "--yes", "--json"]).run();
    let document = done.expect_code(1).json();
    schema::check("uninstall", &document);
    assert_eq!((&document["revoked"], &document["left"]), (&json!(false), &json!([])));
    assert!(!machine.sandbox.config_dir().join("auth.conf").exists());
}

/// An installed program removes itself last.
#[test]
fn a_program_of_its_own_goes_last() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let played = Played::scheduler(installed.home.path());
    let twg = |args: &[&str]| played.before(installed.twg(&releases, args));
    let shown = twg(&["uninstall", "--dry-run"]).run();
    assert!(shown.expect_success().stdout.contains("~/.local/bin/twg"), "{shown}");
    twg(&["uninstall", "--yes"]).run().expect_success();
    assert!(fs::symlink_metadata(installed.launcher()).is_err());
    assert!(!installed.data().exists(), "{:?}", tree(&installed.data()));
}
