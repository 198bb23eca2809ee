//! Releases as they are published: packed, announced and signed with a key that only this test knows, on a
//! server of its own.

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

/// The version of the program that is tested.
pub const THIS: &str = env!("CARGO_PKG_VERSION");

/// A release server. Every file that it has is asked for by its path below the server's root.
pub struct Releases {
    server: ScriptedServer,
    files: Arc<Mutex<BTreeMap<String, Reply>>>,
    key: KeyPair,
}

/// A release before it is published.
#[derive(Clone, Debug)]
pub struct Release {
    /// What the manifest says.
    pub manifest: Value,
    /// The archive for this system.
    pub archive: Vec<u8>,
}

impl Release {
    /// One whose program is this shell script, `$1` being its first argument.
    #[must_use]
    pub fn of_script(version: &str, script: &str) -> Self {
        Self::of_program(version, format!("#!/bin/sh\n{script}\n").as_bytes())
    }

    /// One that starts everywhere.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self::of_script(version, &format!("echo 'twg {version}'"))
    }

    /// One whose program is this.
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

    /// One with this archive, announced as it is.
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

    /// Where the archive lies on the server.
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

    /// Signs a release and publishes it, as the newest and below its version.
    pub fn publish(&self, release: &Release) {
        self.publish_signed(release, self);
    }

    /// The same, signed with the key of another server.
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

    /// Answers this at this path.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), reply);
    }

    /// Serves nothing at this path.
    pub fn remove(&self, path: &str) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// What was asked for.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// This call, following these releases.
    #[must_use]
    pub fn followed_by(&self, command: TwgCommand) -> TwgCommand {
        let key = self.key.pk.to_base64();
        command.env("TWG_RELEASE_URL", self.url("/")).env("TWG_RELEASE_KEY", key)
    }
}

/// `twg` installed as `twg setup` does it, in a home of its own.
pub struct Installed {
    /// Whose home it is.
    pub home: TempHome,
}

impl Installed {
    /// The program that is tested, as its own version.
    #[must_use]
    pub fn new() -> Self {
        let installed = Self { home: TempHome::new() };
        installed.add(THIS, |path| {
            // A name of the same file is enough; it is removed, and never changed.
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

    /// Another version, made by `make` at the path that it is given.
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

    /// What lies in `versions`, sorted.
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

    /// The launcher with these arguments, following these releases.
    #[must_use]
    pub fn twg(&self, releases: &Releases, args: &[&str]) -> TwgCommand {
        releases.followed_by(self.home.twg(args).by_program(self.launcher()))
    }

    /// What the launcher says that it is.
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

/// The program that is tested, without what debuggers need, and with another version: every mention of it is
/// replaced, which has the same length.
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

/// What releases call the system that tests run on.
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
