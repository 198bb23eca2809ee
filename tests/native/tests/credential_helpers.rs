//! The helper protocols: real git, docker and kubectl ask the built `twg`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;
use twg_tests::capture::Capture;
use twg_tests::forge::{basic, git};
use twg_tests::{Forge, PATIENCE, Played, ScriptedServer, TempHome, TwgCommand, TwgOutput};

/// A home with the token of a forge.
fn with_token(forge: &Forge) -> TempHome {
    let home = TempHome::new();
    forge.configure(&home);
    let setup = home.twg(["setup", "bitbucket", "--with-token", "--email", Forge::EMAIL]);
    setup.stdin(Forge::TOKEN).run().expect_success();
    home
}

fn ask_for_git(home: &TempHome, operation: &str, question: &str) -> TwgOutput {
    home.twg(["auth", "git-credential", operation]).stdin(question).run()
}

fn question(forge: &Forge) -> String {
    format!("protocol=http\nhost={}\n", forge.host())
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// `git clone`, commit and `git push`, configured by `twg setup bitbucket`. The token is in its own
/// file and nowhere else: neither in git's configuration nor in the clone.
#[test]
fn git_clones_and_pushes_through_the_helper() {
    let forge = Forge::start();
    let home = TempHome::new();
    forge.configure(&home);
    let mut clone = git(&home);
    clone.args(["clone", "-q", &forge.repository(""), "clone"]);
    assert!(!clone.output().unwrap().status.success(), "there is no credential yet");
    let setup = home.twg(["setup", "bitbucket", "--with-token", "--email", Forge::EMAIL, "--git"]);
    let setup = setup.stdin(format!("{}\n", Forge::TOKEN));
    let done = setup.run();
    done.expect_success().expect_stderr("accepts the token of Mia Krystof");
    done.expect_stderr(&format!("git now gets its {} credentials from twg", forge.host()));
    let configured = std::fs::read_to_string(home.path().join(".gitconfig")).unwrap();
    assert!(configured.contains(" auth git-credential"), "{configured}");

    let before = forge.requests().len();
    succeeds(&clone.output().unwrap());
    let read = std::fs::read_to_string(home.path().join("clone/README")).unwrap();
    assert_eq!(read, Forge::CONTENT);
    let requests = &forge.requests()[before..];
    let given: Vec<_> = requests.iter().map(|request| request.header("authorization")).collect();
    let ours = basic("x-bitbucket-api-token-auth", Forge::TOKEN);
    assert_eq!(given[0], None, "git asks first whether it must");
    assert!(given.len() > 2 && given[1..].iter().all(|given| *given == Some(&ours)), "{given:?}");

    std::fs::write(home.path().join("clone/NEW"), "new").unwrap();
    for args in [
        &["add", "NEW"][..],
        &["-c", "user.name=M", "-c", "user.email=m@example.com", "commit", "-q", "-m", "second"],
        &["push", "-q", "origin", "main"],
    ] {
        succeeds(&git(&home).arg("-C").arg("clone").args(args).output().unwrap());
    }
    let log = git(&home).arg("-C").arg(forge.directory()).args(["log", "--format=%s"]).output();
    assert_eq!(String::from_utf8_lossy(&log.unwrap().stdout), "second\nfirst\n");

    assert_eq!(home.files_with(Forge::TOKEN), ["config/bitbucket.conf"]);
    assert_eq!(home.files_with(ours.strip_prefix("Basic ").unwrap()), [""; 0]);
    // A second setup changes nothing.
    home.twg(["setup", "bitbucket", "--git"]).run().expect_success();
    assert_eq!(std::fs::read_to_string(home.path().join(".gitconfig")).unwrap(), configured);
}

/// git offers every credential that worked to every helper. A helper that stores credentials in
/// files gets nothing to store.
#[test]
fn other_helpers_do_not_keep_the_token() {
    let forge = Forge::start();
    let home = with_token(&forge);
    let twg = home.twg([""; 0]);
    let elsewhere = home.path().join("git-credentials");
    let mut clone = git(&home);
    clone.arg("-c").arg(format!("credential.helper=store --file {}", elsewhere.display()));
    let helper = format!("credential.helper=!{} auth git-credential", twg.program().display());
    clone.arg("-c").arg(helper);
    clone.args(["clone", "-q", &forge.repository("mia@"), "clone"]);
    succeeds(&clone.output().unwrap());
    assert_eq!(home.files_with(Forge::TOKEN), ["config/bitbucket.conf"]);
    // An old git gets user and password. There the configuration removes the other helpers.
    let old = ask_for_git(&home, "get", &question(&forge));
    let user = "username=x-bitbucket-api-token-auth";
    assert_eq!(old.stdout, format!("{user}\npassword={}\n", Forge::TOKEN));
    home.twg(["setup", "bitbucket", "--git"]).run().expect_success();
    let listed = git(&home).args(["config", "--global", "--get-all"]).arg(key(&forge)).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert_eq!(
        listed.lines().next(),
        Some(""),
        "an empty entry removes earlier helpers: {listed:?}"
    );
    assert_eq!(listed.lines().count(), 2);
}

/// If twg is killed at one of its git calls, git has both of its entries or none. It never has only
/// the empty entry, which removes all helpers. The next setup succeeds.
#[test]
fn git_is_configured_in_one_step() {
    let forge = Forge::start();
    let home = with_token(&forge);
    let real = String::from_utf8(
        Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout,
    );
    let (real, played) = (real.unwrap(), Played::new(home.path()));
    let configured = || {
        let listed = git(&home).args(["config", "--global", "--get-all", &key(&forge)]).output();
        String::from_utf8(listed.unwrap().stdout).unwrap()
    };
    let mut killed = 0;
    for call in 1.. {
        // The kill comes before the call or after it.
        for what in ["kill -9 $PPID", "eval \"$real\"; kill -9 $PPID"] {
            let script = format!(
                "real='{} \"$@\"'; test $(wc -l <'{}/calls') = {call} && {{ {what}; exit; }}; eval \"$real\"",
                real.trim(),
                played.path().display(),
            );
            played.program("git", &script);
            let _ = played.calls();
            let setup = played.before(home.twg(["setup", "bitbucket", "--git"])).run();
            let helpers = configured();
            if setup.code() == Some(0) {
                assert!(killed > 4 && helpers.starts_with("\n!"), "{killed} {helpers:?}");
                return;
            }
            assert_eq!(setup.code(), None, "{setup}");
            assert!(helpers.is_empty() || helpers.starts_with("\n!"), "{call}: {helpers:?}");
            killed += 1;
            // Back to the state before the kill.
            let _ = git(&home).args(["config", "--global", "--unset-all", &key(&forge)]).output();
        }
    }
}

/// After an uninstall, git does not call twg for any Bitbucket, including the sandbox's. Settings
/// of other programs stay.
#[test]
fn git_forgets_the_program() {
    let (forge, other) = (Forge::start(), Forge::start());
    let home = with_token(&forge);
    let setup = || home.twg(["setup", "bitbucket", "--git"]).run();
    setup().expect_success();
    other.configure(&home);
    setup().expect_success();
    let foreign = "credential.https://example.com.helper";
    succeeds(&git(&home).args(["config", "--global", foreign, "store"]).output().unwrap());
    let settings = || {
        let listed =
            git(&home).args(["config", "--global", "--get-regexp", "^credential"]).output();
        String::from_utf8(listed.unwrap().stdout).unwrap()
    };
    assert!(settings().contains(&forge.host()) && settings().contains(&other.host()));
    let removed = home.twg(["setup", "bitbucket", "--remove", "--json"]).run();
    assert_eq!(removed.expect_success().json()["removed"], true);
    assert!(settings().contains(&forge.host()) && !settings().contains(&other.host()));
    // An entry for another configuration directory stays.
    let away = "!TWG_CONFIG_DIR=/elsewhere /usr/bin/twg auth git-credential";
    let elsewhere = "credential.https://bitbucket.org.helper";
    succeeds(&git(&home).args(["config", "--global", elsewhere, away]).output().unwrap());
    // Another git holds the lock: twg says so, and the next run removes the entry.
    let enter = home.twg(["setup", "bitbucket", "--with-token", "--email", Forge::EMAIL, "--git"]);
    enter.stdin(Forge::TOKEN).run().expect_success();
    let lock = home.path().join(".gitconfig.lock");
    std::fs::write(&lock, "").unwrap();
    let locked = home.twg(["setup", "bitbucket", "--remove"]).run();
    locked.expect_stderr("git may still ask twg");
    std::fs::remove_file(lock).unwrap();
    let again = home.twg(["setup", "bitbucket", "--remove"]).run();
    again.expect_success().expect_stderr("git no longer asks twg");
    let uninstall = home.twg(["uninstall", "--yes"]).run();
    uninstall.expect_success().expect_stderr("git no longer asks twg");
    assert_eq!(settings(), format!("{foreign} store\n{elsewhere} {away}\n"));
}

fn key(forge: &Forge) -> String {
    format!("credential.http://{}.helper", forge.host())
}

/// A helper that the user chose stays.
#[test]
fn another_helper_of_the_user_s_is_not_replaced() {
    let forge = Forge::start();
    let home = with_token(&forge);
    let chosen = git(&home).args(["config", "--global", &key(&forge), "manager"]).output();
    succeeds(&chosen.unwrap());
    let before = std::fs::read(home.path().join(".gitconfig")).unwrap();
    let setup = home.twg(["setup", "bitbucket", "--git", "--json"]).run();
    assert_eq!(setup.expect_success().json()["git"], "another_helper");
    setup.expect_stderr("another helper").expect_stderr("manager");
    assert_eq!(std::fs::read(home.path().join(".gitconfig")).unwrap(), before);
}

/// Incidents git CVE-2020-5260, Git Credential Manager CVE-2024-50338, gitoxide CVE-2026-82249, gh
/// CVE-2024-53858 and CVE-2026-48501: only an exact question for Bitbucket gets an answer. For all
/// others git asks the next helper.
#[test]
fn only_questions_for_bitbucket_get_an_answer() {
    let forge = Forge::start();
    let home = with_token(&forge);
    let host = forge.host();
    assert!(ask_for_git(&home, "get", &question(&forge)).stdout.contains(Forge::TOKEN));
    for question in [
        String::new(),
        format!("protocol=https\nhost={host}\n"),
        format!("protocol=http\nhost={host}.evil.example\n"),
        format!("protocol=http\nhost={host}@evil.example\n"),
        format!("protocol=http\nhost=evil.example\rhost={host}\n"),
        format!("protocol=http\nhost=evil.example\nhost={host}\n"),
        format!("protocol=http\nhost={host}\r\n"),
        format!("protocol=http\nhost={host}\0\n"),
        format!("protocol=http\nhost={host}%0d%0a\n"),
        format!("url=http://{host}/\n"),
        format!("protocol=http\nhost={host}\nusername=x-token-auth\n"),
        "protocol=https\nhost=bitbucket.org\n".to_owned(),
        "protocol=https\nhost=github.com\n".to_owned(),
        format!("protocol=http\nhost={host}\npath={}\n", "x".repeat(70_000)),
    ] {
        let output = ask_for_git(&home, "get", &question);
        assert_eq!(
            (output.code(), output.stdout.as_str()),
            (Some(0), ""),
            "{question:?}: {output}"
        );
        assert_eq!(output.stderr, "", "{question:?}");
    }
    for operation in ["store", "capability", "anything-new"] {
        let output = ask_for_git(&home, operation, &question(&forge));
        assert_eq!((output.code(), output.stdout.as_str()), (Some(0), ""), "{operation}: {output}");
    }
    // Without configuration, the real Bitbucket gets an answer, in upper and lower case.
    let real = TempHome::new();
    for host in ["bitbucket.org", "BitBucket.org", "bitbucket.org:443"] {
        let question = format!("protocol=https\nhost={host}\n");
        let get = real.twg(["auth", "git-credential", "get"]).env("TWG_BBC_TOKEN", "ci-token");
        assert!(get.stdin(question).run().stdout.ends_with("\npassword=ci-token\n"), "{host}");
    }
}

/// `erase` proves nothing about the token: the server may have refused another helper's credential,
/// or the token may lack a scope.
#[test]
fn erase_deletes_nothing() {
    let forge = Forge::start();
    let home = with_token(&forge);
    home.twg(["setup", "bitbucket", "--git"]).run().expect_success();
    let stored = std::fs::read(home.config_dir().join("bitbucket.conf")).unwrap();
    forge.revoke_everything();
    let mut clone = git(&home);
    let output = clone.args(["clone", "-q", &forge.repository(""), "clone"]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("The token is unchanged: `twg setup bitbucket` checks it"), "{said}");
    assert_eq!(std::fs::read(home.config_dir().join("bitbucket.conf")).unwrap(), stored);
    home.twg(["setup", "bitbucket"]).run().expect_code(77).expect_stderr("does not accept");
    assert_eq!(std::fs::read(home.config_dir().join("bitbucket.conf")).unwrap(), stored);
}

/// The environment comes first, then the token, then a login. The user name fits the credential.
#[test]
fn the_first_credential_wins() {
    let forge = Forge::start();
    let home = TempHome::new();
    forge.configure(&home);
    assert_eq!(ask_for_git(&home, "get", &question(&forge)).expect_success().stdout, "");
    // A login at Bitbucket.
    forge.sign_in(&home);
    let login = ask_for_git(&home, "get", &question(&forge));
    assert!(login.stdout.starts_with("username=x-token-auth\npassword=old-access\n"), "{login}");
    assert!(login.stdout.contains("\npassword_expiry_utc="), "{login}");
    assert!(!login.stdout.contains("refresh"), "{login}");
    let mut clone = git(&home);
    let helper = format!("!{} auth git-credential", home.twg([""; 0]).program().display());
    clone.arg("-c").arg(format!("credential.helper={helper}"));
    succeeds(&clone.args(["clone", "-q", &forge.repository(""), "a"]).output().unwrap());
    // A token comes before the login, unless the helper is for the login.
    let setup = home.twg(["setup", "bitbucket", "--with-token", "--email", Forge::EMAIL]);
    setup.stdin(Forge::TOKEN).run().expect_success();
    let token = ask_for_git(&home, "get", &question(&forge));
    assert!(token.stdout.contains(Forge::TOKEN), "{token}");
    let get = home.twg(["auth", "git-credential", "get", "--connection", "default"]);
    let get = get.stdin(question(&forge));
    assert!(get.run().stdout.contains("password=old-access\n"));
    // The environment comes before both.
    for (given, user) in [("ci-token", "x-bitbucket-api-token-auth"), ("ATCTTx", "x-token-auth")] {
        for get in
            [home.twg(["auth", "git-credential", "get"]).stdin(question(&forge)), get.clone()]
        {
            let output = get.env("TWG_BBC_TOKEN", given).run();
            assert_eq!(output.stdout, format!("username={user}\npassword={given}\n"));
        }
    }
    // A malformed token is an error. twg does not silently use another credential.
    let get = home.twg(["auth", "git-credential", "get", "--json"]).stdin(question(&forge));
    let output = get.env("TWG_BBC_TOKEN", "two words").run();
    assert_eq!(output.expect_code(78).stdout, "");
    output.expect_stderr("TWG_BBC_TOKEN");
    assert!(!output.stderr.contains("two words"), "{output}");
}

/// The documented link for docker, in a directory of its own.
fn docker_link(home: &TempHome) -> PathBuf {
    let dir = home.path().join("bin");
    std::fs::create_dir_all(&dir).expect("it can be made");
    let link = dir.join("docker-credential-twg");
    let linked = std::os::unix::fs::symlink(home.twg([""; 0]).program(), &link);
    linked.expect("it can be made");
    link
}

/// The protocol of docker-credential-helpers, with docker's own words.
#[test]
fn docker_s_protocol() {
    let forge = Forge::start();
    let home = with_token(&forge);
    let helper = home.twg([""; 0]).called(docker_link(&home));
    let ask = |operation: &str, input: &str| -> TwgOutput {
        helper.clone().arg(operation).stdin(input).run()
    };
    let found = ask("get", &forge.host());
    let expected =
        json!({ "ServerURL": forge.host(), "Username": Forge::EMAIL, "Secret": Forge::TOKEN });
    assert_eq!(found.expect_success().json(), expected);
    let list = ask("list", "");
    assert_eq!(list.expect_success().json()[format!("http://{}", forge.host())], Forge::EMAIL);
    for server in [
        "https://index.docker.io/v1/".to_owned(),
        "crg.apkg.io".to_owned(),
        format!("{}.evil.example", forge.host()),
        format!("evil.example\n{}", forge.host()),
        format!("{}\r\n", forge.host()),
        String::new(),
    ] {
        let output = ask("get", &server);
        output.expect_code(1);
        assert_eq!(output.stdout, "credentials not found in native keychain\n", "{server:?}");
    }
    // docker may store the credential that came from twg. twg refuses any other.
    ask("store", &expected.to_string()).expect_success();
    let other =
        json!({ "ServerURL": forge.host(), "Username": Forge::EMAIL, "Secret": "canary-other" });
    let refused = ask("store", &other.to_string());
    assert!(refused.expect_code(1).stdout.contains("twg setup bitbucket"), "{refused}");
    assert!(!refused.stdout.contains("canary-other") && !refused.stderr.contains("canary-other"));
    let erase = ask("erase", &forge.host());
    assert!(erase.expect_code(1).stdout.contains("twg setup bitbucket --remove"), "{erase}");
    assert!(home.config_dir().join("bitbucket.conf").exists());
    // A private Bitbucket has its own token, which the registry of the real Bitbucket never gets.
    let own = TempHome::new();
    let addresses = json!({
        "authorization": "https://bitbucket.example/a", "token": "https://bitbucket.example/t",
    });
    let profile = json!({
        "schema_version": 1, "name": "bitbucket", "display_name": "Own", "endpoints": addresses,
        "grants": ["authorization_code"], "client": { "id": "me" },
    });
    own.write_config("providers/bitbucket.json", profile.to_string());
    let get = own.twg(["auth", "docker-credential", "get"]).env("TWG_BBC_TOKEN", "canary-own");
    let get = get.env("TWG_USER", "ci@example.com").stdin("https://crg.apkg.io/v2/").run();
    assert_eq!(get.expect_code(1).stdout, "credentials not found in native keychain\n");
    // The real registry, with the user name from the environment.
    let real = TempHome::new();
    let get = real.twg(["auth", "docker-credential", "get"]).env("TWG_BBC_TOKEN", "ci-token");
    let get = get.env("TWG_USER", "ci@example.com").stdin("https://crg.apkg.io/v2/");
    let answer = get.run().expect_success().json();
    assert_eq!(
        (&answer["Username"], &answer["Secret"]),
        (&json!("ci@example.com"), &json!("ci-token"))
    );
}

/// Whether this program is installed. If not, `tests/run` reports that this check was left out; the
/// protocol itself is tested above and below.
fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--help").output().is_ok()
}

