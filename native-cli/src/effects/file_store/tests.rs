//! On real file systems. Some tests mount a disk of their own, which takes root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::sync::Mutex;

use super::*;

/// A directory that goes away with the test.
pub(crate) struct Scratch {
    dir: PathBuf,
    mounted: bool,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn scratch_dir() -> Scratch {
    let dir = std::env::temp_dir().join(format!("twg-test-{:016x}", getrandom::u64().unwrap()));
    platform::make_private_dir(&dir).unwrap();
    Scratch { dir: fs::canonicalize(dir).unwrap(), mounted: false }
}

/// A disk of this size for one test.
fn disk(options: &str) -> Scratch {
    let mut scratch = scratch_dir();
    mount(&["-t", "tmpfs", "-o", &format!("mode=700,{options}"), "tmpfs"], scratch.path());
    scratch.mounted = true;
    scratch
}

fn mount(args: &[&str], place: &Path) {
    let status = Command::new("mount").args(args).arg(place).status().unwrap();
    assert!(status.success(), "this test needs to mount a file system: run it as root");
}

pub(crate) fn store_in(dir: &Path) -> FileStore {
    let dir = dir.as_os_str().to_owned();
    let config = ConfigDir::resolve(&|name| (name == "TWG_CONFIG_DIR").then(|| dir.clone()));
    FileStore::new(config.unwrap())
}

fn record(generation: u64) -> Secret {
    Secret::new(format!("{{\"schema_version\":1,\"generation\":{generation},\"x\":[]}}"))
}

fn expect(generation: u64) -> Expected {
    Expected::Generation(Some(Generation::from(generation)))
}

const NO_RECORD: Expected = Expected::Generation(None);

fn loaded(store: &FileStore, path: &Path) -> Option<String> {
    store.load(path).unwrap().map(|secret| secret.expose().to_owned())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_stored_can_be_loaded_replaced_and_removed() {
    let dir = scratch_dir();
    let root = dir.path().join("deep/er/twg");
    let store = store_in(&root);
    for path in [root.join("auth.conf"), root.join("connections/github/default.conf")] {
        assert_eq!(loaded(&store, &path), None);
        store.remove(&path).unwrap();
        store.preflight(&path).unwrap();
        assert_eq!(loaded(&store, &path), None);
        store.replace(&path, NO_RECORD, &record(1)).unwrap();
        store.replace(&path, expect(1), &record(2)).unwrap();
        assert_eq!(loaded(&store, &path).unwrap(), record(2).expose());
        // Files that may hold a token are removed with it: a stage, and one that was set aside.
        let stage = beside(&path, "stage");
        fs::write(&stage, "{\"refresh_token\":\"tor").unwrap();
        let place = store.set_aside(&stage).unwrap();
        fs::write(&stage, "another").unwrap();
        assert!(place.contains(".stage.damaged-"), "{place}");
        store.remove(&path).unwrap();
        assert_eq!(loaded(&store, &path), None);
        assert_eq!(names(path.parent().unwrap()).iter().filter(|n| n.starts_with('.')).count(), 0);
    }
}

#[test]
fn a_large_record_round_trips() {
    let dir = scratch_dir();
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    let large = Secret::new("ü".repeat(1024 * 1024));
    store.replace(&path, Expected::Anything, &large).unwrap();
    assert_eq!(loaded(&store, &path).unwrap(), large.expose());
}

#[test]
fn a_record_written_without_the_lock_is_not_overwritten() {
    let dir = scratch_dir();
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    let changed = |expected| store.replace(&path, expected, &record(9)).unwrap_err();
    assert_eq!(changed(expect(1)).kind, StoreErrorKind::Changed);
    store.replace(&path, NO_RECORD, &record(3)).unwrap();
    for expected in [expect(2), expect(4), NO_RECORD] {
        let error = changed(expected);
        assert_eq!(error.kind, StoreErrorKind::Changed);
        assert!(error.detail.starts_with("it holds generation 3, not "), "{error}");
    }
    assert_eq!(loaded(&store, &path).unwrap(), record(3).expose());
    fs::write(&path, "{ damaged").unwrap();
    assert_eq!(changed(expect(3)).kind, StoreErrorKind::Changed);
    store.replace(&path, NO_RECORD, &record(1)).unwrap();
}

/// Incidents mcp-atlassian CVE-2026-77268 and similar ones: with umask 000, every file is 0600 and
/// every directory 0700 from its first moment. The process under test stops at each system call, so
/// what it creates is seen as it is created.
#[test]
fn nothing_is_ever_wider_than_its_owner() {
    let dir = scratch_dir();
    let trace = dir.path().join("trace");
    for umask in ["000", "277", "777"] {
        let root = dir.path().join(format!("config{umask}"));
        let status = Command::new("sh")
            .args(["-c", "umask $1; shift; exec \"$@\"", "sh", umask])
            .args(["strace", "-f", "-o"])
            .arg(&trace)
            .args(["-e", "trace=openat,open,creat,mkdir,mkdirat,mknod,mknodat,symlink,symlinkat"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "effects::file_store::tests::uses_everything"])
            .env("TWG_TEST_ROOT", &root)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "umask {umask}");
        let trace = fs::read_to_string(&trace).unwrap();
        let created: Vec<_> = trace
            .lines()
            .filter(|line| line.contains(root.to_str().unwrap()))
            .filter(|line| line.contains("O_CREAT") || line.contains("mkdir"))
            .filter(|line| !line.contains(" = -1 "))
            .collect();
        assert!(created.len() >= 8, "{trace}");
        for call in created {
            let mode = if call.contains("mkdir") { ", 0700)" } else { ", 0600)" };
            assert!(call.contains(mode), "{call}");
            assert!(call.contains("mkdir") || call.contains("O_NOFOLLOW"), "{call}");
            assert!(call.contains("mkdir") || call.contains("O_CLOEXEC"), "{call}");
        }
        let mut dirs = vec![root];
        while let Some(dir) = dirs.pop() {
            assert_eq!(mode(&dir), 0o700, "{dir:?}");
            for name in names(&dir) {
                let path = dir.join(name);
                if path.is_dir() {
                    dirs.push(path)
                } else {
                    assert_eq!(mode(&path), 0o600, "{path:?}")
                }
            }
        }
    }
}

/// The process that the test above traces.
#[test]
#[ignore = "started by the test above"]
fn uses_everything() {
    let root = PathBuf::from(std::env::var_os("TWG_TEST_ROOT").unwrap());
    let store = store_in(&root);
    for path in [root.join("auth.conf"), root.join("connections/github/default.conf")] {
        store.preflight(&path).unwrap();
        let lock = suffixed(&path, ".lock");
        let taken = super::super::lock::acquire(&store, &lock, "t", super::super::clock::now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let held = runtime.block_on(taken).unwrap();
        store.replace(&path, NO_RECORD, &record(1)).unwrap();
        store.replace(&path, expect(1), &record(2)).unwrap();
        store.set_aside(&path).unwrap();
        store.replace(&path, NO_RECORD, &record(1)).unwrap();
        drop(held);
    }
}

/// The order that makes a record durable: the bytes, then the name, then the directory. A preflight
/// makes the same calls.
#[test]
fn bytes_are_on_the_disk_before_their_name_and_the_name_before_the_answer() {
    let dir = scratch_dir();
    let (trace, root) = (dir.path().join("trace"), dir.path().join("twg"));
    let status = Command::new("strace")
        .args(["-f", "-y", "-o"])
        .arg(&trace)
        .args(["-e", "trace=openat,write,fallocate,fsync,rename,unlink"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "effects::file_store::tests::checks_and_replaces"])
        .env("TWG_TEST_ROOT", &root)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let root = root.to_str().unwrap();
    let calls: Vec<_> = fs::read_to_string(trace)
        .unwrap()
        .lines()
        .filter(|line| line.contains(root) && !line.contains(" = -1 "))
        .filter(|line| !line.contains("openat") || line.contains("O_CREAT"))
        .map(|line| {
            let call = line.split_whitespace().nth(1).unwrap().split('(').next().unwrap();
            // The file, without the random part of its name.
            let end = if call == "rename" {
                "\", "
            } else if call == "unlink" {
                "\")"
            } else {
                ">"
            };
            let path = line.split(root).nth(1).unwrap().split(end).next().unwrap();
            let name = match path.rsplit_once('.') {
                _ if path.is_empty() => "directory",
                Some((_, kind)) => kind,
                None => path,
            };
            format!("{call} {}", name.split('"').next().unwrap())
        })
        // Skip those of the directory itself and of those above.
        .skip_while(|call| !call.starts_with("openat"))
        .collect();
    assert_eq!(
        calls,
        [
            "openat probe",
            "fallocate probe",
            "fsync probe",
            "rename probe",
            "fsync directory",
            "unlink probe",
            "openat tmp",
            "write tmp",
            "fsync tmp",
            "rename tmp",
            "fsync directory",
        ]
    );
}

/// The process that the test above traces.
#[test]
#[ignore = "started by the test above"]
fn checks_and_replaces() {
    let root = PathBuf::from(std::env::var_os("TWG_TEST_ROOT").unwrap());
    let (store, path) = (store_in(&root), root.join("auth.conf"));
    store.preflight(&path).unwrap();
    store.replace(&path, NO_RECORD, &record(1)).unwrap();
}

#[test]
fn a_directory_that_others_can_enter_is_closed_and_those_above_are_left_alone() {
    let dir = scratch_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let root = dir.path().join("twg");
    fs::create_dir_all(root.join("connections")).unwrap();
    for wide in [root.clone(), root.join("connections")] {
        fs::set_permissions(wide, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let store = store_in(&root);
    store.replace(&root.join("connections/github/default.conf"), NO_RECORD, &record(1)).unwrap();
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("connections")), 0o700);
    assert_eq!(mode(dir.path()), 0o755);
    // Only access of others is removed: permissions that the owner lacks are not added.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
    let _ = store.preflight(&root.join("auth.conf"));
    assert_eq!(mode(&root), 0o500);
}

#[test]
fn a_wide_old_file_becomes_private() {
    let dir = scratch_dir();
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    fs::write(&path, record(1).expose()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    store.replace(&path, expect(1), &record(2)).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let dir = scratch_dir();
    let root = dir.path().join("twg");
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::chown(&root, Some(12_345), None).expect("this test needs to be root");
    let store = store_in(&root);
    for result in [
        store.replace(&root.join("auth.conf"), NO_RECORD, &record(1)),
        store.preflight(&root.join("auth.conf")),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::CannotCreate);
        assert_eq!(error.detail, "it belongs to another user (number 12345)");
    }
    assert!(names(&root).is_empty());
}

#[test]
fn a_place_that_is_no_directory_is_refused() {
    let dir = scratch_dir();
    fs::write(dir.path().join("file"), "").unwrap();
    let root = dir.path().join("file/twg");
    let error = store_in(&root).preflight(&root.join("auth.conf")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::CannotCreate, "{error}");
}

#[test]
fn what_is_not_a_plain_small_file_is_not_read() {
    let dir = scratch_dir();
    let store = store_in(dir.path());
    let directory = dir.path().join("dir.conf");
    fs::create_dir(&directory).unwrap();
    let fifo = dir.path().join("fifo.conf");
    let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, owner, 0).unwrap();
    let large = dir.path().join("large.conf");
    File::create(&large).unwrap().set_len(MAX_RECORD_BYTES + 1).unwrap();
    let device = dir.path().join("device.conf");
    symlink("/dev/zero", &device).unwrap();
    for path in [directory, fifo, large, device] {
        let error = store.load(&path).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::CannotRead, "{path:?}: {error}");
    }
    let bytes = dir.path().join("bytes.conf");
    fs::write(&bytes, b"{\"a\":\"\xff\"}\xfe").unwrap();
    assert_eq!(loaded(&store, &bytes).unwrap(), "{\"a\":\"\u{fffd}\"}\u{fffd}");
}

