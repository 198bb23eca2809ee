//! Linux, macOS and similar systems.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::time::{ClockId, clock_gettime};

use super::{Typing, Unfit};

/// Opens a file for reading. A symlink is refused (`ELOOP`), and a FIFO does not block.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(bits(flags)).open(path)
}

/// Creates a new file that only its owner can ever read.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let flags = bits(OFlags::NOFOLLOW | OFlags::CLOEXEC);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    // The umask can only have removed permissions (0277 makes the file unwritable for the next
    // writer), but a default ACL of the directory replaces the umask.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Opens a lock file, and creates it if it does not exist. It never truncates the file and never
/// follows a link.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(bits(flags))
        .open(path)?;
    let metadata = file.metadata()?;
    if check_own_file(&metadata).is_ok() && metadata.mode() & 0o7777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Whether this is a regular file of this user.
pub(crate) fn check_own_file(metadata: &Metadata) -> Result<(), Unfit> {
    if metadata.is_file() { check_owner(metadata) } else { Err(Unfit::Kind) }
}

/// Makes one directory that only its owner can ever enter.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    // As with files: an odd umask can have removed too much.
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Checks that this directory belongs to this user, and removes the access of all other users. A
/// symlink to such a directory is accepted, because the check is made on the opened directory.
pub(crate) fn claim_dir(path: &Path) -> io::Result<Result<(), Unfit>> {
    let flags = bits(OFlags::DIRECTORY | OFlags::CLOEXEC);
    let dir = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = dir.metadata()?;
    if let Err(unfit) = check_owner(&metadata) {
        return Ok(Err(unfit));
    }
    let mode = metadata.mode() & 0o7777;
    // Other users have files there too, and would lose access to them.
    if mode & 0o1000 != 0 && mode & 0o022 != 0 {
        return Ok(Err(Unfit::Shared));
    }
    // Never add permissions: an owner who removed their own write permission did so on purpose.
    if mode & 0o077 != 0 {
        dir.set_permissions(Permissions::from_mode(mode & 0o7700))?;
    }
    Ok(Ok(()))
}

fn check_owner(metadata: &Metadata) -> Result<(), Unfit> {
    let owner = metadata.uid();
    if owner == rustix::process::geteuid().as_raw() { Ok(()) } else { Err(Unfit::Foreign(owner)) }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some file systems (9p, CIFS, some FUSE) cannot do this and need not: they return EINVAL.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput) => Ok(()),
        result => result,
    }
}

/// Reserves space, so that a later write of this size cannot find the disk full.
pub(crate) fn reserve(mut file: &File, bytes: u32) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(file, FallocateFlags::empty(), 0, u64::from(bytes)) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    io::copy(&mut io::repeat(0).take(u64::from(bytes)), &mut file).map(drop)
}

/// Renames atomically, unless the new name exists (`AlreadyExists`).
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::renameat_with;
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can do it (NFS, for one). A hard link can, as below.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            result => return Ok(result?),
        }
    }
    std::fs::hard_link(from, to)?;
    std::fs::remove_file(from)
}

/// Whether this single file is a mount, as in containers: it can be written, but not replaced.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let mount = |path| {
            statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)
                .ok()
                .filter(|found| found.stx_mask & StatxFlags::MNT_ID.bits() != 0)
                .map(|found| found.stx_mnt_id)
        };
        let (file, dir) = (mount(path), path.parent().and_then(mount));
        file.is_some() && dir.is_some() && file != dir
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = path;
        false
    }
}

