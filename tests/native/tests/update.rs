//! `twg update`: from a release server with its own keys, with the code that ships.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use twg_tests::release::{Installed, Release, Releases, THIS, target, this_program_as};
use twg_tests::{RefusingAddress, Reply, TempHome, TwgOutput, repository};

fn says_this(installed: &Installed) {
    assert_eq!(installed.says(), format!("twg {THIS}"));
}

/// Everything in the home directory except the record of announcements: links with their targets,
/// files with their sizes.
fn tree(installed: &Installed) -> BTreeMap<String, String> {
    fn walk(dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let metadata = std::fs::symlink_metadata(&path).expect("metadata");
            let shown = path.display().to_string();
            if metadata.is_dir() {
                found.insert(shown, "directory".to_owned());
                walk(&path, found);
            } else if metadata.is_symlink() {
                let to = std::fs::read_link(&path).expect("a link");
                found.insert(shown, to.display().to_string());
            } else if !path.ends_with("releases.json") && !path.ends_with("update.lock") {
                found.insert(shown, metadata.len().to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(installed.home.path(), &mut found);
    found
}

/// Fails with this error code and exit code, and changes nothing.
#[track_caller]
fn refused(
    installed: &Installed,
    releases: &Releases,
    args: &[&str],
    exit: i32,
    code: &str,
) -> TwgOutput {
    let before = tree(installed);
    let output = installed.twg(releases, &[&["update", "--json"], args].concat()).run();
    output.expect_code(exit);
    assert_eq!(output.json()["error"]["code"], code, "{output}");
    assert_eq!(tree(installed), before, "{output}");
    says_this(installed);
    output
}

/// The tested program as several versions: each one installs the next.
#[test]
fn an_update_leads_to_the_next_version_and_keeps_the_one_before() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let second = this_program_as("0.2.0", installed.home.path());
    releases.publish(&Release::of_program("0.2.0", &second));
    let output = installed.twg(&releases, &["update", "--json"]).run();
    output.expect_success();
    assert_eq!(
        output.json(),
        json!({
            "schemaVersion": 1,
            "ok": true,
            "installed": "0.2.0",
            "previous": THIS,
            "announced": "0.2.0",
            "releasedAt": "2026-11-25T00:00:00Z",
            "updateAvailable": false,
            "updated": true,
        })
    );
    assert_eq!(installed.says(), "twg 0.2.0");
    assert_eq!(installed.versions(), [THIS, "0.2.0"]);
    // If there is no newer release, the command still succeeds.
    let output = installed.twg(&releases, &["update"]).run();
    output.expect_success().expect_stderr("twg 0.2.0 is up to date");
    assert_eq!(output.stdout, "");
    releases
        .publish(&Release::of_program("0.3.0", &this_program_as("0.3.0", installed.home.path())));
    let output = installed.twg(&releases, &["update"]).run();
    output.expect_success().expect_stderr("Updated twg from 0.2.0 to 0.3.0");
    assert_eq!(installed.says(), "twg 0.3.0");
    assert_eq!(installed.versions(), ["0.2.0", "0.3.0"]);
}

/// A server learns the version that asks, and nothing about its user.
#[test]
fn no_credential_is_sent_and_none_reaches_the_new_program() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let told = installed.home.path().join("told");
    releases.publish(&Release::of_script(
        "0.2.0",
        &format!("env >> {}; echo \"$0 $*\" >> {0}; echo 'twg 0.2.0'", told.display()),
    ));
    let canary = "canary-5c1f";
    let output = installed
        .twg(&releases, &["update"])
        .env("TWG_TOKEN", canary)
        .env("TWG_USER", "me@example.com")
        .env("TWG_OAUTH_ACCESS_TOKEN", canary)
        .run();
    output.expect_success();
    let told = std::fs::read_to_string(told).expect("it was started");
    assert!(
        told.contains("0.2.0.partial/twg --version") && told.contains(".local/bin/twg --version"),
        "{told}"
    );
    assert!(!told.contains(canary) && !told.contains("TWG_"), "{told}");
    assert!(!format!("{}{}", output.stdout, output.stderr).contains(canary), "{output}");
    let requests = releases.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "user-agent"], "{request:?}");
    }
}

