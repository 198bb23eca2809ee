//! Runs every command at every verbosity, in success and failure, with secrets in the store and in
//! the environment. Then it searches for the secrets in the output, in child processes and in
//! files: each may be only in its own place.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use twg_tests::{Sandbox, ScriptedServer, TempHome, manual};

/// The arguments to run for each command of the manual. `logout` comes last, because it removes the
/// secrets.
const COMMANDS: &[(&str, &[&[&str]])] = &[
    (
        "login",
        &[
            &["login", "--timeout", "1"],
            &["login", "--explain"],
            &["login", "--force", "--loopback", "--timeout", "1"],
        ],
    ),
    ("whoami", &[&["whoami"]]),
    ("sites", &[&["sites"]]),
    ("sites-use", &[&["sites", "use", "krystof-design"], &["sites", "use", "nonsense"]]),
    ("api", &[&["api", "/me"], &["api", "/rest/api/3/myself"], &["api", "/rest/api/3/nothing"]]),
    ("doctor", &[&["doctor"], &["doctor", "--fix"], &["doctor", "--bundle", "BUNDLE"]]),
    ("help", &[&["help"], &["help", "environment"]]),
    ("auth-status", &[&["auth", "status"]]),
    ("auth-token", &[&["auth", "token"], &["auth", "token", "nonsense"]]),
    ("auth-refresh", &[&["auth", "refresh"], &["auth", "refresh", "--force"]]),
    (
        "auth-git-credential",
        &[&["auth", "git-credential", "get"], &["auth", "git-credential", "erase"]],
    ),
    (
        "auth-docker-credential",
        &[&["auth", "docker-credential", "list"], &["auth", "docker-credential", "get"]],
    ),
    ("auth-exec-credential", &[&["auth", "exec-credential"]]),
    ("auth-process", &[&["auth", "process"]]),
    ("setup", &[&["setup"]]),
    ("setup-bitbucket", &[&["setup", "bitbucket"]]),
    ("upkeep-enable", &[&["upkeep", "enable"]]),
    ("upkeep-status", &[&["upkeep", "status"]]),
    ("upkeep-run", &[&["upkeep", "run"]]),
    ("upkeep-disable", &[&["upkeep", "disable"]]),
    // `update` and `uninstall` would replace or remove the tested program. Their own tests use a
    // copy.
    ("update", &[&["update", "--check"]]),
    ("uninstall", &[&["uninstall", "--dry-run"]]),
    ("admin-auth-login", &[&["admin", "auth", "login", "--email", "a@example.com", "--org", "1"]]),
    ("admin-auth-status", &[&["admin", "auth", "status"]]),
    ("admin-auth-logout", &[&["admin", "auth", "logout"]]),
    ("sandbox", &[&["sandbox", "switches"], &["sandbox", "auth", "status"]]),
    ("completions", &[&["completions", "bash"]]),
    ("man", &[&["man"], &["man", "--dir", "MAN"]]),
    ("logout", &[&["logout"], &["logout", "--all"]]),
];

/// The standard output of these commands is a credential. No other command prints one.
const FOR_CREDENTIALS: [&str; 5] = [
    "auth-token",
    "auth-git-credential",
    "auth-docker-credential",
    "auth-exec-credential",
    "auth-process",
];

const VERBOSITIES: [&[&str]; 4] = [&[], &["--quiet"], &["--verbose"], &["--json"]];

/// Secrets in the environment. Only commands that hand out credentials may print them.
const GIVEN: [(&str, &str); 4] = [
    ("TWG_OAUTH_ACCESS_TOKEN", "canary-delegated-token"),
    ("TWG_TOKEN", "canary-api-token"),
    ("TWG_BBC_TOKEN", "canary-bitbucket-token"),
    ("TWG_CLIENT_SECRET", "canary-client-secret"),
];

/// A port where no server listens.
const GONE: &str = "http://127.0.0.1:9";

#[derive(Clone, Copy, Debug, PartialEq)]
enum World {
    Works,
    /// As above, with [`GIVEN`].
    WithEnvironment,
    /// The server is down, and a refresh is due.
    ServerIsGone,
    /// The record is torn, and the rest contains a secret.
    Damaged,
}

struct Place {
    sandbox: Sandbox,
    world: World,
    /// Every token that was stored during the test.
    stored: BTreeSet<String>,
    /// The refresh tokens among them, which no command prints.
    refresh_tokens: BTreeSet<String>,
}

