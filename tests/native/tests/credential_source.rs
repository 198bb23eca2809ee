//! Credentials from the environment: which one wins, which requests it is for, and that no other
//! server gets it.

use serde_json::Value;
use twg_tests::{Record, Sandbox, TempHome, TwgCommand};

const CLASSIC: &str = "sandbox-classic-token";
const SCOPED: &str = "sandbox-api-token";

/// A home without a login, whose Atlassian is the sandbox.
fn signed_out(sandbox: &Sandbox) -> TempHome {
    let home = TempHome::new();
    let profile = std::fs::read_to_string(sandbox.config_dir().join("providers/atlassian.json"));
    home.write_config("providers/atlassian.json", profile.expect("the sandbox wrote it"));
    home
}

fn with_api_token(home: &TempHome, token: &str, args: &[&str]) -> TwgCommand {
    let twg = home.twg(args).env("TWG_USER", "mia@example.com").env("TWG_TOKEN", token);
    twg.env("TWG_SITE", "krystof-design")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A delegated token is used as it is: twg neither refreshes nor stores anything.
#[test]
fn an_access_token_of_the_embedder() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let record = sandbox.record();
    let token = record.access_token();
    let home = signed_out(&sandbox);
    let twg = |args: &[&str]| home.twg(args).env("TWG_OAUTH_ACCESS_TOKEN", token);
    let printed = twg(&["auth", "token"]).run();
    assert_eq!(printed.expect_success().stdout, format!("{token}\n"));
    let json = twg(&["auth", "token", "--json"]).run().expect_success().json();
    assert_eq!(json["accessToken"], token);
    assert!(json["expiresAt"].is_null() && json["scopes"].is_null(), "{json}");
    let who = twg(&["whoami"]).run();
    assert!(who.expect_success().stdout.contains(Sandbox::USER), "{who}");
    let sites = twg(&["sites"]).run();
    assert!(sites.expect_success().stdout.contains("krystof-design"), "{sites}");
    let me = twg(&["api", "/rest/api/3/myself"]).run();
    assert_eq!(parsed(&me.expect_success().stdout)["displayName"], Sandbox::USER);
    let status = twg(&["auth", "status"]).run();
    assert!(status.expect_success().stdout.contains("TWG_OAUTH_ACCESS_TOKEN"), "{status}");
    assert!(!status.stdout.contains(token), "{status}");
    assert!(!home.config_dir().join("auth.conf").exists());
    // An expired delegated token: only the program that set it can help.
    sandbox.clear_log();
    let over = home.twg(["whoami"]).env("TWG_OAUTH_ACCESS_TOKEN", "canary-over").run();
    over.expect_code(77).expect_stderr("TWG_OAUTH_ACCESS_TOKEN").expect_stderr("to a new token");
    assert!(sandbox.refreshes().is_empty());
    assert!(!over.stderr.contains("canary"), "{over}");
}

/// COMMANDS, "first wins": the environment wins over the stored login too, also on the hot path. An
/// explicit `--connection` wins over the environment.
#[test]
fn the_first_source_wins() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let stored = format!("{}\n", sandbox.record().access_token());
    let token = sandbox.twg(["auth", "token"]).env("TWG_OAUTH_ACCESS_TOKEN", "delegated").run();
    assert_eq!(token.expect_success().stdout, "delegated\n");
    let both = sandbox.twg(["auth", "token"]).env("TWG_OAUTH_ACCESS_TOKEN", "delegated");
    let both = both.env("TWG_USER", "mia@example.com").env("TWG_TOKEN", "x").run();
    assert_eq!(both.expect_success().stdout, "delegated\n");
    let empty = sandbox.twg(["auth", "token"]).env("TWG_OAUTH_ACCESS_TOKEN", "");
    let empty = empty.env("TWG_TOKEN", "").run();
    assert_eq!(empty.expect_success().stdout, stored);
    let status = sandbox.twg(["auth", "status", "--json"]).env("TWG_OAUTH_ACCESS_TOKEN", "x").run();
    let status = status.expect_success().json();
    assert_eq!(status["source"], "TWG_OAUTH_ACCESS_TOKEN");
    assert_eq!(status["stored"]["signedIn"], true);
    let named = sandbox.twg(["auth", "token", "--connection", "work"]);
    named.env("TWG_OAUTH_ACCESS_TOKEN", "delegated").run().expect_code(77);
    // Commands about the stored login ignore the environment.
    let fresh = sandbox.twg(["auth", "refresh", "--json"]).env("TWG_OAUTH_ACCESS_TOKEN", "x").run();
    assert_eq!(fresh.expect_success().json()["result"], "fresh");
}