#[test]
fn to_look_changes_nothing() {
    let (releases, installed) = (Releases::start(), Installed::new());
    releases.publish(&Release::new("0.2.0"));
    let before = tree(&installed);
    let output = installed.twg(&releases, &["update", "--check"]).run();
    output.expect_success().expect_stderr("twg 0.2.0 is available").expect_stderr("`twg update`");
    let output = installed.twg(&releases, &["update", "--check", "--json"]).run();
    let answer = output.json();
    assert_eq!((&answer["updateAvailable"], &answer["updated"]), (&json!(true), &json!(false)));
    assert_eq!((&answer["installed"], &answer["announced"]), (&json!(THIS), &json!("0.2.0")));
    assert_eq!(tree(&installed), before);
    // The same without an installation; then nothing is stored either.
    let home = TempHome::new();
    let unmanaged = releases.followed_by(home.twg(["update", "--check"])).run();
    unmanaged.expect_success().expect_stderr("is available").expect_stderr("Update it the way");
    assert!(!unmanaged.stderr.contains("`twg update`"), "{unmanaged}");
    assert!(!home.path().join(".local").exists());
    // A release without an archive for this system is not announced.
    let mut other = Release::new("0.3.0");
    other.manifest["targets"] = json!({ "pdp11-unknown-unix": {} });
    releases.publish(&other);
    let output = installed.twg(&releases, &["update", "--check"]).run();
    output.expect_success().expect_stderr("0.3.0 is available, but not for this system");
    let output = installed.twg(&releases, &["update", "--check", "--json"]).run();
    assert_eq!(output.expect_success().json()["updateAvailable"], false);
}

/// The version that was in use stays for a rollback, not one that never started.
#[test]
fn the_version_that_was_in_use_is_kept() {
    let (releases, installed) = (Releases::start(), Installed::new());
    // An update was killed before the launcher pointed to it.
    installed.add("0.2.0", |path| std::fs::write(path, "whole, and never started").unwrap());
    releases.publish(&Release::new("0.3.0"));
    installed.twg(&releases, &["update"]).run().expect_success();
    assert_eq!(installed.versions(), [THIS, "0.3.0"]);
}

#[test]
fn a_version_that_is_named_is_installed_although_it_is_not_the_newest() {
    let (releases, installed) = (Releases::start(), Installed::new());
    for version in ["0.2.0", "0.3.0"] {
        releases.publish(&Release::new(version));
    }
    let output = installed.twg(&releases, &["update", "--version", "0.2.0"]).run();
    output.expect_success().expect_stderr("to 0.2.0");
    assert_eq!(installed.says(), "twg 0.2.0");
}

type Spoil = fn(&Releases, &mut Release, &Releases);

