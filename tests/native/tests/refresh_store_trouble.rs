//! A store that cannot be written, fills up in the middle, or holds something strange. Nothing is
//! sent whose response could not be saved, nothing received is lost, and nothing unreadable is
//! overwritten.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use twg_tests::{Record, Reply, Request, Sandbox, ScriptedServer, TempHome, TwgOutput};

/// A mounted single file, as in containers, can be written but not replaced, and its lock is not
/// the host's lock. So nothing is sent.
#[test]
fn a_mounted_file_a_read_only_mount_and_a_full_disk() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    sandbox.clear_log();
    let dir = sandbox.config_dir();
    let dir = dir.display();
    let mounted = format!("mount --bind '{dir}/auth.conf' '{dir}/auth.conf'");
    let read_only = format!("mount --bind '{dir}' '{dir}'; mount -o remount,ro,bind '{dir}'");
    for (script, code, said) in
        [(&mounted, 74, "mount its directory instead"), (&read_only, 73, "Read-only file system")]
    {
        let refresh = sandbox.twg(["auth", "refresh"]).after_mounting(script).run();
        refresh
            .expect_code(code)
            .expect_stderr(said)
            .expect_stderr("Nothing was sent to the server; the connection is unchanged.");
        let token = sandbox.twg(["auth", "token"]).after_mounting(script).run();
        token.expect_success().expect_stderr(said);
        assert_eq!(token.stdout.trim_end(), before.access_token());
    }
    assert!(sandbox.refreshes().is_empty());
    assert_eq!(sandbox.record(), before);
    // Room for a record, but not for the 64 KiB of a stage.
    let (disk, copy) = (sandbox.home().path().join("disk"), sandbox.home().path().join("copy"));
    std::fs::create_dir(&disk).unwrap();
    let full = format!(
        "mount -t tmpfs -o size=64k,mode=700 none '{0}'; cp -r '{dir}'/providers '{dir}'/clients \
         '{dir}'/auth.conf '{0}'; trap 'cp \"{0}/auth.conf\" \"{1}\"; ls -A \"{0}\" >&2' EXIT",
        disk.display(),
        copy.display(),
    );
    let refresh = sandbox.twg(["auth", "refresh"]).env("TWG_CONFIG_DIR", &disk);
    let refresh = refresh.after_mounting(&full).run();
    refresh
        .expect_code(74)
        .expect_stderr("No space left on device")
        .expect_stderr("Nothing was sent to the server; the connection is unchanged.");
    assert!(
        refresh.stderr.ends_with("\nauth.conf\nauth.conf.lock\nclients\nproviders\n"),
        "{refresh}"
    );
    let kept = Record::read(&copy);
    assert_eq!(kept.members(), before.members(), "the intent is withdrawn");
    assert!(sandbox.refreshes().is_empty());
}

/// The test releases the response to the first refresh. Later responses come at once.
struct Held {
    server: ScriptedServer,
    home: TempHome,
}

const TOKENS: &str =
    r#"{"access_token":"new-access","refresh_token":"new-refresh","expires_in":3600}"#;

impl Held {
    fn new() -> Self {
        let mut first = true;
        let server = ScriptedServer::answering(move |_: &Request| {
            let reply = Reply::json("200 OK", TOKENS);
            if std::mem::take(&mut first) { reply.held() } else { reply }
        });
        let home = TempHome::new();
        server.sign_in(&home, &server.record(3700, 3600));
        Self { server, home }
    }

    fn dir(&self) -> PathBuf {
        self.home.config_dir().join("connections/scripted")
    }

    fn record(&self) -> Record {
        Record::read(&self.dir().join("default.conf"))
    }

    /// Makes every write into the stage of a program fail.
    fn failing_stage(&self, error: &str) -> Vec<String> {
        let stage = self.dir().join(".default.conf.stage");
        let stage = stage.to_str().unwrap();
        let inject = format!("inject=write:error={error}");
        ["strace", "-f", "-o", "/dev/null", "-P", stage, "-e", "trace=write", "-e", &inject]
            .map(str::to_owned)
            .to_vec()
    }

    /// A refresh during which `meanwhile` runs, after the request and before the response.
    fn refresh(&self, meanwhile: impl FnOnce()) -> TwgOutput {
        let refresh = self.home.twg(["auth", "refresh", "scripted"]).start();
        let _ = self.server.wait_for_requests(1);
        meanwhile();
        self.server.release();
        refresh.wait()
    }
}

/// Makes it impossible to create, rename or remove anything in a directory, even for root.
fn freeze(dir: &Path, frozen: bool) {
    let flag = if frozen { "+i" } else { "-i" };
    let status = std::process::Command::new("chattr").arg(flag).arg(dir).status();
    assert!(status.is_ok_and(|status| status.success()), "chattr {flag}");
}

