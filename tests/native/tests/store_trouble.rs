//! A store that cannot be written, and records that cannot be read. A login requests nothing that
//! it could not store, and destroys nothing that it cannot read.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use twg_tests::{Sandbox, TempHome};

/// The files that were set aside.
fn set_aside(config: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(config)
        .expect("a directory")
        .map(|entry| entry.expect("a directory").path());
    let is_one =
        |path: &PathBuf| path.to_str().expect("a name of ours").contains("auth.conf.damaged-");
    entries.filter(is_one).collect()
}

/// A shared directory is not made private, because other users have files there.
#[test]
fn a_shared_directory_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempHome::new();
    let shared = home.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let twg = |words: &[&str]| home.twg(words).env("TWG_CONFIG_DIR", &shared).run();
    twg(&["doctor"]).expect_code(1);
    twg(&["login", "--client-id", "x"]).expect_code(73).expect_stderr("a directory for all users");
    twg(&["upkeep", "run"]).expect_code(73).expect_stderr("a directory for all users");
    assert_eq!(std::fs::metadata(&shared).unwrap().permissions().mode() & 0o7777, 0o1777);
    assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
}

#[test]
fn a_directory_that_cannot_be_written_is_noticed_before_anything_is_sent() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let before = sandbox.record();
    sandbox.clear_log();
    let dir = sandbox.config_dir();
    let read_only =
        format!("mount --bind '{0}' '{0}'; mount -o remount,ro,bind '{0}'", dir.display());
    for grant in ["--loopback", "--device"] {
        let output = sandbox.twg(["login", "--force", grant]).after_mounting(&read_only).run();
        output
            .expect_code(73)
            .expect_stderr("~/config/sandbox")
            .expect_stderr("Read-only file system")
            .expect_stderr("Your earlier sign-in is unchanged.")
            .expect_stderr("TWG_CONFIG_DIR")
            .expect_stderr("`twg doctor`");
    }
    let json = sandbox.twg(["login", "--force", "--json"]).after_mounting(&read_only).run();
    assert_eq!(json.expect_code(73).json()["error"]["code"], "STORE_CANNOT_CREATE");
    assert!(sandbox.log().is_empty(), "{:?}", sandbox.log());
    assert_eq!(sandbox.record(), before);
    // A working token is still served.
    let token = sandbox.twg(["auth", "token"]).after_mounting(&read_only).run();
    assert_eq!(token.expect_success().stdout.trim_end(), before.access_token());
    sandbox.twg(["whoami"]).after_mounting(&read_only).run().expect_success();
}

#[test]
fn a_full_file_system_is_noticed_before_anything_is_sent() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let before = sandbox.record();
    sandbox.clear_log();
    let (full, copy) = (sandbox.home().path().join("full"), sandbox.home().path().join("copy"));
    std::fs::create_dir(&full).unwrap();
    // 64 KiB with room for a record, but not for the check that a record of 64 KiB would fit.
    let mount = format!(
        "mount -t tmpfs -o size=64k,mode=700 none '{0}'; cd '{1}'; cp -r providers clients auth.conf '{0}'; \
         trap 'cp \"{0}/auth.conf\" \"{2}\"; ls -A \"{0}\" >&2' EXIT",
        full.display(),
        sandbox.config_dir().display(),
        copy.display(),
    );
    for grant in ["--loopback", "--device"] {
        let login = sandbox.twg(["login", "--force", grant]).env("TWG_CONFIG_DIR", &full);
        let output = login.after_mounting(&mount).run();
        output
            .expect_code(74)
            .expect_stderr("~/full/auth.conf")
            .expect_stderr("No space left on device")
            .expect_stderr("Your earlier sign-in is unchanged.")
            .expect_stderr("TWG_CONFIG_DIR");
        assert!(
            output.stderr.ends_with("\nauth.conf\nclients\nproviders\n"),
            "no litter: {output}"
        );
        assert_eq!(std::fs::read(&copy).unwrap(), before.bytes);
    }
    assert!(sandbox.log().is_empty(), "{:?}", sandbox.log());
}

/// An unreadable record is kept: a login moves it aside as it is, and then stores its own.
#[test]
fn only_a_login_sets_a_damaged_record_aside() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let whole = sandbox.record().bytes;
    let path = sandbox.config_dir().join("auth.conf");
    let foreign = br#"[profile]