/// What is wrong, the error code, and how to publish such a release.
const WRONG: &[(&str, &str, Spoil)] = &[
    ("no signature", "RELEASE_NOT_SIGNED", |server, release, _| {
        server.publish(release);
        server.remove("/manifest.json.minisig");
    }),
    ("another key", "RELEASE_NOT_SIGNED", |server, release, other| {
        server.publish_signed(release, other);
    }),
    ("other bytes", "RELEASE_NOT_SIGNED", |server, release, _| {
        server.publish(release);
        release.manifest["released_at"] = json!("2027-01-01T00:00:00Z");
        server.put("/manifest.json", release.manifest.to_string().as_bytes());
    }),
    ("a changed comment", "RELEASE_NOT_SIGNED", |server, release, _| {
        server.publish(release);
        let signature = server.sign(release.manifest.to_string().as_bytes());
        let changed =
            signature.replace("trusted comment: timestamp:1", "trusted comment: timestamp:2");
        assert_ne!(changed, signature);
        server.put("/manifest.json.minisig", changed.as_bytes());
    }),
    ("a page instead", "RELEASE_NOT_SIGNED", |server, release, _| {
        server.publish(release);
        server.put("/manifest.json.minisig", b"<html>Sign in to this network</html>");
    }),
    ("another archive", "RELEASE_DAMAGED", |server, release, _| {
        server.publish(release);
        let mut archive = release.archive.clone();
        *archive.last_mut().expect("bytes") ^= 1;
        server.put(&release.archive_path(), &archive);
    }),
    ("a longer archive", "RELEASE_DAMAGED", |server, release, _| {
        server.publish(release);
        server.put(&release.archive_path(), &[release.archive.as_slice(), b"x"].concat());
    }),
    ("an endless archive", "RELEASE_DAMAGED", |server, release, _| {
        server.publish(release);
        server.reply(&release.archive_path(), Reply::Endless { bytes: 1 << 30 });
    }),
    ("a shorter archive", "RELEASE_DAMAGED", |server, release, _| {
        server.publish(release);
        server.put(&release.archive_path(), &release.archive[1..]);
    }),
    ("no archive", "RELEASE_DAMAGED", |server, release, _| {
        server.publish(release);
        server.remove(&release.archive_path());
    }),
    ("a path as file", "RELEASE_UNREADABLE", |server, release, _| {
        release.manifest["targets"][target()]["file"] = json!("../0.2.0/twg-0.2.0.tar.gz");
        server.publish(release);
    }),
    ("a path as version", "RELEASE_UNREADABLE", |server, release, _| {
        release.manifest["version"] = json!("0.2.0/../0.3.0");
        server.publish(release);
    }),
    ("another schema", "RELEASE_UNREADABLE", |server, release, _| {
        release.manifest["schema_version"] = json!(2);
        server.publish(release);
    }),
    ("another system", "NOT_FOR_THIS_SYSTEM", |server, release, _| {
        release.manifest["targets"] = json!({ "pdp11-unknown-unix": {} });
        server.publish(release);
    }),
    ("a link in the archive", "ARCHIVE_REFUSED", |server, _, _| {
        server.publish(&Release::of_archive("0.2.0", archive_with("twg", tar::EntryType::Symlink)));
    }),
    ("a path in the archive", "ARCHIVE_REFUSED", |server, _, _| {
        server.publish(&Release::of_archive(
            "0.2.0",
            archive_with("../twg", tar::EntryType::Regular),
        ));
    }),
    ("nothing announced", "NO_SUCH_RELEASE", |_, _, _| {}),
];

/// Incident tar RUSTSEC-2026-0067 and similar ones: a wrong release changes nothing.
#[test]
fn a_wrong_release_is_refused() {
    for (name, code, spoil) in WRONG {
        let (releases, other, installed) = (Releases::start(), Releases::start(), Installed::new());
        spoil(&releases, &mut Release::new("0.2.0"), &other);
        let output = refused(&installed, &releases, &[], 1, code);
        assert_eq!(output.json()["error"]["kept"], "Nothing was changed.", "{name}: {output}");
        // After a wrong release, a good one still installs.
        releases.publish(&Release::new("0.2.0"));
        installed.twg(&releases, &["update"]).run().expect_success();
        assert_eq!(installed.says(), "twg 0.2.0", "{name}");
    }
}

fn archive_with(name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_link_name("/bin/true").expect("a name");
    header.set_size(0);
    header.set_cksum();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
    tar.append(&header, &b""[..]).expect("an entry");
    tar.into_inner().and_then(GzEncoder::finish).expect("an archive")
}

