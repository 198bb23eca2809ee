//! The exclusive lock of one connection.
//!
//! It is a kernel lock on a file beside the record. The kernel releases it when its holder ends in
//! any way, so that a lock is never "stale" and never broken. The file is never removed, so that
//! all processes wait for the same file.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use twg_core::flow::{LockError, StoreErrorKind};
use twg_core::text::inert;
use twg_core::time::UnixTime;

use super::clock;
use super::file_store::{FileStore, describe};
use crate::system::platform;

/// The first and the longest pause between two attempts. The kernel's own queue would need a
/// blocked thread that cannot be stopped, and fifty milliseconds are short compared with the
/// holder's request.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A held lock. Dropping it, or dying, releases it.
#[derive(Debug)]
#[must_use = "a lock that is dropped is released"]
pub(crate) struct Lock {
    /// Closing it is what releases the lock.
    _file: File,
}

/// Takes the lock in this file, and waits for it until the deadline. `name` is the holder that
/// other processes report.
///
/// # Errors
/// [`LockError`]. Dropping the future stops the waiting.
pub(crate) async fn acquire(
    store: &FileStore,
    path: &Path,
    name: &str,
    deadline: UnixTime,
) -> Result<Lock, LockError> {
    store.prepare_dir(path).map_err(LockError::Unusable)?;
    let unusable = |error: io::Error| LockError::Unusable(store.failed(path, &error));
    // The uptime cannot be set, and it goes on while the machine sleeps.
    let (begun, patience) = (platform::uptime(), clock::until(deadline));
    let mut pause = FIRST_PAUSE;
    loop {
        let mut file = open(store, path)?;
        match file.try_lock() {
            Ok(()) => {
                if is_still_there(&file, path) {
                    // This is only for people. A full disk must not prevent the lock.
                    let _ = sign(&mut file, name);
                    return Ok(Lock { _file: file });
                }
                // The file was removed in between (by an uninstall). A lock on a file without a
                // name excludes no process.
            }
            Err(std::fs::TryLockError::WouldBlock) => {}
            Err(std::fs::TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let left = patience.saturating_sub(platform::uptime().saturating_sub(begun));
        if left.is_zero() {
            return Err(LockError::TimedOut { holder: holder(&mut file) });
        }
        tokio::time::sleep(jittered(pause).min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn open(store: &FileStore, path: &Path) -> Result<File, LockError> {
    let unusable = |error: io::Error| {
        let refused = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        LockError::Unusable(if refused {
            store.error(StoreErrorKind::CannotCreate, path, "it is a symbolic link; remove it")
        } else {
            store.failed(path, &error)
        })
    };
    let file = platform::open_lock(path).map_err(unusable)?;
    let metadata = file.metadata().map_err(unusable)?;
    platform::check_own_file(&metadata).map_err(|unfit| {
        LockError::Unusable(store.error(StoreErrorKind::CannotCreate, path, &describe(unfit)))
    })?;
    Ok(file)
}

fn is_still_there(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(held), Ok(named)) => platform::same_file(&held, &named),
        _ => false,
    }
}

/// Overwrites the name of the last holder, and cuts off the rest. Emptying the file first would be
/// slower: ext4 then frees its block and, because the file looks like a replaced one, writes it to
/// the disk when it is closed. The refresh under this lock would wait for that.
fn sign(file: &mut File, name: &str) -> io::Result<()> {
    let line = format!("{} {name}\n", std::process::id());
    file.rewind()?;
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
}

fn holder(file: &mut File) -> Option<String> {
    let mut text = [0; 200];
    file.rewind().ok()?;
    let length = file.read(&mut text).ok()?;
    let text = String::from_utf8_lossy(text.get(..length)?);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| inert(line))
}

/// A random time between a half and the whole of a pause, so that waiting processes do not all come
/// back at once.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicU32, Ordering};

    use twg_core::time::Span;

    use super::super::file_store::tests::{scratch_dir, store_in};
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn within(millis: u64) -> UnixTime {
        clock::now().plus(Span::from_millis(millis))
    }

    #[test]
    fn excludes_and_names_the_holder_until_it_is_dropped() {
        let dir = scratch_dir();
        let (store, path) = (store_in(dir.path()), dir.path().join("auth.conf.lock"));
        run(async {
            let held = acquire(&store, &path, "twg login", within(0)).await.unwrap();
            let begun = std::time::Instant::now();
            let error = acquire(&store, &path, "twg api", within(120)).await.unwrap_err();
            assert!(begun.elapsed() >= Duration::from_millis(110), "{:?}", begun.elapsed());
            let holder = Some(format!("{} twg login", std::process::id()));
            assert_eq!(error, LockError::TimedOut { holder });
            drop(held);
            // This may take a moment: a program that another test is starting holds this lock until
            // it runs.
            drop(acquire(&store, &path, "twg api", within(20_000)).await.unwrap());
        });
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{} twg api\n", std::process::id())
        );
    }

    #[test]
    fn waiting_threads_get_it_one_at_a_time() {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        static DONE: AtomicU32 = AtomicU32::new(0);
        let dir = scratch_dir();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (store, path) = (store_in(dir.path()), dir.path().join("x.lock"));
                    for _ in 0..5 {
                        run(async {
                            let _held = acquire(&store, &path, "t", within(20_000)).await.unwrap();
                            assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            INSIDE.fetch_sub(1, Ordering::SeqCst);
                            DONE.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        assert_eq!(DONE.load(Ordering::SeqCst), 40);
    }

    /// Incidents: filelock CVE-2025-68146 (a symlink is followed, and its target truncated).
    #[test]
    fn refuses_what_is_not_a_plain_file() {
        let dir = scratch_dir();
        let store = store_in(dir.path());
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let link = dir.path().join("link.lock");
        symlink(&victim, &link).unwrap();
        let directory = dir.path().join("dir.lock");
        std::fs::create_dir(&directory).unwrap();
        let fifo = dir.path().join("fifo.lock");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for path in [&link, &directory, &fifo] {
            let error = run(acquire(&store, path, "t", within(0))).unwrap_err();
            assert!(matches!(error, LockError::Unusable(_)), "{path:?}: {error:?}");
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }

    /// The number of processes, and the turns of each.
    const PROCESSES: usize = 80;
    const TURNS: usize = 5;

    /// The file with the brackets, and whether to take the lock.
    const BRACKETS: &str = "TWG_TEST_BRACKETS";
    const LOCKED: &str = "TWG_TEST_LOCKED";

    /// The other half of the test below: one process that appends `<pid`, then `pid>`.
    #[test]
    #[ignore = "started by the test below"]
    fn appends_brackets() {
        let path = std::path::PathBuf::from(std::env::var_os(BRACKETS).unwrap());
        let locked = std::env::var(LOCKED).is_ok_and(|locked| locked == "yes");
        let dir = path.parent().unwrap();
        let (store, lock) = (store_in(dir), dir.join("x.lock"));
        let append = |text: String| {
            let mut file = File::options().append(true).create(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let id = std::process::id();
        for _ in 0..TURNS {
            run(async {
                let held = match locked {
                    true => Some(acquire(&store, &lock, "t", within(60_000)).await.unwrap()),
                    false => None,
                };
                append(format!("<{id}\n"));
                std::thread::yield_now();
                append(format!("{id}>\n"));
                drop(held);
            });
        }
    }

    /// Many processes append at once. Returns how often a bracket was open when another one opened.
    fn overlaps(locked: bool) -> usize {
        let dir = scratch_dir();
        let path = dir.path().join("brackets");
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| {
                std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "--ignored", "effects::lock::tests::appends_brackets"])
                    .env(BRACKETS, &path)
                    .env(LOCKED, if locked { "yes" } else { "no" })
                    .stdout(std::process::Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), PROCESSES * TURNS * 2);
        let closes = |pair: &[&str]| pair[1] == format!("{}>", pair[0].trim_start_matches('<'));
        let opens = |line: &str| line.starts_with('<');
        lines.windows(2).filter(|pair| opens(pair[0]) && !closes(pair)).count()
    }

    /// `<pid` and `pid>`, appended by 80 processes: no bracket opens while another one is open.
    /// Without the lock some do, which shows that the test can fail.
    #[test]
    fn brackets_of_many_processes_do_not_overlap() {
        assert_eq!(overlaps(true), 0);
        assert!(overlaps(false) > 0, "they never met: this proves nothing");
    }

    /// A lock on a removed file would exclude no process.
    #[test]
    fn a_removed_lock_file_is_not_held() {
        let dir = scratch_dir();
        let (store, path) = (store_in(dir.path()), dir.path().join("x.lock"));
        run(async {
            let first = acquire(&store, &path, "a", within(0)).await.unwrap();
            let waiting = async {
                let lock = acquire(&store, &path, "b", within(5000)).await.unwrap();
                assert!(is_still_there(&lock._file, &path));
            };
            let removing = async {
                tokio::time::sleep(Duration::from_millis(30)).await;
                std::fs::remove_file(&path).unwrap();
                drop(first);
            };
            tokio::join!(waiting, removing);
        });
    }

    #[test]
    fn what_a_lock_file_says_is_inert() {
        let dir = scratch_dir();
        let path = dir.path().join("x.lock");
        std::fs::write(&path, "12 \x1b[2Jtwg\nmore").unwrap();
        let text = holder(&mut File::open(&path).unwrap()).unwrap();
        assert!(
            text.starts_with("12 ") && text.ends_with("twg") && !text.contains('\x1b'),
            "{text}"
        );
    }
}
