use super::*;
use crate::effects::file_store::tests::scratch_dir;

fn managed_in(home: &Path) -> Managed {
    Managed::of_user(&|name| (name == "HOME").then(|| home.as_os_str().to_owned())).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// Installs a program that prints this.
fn install(managed: &Managed, v: &str, said: &str) {
    let bytes = format!("#!/bin/sh\n{said}\n").into_bytes();
    managed.stage(version(v), &[Unpacked { name: PROGRAM, bytes }]).unwrap();
    managed.complete(version(v)).unwrap();
}

#[test]
fn the_launcher_leads_from_one_version_to_the_next_and_is_removed_with_them() {
    let home = scratch_dir();
    let managed = managed_in(home.path());
    assert_eq!(managed.current(), None);
    install(&managed, "0.9.0", "");
    install(&managed, "0.10.0", "");
    assert_eq!(managed.installed(), [version("0.9.0"), version("0.10.0")]);
    for v in ["0.9.0", "0.10.0", "0.9.0"] {
        managed.point_to(version(v)).unwrap();
        assert_eq!(managed.current(), Some(version(v)));
        assert_eq!(
            fs::canonicalize(&managed.launcher).unwrap(),
            fs::canonicalize(managed.program(version(v))).unwrap()
        );
    }
    // Its program is removed.
    managed.discard(version("0.9.0")).unwrap();
    assert_eq!(managed.current(), None);
    managed.check_launcher().unwrap();
    managed.remove_launcher().unwrap();
    assert!(fs::symlink_metadata(&managed.launcher).is_err());
}

#[test]
fn files_of_others_are_not_touched() {
    let home = scratch_dir();
    let managed = managed_in(home.path());
    fs::create_dir_all(managed.launcher.parent().unwrap()).unwrap();
    let elsewhere = home.path().join("elsewhere/1.2.3/twg");
    for make in [&|path: &Path| fs::write(path, "theirs").unwrap() as _, &|path: &Path| {
        std::os::unix::fs::symlink(&elsewhere, path).unwrap()
    }] as [&dyn Fn(&Path); 2]
    {
        make(&managed.launcher);
        assert_eq!(managed.check_launcher().unwrap_err().cause.code(), "LAUNCHER_TAKEN");
        managed.remove_launcher().unwrap();
        assert!(fs::symlink_metadata(&managed.launcher).is_ok());
        fs::remove_file(&managed.launcher).unwrap();
    }
    fs::create_dir_all(managed.versions.join("notes.partial")).unwrap();
    fs::create_dir_all(managed.versions.join("1.0.0.partial")).unwrap();
    managed.sweep().unwrap();
    assert!(managed.versions.join("notes.partial").exists());
    assert!(!managed.versions.join("1.0.0.partial").exists());
}

#[test]
fn a_program_has_to_start_and_to_be_the_version_that_it_should_be() {
    let home = scratch_dir();
    let managed = managed_in(home.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (said, refusal) in [
        ("echo 'twg 1.2.3'", None),
        ("echo 'twg 1.2.30'", Some("it prints")),
        ("echo 'twg 1.2.3'; exit 1", Some("it ends with")),
        ("printf '\\033[2J'", Some("it prints")),
        // No credential of the environment is passed to it.
        ("echo \"twg 1.2.3$HOME\"", None),
    ] {
        managed.discard(version("1.2.3")).unwrap();
        install(&managed, "1.2.3", said);
        let result = runtime.block_on(starts(&managed.program(version("1.2.3")), version("1.2.3")));
        match (result, refusal) {
            (Ok(()), None) => {}
            (Err(why), Some(refusal)) => {
                assert!(why.contains(refusal) && !why.contains('\u{1b}'), "{why}")
            }
            (result, _) => panic!("{said}: {result:?}"),
        }
    }
    let missing = home.path().join("missing");
    assert!(runtime.block_on(starts(&missing, version("1.2.3"))).is_err());
}

#[test]
fn the_newest_version_that_was_seen_is_remembered() {
    let home = scratch_dir();
    let managed = managed_in(home.path());
    assert_eq!(managed.newest_seen().unwrap(), None);
    managed.note(version("1.0.0")).unwrap();
    managed.note(version("1.10.0")).unwrap();
    managed.note(version("1.10.0")).unwrap();
    assert_eq!(managed.note(version("1.9.0")).unwrap_err().cause.code(), "DOWNGRADE_REFUSED");
    assert_eq!(managed.newest_seen().unwrap(), Some(version("1.10.0")));
}

#[test]
fn a_shell_would_find_this_very_file() {
    let home = scratch_dir();
    let (cellar, bin) = (home.path().join("cellar"), home.path().join("bin"));
    fs::create_dir_all(&cellar).unwrap();
    fs::create_dir_all(&bin).unwrap();
    fs::write(cellar.join(PROGRAM), "").unwrap();
    std::os::unix::fs::symlink(cellar.join(PROGRAM), bin.join(PROGRAM)).unwrap();
    let path = |dirs: &[&Path]| Some(std::env::join_paths(dirs).unwrap());
    let found = |path| found_on_path(&cellar.join(PROGRAM), path);
    assert_eq!(found(path(&[Path::new("."), home.path(), &bin])), Some(bin.join(PROGRAM)));
    assert_eq!(found(path(&[home.path()])), None);
    assert_eq!(found(None), None);
}