/// Old releases are signed too. They are refused, also when the user asks for one.
#[test]
fn an_older_version_is_refused() {
    let (releases, installed) = (Releases::start(), Installed::new());
    for version in ["0.0.9", "0.2.0", "0.3.0"] {
        releases.publish(&Release::new(version));
    }
    refused(&installed, &releases, &["--version", "0.0.9"], 1, "DOWNGRADE_REFUSED");
    assert!(releases.requests().is_empty(), "no request was needed");
    // Seen, and not installed.
    installed.twg(&releases, &["update", "--check"]).run().expect_success();
    refused(&installed, &releases, &["--version", "0.2.0"], 1, "DOWNGRADE_REFUSED");
    refused(&installed, &releases, &["--version", THIS], 1, "DOWNGRADE_REFUSED");
    // The server goes back to an earlier release.
    for version in ["0.2.0", "0.0.9"] {
        releases.publish(&Release::new(version));
        refused(&installed, &releases, &[], 1, "DOWNGRADE_REFUSED");
        refused(&installed, &releases, &["--check"], 1, "DOWNGRADE_REFUSED");
    }
    // A manifest in the directory of another version.
    let other = Release::new("0.4.0");
    releases.put("/0.5.0/manifest.json", other.manifest.to_string().as_bytes());
    let signature = releases.sign(other.manifest.to_string().as_bytes());
    releases.put("/0.5.0/manifest.json.minisig", signature.as_bytes());
    refused(&installed, &releases, &["--version", "0.5.0"], 1, "RELEASE_UNREADABLE");
    refused(&installed, &releases, &["--version", "9.9.9"], 1, "NO_SUCH_RELEASE");
    refused(&installed, &releases, &["--version", "../1.0.0"], 2, "USAGE");
}

#[test]
fn a_program_that_does_not_start_is_not_installed() {
    for script in ["exit 1", "echo 'twg 0.2.1'", "kill -9 $$"] {
        let (releases, installed) = (Releases::start(), Installed::new());
        releases.publish(&Release::of_script("0.2.0", script));
        refused(&installed, &releases, &[], 1, "DOES_NOT_START");
    }
}

/// The program starts from its own directory, but not through the launcher.
#[test]
fn a_program_that_does_not_start_through_the_launcher_is_rolled_back() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let script = "case \"$0\" in *.partial/twg) echo 'twg 0.2.0';; *) exit 3;; esac";
    releases.publish(&Release::of_script("0.2.0", script));
    let output = refused(&installed, &releases, &[], 1, "DOES_NOT_START");
    let kept = output.json()["error"]["kept"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(kept.contains("rolled back") && kept.contains(THIS), "{output}");
    assert_eq!(installed.versions(), [THIS]);
}

#[test]
fn without_releases_or_an_installation_the_error_says_how_to_update() {
    let (releases, installed) = (Releases::start(), Installed::new());
    releases.publish(&Release::new("0.2.0"));
    let output = installed.home.twg(["update"]).by_program(installed.launcher()).run();
    output
        .expect_code(78)
        .expect_stderr("Built from source: no release to update to")
        .expect_stderr("`cargo install --locked");
    let home = TempHome::new();
    let output = releases.followed_by(home.twg(["update"])).run();
    output.expect_code(78).expect_stderr("was not installed by twg");
    assert!(!home.path().join(".local").exists());
    // A launcher that belongs to another program is not replaced.
    std::fs::remove_file(installed.launcher()).expect("it is there");
    std::fs::write(installed.launcher(), "theirs").expect("a file");
    let twg = installed.twg(&releases, &["update"]).by_program(installed.program(THIS));
    twg.run().expect_code(78).expect_stderr("is another program and was not replaced");
    assert_eq!(std::fs::read_to_string(installed.launcher()).expect("a file"), "theirs");
    assert_eq!(installed.versions(), [THIS]);
}

