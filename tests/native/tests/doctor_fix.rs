//! `twg doctor --fix` repairs what is safe, and deletes no token that could be the only copy.
//! `--bundle` contains no names.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::{Value, json};
use twg_tests::{Sandbox, TwgOutput};

fn signed_in() -> Sandbox {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox
}

fn fix(sandbox: &Sandbox) -> TwgOutput {
    // Where rescued responses are.
    let state = sandbox.home().path().join("state");
    sandbox.twg(["doctor", "--fix", "--json"]).env("XDG_STATE_HOME", state).run()
}

/// The fixes of one kind: whether each succeeded, and its text.
fn fixes(output: &TwgOutput, name: &str) -> Vec<(bool, String)> {
    let document = output.json();
    let fixes = document["fixes"].as_array().expect("fixes").iter();
    let fixes = fixes.filter(|fix| fix["name"] == name);
    fixes
        .map(|fix| {
            (
                fix["fixed"].as_bool().expect("truth"),
                fix["what"].as_str().expect("words").to_owned(),
            )
        })
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it can be set");
}

#[test]
fn where_all_is_well_nothing_is_changed() {
    let sandbox = signed_in();
    let before = sandbox.record();
    let output = fix(&sandbox);
    assert_eq!(output.expect_success().json()["fixes"], json!([]), "{output}");
    assert_eq!(sandbox.record(), before);
}

#[test]
fn permissions_are_narrowed_and_never_widened() {
    let sandbox = signed_in();
    let dir = sandbox.config_dir();
    let (clients, record) = (dir.join("clients"), dir.join("auth.conf"));
    set_mode(&dir, 0o755);
    set_mode(&clients, 0o777);
    set_mode(&record, 0o644);
    let client = clients.join("atlassian.conf");
    set_mode(&client, 0o440);
    // A file outside, behind a link, is not changed.
    let foreign = sandbox.home().path().join("foreign");
    fs::write(&foreign, "{}").expect("it can be written");
    set_mode(&foreign, 0o644);
    symlink(&foreign, clients.join("other.conf")).expect("it can be made");
    let output = fix(&sandbox);
    let found = fixes(&output, "privacy");
    assert_eq!(found.len(), 4, "{output}");
    assert!(found.iter().all(|(fixed, _)| *fixed), "{output}");
    assert_eq!(
        [mode(&dir), mode(&clients), mode(&record), mode(&client)],
        [0o700, 0o700, 0o600, 0o400]
    );
    assert_eq!(mode(&foreign), 0o644);
    output.expect_success().expect_stderr("✔");
    assert!(fixes(&fix(&sandbox), "privacy").is_empty());
}

/// A crash's leftovers are removed if the record contains all of them, and kept otherwise.
#[test]
fn leftovers_go_unless_they_could_be_the_only_copy() {
    let sandbox = signed_in();
    let dir = sandbox.config_dir();
    let record = fs::read_to_string(dir.join("auth.conf")).expect("a record");
    let token = sandbox.record().access_token().to_owned();
    let kept = sandbox.record().refresh_token().expect("one").to_owned();
    let reply = |token: &str| {
        let body =
            json!({ "access_token": token, "refresh_token": kept, "expires_in": 3600 }).to_string();
        json!({ "schema_version": 1, "id": "0".repeat(32), "status": 200, "sha256": "", "body": body })
            .to_string()
    };
    let rescue = sandbox.home().path().join("state/twg/rescue");
    fs::create_dir_all(&rescue).expect("it can be made");
    set_mode(&rescue, 0o700);
    let generation = sandbox.record().members()["generation"].as_u64().expect("a number");
    let newer = record.replace(
        &format!("\"generation\": {generation}"),
        &format!("\"generation\": {}", generation + 1),
    );
    let newer = if newer == record {
        record.replace(
            &format!("\"generation\":{generation}"),
            &format!("\"generation\":{}", generation + 1),
        )
    } else {
        newer
    };
    assert_ne!(newer, record);
    let (tmp, stage) = (dir.join(".auth.conf.tmp"), dir.join(".auth.conf.stage"));
    let (known, unknown) = (rescue.join("known.reply"), rescue.join("unknown.reply"));
    let write = |path: &Path, text: &str| {
        fs::write(path, text).expect("it can be written");
        set_mode(path, 0o600);
    };
    write(&tmp, &record);
    write(&stage, &format!("{}\n\0\0\0", reply(&token)));
    write(&known, &reply(&token));
    write(&unknown, &reply("the-only-copy"));
    let output = fix(&sandbox);
    assert!(!tmp.exists() && !stage.exists() && !known.exists(), "{output}");
    assert!(unknown.exists(), "{output}");
    let found = fixes(&output, "leftovers");
    assert_eq!(found.iter().filter(|(fixed, _)| *fixed).count(), 3, "{output}");
    assert!(
        !output.stdout.contains("the-only-copy") && !output.stdout.contains(&token),
        "{output}"
    );

    for (path, text) in [
        (&tmp, newer.as_str()),
        (&tmp, &record[..record.len() / 2]),
        (&stage, reply("the-only-copy").as_str()),
    ] {
        write(path, text);
        let output = fix(&sandbox);
        assert_eq!(fs::read_to_string(path).expect("it is kept"), text, "{output}");
        assert!(fixes(&output, "leftovers").iter().any(|(fixed, _)| !fixed), "{output}");
        fs::remove_file(path).expect("it is there");
    }
    sandbox.twg(["auth", "token"]).run().expect_success();
}