/// A real docker finds the helper by its name, and reads from a registry that requires the
/// credential.
#[test]
fn docker_asks_the_helper() {
    if !is_installed("docker") {
        return;
    }
    let forge = Forge::start();
    let home = with_token(&forge);
    let link = docker_link(&home);
    let config = home.path().join("docker");
    std::fs::create_dir(&config).unwrap();
    let helpers = json!({ "credHelpers": { forge.host(): "twg" } });
    std::fs::write(config.join("config.json"), helpers.to_string()).unwrap();
    let mut docker = Command::new("docker");
    let path = std::env::var_os("PATH").unwrap();
    let dirs =
        std::iter::once(link.parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
    docker.env_clear().env("PATH", std::env::join_paths(dirs).unwrap());
    docker.env("HOME", home.path()).env("DOCKER_CONFIG", &config);
    docker.env("TWG_CONFIG_DIR", home.config_dir());
    let image = format!("{}/acme/site:1", forge.host());
    let output = docker.args(["manifest", "inspect", "--insecure", &image]).output().unwrap();
    succeeds(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("schemaVersion"), "{output:?}");
    let requests = forge.requests();
    let last = requests.last().unwrap();
    assert_eq!(last.header("authorization"), Some(basic(Forge::EMAIL, Forge::TOKEN).as_str()));
    assert_eq!(home.files_with(Forge::TOKEN), ["config/bitbucket.conf"]);
}

/// A home with a connection to its own provider, with tokens `old-access` and `old-refresh`.
fn signed_in(lifetime: u64) -> (ScriptedServer, TempHome) {
    let server = ScriptedServer::start([]);
    let home = TempHome::new();
    server.sign_in(&home, &server.record(10, lifetime));
    (server, home)
}

fn exec_credential(home: &TempHome) -> TwgCommand {
    home.twg(["auth", "exec-credential", "scripted"])
}

#[test]
fn exec_credentials_and_process_credentials() {
    let (_server, home) = signed_in(3600);
    for version in ["v1", "v1beta1"] {
        let api = format!("client.authentication.k8s.io/{version}");
        let info = json!({ "apiVersion": api, "kind": "ExecCredential", "spec": { "interactive": false } });
        let asked = exec_credential(&home).env("KUBERNETES_EXEC_INFO", info.to_string()).run();
        let credential = asked.expect_success().json();
        assert_eq!(
            (&credential["apiVersion"], &credential["kind"]),
            (&json!(api), &json!("ExecCredential"))
        );
        assert_eq!(credential["status"]["token"], "old-access");
        let end = credential["status"]["expirationTimestamp"].as_str().unwrap();
        assert!(end.ends_with('Z') && end.len() == 20, "{end}");
        assert!(!asked.stdout.contains("old-refresh"));
    }
    let info = r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#;
    let refused = exec_credential(&home).env("KUBERNETES_EXEC_INFO", info).arg("--json").run();
    assert_eq!(refused.expect_code(78).stdout, "");
    refused.expect_stderr("v1alpha1");
    let process = home.twg(["auth", "process", "scripted"]).run();
    let credential = process.expect_success().json();
    assert_eq!(
        (&credential["Version"], &credential["AccessToken"]),
        (&json!(1), &json!("old-access"))
    );
    assert_eq!(credential["TokenType"], "Bearer");
    assert_eq!(credential["Expiration"].as_str().map(str::len), Some(20));
    assert!(!process.stdout.contains("old-refresh"));
    // A failure prints nothing to standard output, for any arguments.
    let empty = TempHome::new();
    for words in [["auth", "process", "--json"], ["auth", "exec-credential", "--json"]] {
        let output = empty.twg(words).run();
        assert_eq!(output.expect_code(77).stdout, "");
        output.expect_stderr("twg login");
    }
}

/// A real kubectl runs the command of its configuration and sends the token.
#[test]
fn kubectl_runs_the_helper() {
    if !is_installed("kubectl") {
        return;
    }
    let (_server, home) = signed_in(3600);
    let cluster = Cluster::start(home.path());
    let twg = home.twg([""; 0]);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{}", cluster.port), "insecure-skip-tls-verify": true,
        }}],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        "users": [{ "name": "test", "user": { "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": twg.program(), "args": ["auth", "exec-credential", "scripted"],
        }}}],
    });
    let file = home.path().join("kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut kubectl = Command::new("kubectl");
    kubectl.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home.path());
    kubectl.env("TWG_CONFIG_DIR", home.config_dir()).env("KUBECONFIG", &file);
    let output =
        kubectl.args(["get", "--raw", "/answer", "--request-timeout=50s"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "read", "{output:?}");
    // Some versions of kubectl ask for the server's version first. The server's log of the request
    // may come a moment after the response.
    let asked = |line: &str| line.starts_with("/answer") && line.ends_with(" Bearer old-access");
    let seen = cluster.seen.wait_for(PATIENCE, |bytes| {
        String::from_utf8_lossy(bytes).lines().any(asked).then_some(())
    });
    assert!(seen.is_ok(), "{}", cluster.seen.text());
}

/// A TLS server that returns `read` for every request, and shows the credentials that it got.
/// Stopped on drop.
struct Cluster {
    child: Child,
    port: u16,
    seen: Capture,
}

const CLUSTER: &str = r#"
import http.server, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, self.headers.get("authorization"), flush=True)
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"read")
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("echo.pem", "echo.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_address[1], flush=True)
server.serve_forever()
"#;

impl Cluster {
    fn start(dir: &Path) -> Self {
        let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout echo.key -out echo.pem \
                    -subj /CN=127.0.0.1 -days 2";
        let made = Command::new("openssl").args(make.split_whitespace()).current_dir(dir).output();
        succeeds(&made.expect("openssl starts"));
        let mut child = Command::new("python3")
            .args(["-c", CLUSTER])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let seen = Capture::of(child.stdout.take().expect("a pipe"));
        let port = seen.wait_for(PATIENCE, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.lines().next()?.strip_prefix("port ")?.parse().ok()
        });
        let port = port.unwrap_or_else(|missing| panic!("{missing:?}: {}", seen.text()));
        Self { child, port, seen }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