/// The record cannot be replaced any more, but the response is in its reserved stage. The next
/// refresh takes it from there without a request.
#[test]
fn a_response_that_cannot_be_committed_is_staged() {
    let place = Held::new();
    let output = place.refresh(|| freeze(&place.dir(), true));
    output
        .expect_code(74)
        .expect_stderr("the refresh succeeded, but the new tokens could not be saved")
        .expect_stderr("~/config/connections/scripted/.default.conf.stage")
        .expect_stderr("`twg auth refresh`")
        .expect_stderr("do not delete the kept response");
    assert!(!output.stderr.contains("new-"), "{output}");
    assert_eq!(place.record().access_token(), "old-access");
    freeze(&place.dir(), false);
    let repaired = place.home.twg(["auth", "token", "scripted"]).run();
    assert_eq!(repaired.expect_success().stdout, "new-access\n");
    assert_eq!(place.record().refresh_token(), Some("new-refresh"));
    assert_eq!(place.server.requests().len(), 1, "nothing was sent");
    let left: Vec<_> =
        std::fs::read_dir(place.dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "record and lock: {left:?}");
}

/// Neither stage nor record can be written: the response is rescued, readable only by its owner,
/// and found again.
#[test]
fn a_response_that_cannot_be_staged_is_rescued() {
    let place = Held::new();
    let rescue = place.home.path().join(".local/state/twg/rescue");
    rescued(&place, &[], &rescue, "~/.local/state/twg/rescue/");
}

/// The first rescue directory cannot be made, because a file is in its path. The response goes to
/// the second one, and is found there.
#[test]
fn a_response_rescued_in_the_second_place_is_found() {
    let place = Held::new();
    let (file, runtime) = (place.home.path().join("file"), place.home.path().join("runtime"));
    std::fs::write(&file, "").unwrap();
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
    let places = [("XDG_STATE_HOME", file.join("state")), ("XDG_RUNTIME_DIR", runtime.clone())];
    rescued(&place, &places, &runtime.join("twg/rescue"), "~/runtime/twg/rescue/");
}

fn rescued(place: &Held, places: &[(&str, PathBuf)], rescue: &Path, shown: &str) {
    let twg = || {
        let twg = place.home.twg(["auth", "refresh", "scripted"]);
        places.iter().fold(twg, |twg, (name, dir)| twg.env(name, dir))
    };
    // Every write into the stage fails, and so does every new file beside it.
    let output = twg().behind(place.failing_stage("EIO")).start();
    let _ = place.server.wait_for_requests(1);
    freeze(&place.dir(), true);
    place.server.release();
    let output = output.wait();
    output.expect_code(74).expect_stderr(shown).expect_stderr(".reply");
    assert!(!output.stderr.contains("new-"), "{output}");
    let files: Vec<_> = std::fs::read_dir(rescue).unwrap().map(|e| e.unwrap().path()).collect();
    let [reply] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(std::fs::metadata(reply).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(std::fs::metadata(rescue).unwrap().permissions().mode() & 0o7777, 0o700);
    freeze(&place.dir(), false);
    twg().run().expect_success();
    assert_eq!(place.record().access_token(), "new-access");
    assert_eq!(place.server.requests().len(), 1, "nothing was sent");
    assert!(!reply.exists(), "it is where it belongs now");
}

/// The response cannot be saved anywhere: the error says so.
#[test]
fn a_response_that_cannot_be_saved_is_reported() {
    let place = Held::new();
    std::fs::write(place.home.path().join("state"), "a file where a directory should be").unwrap();
    let output = place
        .home
        .twg(["auth", "refresh", "scripted"])
        .env("XDG_STATE_HOME", place.home.path().join("state"))
        .behind(place.failing_stage("ENOSPC"))
        .start();
    let _ = place.server.wait_for_requests(1);
    freeze(&place.dir(), true);
    place.server.release();
    let output = output.wait();
    freeze(&place.dir(), false);
    output.expect_code(74).expect_stderr("could not be saved anywhere");
    assert!(!output.stderr.contains("new-"), "{output}");
}

/// A strange file in a configuration directory. `make` gets the record's path and creates it. Then
/// the exit code and the message.
type Oddity = (&'static str, fn(&Path), i32, &'static str);

const ODDITIES: [Oddity; 9] = [
    ("torn record", |path| cut(path, 40), 77, "unexpected end"),
    ("a pending that is no object", |path| pending(path, json!("soon")), 77, "missing or wrong"),
    (
        "a pending whose id is no id",
        |path| {
            pending(
                path,
                json!({ "id": "../../x", "refresh_token_sha256": "",
        "at": 1, "attempt": 1 }),
            )
        },
        77,
        "missing or wrong",
    ),
    (
        "a record of a newer format",
        |path| edit(path, |record| record["schema_version"] = 2.into()),
        78,
        "newer twg",
    ),
    (
        "a lock that is a symbolic link",
        |path| {
            std::fs::remove_file(lock(path)).ok();
            symlink(path, lock(path)).expect("it can be made strange");
        },
        73,
        "symbolic link",
    ),
    (
        "a lock that is a directory",
        |path| {
            std::fs::remove_file(lock(path)).ok();
            std::fs::create_dir(lock(path)).expect("it can be made strange");
        },
        73,
        "auth.conf.lock",
    ),
    (
        "a record that is a directory",
        |path| {
            std::fs::remove_file(path).expect("it can be made strange");
            std::fs::create_dir(path).expect("it can be made strange");
        },
        74,
        "not a regular file",
    ),
    (
        "a stage that is a directory",
        |path| {
            std::fs::create_dir(path.with_file_name(".auth.conf.stage"))
                .expect("it can be made strange");
        },
        73,
        ".auth.conf.stage",
    ),
    (
        "another user's directory",
        |path| {
            std::os::unix::fs::chown(path.parent().expect("a directory"), Some(65534), None)
                .expect("it can be made strange");
        },
        73,
        "another user",
    ),
];

fn lock(record: &Path) -> PathBuf {
    record.with_file_name("auth.conf.lock")
}

fn cut(path: &Path, percent: usize) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() * percent / 100]).unwrap();
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut record = Record::read(path).members().clone();
    change(&mut record);
    std::fs::write(path, record.to_string()).unwrap();
}