/// An unfinished file is also kept if it is the only copy, for example of a client that the user
/// typed.
#[test]
fn files_that_never_got_their_name_go_if_nothing_is_lost() {
    let sandbox = signed_in();
    let clients = sandbox.config_dir().join("clients");
    let client = fs::read_to_string(clients.join("atlassian.conf")).expect("a client");
    let left = |name: &str, text: &str| {
        let path = clients.join(name);
        fs::write(&path, text).expect("it can be written");
        set_mode(&path, 0o600);
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600);
        let file = fs::File::options().write(true).open(&path).expect("it is there");
        file.set_modified(then).expect("it can be set");
        path
    };
    let probe = left(".atlassian.conf.0123456789abcdef.probe", "\0\0\0\0");
    let same = left(".atlassian.conf.0123456789abcde0.tmp", &client);
    let other = left(".atlassian.conf.0123456789abcde1.tmp", "another secret");
    let output = fix(&sandbox);
    assert!(!probe.exists() && !same.exists() && other.exists(), "{output}");
    assert_eq!(fixes(&output, "leftovers").len(), 3, "{output}");
}

/// The stage belongs to a refresh that is not finished.
#[test]
fn the_stage_of_an_interrupted_refresh_is_used_not_removed() {
    let sandbox = signed_in();
    // Short, because the repair waits for a third of it.
    sandbox.change_provider(|provider| provider["reuse_leeway_seconds"] = 6.into());
    sandbox.age_tokens(2800);
    let before = sandbox.record();
    sandbox.switch("fault.refresh", "502-after*1");
    sandbox.twg(["auth", "refresh"]).run().expect_code(75);
    assert!(sandbox.record().members()["pending"].is_object());
    let output = fix(&sandbox);
    let found = fixes(&output, "refresh");
    assert_eq!(found.len(), 1, "{output}");
    assert!(found[0].0 && found[0].1.contains("was repaired"), "{output}");
    let after = sandbox.record();
    assert!(after.members()["pending"].is_null() && after.access_token() != before.access_token());
    assert!(!sandbox.config_dir().join(".auth.conf.stage").exists());
    assert!(sandbox.accepts(after.access_token()));
}

#[test]
fn a_damaged_client_file_is_moved_with_every_byte() {
    let sandbox = signed_in();
    let path = sandbox.config_dir().join("clients/atlassian.conf");
    fs::write(&path, "client_id = the only copy").expect("it can be written");
    let output = fix(&sandbox);
    let found = fixes(&output, "client");
    assert!(found.len() == 1 && found[0].0 && found[0].1.contains(".damaged-"), "{output}");
    let names = fs::read_dir(path.parent().expect("a directory")).expect("names");
    let moved = names.map(|name| name.expect("a name").path());
    let moved: Vec<_> = moved.filter(|path| path.to_string_lossy().contains("damaged")).collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!(fs::read_to_string(&moved[0]).expect("it is there"), "client_id = the only copy");
    assert!(!path.exists());
    // A file of a newer version is not damaged.
    let newer = json!({ "schema_version": 2, "client_id": "me" }).to_string();
    fs::write(&path, &newer).expect("it can be written");
    assert!(fixes(&fix(&sandbox), "client").is_empty());
    assert_eq!(fs::read_to_string(&path).expect("it is there"), newer);
}