#[test]
fn a_link_to_ones_own_file_is_kept_and_every_other_refused() {
    let dir = scratch_dir();
    let root = dir.path().join("twg");
    let dotfiles = dir.path().join("dotfiles");
    fs::create_dir(&root).unwrap();
    fs::create_dir(&dotfiles).unwrap();
    let (store, path) = (store_in(&root), root.join("auth.conf"));
    let real = dotfiles.join("auth.conf");
    fs::write(&real, record(1).expose()).unwrap();
    symlink("../dotfiles/auth.conf", &path).unwrap();
    assert_eq!(loaded(&store, &path).unwrap(), record(1).expose());
    store.preflight(&path).unwrap();
    store.replace(&path, expect(1), &record(2)).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), record(2).expose());
    assert_eq!((mode(&real), names(&dotfiles).len()), (0o600, 1));
    // For a damaged record, the link is set aside, and the file stays where its owner keeps it.
    let place = store.set_aside(&path).unwrap();
    assert_eq!(fs::read_to_string(place).unwrap(), record(2).expose());
    assert_eq!(loaded(&store, &path), None);
    // Removing a credential removes the file, not only the link to it.
    symlink("../dotfiles/auth.conf", &path).unwrap();
    store.remove(&path).unwrap();
    assert!(names(&dotfiles).is_empty());
    assert_eq!(loaded(&store, &path), None);

    let foreign = dotfiles.join("foreign");
    fs::write(&foreign, "theirs").unwrap();
    std::os::unix::fs::chown(&foreign, Some(12_345), None).expect("this test needs to be root");
    for target in [Path::new("/nowhere"), Path::new("/dev/null"), &dotfiles, &foreign] {
        symlink(target, &path).unwrap();
        let error = store.replace(&path, NO_RECORD, &record(1)).unwrap_err();
        assert!(error.detail.starts_with("it is a symbolic link "), "{error}");
        assert_eq!(store.load(&path).unwrap_err().kind, StoreErrorKind::CannotRead);
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "theirs");
}

