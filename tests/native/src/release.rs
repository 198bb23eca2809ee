//! Published releases: packed, announced and signed with a new key, on a server of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use minisign::KeyPair;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::scripted::{Reply, Request, ScriptedServer};
use crate::twg::{TwgCommand, twg_program};
use crate::{TempHome, repository};

/// The version of the tested program.
pub const THIS: &str = env!("CARGO_PKG_VERSION");

/// A release server. A file's URL is its path below the server's root.
pub struct Releases {
    server: ScriptedServer,
    files: Arc<Mutex<BTreeMap<String, Reply>>>,
    key: KeyPair,
}

/// A release before it is published.
#[derive(Clone, Debug)]
pub struct Release {
    /// The content of the manifest.
    pub manifest: Value,
    /// The archive for this system.
    pub archive: Vec<u8>,
}

impl Release {
    /// A release whose program is this shell script. `$1` is the program's first argument.
    #[must_use]
    pub fn of_script(version: &str, script: &str) -> Self {
        Self::of_program(version, format!("#!/bin/sh\n{script}\n").as_bytes())
    }

    /// A release that starts everywhere.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self::of_script(version, &format!("echo 'twg {version}'"))
    }

    /// A release with this program.
    #[must_use]
    pub fn of_program(version: &str, program: &[u8]) -> Self {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
        for (name, bytes) in [("twg", program), ("LICENSE", b"MIT".as_slice())] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, name, bytes).expect("an entry");
        }
        let archive = tar.into_inner().and_then(GzEncoder::finish).expect("an archive");
        Self::of_archive(version, archive)
    }

    /// A release with this archive and a correct manifest for it.
    #[must_use]
    pub fn of_archive(version: &str, archive: Vec<u8>) -> Self {
        let manifest = json!({
            "schema_version": 1,
            "version": version,
            "released_at": "2026-11-25T00:00:00Z",
            "targets": { target(): {
                "file": format!("twg-{version}.tar.gz"),
                "size": archive.len(),
                "sha256": hex(&Sha256::digest(&archive)),
            } },
        });
        Self { manifest, archive }
    }

    /// The path of the archive on the server.
    #[must_use]
    pub fn archive_path(&self) -> String {
        let text = |pointer: &str| self.manifest.pointer(pointer).and_then(Value::as_str);
        let file = text(&format!("/targets/{}/file", target())).unwrap_or("twg.tar.gz");
        format!("/{}/{file}", text("/version").unwrap_or_default())
    }
}

impl Releases {
    /// A server without releases, and a new key.
    #[must_use]
    pub fn start() -> Self {
        let files = Arc::new(Mutex::new(BTreeMap::<String, Reply>::new()));
        let served = Arc::clone(&files);
        let server = ScriptedServer::answering(move |request: &Request| {
            let files = served.lock().unwrap_or_else(PoisonError::into_inner);
            let missing = || Reply::http("404 Not Found", "text/plain", "not here");
            files.get(&request.target).cloned().unwrap_or_else(missing)
        });
        Self { server, files, key: KeyPair::generate_unencrypted_keypair().expect("a key") }
    }

    /// Signs a release and publishes it, as the newest one and under its version.
    pub fn publish(&self, release: &Release) {
        self.publish_signed(release, self);
    }

    /// The same, signed with another server's key.
    pub fn publish_signed(&self, release: &Release, signer: &Self) {
        let manifest = release.manifest.to_string().into_bytes();
        let signature = signer.sign(&manifest);
        for dir in ["", &format!("/{}", release.manifest["version"].as_str().unwrap_or("x"))] {
            self.put(&format!("{dir}/manifest.json"), &manifest);
            self.put(&format!("{dir}/manifest.json.minisig"), signature.as_bytes());
        }
        self.put(&release.archive_path(), &release.archive);
    }

    /// A detached signature.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> String {
        minisign::sign(Some(&self.key.pk), &self.key.sk, bytes, None, None)
            .expect("a signature")
            .into_string()
    }

    /// Serves these bytes at this path.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        );
        self.reply(path, Reply::Bytes([head.as_bytes(), bytes].concat()));
    }

    /// Sends this reply for this path.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), reply);
    }

    /// Serves nothing at this path.
    pub fn remove(&self, path: &str) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// `command` with these releases as its release server.
    #[must_use]
    pub fn followed_by(&self, command: TwgCommand) -> TwgCommand {
        let key = self.key.pk.to_base64();
        command.env("TWG_RELEASE_URL", self.url("/")).env("TWG_RELEASE_KEY", key)
    }
}

/// `twg` installed as `twg setup` installs it, in a home of its own.
pub struct Installed {
    /// The home directory of the installation.
    pub home: TempHome,
}

impl Installed {
    /// The tested program as its own version.
    #[must_use]
    pub fn new() -> Self {
        let installed = Self { home: TempHome::new() };
        installed.add(THIS, |path| {
            // A hard link is enough, because the file is removed and never changed.
            if std::fs::hard_link(twg_program(), path).is_err() {
                std::fs::copy(twg_program(), path).expect("a copy");
            }
        });
        let bin = installed.launcher();
        std::fs::create_dir_all(bin.parent().expect("a directory")).expect("a directory");
        #[cfg(unix)]
        std::os::unix::fs::symlink(installed.program(THIS), bin).expect("a link");
        installed
    }

    /// Adds another version. `make` creates its program at the given path.
    pub fn add(&self, version: &str, make: impl FnOnce(&Path)) {
        let path = self.program(version);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        make(&path);
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.path().join(".local/share/twg")
    }

    /// The program of a version.
    #[must_use]
    pub fn program(&self, version: &str) -> PathBuf {
        self.data().join("versions").join(version).join("twg")
    }

    /// The launcher.
    #[must_use]
    pub fn launcher(&self) -> PathBuf {
        self.home.path().join(".local/bin/twg")
    }

    /// The content of `versions`, sorted.
    #[must_use]
    pub fn versions(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data().join("versions")).expect("versions");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The launcher with these arguments and these releases.
    #[must_use]
    pub fn twg(&self, releases: &Releases, args: &[&str]) -> TwgCommand {
        releases.followed_by(self.home.twg(args).by_program(self.launcher()))
    }

    /// The version that the launcher reports.
    #[must_use]
    pub fn says(&self) -> String {
        let output = self.home.twg(["--version"]).by_program(self.launcher()).run();
        output.expect_success();
        output.stdout.trim().to_owned()
    }
}

impl Default for Installed {
    fn default() -> Self {
        Self::new()
    }
}

/// The tested program, stripped, with another version: each mention is replaced by text of the same
/// length.
#[must_use]
pub fn this_program_as(version: &str, scratch: &Path) -> Vec<u8> {
    assert_eq!(version.len(), THIS.len());
    let stripped = scratch.join("stripped");
    let status = std::process::Command::new("strip")
        .arg("-o")
        .args([&stripped, twg_program()])
        .current_dir(repository())
        .status();
    assert!(status.expect("strip starts").success());
    let mut bytes = std::fs::read(&stripped).expect("it was written");
    let (old, new) = (THIS.as_bytes(), version.as_bytes());
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(old.len()).position(|window| window == old) {
        at += found;
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    bytes
}

/// The releases' name for the system of the tests.
#[must_use]
pub fn target() -> String {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-gnu" };
    format!("{}-{system}", std::env::consts::ARCH)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