#[test]
fn without_a_network_it_is_to_be_tried_again() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let refusing = RefusingAddress::new();
    let offline =
        |args: &[&str]| installed.twg(&releases, args).env("TWG_RELEASE_URL", refusing.url("/"));
    offline(&["update"]).run().expect_code(75).expect_stderr("Nothing was changed.");
    offline(&["update", "--check"]).run().expect_code(75);
    let release = Release::new("0.2.0");
    releases.publish(&release);
    for reply in [
        Reply::reset(),
        Reply::http("503 Service Unavailable", "text/plain", ""),
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut".to_vec()),
    ] {
        releases.reply(&release.archive_path(), reply);
        refused(&installed, &releases, &[], 75, "NETWORK");
    }
}

#[test]
fn where_it_is_forwarded_to_has_to_be_allowed_too() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let release = Release::new("0.2.0");
    releases.publish(&release);
    let to = |location: &str| Reply::http_with("302 Found", &[("location", location)], "");
    for location in ["http://example.com/x", "file:///etc/passwd", "https://"] {
        releases.reply(&release.archive_path(), to(location));
        refused(&installed, &releases, &[], 1, "NETWORK");
    }
    releases.reply(&release.archive_path(), to(&release.archive_path()));
    refused(&installed, &releases, &[], 1, "NETWORK");
    releases.put("/elsewhere/x", &release.archive);
    releases.reply(&release.archive_path(), to("../elsewhere/x"));
    installed.twg(&releases, &["update"]).run().expect_success();
}

/// `native-cli/release/pack` and a signature: twg accepts releases made as documented.
#[test]
fn a_release_of_the_packing_script_can_be_installed() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let dist = installed.home.path().join("dist");
    let program = installed.home.path().join("built");
    std::fs::write(&program, "#!/bin/sh\necho 'twg 0.2.0'\n").expect("a file");
    let pack = |version: &str| {
        let mut pack = std::process::Command::new(repository().join("native-cli/release/pack"));
        pack.args([version.as_ref(), dist.as_os_str()]);
        pack.args(["pdp11-unknown-unix", &target()].map(|t| format!("{t}={}", program.display())));
        pack.output().expect("it starts").status.code()
    };
    assert_eq!((pack("0.2"), pack("0.2.0")), (Some(2), Some(0)));
    for entry in std::fs::read_dir(dist.join("0.2.0")).expect("it was made") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        releases.put(&format!("/0.2.0/{name}"), &std::fs::read(path).expect("a file"));
    }
    let manifest = std::fs::read(dist.join("0.2.0/manifest.json")).expect("a manifest");
    releases.put("/manifest.json", &manifest);
    releases.put("/manifest.json.minisig", releases.sign(&manifest).as_bytes());
    installed.twg(&releases, &["update"]).run().expect_success();
    assert_eq!(installed.says(), "twg 0.2.0");
}

#[test]
fn one_update_at_a_time() {
    let (releases, installed) = (Releases::start(), Installed::new());
    let release = Release::new("0.2.0");
    releases.publish(&release);
    let lock = std::fs::File::create(installed.data().join("update.lock")).expect("a file");
    lock.lock().expect("the lock is free");
    refused(&installed, &releases, &[], 75, "UPDATE_RUNNING");
    assert!(releases.requests().is_empty());
    drop(lock);
    installed.twg(&releases, &["update"]).run().expect_success();
}

#[test]
fn progress_is_shown_on_a_terminal_and_hidden_by_quiet() {
    let (releases, installed) = (Releases::start(), Installed::new());
    releases.publish(&Release::new("0.2.0"));
    let terminal = installed.twg(&releases, &["update"]).in_terminal();
    assert!(terminal.wait().success(), "{}", terminal.screen());
    assert!(terminal.transcript().contains("Downloading… 100 %"), "{}", terminal.transcript());
    assert!(terminal.screen().contains("Updated twg"), "{}", terminal.screen());
    let installed = Installed::new();
    let output = installed.twg(&releases, &["update", "--quiet"]).run();
    assert_eq!((output.code(), output.stdout.as_str(), output.stderr.as_str()), (Some(0), "", ""));
}