impl Place {
    fn new(world: World) -> Self {
        let sandbox = Sandbox::start();
        sandbox.use_client(Sandbox::THREE_LO_CLIENT);
        // Programs that would open a browser, or talk to the desktop and its schedulers.
        let programs = sandbox.home().path().join("programs");
        std::fs::create_dir(&programs).expect("it can be made");
        for name in [
            "browser",
            "systemctl",
            "loginctl",
            "crontab",
            "notify-send",
            "gdbus",
            "dbus-send",
            "xdg-open",
        ] {
            let program = programs.join(name);
            std::fs::write(&program, "#!/bin/sh\nexit 1\n").expect("it can be written");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))
                .expect("it can be");
        }
        Self { sandbox, world, stored: BTreeSet::new(), refresh_tokens: BTreeSet::new() }
    }

    /// A login in the state of this world.
    fn prepare(&mut self) {
        let record = self.sandbox.config_dir().join("auth.conf");
        let _ = std::fs::remove_file(&record);
        // The server is back.
        let base = self.sandbox.base_url().to_owned();
        self.sandbox.change_provider(|file| *file = moved(file, GONE, &base));
        self.sandbox.sign_in(&[]);
        self.remember();
        match self.world {
            World::Works | World::WithEnvironment => {}
            World::ServerIsGone => {
                self.sandbox.age_tokens(2800);
                self.sandbox.change_provider(|file| *file = moved(file, &base, GONE));
                self.sandbox.change_record(|file| *file = moved(file, &base, GONE));
            }
            World::Damaged => {
                let text = std::fs::read_to_string(&record).expect("a record");
                std::fs::write(&record, &text[..text.len() - 3]).expect("it can be written");
            }
        }
    }

    fn remember(&mut self) {
        let record = self.sandbox.config_dir().join("auth.conf");
        let Ok(text) = std::fs::read_to_string(record) else { return };
        let Ok(record) = serde_json::from_str::<Value>(&text) else { return };
        for name in ["access_token", "refresh_token"] {
            self.stored.extend(record["tokens"][name].as_str().map(str::to_owned));
        }
        self.refresh_tokens.extend(record["tokens"]["refresh_token"].as_str().map(str::to_owned));
    }

    fn secrets(&self) -> Vec<&str> {
        let given = GIVEN.iter().map(|(_, secret)| *secret);
        let stored = self.stored.iter().map(String::as_str);
        given.chain(stored).chain([Sandbox::THREE_LO_CLIENT.1]).collect()
    }

    fn run(&mut self, name: &str, args: &[&str], verbosity: &[&str]) {
        let home = self.sandbox.home().path().to_owned();
        let trace = home.join("trace");
        let strace =
            ["strace", "-f", "-v", "-s", "65536", "-e", "trace=execve", "-o"].map(PathBuf::from);
        let bundle = home.join("bundle.json");
        let _ = std::fs::remove_file(&bundle);
        let args = args.iter().map(|arg| match *arg {
            "BUNDLE" => bundle.display().to_string(),
            "MAN" => home.join("man").display().to_string(),
            other => other.to_owned(),
        });
        let path = std::env::var("PATH").unwrap_or_default();
        let programs = home.join("programs");
        let installed = twg_tests::twg_program().parent().expect("a directory");
        let mut twg = self
            .sandbox
            .twg(args)
            .args(verbosity)
            // twg is on `PATH`, so `setup` does not install a copy of it here.
            .env("PATH", format!("{}:{}:{path}", programs.display(), installed.display()))
            .env("TWG_BROWSER", programs.join("browser"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        if self.world == World::WithEnvironment {
            for (name, secret) in GIVEN {
                twg = twg.env(name, secret);
            }
            twg = twg.env("TWG_USER", "mia@example.com").env("TWG_SITE", "krystof-design");
        }
        let output =
            twg.behind(strace.iter().map(PathBuf::as_path).chain([&*trace, Path::new("--")])).run();
        self.remember();
        let may_print = FOR_CREDENTIALS.contains(&name);
        let traced = std::fs::read_to_string(&trace).expect("strace wrote it");
        // The first is `twg` itself, which has secrets in its environment.
        let children: Vec<_> =
            traced.lines().filter(|line| line.contains("execve(")).skip(1).collect();
        for secret in self.secrets() {
            let shown = format!("{secret} at {verbosity:?} in {:?}: {output}", self.world);
            assert!(!output.stderr.contains(secret), "stderr: {shown}");
            assert!(may_print || !output.stdout.contains(secret), "stdout: {shown}");
            for child in &children {
                // The later recovery must authenticate as the client, so it gets the client secret.
                let is_recovery =
                    child.contains("--recover-at") && secret == "canary-client-secret";
                assert!(is_recovery || !child.contains(secret), "child: {child}\n{shown}");
            }
        }
        for token in &self.refresh_tokens {
            assert!(!output.stdout.contains(token.as_str()), "{token} at {verbosity:?}: {output}");
        }
        std::fs::remove_file(trace).expect("it is there");
        self.search_files(name);
    }

    /// Tokens are in the record and its stage, and the client's secret is in its file. No other
    /// file has one: even the sandbox stores only hashes.
    fn search_files(&self, name: &str) {
        let home = self.sandbox.home().path();
        for file in files_below(home) {
            let shown = file.strip_prefix(home).expect("below it").display().to_string();
            let bytes = std::fs::read(&file).unwrap_or_default();
            for secret in self.secrets() {
                if !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()) {
                    continue;
                }
                let belongs = if secret == Sandbox::THREE_LO_CLIENT.1 {
                    shown == "config/sandbox/clients/atlassian.conf"
                } else {
                    self.stored.contains(secret)
                        && (shown.starts_with("config/sandbox/auth.conf")
                            || shown == "config/sandbox/.auth.conf.stage")
                };
                assert!(belongs, "{name} in {:?}: {secret} is in {shown}", self.world);
            }
        }
    }
}

