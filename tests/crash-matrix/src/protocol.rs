//! The refresh protocol as its system calls show it: the step and the file of each call.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::trace::{Call, Trace};

/// A step of the protocol. The calls that begin and end a step belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the lock is held: start of the program, first look at the record.
    Start,
    /// The lock is held; the record is read again.
    Look,
    /// The intent becomes durable.
    Intent,
    /// The stage becomes durable, and a connection is made. Nothing is sent yet.
    Stage,
    /// Connecting, up to and with the call that sends the request.
    Send,
    /// The request is sent, and no byte of the response is read.
    Wait,
    /// The response is in memory, and nowhere else.
    Received,
    /// The response is in the stage and becomes durable.
    Staging,
    /// The response is durable, and the record is replaced.
    Commit,
    /// The new record is durable, and the program cleans up.
    End,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 10] = [
        Self::Start,
        Self::Look,
        Self::Intent,
        Self::Stage,
        Self::Send,
        Self::Wait,
        Self::Received,
        Self::Staging,
        Self::Commit,
        Self::End,
    ];

    /// Whether the request may have reached the server when a call of this phase is prevented.
    #[must_use]
    pub fn is_sent(self) -> bool {
        self >= Self::Wait
    }

    /// Whether the response may exist only in the memory of the process.
    #[must_use]
    pub fn is_window(self) -> bool {
        matches!(self, Self::Wait | Self::Received)
    }

    /// The name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "1 start, before the lock",
            Self::Look => "2 lock held, looks again",
            Self::Intent => "3 intent",
            Self::Stage => "4 stage",
            Self::Send => "5 connect and send",
            Self::Wait => "6 sent, no reply read",
            Self::Received => "7 reply in memory only",
            Self::Staging => "8 reply into the stage",
            Self::Commit => "9 commit",
            Self::End => "10 clean up, exit",
        }
    }
}

/// The file or connection of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The record, `auth.conf`.
    Record,
    /// A new record before it gets its name.
    Temporary,
    /// The stage.
    Stage,
    /// The lock file.
    Lock,
    /// The configuration directory, or one inside it.
    Directory,
    /// The directory for responses that fit neither into the stage nor into the record.
    Rescue,
    /// A provider or client file.
    Setting,
    /// A connection to the server.
    Socket,
    /// Anything else of the system (libraries, pipes, the event loop), or nothing.
    Other,
}

impl Object {
    /// Whether this is a file of `twg`.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        !matches!(self, Self::Socket | Self::Other)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "record",
            Self::Temporary => "temporary file",
            Self::Stage => "stage",
            Self::Lock => "lock",
            Self::Directory => "directory",
            Self::Rescue => "rescue",
            Self::Setting => "provider, client",
            Self::Socket => "socket",
            Self::Other => "–",
        })
    }
}

/// The paths of one login's files.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The configuration directory.
    pub config: PathBuf,
    /// The rescue directory and those above it.
    pub state: PathBuf,
    /// The record, relative to `config`.
    pub record: String,
}

impl Layout {
    /// The path of the record.
    #[must_use]
    pub fn record_path(&self) -> PathBuf {
        self.config.join(&self.record)
    }

    /// The path of the stage.
    #[must_use]
    pub fn stage_path(&self) -> PathBuf {
        self.beside("stage")
    }

    /// The file whose lock says that a recovery waits in the background. Like the other lock file
    /// it stays.
    #[must_use]
    pub fn claim_path(&self) -> PathBuf {
        let path = self.record_path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        path.with_file_name(format!(".{name}.lock.recovery"))
    }

    /// The file with this ending beside the record.
    fn beside(&self, kind: &str) -> PathBuf {
        let path = self.record_path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        path.with_file_name(format!(".{name}.{kind}"))
    }

    /// The kind of file at this path.
    #[must_use]
    pub fn object_at(&self, path: &str) -> Object {
        if path.starts_with("TCP") || path.starts_with("UNIX") {
            return Object::Socket;
        }
        let path = Path::new(path.trim_end_matches(" (deleted)"));
        if path.starts_with(&self.state) {
            return Object::Rescue;
        }
        let Ok(below) = path.strip_prefix(&self.config) else { return Object::Other };
        let record = self.record_path();
        let lock = PathBuf::from(format!("{}.lock", record.display()));
        if path == record {
            Object::Record
        } else if path == lock {
            Object::Lock
        } else if path == self.beside("tmp") {
            Object::Temporary
        } else if path == self.stage_path() {
            Object::Stage
        } else if below.starts_with("providers") || below.starts_with("clients") {
            Object::Setting
        } else if record.starts_with(path) {
            Object::Directory
        } else {
            Object::Rescue
        }
    }

    /// The file or connection of a call. For a rename it is the renamed file.
    #[must_use]
    pub fn object_of(&self, call: &Call) -> Object {
        let by_path = match call.name.as_str() {
            "openat" | "newfstatat" | "statx" | "unlinkat" | "mkdirat" | "fchmodat"
            | "readlinkat" | "renameat" | "renameat2" | "faccessat2" => call.path_at(1),
            "open" | "stat" | "lstat" | "unlink" | "mkdir" | "rename" | "rmdir" | "chmod"
            | "access" | "readlink" | "statfs" => call.path_at(0),
            _ => None,
        };
        let path = by_path.or_else(|| call.descriptor().map(|(_, path)| path));
        path.map_or(Object::Other, |path| self.object_at(&path))
    }

    /// The phase of every call of a trace.
    #[must_use]
    pub fn phases(&self, trace: &Trace) -> Vec<Phase> {
        let mut phase = Phase::Start;
        let mut phases = Vec::with_capacity(trace.calls.len());
        for call in &trace.calls {
            let object = self.object_of(call);
            phase = begins(call, object, phase);
            phases.push(phase);
            phase = ends(call, object, phase);
        }
        phases
    }
}