fn pending(path: &Path, value: Value) {
    edit(path, |record| record["pending"] = value);
}

/// Every file in a directory with its content, except the sandbox's own files and the lock's
/// content.
fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let said = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        match serde_json::from_slice::<Value>(&bytes) {
            // An intent that was withdrawn leaves other white space.
            Ok(record) => record.to_string().into_bytes(),
            Err(_) => bytes,
        }
    };
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name of ours");
        !name.starts_with("sandbox") && (name != "auth.conf.lock" || !path.is_file())
    };
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = paths.filter(ours).map(|path| (path.clone(), said(&path))).collect();
    all.sort();
    all
}

/// For each strange file: a clear error, nothing sent, nothing overwritten.
#[test]
fn strange_files_are_reported_and_left_alone() {
    for (what, make, code, said) in ODDITIES {
        let sandbox = Sandbox::start();
        sandbox.sign_in(&[]);
        sandbox.age_tokens(3700);
        let path = sandbox.config_dir().join("auth.conf");
        make(&path);
        let before = listing(&sandbox.config_dir());
        sandbox.clear_log();
        for command in [&["auth", "refresh"][..], &["auth", "token"], &["whoami"], &["api", "/me"]]
        {
            let output = sandbox.twg(command).run();
            output.expect_code(code).expect_stderr(said);
            assert!(
                output.stderr.contains("`twg ") || output.stderr.contains("twg;"),
                "{what}: {output}"
            );
            assert_eq!(output.stdout, "", "{what}");
        }
        assert!(sandbox.log().is_empty(), "{what}: {:?}", sandbox.log());
        assert_eq!(listing(&sandbox.config_dir()), before, "{what}");
        std::os::unix::fs::chown(sandbox.config_dir(), Some(0), None).ok();
    }
}

/// A stage without a complete response: the server did respond. With a leeway the token is sent
/// again and the stage is kept. Without one, nothing is sent.
#[test]
fn a_damaged_stage() {
    for (leeway, code) in [("600", 0), ("0", 77)] {
        let sandbox = Sandbox::start_with(&[&format!("leeway={leeway}")]);
        let seconds: u64 = leeway.parse().unwrap();
        sandbox.change_provider(|provider| provider["reuse_leeway_seconds"] = seconds.into());
        sandbox.sign_in(&[]);
        sandbox.age_tokens(2800);
        sandbox.switch("fault.refresh", "502-after*1");
        sandbox.twg(["auth", "refresh"]).run().expect_code(75);
        // As if that had been half a minute ago, in another boot session.
        sandbox.change_record(|record| {
            let at = record["pending"]["at"].as_u64().unwrap();
            record["pending"]["at"] = (at - 30_000).into();
            record["pending"]["host"] = json!({});
        });
        let stage = sandbox.config_dir().join(".auth.conf.stage");
        std::fs::write(&stage, "{\"schema_version\":1,\"id\":\"torn").unwrap();
        let before = sandbox.record();
        let output = sandbox.twg(["auth", "refresh"]).run();
        output.expect_code(code);
        if code == 0 {
            let aside: Vec<_> = std::fs::read_dir(sandbox.config_dir())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.to_str().unwrap().contains(".stage.damaged-"))
                .collect();
            let [aside] = aside.as_slice() else { panic!("{aside:?}") };
            assert!(std::fs::read_to_string(aside).unwrap().ends_with("torn"));
            assert_ne!(sandbox.record().access_token(), before.access_token());
        } else {
            output.expect_stderr("was kept, but it is damaged").expect_stderr("`twg login`");
            assert_eq!(sandbox.record(), before);
            assert!(std::fs::read_to_string(&stage).unwrap().ends_with("torn"));
            assert_eq!(sandbox.refreshes().len(), 1);
        }
    }
}