token = someone-elses"#;
    let other_json = br#"{"schema_version":1,"accounts":[]}"#;
    let mut long = whole.clone();
    long.truncate(whole.len() - 1);
    for damaged in [
        &whole[..whole.len() / 2],
        &long[..whole.len() - 3],
        b"",
        b"\0\0\0\0",
        b"\xff\xfe{\x1b[2J",
        foreign,
        other_json,
    ] {
        std::fs::write(&path, damaged).unwrap();
        let shown = damaged.escape_ascii().to_string();
        for args in [&["auth", "token"][..], &["auth", "status"], &["whoami"]] {
            let output = sandbox.twg(args).run();
            output
                .expect_code(77)
                .expect_stderr("~/config/sandbox/auth.conf")
                .expect_stderr("The file is unchanged.")
                .expect_stderr("`twg login`");
            assert_eq!(output.stdout, "", "{shown}: {output}");
            assert!(!output.stderr.contains('\u{1b}'), "{output}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged, "{shown}");
        }
        let login = sandbox.sign_in(&[]);
        login.expect_stderr("was moved, unchanged, to ~/config/sandbox/auth.conf.damaged-");
        let aside = set_aside(&sandbox.config_dir());
        let [kept] = &aside[..] else { panic!("{shown}: {aside:?}") };
        assert_eq!(std::fs::read(kept).unwrap(), damaged, "{shown}");
        assert!(login.stderr.contains(kept.file_name().unwrap().to_str().unwrap()), "{login}");
        assert!(sandbox.accepts(sandbox.record().access_token()));
        std::fs::remove_file(kept).unwrap();
    }
}

#[test]
fn a_record_of_a_newer_version_is_refused_and_not_touched() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.clear_log();
    let path = sandbox.config_dir().join("auth.conf");
    let newer = br#"{"schema_version":2,"something":{"else":"entirely"}}"#;
    std::fs::write(&path, newer).unwrap();
    for args in [
        &["auth", "token"][..],
        &["auth", "status"],
        &["whoami"],
        &["logout"],
        &["login", "--loopback"],
        &["login", "--loopback", "--force"],
    ] {
        let output = sandbox.twg(args).run();
        output.expect_code(78).expect_stderr("newer").expect_stderr("Update this twg");
        assert_eq!(std::fs::read(&path).unwrap(), newer, "{output}");
    }
    assert!(set_aside(&sandbox.config_dir()).is_empty());
    assert!(sandbox.log().is_empty(), "a login that cannot be stored sends nothing");
}

#[test]
fn a_record_that_is_not_a_usable_file_is_refused_before_any_request() {
    let sandbox = Sandbox::start();
    let path = sandbox.config_dir().join("auth.conf");
    let link_to = sandbox.home().path().join("nowhere/at/all");
    let make: [&dyn Fn(); 3] = [
        &|| std::fs::create_dir(&path).unwrap(),
        &|| std::fs::File::create(&path).unwrap().set_len((4 << 20) + 1).unwrap(),
        &|| std::os::unix::fs::symlink(&link_to, &path).unwrap(),
    ];
    for (n, make) in make.iter().enumerate() {
        make();
        let output = sandbox.twg(["login", "--loopback", "--timeout", "1"]).run();
        assert!(matches!(output.code(), Some(73 | 74)), "{n}: {output}");
        output.expect_stderr("~/config/sandbox/auth.conf");
        assert!(sandbox.log().is_empty(), "{n}: {output}");
        assert!(path.symlink_metadata().is_ok(), "{n}: it is still there");
        if path.is_dir() { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) }
            .unwrap();
    }
}

/// With every umask, and after wider permissions: other users can neither read nor enter.
/// Incidents: mcp-atlassian CVE-2026-77268, turso CVE-2026-48790, AWS CLI CVE-2026-13769.
#[test]
fn everything_is_private_at_every_umask() {
    for umask in ["000", "077", "777"] {
        let sandbox = Sandbox::start();
        let fresh = sandbox.home().path().join("fresh/twg");
        let script = format!("umask {umask}; exec \"$@\"");
        let provider = sandbox.provider_file().to_string();
        std::fs::create_dir_all(fresh.join("providers")).unwrap();
        std::fs::write(fresh.join("providers/atlassian.json"), provider).unwrap();
        let twg = |args: &[&str]| {
            let command = sandbox.twg(args).env("TWG_CONFIG_DIR", &fresh);
            command.env("TWG_CLIENT_ID", "twg-sandbox-device").behind(["sh", "-c", &script, "sh"])
        };
        for args in [&[][..], &["--force"], &["--connection", "work"]] {
            sandbox.finish(twg(&["login", "--loopback"]).args(args).start()).expect_success();
        }
        let mut seen = 0;
        let mut dirs = vec![fresh.clone()];
        while let Some(dir) = dirs.pop() {
            if !dir.ends_with("providers") {
                assert_eq!(mode(&dir), 0o700, "{umask}: {}", dir.display());
            }
            for entry in std::fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else if !path.ends_with("providers/atlassian.json") {
                    seen += 1;
                    assert_eq!(mode(&path), 0o600, "{umask}: {}", path.display());
                }
            }
        }
        assert_eq!(seen, 4, "two records and their locks");
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().expect("it is there").permissions().mode() & 0o7777
}