/// Whether both are the same file on the disk.
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Binds a loopback IP address and port that no other program can bind at the same time. On Unix,
/// binding is exclusive as long as `SO_REUSEPORT` is not set. std sets `SO_REUSEADDR`, which on
/// Unix only lets a port be used again right after it was closed.
pub(crate) fn bind_exclusively(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// Keeps Ctrl-C in the terminal from reaching the program.
pub(crate) fn detach(command: &mut Command) {
    command.process_group(0);
}

/// Time since a fixed moment. It goes on while the machine sleeps.
pub(crate) fn uptime() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    // On macOS this is the clock that goes on during sleep.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let time = clock_gettime(CLOCK);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// How other users can access it.
pub(crate) fn exposure(metadata: &Metadata) -> Option<String> {
    if let Err(Unfit::Foreign(uid)) = check_owner(metadata) {
        return Some(format!("belongs to another user (number {uid})"));
    }
    let mode = metadata.mode() & 0o7777;
    (!metadata.is_symlink() && mode & 0o077 != 0).then(|| format!("has mode {mode:04o}"))
}

/// The permissions, as `chmod` takes them.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub(crate) fn mode(metadata: &Metadata) -> Option<String> {
    Some(format!("{:04o}", metadata.mode() & 0o7777))
}

/// Removes the access of all other users. Refuses a link, and a file of another user.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let file = open_to_read(path)?;
    let metadata = file.metadata()?;
    if check_owner(&metadata).is_err() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // Never add permissions: an owner who removed their own write permission did so on purpose.
    let owners = if metadata.is_dir() { 0o700 } else { 0o600 };
    file.set_permissions(Permissions::from_mode(metadata.mode() & owners))
}

/// The kind of network file system of this directory, by the magic numbers of statfs(2).
pub(crate) fn network_file_system(dir: &Path) -> Option<&'static str> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let kind = rustix::fs::statfs(dir).ok()?.f_type & 0xFFFF_FFFF;
        let kind = u32::try_from(kind).ok()?;
        [
            (0x6969, "NFS"),
            (0xFF53_4D42_u32, "CIFS"),
            (0xFE53_4D42, "SMB"),
            (0x0102_1997, "9p"),
            (0x5346_414F, "AFS"),
        ]
        .into_iter()
        .find(|(magic, _)| *magic == kind)
        .map(|(_, name)| name)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = dir;
        None
    }
}

/// How the system's programs name this user: by number.
pub(crate) fn user() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

/// A name of this machine that no other machine has, if it has one.
pub(crate) fn machine_id() -> Option<String> {
    // machine-id(5). The second path is that of D-Bus, which introduced it.
    id_in("/etc/machine-id").or_else(|| id_in("/var/lib/dbus/machine-id"))
}

/// A name of this boot session that no other session has, if it has one.
pub(crate) fn boot_id() -> Option<String> {
    id_in("/proc/sys/kernel/random/boot_id")
}

fn id_in(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let id = text.trim();
    // An image that was never started contains "uninitialized".
    (id.len() >= 32).then(|| id.to_owned())
}

/// The terminal of this process, while a question is open. Dropping it restores the terminal.
#[derive(Debug)]
pub(crate) struct Tty {
    file: File,
    before: Option<Termios>,
}

impl Tty {
    /// Opens the terminal. It is opened separately, so that non-blocking reads affect no other
    /// program.
    pub(crate) fn open(typing: Typing) -> io::Result<Self> {
        let flags = OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let path = "/dev/tty";
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(bits(flags)).open(path)?;
        let mut tty = Self { file, before: None };
        if typing == Typing::Hidden {
            let before = rustix::termios::tcgetattr(&tty.file)?;
            let mut hidden = before.clone();
            hidden.local_modes -=
                LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
            hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
            hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
            rustix::termios::tcsetattr(&tty.file, OptionalActions::Now, &hidden)?;
            tty.before = Some(before);
        }
        Ok(tty)
    }

    /// Writes text to it.
    pub(crate) fn show(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            match self.file.write(text) {
                Ok(n) => text = text.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// What was typed since the last call; `WouldBlock` if nothing was. With [`Typing::Shown`],
    /// whole lines arrive.
    pub(crate) fn typed(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Flush, because the rest of a pasted text must not become the shell's next command.
            let _ = rustix::termios::tcsetattr(&self.file, OptionalActions::Flush, before);
        }
    }
}

fn bits(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Sets the permissions of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes directories that others may enter and only their owner may change.
pub(crate) fn make_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}