#[test]
fn a_damaged_record_is_kept_whole_and_nothing_overwritten() {
    let dir = scratch_dir();
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    let mut places = Vec::new();
    for n in 0..3 {
        fs::write(&path, format!("damaged {n}")).unwrap();
        places.push(store.set_aside(&path).unwrap());
        assert!(!path.exists());
    }
    for (n, place) in places.iter().enumerate() {
        assert_eq!(fs::read_to_string(place).unwrap(), format!("damaged {n}"));
        let name = Path::new(place).file_name().unwrap().to_str().unwrap();
        let time = name.strip_prefix("auth.conf.damaged-").unwrap();
        assert_eq!((time.len() >= 16, time.as_bytes()[8], time.as_bytes()[15]), (true, b'T', b'Z'));
    }
    assert!(store.set_aside(&path).is_err());
}

#[test]
fn what_dead_writers_left_is_removed() {
    let dir = scratch_dir();
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    let left = [".auth.conf.0123456789abcdef.tmp", ".auth.conf.0123456789abcdef.probe"];
    let alive = ".auth.conf.aaaaaaaaaaaaaaaa.probe";
    let others = [".auth.conf.notes.tmp", ".other.conf.0123456789abcdef.tmp", ".auth.conf.swp"];
    for name in left.iter().chain(&others) {
        fs::write(dir.path().join(name), "").unwrap();
        let old = SystemTime::now() - 2 * siblings::STALE_PROBE;
        File::open(dir.path().join(name)).unwrap().set_modified(old).unwrap();
    }
    fs::write(dir.path().join(alive), "").unwrap();
    // Under the lock the name is fixed: an existing file is left over.
    fs::write(dir.path().join(".auth.conf.tmp"), "half a rec").unwrap();
    store.replace(&path, NO_RECORD, &record(1)).unwrap();
    assert_eq!(loaded(&store, &path).unwrap(), record(1).expose());
    assert_eq!(names(dir.path()).len(), 7, "a refresh looks at no other name");
    store.preflight(&path).unwrap();
    assert_eq!(
        names(dir.path()),
        [
            alive,
            ".auth.conf.notes.tmp",
            ".auth.conf.swp",
            ".other.conf.0123456789abcdef.tmp",
            "auth.conf",
        ]
    );
}