/// The phase that a call begins, or else the current one.
fn begins(call: &Call, object: Object, phase: Phase) -> Phase {
    let creates = call.name == "openat" && call.args.get(2).is_some_and(|f| f.contains("O_CREAT"));
    match (phase, object) {
        (Phase::Look, Object::Temporary) if creates => Phase::Intent,
        (Phase::Intent, Object::Stage) if creates => Phase::Stage,
        (Phase::Stage, _) if call.name == "socket" => Phase::Send,
        (Phase::Received | Phase::Staging, Object::Temporary) if creates => Phase::Commit,
        _ => phase,
    }
}

/// The phase after a call, if the call succeeded.
fn ends(call: &Call, object: Object, phase: Phase) -> Phase {
    if !call.succeeded() {
        return phase;
    }
    let moved = call.value.is_some_and(|value| value > 0);
    let name = call.name.as_str();
    match (phase, object) {
        (Phase::Start, Object::Lock) if name == "flock" || name == "fcntl" => Phase::Look,
        (Phase::Send, Object::Socket) if is_sending(name) && moved => Phase::Wait,
        (Phase::Wait, Object::Socket) if is_receiving(name) && moved => Phase::Received,
        (Phase::Received, Object::Stage) if is_writing(name) && moved => Phase::Staging,
        (Phase::Staging, Object::Stage) if is_syncing(name) => Phase::Commit,
        (Phase::Commit, Object::Directory) if is_syncing(name) => Phase::End,
        _ => phase,
    }
}

/// Whether a call of this name sends.
#[must_use]
pub fn is_sending(name: &str) -> bool {
    matches!(name, "write" | "writev" | "sendto" | "sendmsg")
}

/// Whether a call of this name receives.
#[must_use]
pub fn is_receiving(name: &str) -> bool {
    matches!(name, "read" | "readv" | "recvfrom" | "recvmsg")
}

fn is_writing(name: &str) -> bool {
    matches!(name, "write" | "writev" | "pwrite64" | "pwritev")
}

fn is_syncing(name: &str) -> bool {
    matches!(name, "fsync" | "fdatasync")
}

/// For each name, how many calls were made before `index`: the number for `when=`.
#[must_use]
pub fn counts_before(trace: &Trace, index: usize) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in &trace.calls[..index] {
        *counts.entry(call.name.as_str()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout { config: "/c".into(), state: "/s".into(), record: "auth.conf".into() }
    }

    #[test]
    fn files_by_their_names() {
        let layout = layout();
        for (path, object) in [
            ("/c/auth.conf", Object::Record),
            ("/c/auth.conf.lock", Object::Lock),
            ("/c/.auth.conf.tmp", Object::Temporary),
            ("/c/.auth.conf.stage", Object::Stage),
            ("/c", Object::Directory),
            ("/c/providers/x.json", Object::Setting),
            ("/s/twg/rescue/x.reply", Object::Rescue),
            ("/s", Object::Rescue),
            ("/etc/passwd", Object::Other),
            ("TCP:[127.0.0.1:1->127.0.0.1:2]", Object::Socket),
        ] {
            assert_eq!(layout.object_at(path), object, "{path}");
        }
        let below = Layout { record: "connections/oidc/default.conf".into(), ..layout };
        assert_eq!(below.object_at("/c/connections/oidc"), Object::Directory);
        assert_eq!(below.object_at("/c/connections/oidc/.default.conf.stage"), Object::Stage);
    }

    #[test]
    fn a_refresh_goes_through_every_phase() {
        let text = r#"1 execve("/twg", ["twg"], 0x1) = 0
1 flock(3</c/auth.conf.lock>, LOCK_EX|LOCK_NB) = 0
1 openat(AT_FDCWD</>, "/c/auth.conf", O_RDONLY) = 4</c/auth.conf>
1 openat(AT_FDCWD</>, "/c/.auth.conf.tmp", O_RDWR|O_CREAT|O_EXCL, 0600) = 4</c/.auth.conf.tmp>
1 fsync(4</c>) = 0
1 openat(AT_FDCWD</>, "/c/.auth.conf.stage", O_RDWR|O_CREAT|O_EXCL, 0600) = 5</c/.auth.conf.stage>
1 socket(AF_INET, SOCK_STREAM, 6) = 6<TCP:[1]>
1 writev(6<TCP:[a->b]>, [], 1) = 9
1 recvfrom(6<TCP:[a->b]>, 0x1, 9, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
1 recvfrom(6<TCP:[a->b]>, "", 9, 0, NULL, NULL) = 9
1 write(5</c/.auth.conf.stage>, "", 9) = 9
1 fdatasync(5</c/.auth.conf.stage>) = 0
1 openat(AT_FDCWD</>, "/c/.auth.conf.tmp", O_RDWR|O_CREAT|O_EXCL, 0600) = 4</c/.auth.conf.tmp>
1 fsync(4</c>) = 0
1 exit_group(0) = ?
1 +++ exited with 0 +++"#;
        let trace = Trace::parse(text).unwrap();
        use Phase as P;
        assert_eq!(
            layout().phases(&trace),
            [
                P::Start,
                P::Start,
                P::Look,
                P::Intent,
                P::Intent,
                P::Stage,
                P::Send,
                P::Send,
                P::Wait,
                P::Wait,
                P::Received,
                P::Staging,
                P::Commit,
                P::Commit,
                P::End
            ]
        );
        assert_eq!(counts_before(&trace, 5)["openat"], 2);
    }
}
