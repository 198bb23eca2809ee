//! Windows. This file is compiled, but the project's own tests do not run it.
//!
//! Files and directories inherit the access list of `%APPDATA%`, which admits only the user, the
//! system and administrators.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::windows::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Unfit;
use crate::environment;
use crate::environment::{USERDOMAIN, USERNAME};

/// Opens a link itself instead of its target.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x0400;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Opens a file for reading. A link is refused.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    refuse_link(
        OpenOptions::new().read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)?,
    )
}

/// Creates a new file.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Opens a lock file, and creates it if it does not exist.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    refuse_link(
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
            // No process may remove it while another holds it or waits for it.
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .open(path)?,
    )
}

fn refuse_link(file: File) -> io::Result<File> {
    if file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link"));
    }
    Ok(file)
}

/// Whether this is a regular file.
pub(crate) fn check_own_file(metadata: &Metadata) -> Result<(), Unfit> {
    let kind = metadata.file_type();
    if metadata.is_file() && !kind.is_symlink_file() { Ok(()) } else { Err(Unfit::Kind) }
}

/// Makes one directory.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// Checks that this is a directory.
pub(crate) fn claim_dir(path: &Path) -> io::Result<Result<(), Unfit>> {
    Ok(if std::fs::metadata(path)?.is_dir() { Ok(()) } else { Err(Unfit::Kind) })
}

/// Nothing to do: NTFS journals its directories, and they cannot be flushed.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Reserves space, so that a later write of this size cannot find the disk full.
pub(crate) fn reserve(mut file: &File, bytes: u32) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(u64::from(bytes)), &mut file).map(drop)
}

/// Renames, unless the new name exists (`AlreadyExists`).
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to)?;
    std::fs::remove_file(from)
}

/// Windows has no such mounts.
pub(crate) fn is_mount_point(_: &Path) -> bool {
    false
}

/// [`open_lock`] does not allow removing a lock file that is open.
pub(crate) fn same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Binds a loopback IP address and port that no other program can bind at the same time. On
/// Windows, another program could share the port with `SO_REUSEADDR`, so this takes
/// `SO_EXCLUSIVEADDRUSE`.
pub(crate) fn bind_exclusively(address: SocketAddr) -> io::Result<TcpListener> {
    use std::os::windows::io::AsRawSocket;

    use socket2::{Domain, Socket, Type};
    use windows_sys::Win32::Networking::WinSock;

    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    let yes = 1_i32.to_ne_bytes();
    // SAFETY: the socket is open while this runs, and the option is an integer of four bytes that
    // outlives the call, which only reads it.
    let failed = unsafe {
        WinSock::setsockopt(
            socket.as_raw_socket() as WinSock::SOCKET,
            WinSock::SOL_SOCKET,
            WinSock::SO_EXCLUSIVEADDRUSE,
            yes.as_ptr(),
            4,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

/// Keeps Ctrl-C in the console from reaching the program, and gives it no console window.
pub(crate) fn detach(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// Time since a fixed moment. On Windows, `Instant` goes on during sleep
/// (`QueryPerformanceCounter`).
pub(crate) fn uptime() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// How the system's programs name this user: `DOMAIN\name`.
pub(crate) fn user() -> String {
    let name = environment::text(USERNAME).unwrap_or_default();
    match environment::text(USERDOMAIN) {
        Some(domain) => format!("{domain}\\{name}"),
        None => name,
    }
}

/// It would have to be read from the registry, so machines are not told apart.
pub(crate) fn machine_id() -> Option<String> {
    None
}

/// Unknown, so the age of an attempt depends on the wall clock.
pub(crate) fn boot_id() -> Option<String> {
    None
}

/// Not checked: the access list of `%APPDATA%` protects the file.
pub(crate) fn exposure(_: &Metadata) -> Option<String> {
    None
}

/// Windows has none.
pub(crate) const fn mode(_: &Metadata) -> Option<String> {
    None
}

/// The access list of `%APPDATA%` protects the file.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) const fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Not checked.
pub(crate) fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// The access list of the directory protects the file.
pub(crate) fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// They inherit the access list of the directory above.
pub(crate) fn make_dirs(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}