/// `doctor` names the winner and tries it; `login` says that the environment comes before the new
/// login.
#[test]
fn the_winner_is_named() {
    let sandbox = Sandbox::start();
    let home = signed_out(&sandbox);
    let found = |doctor: &Value| {
        let checks = doctor["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "credential")
    };
    let good = with_api_token(&home, CLASSIC, &["doctor", "--json"]).run().json();
    let check = found(&good).unwrap();
    assert_eq!(check["verdict"], "good", "{good}");
    assert!(check["found"].as_str().unwrap().contains("TWG_TOKEN"), "{check}");
    assert!(check["found"].as_str().unwrap().contains(Sandbox::USER), "{check}");
    let bad = with_api_token(&home, "other", &["doctor", "--json"]).run().json();
    assert_eq!((&bad["ok"], &found(&bad).unwrap()["verdict"]), (&false.into(), &"bad".into()));
    let none = home.twg(["doctor", "--json"]).run().json();
    assert!(found(&none).is_none(), "{none}");
    sandbox.sign_in(&[]);
    let login = sandbox.twg(["login"]).env("TWG_OAUTH_ACCESS_TOKEN", "x").run();
    login.expect_success().expect_stderr("TWG_OAUTH_ACCESS_TOKEN is set and takes precedence");
}

/// Both kinds of API token, each at the URLs where it works.
#[test]
fn an_api_token() {
    let sandbox = Sandbox::start();
    let home = signed_out(&sandbox);
    for (token, mode) in [(CLASSIC, "classic"), (SCOPED, "scoped")] {
        let twg = |args: &[&str]| with_api_token(&home, token, args).env("TWG_TOKEN_MODE", mode);
        let who = twg(&["whoami", "--json"]).run().expect_success().json();
        assert_eq!(who["account"]["name"], Sandbox::USER);
        assert_eq!(who["account"]["status"], "active");
        let sites = twg(&["sites", "--json"]).run().expect_success().json();
        assert_eq!(sites["sites"][0]["name"], "krystof-design");
        let project = twg(&["api", "/rest/api/3/project"]).run();
        assert!(project.expect_success().stdout.contains("DES"), "{project}");
        let elsewhere = twg(&["api", "/rest/api/3/serverInfo", "--site", "krystof-support"]).run();
        assert!(elsewhere.expect_success().stdout.contains("krystof-support"), "{elsewhere}");
        let status = twg(&["auth", "status", "--json"]).run().expect_success().json();
        assert_eq!(
            (&status["user"], &status["source"]),
            (&"mia@example.com".into(), &"TWG_TOKEN".into())
        );
        // An API token is not a bearer token for other programs.
        let no = twg(&["auth", "token"]).run();
        no.expect_code(78).expect_stderr("not an access token").expect_stderr("Unset TWG_TOKEN");
        assert_eq!(no.stdout, "");
    }
    // The other kind is refused, and the error says what to set.
    let wrong = with_api_token(&home, SCOPED, &["whoami"]).run();
    wrong.expect_code(77).expect_stderr("TWG_TOKEN").expect_stderr("TWG_TOKEN_MODE=scoped");
    assert!(!wrong.stderr.contains(SCOPED), "{wrong}");
    assert!(!home.config_dir().join("auth.conf").exists());
}

/// An incomplete credential is an error, and does not lead to another account.
#[test]
fn half_a_credential_is_a_mistake() {
    let sandbox = Sandbox::start();
    let home = signed_out(&sandbox);
    let no_user = home.twg(["whoami"]).env("TWG_TOKEN", CLASSIC).run();
    no_user.expect_code(78).expect_stderr("TWG_USER is not set");
    let odd = home.twg(["whoami"]).env("TWG_TOKEN", CLASSIC).env("TWG_USER", "a:b").run();
    odd.expect_code(78).expect_stderr("TWG_USER is not an email address");
    let no_site = with_api_token(&home, CLASSIC, &["whoami"]).env_remove("TWG_SITE").run();
    no_site.expect_code(78).expect_stderr("TWG_SITE");
    let torn = home.twg(["auth", "token"]).env("TWG_OAUTH_ACCESS_TOKEN", "canary\r\nx").run();
    torn.expect_code(78).expect_stderr("TWG_OAUTH_ACCESS_TOKEN");
    assert!(!torn.stderr.contains("canary"), "{torn}");
    let mode = with_api_token(&home, CLASSIC, &["whoami"]).env("TWG_TOKEN_MODE", "new").run();
    mode.expect_code(78).expect_stderr("classic or scoped");
    // An API token goes only to Atlassian's sites.
    for site in [
        "evil.example",
        "https://evil.example",
        "krystof-design.atlassian.net.evil.example",
        "a/b",
        "-",
    ] {
        let refused = with_api_token(&home, CLASSIC, &["whoami"]).env("TWG_SITE", site).run();
        refused.expect_code(78).expect_stderr("is not the name of a site");
    }
    let away =
        with_api_token(&home, CLASSIC, &["api", "https://evil.example/rest/api/3/myself"]).run();
    away.expect_code(2).expect_stderr("neither a path nor a URL of");
}

/// The nearest `.twg` file chooses connection and site. Flags and `TWG_SITE` win over it.
#[test]
fn a_directory_is_bound() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.sign_in(&["--connection", "work"]);
    let usual = format!("{}\n", sandbox.record().access_token());
    let record = Record::read(&sandbox.config_dir().join("connections/atlassian/work.conf"));
    let work = format!("{}\n", record.access_token());
    let project = sandbox.home().path().join("work/project");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(sandbox.home().path().join("work/.twg"), r#"{"connection":"work"}"#).unwrap();
    let twg = |args: &[&str]| sandbox.twg(args).in_directory(&project);
    assert_eq!(twg(&["auth", "token"]).run().expect_success().stdout, work);
    assert_eq!(twg(&["auth", "token", "atlassian"]).run().expect_success().stdout, work);
    let status = twg(&["auth", "status"]).run();
    assert!(status.expect_success().stdout.contains("Chosen by    ~/work/.twg"), "{status}");
    let named = twg(&["auth", "token", "--connection", "default"]).run();
    assert_eq!(named.expect_success().stdout, usual);
    assert_eq!(sandbox.twg(["auth", "token"]).run().expect_success().stdout, usual);
    // A site.
    std::fs::write(project.join(".twg"), r#"{"connection":"work","site":"nowhere"}"#).unwrap();
    let nowhere = twg(&["api", "/rest/api/3/myself"]).run();
    nowhere.expect_code(2).expect_stderr("No site 'nowhere'");
    let named = twg(&["api", "/rest/api/3/myself"]).env("TWG_SITE", "krystof-design").run();
    named.expect_success();
    twg(&["api", "/rest/api/3/myself", "--site", "krystof-design"]).run().expect_success();
    // The environment comes before the file, and a flag before both.
    let given = twg(&["auth", "token"]).env("TWG_OAUTH_ACCESS_TOKEN", "delegated").run();
    assert_eq!(given.expect_success().stdout, "delegated\n");
    let typed = twg(&["auth", "token", "--connection", "work"]);
    let typed = typed.env("TWG_OAUTH_ACCESS_TOKEN", "delegated").run();
    assert_eq!(typed.expect_success().stdout, work);
    // Ignored: a link, which another user may have made, and a file that never ends.
    let inner = project.join("inner");
    std::fs::create_dir(&inner).unwrap();
    let link = inner.join(".twg");
    std::os::unix::fs::symlink(project.join(".twg"), &link).unwrap();
    let below = |args: &[&str]| sandbox.twg(args).in_directory(&inner);
    assert_eq!(below(&["auth", "token"]).run().expect_success().stdout, work);
    std::fs::remove_file(&link).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&link).status().unwrap().success());
    assert_eq!(below(&["auth", "token"]).run().expect_success().stdout, work);
    // An unreadable file stops the command, because the wrong account would be worse.
    std::fs::write(project.join(".twg"), "work").unwrap();
    for args in [&["auth", "token"][..], &["whoami"]] {
        let broken = twg(args).run();
        broken.expect_code(78).expect_stderr("work/project/.twg");
        assert_eq!(broken.stdout, "");
    }
}