fn moved(file: &Value, from: &str, to: &str) -> Value {
    serde_json::from_str(&file.to_string().replace(from, to)).expect("JSON")
}

fn files_below(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                dirs.push(entry.path())
            } else if kind.is_file() {
                files.push(entry.path())
            }
        }
    }
    files
}

fn nothing_leaks(world: World) {
    let mut place = Place::new(world);
    for verbosity in VERBOSITIES {
        place.prepare();
        for (name, calls) in COMMANDS {
            for args in *calls {
                place.run(name, args, verbosity);
            }
        }
    }
}

#[test]
fn no_command_is_forgotten() {
    let known: BTreeSet<_> = COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, manual::commands().into_iter().collect());
}

/// A26, A85: no secret in the output, in a child's command line or environment, or in a wrong file.
#[test]
fn nothing_leaks_where_all_is_well() {
    nothing_leaks(World::Works);
}

/// A85.
#[test]
fn nothing_leaks_from_the_environment() {
    nothing_leaks(World::WithEnvironment);
}

/// A85.
#[test]
fn nothing_leaks_where_the_server_is_gone() {
    nothing_leaks(World::ServerIsGone);
}

/// A85.
#[test]
fn nothing_leaks_of_a_damaged_record() {
    nothing_leaks(World::Damaged);
}

/// A crash leaves no memory image, even if the parent process allows one.
#[test]
fn a_crash_leaves_no_core() {
    let crash = |script: &str, home: &TempHome| {
        let mut shell = home.twg([""; 0]).to_command();
        let twg = shell.get_program().to_owned();
        shell = Command::new("sh");
        let script = format!("ulimit -c unlimited && {script}");
        shell.args(["-c", &script, "sh"]).arg(twg).current_dir(home.path());
        shell.env("HOME", home.path()).env("TWG_CONFIG_DIR", home.config_dir());
        shell
    };
    // The same with another program, which is dumped: so this test can fail.
    let home = TempHome::new();
    let status = crash("kill -ABRT $$", &home).status().expect("a shell");
    assert!(
        status.core_dumped(),
        "nothing is ever dumped here, so this proves nothing: {status:?}"
    );

    let home = TempHome::new();
    let server = ScriptedServer::answering(|_| twg_tests::Reply::Silence);
    let mut record = server.record(3000, 3600);
    record["tokens"]["refresh_token"] = json!("canary-refresh-token");
    server.sign_in(&home, &record);
    let mut twg = crash("exec \"$1\" auth refresh scripted", &home).spawn().expect("it starts");
    let _sent = server.wait_for_requests(1);
    let id = rustix::process::Pid::from_raw(twg.id().cast_signed()).expect("a process");
    rustix::process::kill_process(id, rustix::process::Signal::ABORT).expect("it runs");
    let status = twg.wait().expect("it ends");
    assert_eq!(status.signal(), Some(6), "{status:?}");
    assert!(!status.core_dumped(), "{status:?}");
    let held: Vec<_> = files_below(home.path())
        .into_iter()
        .filter(|file| {
            let bytes = std::fs::read(file).expect("a file");
            bytes.windows(20).any(|part| part == b"canary-refresh-token")
        })
        .collect();
    assert_eq!(held, [home.config_dir().join("connections/scripted/default.conf")]);
}