/// A85: a bug report names no token, person, site or client.
#[test]
fn a_bundle_contains_no_names() {
    let sandbox = Sandbox::start();
    sandbox.use_client(Sandbox::THREE_LO_CLIENT);
    sandbox.sign_in(&[]);
    let record = sandbox.record();
    let members = record.members().clone();
    let dir = sandbox.config_dir();
    // Names of this user in every possible place.
    let mut work = members.clone();
    work["connection"] = "canary-work".into();
    let connections = dir.join("connections/atlassian");
    fs::create_dir_all(&connections).expect("it can be made");
    fs::write(connections.join("canary-work.conf"), work.to_string()).expect("it can be written");
    fs::write(dir.join("canary-notes.txt"), "canary").expect("it can be written");
    fs::write(dir.join("clients/canary.conf"), "canary, damaged").expect("it can be written");
    fs::write(
        dir.join("upkeep.json"),
        json!({ "lastRunAt": "2026-01-02T03:04:05Z", "note": "canary" }).to_string(),
    )
    .expect("it can be written");
    let file = sandbox.home().path().join("report.json");
    let bundle = || {
        let twg = sandbox.twg(["doctor", "--bundle"]).arg(&file).env("TWG_TOKEN", "canary");
        twg.env("USER", "canary-user").env("LANG", "C.UTF-8").run()
    };
    let output = bundle();
    assert_eq!(output.stdout.trim(), file.to_str().expect("a path"), "{output}");
    assert_eq!(mode(&file), 0o600);
    let text = fs::read_to_string(&file).expect("it was written");
    let (client, secret) = Sandbox::THREE_LO_CLIENT;
    let mut secrets: Vec<String> =
        ["canary", client, secret, "mia@", "Mia", "Krystof", "krystof", sandbox.base_url()]
            .map(str::to_owned)
            .into();
    secrets.push(record.access_token().to_owned());
    secrets.push(record.refresh_token().expect("one").to_owned());
    secrets.push(members["account"]["id"].as_str().expect("an id").to_owned());
    secrets.push(members["sites"][0]["id"].as_str().expect("an id").to_owned());
    secrets.push(sandbox.home().path().to_str().expect("a path").to_owned());
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
    }
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["environment"]["LANG"], "C.UTF-8");
    let set = report["environmentSet"].as_array().expect("names");
    assert!(set.contains(&json!("TWG_TOKEN")) && set.contains(&json!("TWG_CONFIG_DIR")), "{text}");
    assert_eq!(
        report["upkeep"],
        json!({ "lastRunAt": "2026-01-02T03:04:05Z", "note": "<6 bytes>" })
    );
    assert_eq!(report["status"]["tokenState"], "fresh");
    let files = report["files"].as_array().expect("files");
    let of = |path: &str| {
        files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("{path}: {text}"))
    };
    assert_eq!(of("CONFIG_DIR/auth.conf")["mode"], "0600");
    assert!(of("CONFIG_DIR/auth.conf")["shape"]["tokens"]["expires_at"].is_number(), "{text}");
    assert!(of("CONFIG_DIR/connections/atlassian/<connection>.conf")["bytes"].is_number());
    assert!(files.iter().any(|file| file["path"] == "CONFIG_DIR/<other>"), "{text}");
    assert!(report["checks"].as_array().expect("checks").len() > 8, "{text}");

    // Nothing is overwritten, and a link is not followed.
    let again = bundle();
    again.expect_code(73).expect_stderr("Nothing was overwritten");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), text);
    fs::remove_file(&file).expect("it is there");
    symlink(dir.join("elsewhere"), &file).expect("it can be made");
    bundle().expect_code(73);
    assert!(!dir.join("elsewhere").exists());
}