/// A33 ("failed preflight => zero bytes sent") depends on this: a full disk is noticed beforehand,
/// and costs neither the record nor a file.
#[test]
fn a_full_disk_is_noticed_and_costs_nothing() {
    let disk = disk("size=64k");
    let (store, path) = (store_in(disk.path()), disk.path().join("auth.conf"));
    store.replace(&path, NO_RECORD, &record(1)).unwrap();
    // One page is used, so that 64 KiB do not fit.
    let error = store.preflight(&path).unwrap_err();
    assert_eq!(
        (error.kind, &*error.detail),
        (StoreErrorKind::CannotWrite, "No space left on device")
    );
    let large = Secret::new("x".repeat(64 * 1024));
    let error = store.replace(&path, expect(1), &large).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::CannotWrite);
    assert_eq!(names(disk.path()), ["auth.conf"]);
    assert_eq!(loaded(&store, &path).unwrap(), record(1).expose());
    store.replace(&path, expect(1), &record(2)).unwrap();
}

#[test]
fn a_disk_without_room_for_names_is_noticed() {
    // The root directory and one more file.
    let disk = disk("size=1m,nr_inodes=2");
    let (store, path) = (store_in(disk.path()), disk.path().join("auth.conf"));
    store.replace(&path, NO_RECORD, &record(1)).unwrap();
    assert_eq!(store.preflight(&path).unwrap_err().kind, StoreErrorKind::CannotWrite);
    assert_eq!(loaded(&store, &path).unwrap(), record(1).expose());
}

