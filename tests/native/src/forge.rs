//! Bitbucket without its authorization server: an API that accepts a token, repositories for git,
//! and a container registry.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use crate::home::TempHome;
use crate::scripted::{Reply, Request, ScriptedServer};

/// A server with one repository, one image and one user. git's own `git http-backend` serves the
/// repository.
#[derive(Debug)]
pub struct Forge {
    server: ScriptedServer,
    repositories: TempDir,
    accepts: Arc<AtomicBool>,
}

impl Forge {
    /// The API token of its user.
    pub const TOKEN: &str = "canary-bitbucket-api-token";
    /// The access token of the login that [`sign_in`](Self::sign_in) stores.
    pub const ACCESS_TOKEN: &str = "old-access";
    /// The e-mail address of its user.
    pub const EMAIL: &str = "mia@example.com";
    /// The content of the repository's only file.
    pub const CONTENT: &str = "only for those who may read it\n";

    /// Starts a forge.
    #[must_use]
    pub fn start() -> Self {
        let repositories = TempDir::with_prefix("twg-forge-").expect("a temporary directory");
        make_repository(repositories.path());
        let accepts = Arc::new(AtomicBool::new(true));
        let (root, accepting) = (repositories.path().to_owned(), Arc::clone(&accepts));
        let server = ScriptedServer::answering(move |request| {
            answer(request, &root, accepting.load(Ordering::SeqCst))
        });
        Self { server, repositories, accepts }
    }

    /// From now on, no credential is accepted.
    pub fn revoke_everything(&self) {
        self.accepts.store(false, Ordering::SeqCst);
    }

    /// Makes it the Bitbucket of `home`.
    pub fn configure(&self, home: &TempHome) {
        let profile = json!({
            "schema_version": 1, "name": "bitbucket", "display_name": "Forge",
            "endpoints": {
                "authorization": self.server.url("/site/oauth2/authorize"),
                "token": self.server.url("/site/oauth2/access_token"),
            },
            "grants": ["authorization_code"],
            "client": { "id": "scripted-client" },
            "identity": {
                "url": self.server.url("/2.0/user"), "id": "account_id", "name": "display_name",
            },
        });
        home.write_config("providers/bitbucket.json", profile.to_string());
    }

    /// Gives `home` an OAuth login at this forge.
    pub fn sign_in(&self, home: &TempHome) {
        let mut record = self.server.record(10, 7200);
        record["provider"] = "bitbucket".into();
        home.write_config("connections/bitbucket/default.conf", record.to_string());
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// The URL of the repository. `user` is the part before the host: `mia@`, or nothing.
    #[must_use]
    pub fn repository(&self, user: &str) -> String {
        format!("http://{user}{}/acme/site.git", self.host())
    }

    /// The repository itself.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.repositories.path().join("acme/site.git")
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }
}

/// `git` for the user of this home, without a prompt.
#[must_use]
pub fn git(home: &TempHome) -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("TWG_CONFIG_DIR", home.config_dir());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    command.current_dir(home.path()).stdin(Stdio::null());
    command
}

/// The header field for Basic authentication.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn answer(request: &Request, root: &Path, accepts: bool) -> Reply {
    let given = request.header("authorization").unwrap_or_default();
    let is = |user: &str, password: &str| accepts && given == basic(user, password);
    let path = request.target.split('?').next().unwrap_or_default();
    let denied = |realm: &str| {
        let challenge = format!("Basic realm=\"{realm}\"");
        Reply::http_with("401 Unauthorized", &[("www-authenticate", &challenge)], "")
    };
    if path == "/2.0/user" {
        return if is(Forge::EMAIL, Forge::TOKEN) {
            Reply::json("200 OK", r#"{"account_id":"1","display_name":"Mia Krystof"}"#)
        } else if accepts && given == basic(Forge::EMAIL, "canary-narrow-token") {
            let said = "Your credentials lack one or more required privilege scopes.";
            let body = json!({ "type": "error", "error": { "message": said } });
            Reply::json("403 Forbidden", &body.to_string())
        } else {
            Reply::json("401 Unauthorized", r#"{"type":"error","error":{"message":"no"}}"#)
        };
    }
    if path.starts_with("/v2/") {
        return if is(Forge::EMAIL, Forge::TOKEN) { image(path) } else { denied("registry") };
    }
    let may_read =
        is("x-bitbucket-api-token-auth", Forge::TOKEN) || is("x-token-auth", Forge::ACCESS_TOKEN);
    if may_read { serve_git(request, root) } else { denied("Bitbucket Cloud HTTP") }
}

/// A registry in which every name is the same empty image.
fn image(path: &str) -> Reply {
    const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    if !path.contains("/manifests/") {
        return Reply::json("200 OK", "{}");
    }
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let config = json!({
        "mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": empty,
    });
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [] });
    Reply::http("200 OK", MANIFEST, &manifest.to_string())
}

/// CGI, as far as git needs it: git-http-backend(1).
fn serve_git(request: &Request, root: &Path) -> Reply {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REMOTE_USER", "mia").env("REQUEST_METHOD", &request.method);
    command.env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("CONTENT_LENGTH", request.body.len().to_string());
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ] {
        if let Some(value) = request.header(name) {
            command.env(variable, value);
        }
    }
    let output = run(command, &request.body);
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let (head, body) = (String::from_utf8_lossy(&output[..end]).into_owned(), &output[end + 4..]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let fields: String = head
        .lines()
        .filter(|line| !line.starts_with("Status: "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    Reply::Bytes([head.as_bytes(), body].concat())
}

fn run(mut command: Command, input: &[u8]) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("git starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // In a thread, because git may respond before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().expect("git ends");
    writer.join().expect("it wrote");
    output.stdout
}

/// `acme/site.git` with one commit.
fn make_repository(root: &Path) {
    let bare = root.join("acme/site.git");
    let work = root.join("work");
    let bare_name = bare.to_str().expect("text");
    let work_name = work.to_str().expect("text");
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", root).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.args(args).output().expect("git starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q", "--bare", "-b", "main", bare_name]);
    git(&["-C", bare_name, "config", "http.receivepack", "true"]);
    git(&["init", "-q", "-b", "main", work_name]);
    std::fs::write(work.join("README"), Forge::CONTENT).expect("it can be written");
    git(&["-C", work_name, "add", "README"]);
    let who = ["-c", "user.name=Mia", "-c", "user.email=mia@example.com"];
    git(&[&["-C", work_name][..], &who, &["commit", "-q", "-m", "first"]].concat());
    git(&["-C", work_name, "push", "-q", bare_name, "main"]);
}