/// A sandbox: credentials can be read, and nothing can be written.
#[test]
fn a_read_only_disk_still_serves_what_it_holds() {
    let disk = disk("size=1m");
    let (store, path) = (store_in(disk.path()), disk.path().join("auth.conf"));
    store.replace(&path, NO_RECORD, &record(1)).unwrap();
    mount(&["-o", "remount,ro"], disk.path());
    assert_eq!(loaded(&store, &path).unwrap(), record(1).expose());
    let results = [
        store.preflight(&path),
        store.replace(&path, expect(1), &record(2)),
        store.remove(&path),
        store.set_aside(&path).map(drop),
        store.preflight(&disk.path().join("connections/github/default.conf")),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(
            (error.kind, &*error.detail),
            (StoreErrorKind::CannotCreate, "Read-only file system")
        );
    }
    assert_eq!(loaded(&store, &path).unwrap(), record(1).expose());
}

/// A container with this single file mounted into it: it can be written, but not replaced
/// atomically.
#[test]
fn a_file_that_is_a_mount_is_noticed_by_the_preflight() {
    let (dir, outside) = (scratch_dir(), scratch_dir());
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    let source = outside.path().join("auth.conf");
    fs::write(&source, record(1).expose()).unwrap();
    fs::write(&path, "").unwrap();
    mount(&["--bind", source.to_str().unwrap()], &path);
    let results = [store.preflight(&path), store.replace(&path, expect(1), &record(2))];
    let status = Command::new("umount").arg(&path).status().unwrap();
    assert!(status.success());
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::CannotWrite, "{error}");
        assert!(error.detail.contains("mount its directory instead"), "{error}");
    }
    assert_eq!(names(dir.path()), ["auth.conf"]);
    assert_eq!(fs::read_to_string(source).unwrap(), record(1).expose());
}

/// A reader takes no lock, and sees the old record or the new one, whole.
#[test]
fn readers_never_see_half_a_record() {
    let dir = scratch_dir();
    let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf"));
    let content =
        |n: u64| Secret::new(format!("{{\"generation\":{n},\"x\":\"{}\"}}", "y".repeat(40_000)));
    store.replace(&path, NO_RECORD, &content(0)).unwrap();
    let newest = Mutex::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 1..100 {
                store.replace(&path, expect(n - 1), &content(n)).unwrap();
                *newest.lock().unwrap() = n;
            }
        });
        while !writer.is_finished() {
            let at_least = *newest.lock().unwrap();
            let text = loaded(&store, &path).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(value["generation"].as_u64().unwrap() >= at_least);
            assert_eq!(text.len(), content(at_least).expose().len().max(text.len()));
        }
    });
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
}
