//! The Bitbucket token: entered during a login or with `twg setup bitbucket`, checked, stored in
//! its own file, and never shown.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use twg_tests::{Browser, Forge, Pty, Reply, Sandbox, ScriptedServer, TempHome, TwgCommand};

const QUESTION: &str = "Bitbucket token (not shown; press Enter to";

fn file(home: &TempHome) -> PathBuf {
    home.config_dir().join("bitbucket.conf")
}

fn stored(home: &TempHome) -> Value {
    let text = std::fs::read_to_string(file(home)).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn at_a_forge() -> (Forge, TempHome) {
    let (forge, home) = (Forge::start(), TempHome::new());
    forge.configure(&home);
    (forge, home)
}

fn with_token(home: &TempHome) -> TwgCommand {
    home.twg(["setup", "bitbucket", "--with-token", "--email", Forge::EMAIL]).stdin(Forge::TOKEN)
}

#[track_caller]
fn type_token(screen: &mut Pty, token: &str) {
    screen.wait_for(QUESTION);
    screen.wait_for_no_echo();
    screen.send_line(token);
}

/// The whole screen for a new user: after a mistyped token there is another prompt, input is not
/// shown, and git is configured after a yes.
#[test]
fn a_person_enters_the_token() {
    let (forge, home) = at_a_forge();
    let mut screen = home.twg(["setup", "bitbucket"]).in_terminal();
    type_token(&mut screen, "two words");
    screen.wait_for("A token is one word");
    type_token(&mut screen, "canary-mistyped");
    screen.wait_for("Email address of your Atlassian account:");
    screen.send_line("no-address");
    screen.wait_for("That is not an email address.");
    screen.send_line(Forge::EMAIL);
    screen.wait_for(
        "Bitbucket does not accept this token for mia@example.com. It must be a token with scopes",
    );
    assert!(!file(&home).exists());
    screen.wait_for_no_echo();
    screen.send_line(Forge::TOKEN);
    screen.wait_for("Email address of your Atlassian account [mia@example.com]:");
    screen.send_line("");
    screen.wait_for("Let git use this token for 127.0.0.1:");
    screen.send_line("");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    let shown = screen.screen();
    assert!(shown.starts_with(
        "Bitbucket needs its own token: an API token with scopes.\n  \
         Create one at  https://id.atlassian.com/manage-profile/security/api-tokens\n  \
         with scopes    read:user:bitbucket, read:repository:bitbucket, write:repository:bitbucket\n"
    ));
    let saved = home.config_dir().join("bitbucket.conf");
    assert!(
        shown.contains("✔ Bitbucket accepts the token of Mia Krystof; it is saved to "),
        "{shown}"
    );
    assert!(shown.contains("✔ git now gets its 127.0.0.1:"), "{shown}");
    assert!(!screen.transcript().contains("canary"), "{shown}");
    assert_eq!(std::fs::metadata(saved).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(
        (&stored(&home)["token"], &stored(&home)["email"]),
        (&json!(Forge::TOKEN), &json!(Forge::EMAIL))
    );
    drop(forge);
}

/// Enter and Ctrl-C leave everything as it is.
#[test]
fn nothing_entered_changes_nothing() {
    let (_forge, home) = at_a_forge();
    let setup = home.twg(["setup", "bitbucket", "--force"]);
    let mut screen = setup.in_terminal();
    type_token(&mut screen, "");
    assert_eq!(screen.wait().code(), Some(1), "{}", screen.screen());
    assert!(!file(&home).exists());
    with_token(&home).run().expect_success();
    let before = stored(&home);
    for typed in ["\r", "\x03", "half\x03"] {
        let mut screen = setup.in_terminal();
        screen.wait_for(QUESTION);
        screen.wait_for_no_echo();
        screen.send(typed);
        let code = if typed == "\r" { 1 } else { 130 };
        assert_eq!(screen.wait().code(), Some(code), "{}", screen.screen());
        assert!(screen.echoes());
        assert_eq!(stored(&home), before);
    }
}

/// The page for tokens is opened, except with `--no-browser`.
#[test]
fn the_page_for_tokens_is_opened() {
    let (_forge, home) = at_a_forge();
    let opened = home.path().join("opened");
    let browser = home.path().join("browser");
    let script = format!("#!/bin/sh\necho \"$@\" > '{}'\n", opened.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
    let setup = home.twg(["setup", "bitbucket"]).env("TWG_BROWSER", &browser);
    for (setup, expected) in [(setup.clone().arg("--no-browser"), false), (setup, true)] {
        let mut screen = setup.in_terminal();
        type_token(&mut screen, "");
        assert_eq!(screen.wait().code(), Some(1), "{}", screen.screen());
        assert_eq!(opened.exists(), expected);
    }
    let opened = std::fs::read_to_string(opened).unwrap();
    assert_eq!(opened.trim(), "https://id.atlassian.com/manage-profile/security/api-tokens");
}

/// A stored token stays unless `--force` is given, and only a working token replaces it.
#[test]
fn the_stored_token_is_preserved() {
    let (forge, home) = at_a_forge();
    with_token(&home).run().expect_success();
    let before = stored(&home);
    let again = home.twg(["setup", "bitbucket", "--json"]).run();
    let json = again.expect_success().json();
    assert_eq!((&json["alreadyStored"], &json["checked"]), (&json!(true), &json!(true)));
    assert_eq!((&json["email"], &json["name"]), (&json!(Forge::EMAIL), &json!("Mia Krystof")));
    with_token(&home).run().expect_success();
    let refused = with_token(&home).stdin("canary-another").run();
    refused.expect_code(2).expect_stderr("--force --with-token");
    let wrong = with_token(&home).arg("--force").stdin("canary-another").run();
    wrong.expect_code(77).expect_stderr("does not accept").expect_stderr("is unchanged");
    assert!(!wrong.stderr.contains("canary"), "{wrong}");
    forge.revoke_everything();
    home.twg(["setup", "bitbucket"]).run().expect_code(77).expect_stderr("The token is unchanged.");
    assert_eq!(stored(&home), before);
    drop(forge);
    let offline = home.twg(["setup", "bitbucket", "--json"]).run();
    offline.expect_stderr("request to the API failed");
    assert_eq!(offline.expect_success().json()["checked"], false);
    let offline = with_token(&home).arg("--force").run();
    offline
        .expect_code(75)
        .expect_stderr("request to the API failed")
        .expect_stderr("is unchanged");
    assert_eq!(stored(&home), before);
    let removed = home.twg(["setup", "bitbucket", "--remove", "--json"]).run();
    assert_eq!(removed.expect_success().json()["removed"], true);
    assert!(!file(&home).exists());
    let removed = home.twg(["setup", "bitbucket", "--remove", "--json"]).run();
    assert_eq!(removed.expect_success().json()["removed"], false);
}

/// A working token counts even if it may not read its user's name. A proxy's page proves nothing.
#[test]
fn a_proxy_s_response_is_not_bitbucket_s() {
    let (_forge, home) = at_a_forge();
    let narrow = with_token(&home).stdin("canary-narrow-token").run();
    narrow.expect_success().expect_stderr("With the scope read:user:bitbucket");
    for (status, code) in
        [("403 Forbidden", 1), ("200 OK", 75), ("502 Bad Gateway", 75), ("429 Slow", 75)]
    {
        let proxy =
            ScriptedServer::answering(move |_| Reply::http(status, "text/html", "<h1>hi</h1>"));
        let home = TempHome::new();
        let profile = json!({
            "schema_version": 1, "name": "bitbucket", "display_name": "B",
            "endpoints": { "authorization": proxy.url("/a"), "token": proxy.url("/t") },
            "grants": ["authorization_code"], "client": { "id": "me" },
            "identity": { "url": proxy.url("/2.0/user"), "id": "account_id", "name": "display_name" },
        });
        home.write_config("providers/bitbucket.json", profile.to_string());
        let output = with_token(&home).run();
        assert_eq!(output.code(), Some(code), "{status}: {output}");
        assert!(!file(&home).exists(), "{status}");
    }
}

/// The doctor asks the server about the stored token.
#[test]
fn the_doctor_asks_bitbucket() {
    let (forge, home) = at_a_forge();
    with_token(&home).run().expect_success();
    home.write_config("providers/atlassian.json", unreachable().to_string());
    let says = || {
        let doctor = home.twg(["doctor", "--json"]).run().expect_code(1).json();
        let checks = doctor["checks"].as_array().expect("checks").clone();
        let check = checks.into_iter().find(|check| check["name"] == "bitbucket").expect("one");
        (check["verdict"].as_str().expect("text").to_owned(), check.to_string())
    };
    let (verdict, text) = says();
    assert!(verdict == "good" && text.contains("; it is accepted"), "{verdict} {text}");
    forge.revoke_everything();
    let (verdict, text) = says();
    assert!(verdict == "bad" && text.contains("twg setup bitbucket --force"), "{verdict} {text}");
    drop(forge);
    let (verdict, text) = says();
    assert!(verdict == "note" && text.contains("; unknown whether"), "{verdict} {text}");
    // The user runs the doctor because of such problems.
    home.write_config("providers/bitbucket.json", "damaged");
    let (verdict, text) = says();
    assert!(verdict == "bad" && text.contains("bitbucket.json"), "{verdict} {text}");
}

/// Without a terminal, the error says that the stored token is unchanged.
#[test]
fn a_stored_token_is_not_denied() {
    let (_forge, home) = at_a_forge();
    with_token(&home).run().expect_success();
    let alone = home.twg(["setup", "bitbucket", "--force", "--no-input"]).run();
    alone
        .expect_code(2)
        .expect_stderr("there is no terminal")
        .expect_stderr("The stored one is unchanged");
}

/// An Atlassian profile for tests that must not reach Atlassian.
fn unreachable() -> Value {
    json!({
        "schema_version": 1, "name": "atlassian", "display_name": "A", "grants": ["device_code"],
        "endpoints": { "token": "http://127.0.0.1:1/t", "device_authorization": "http://127.0.0.1:1/d" },
        "client": { "id": "me" }, "sites": "http://127.0.0.1:1/s",
    })
}

/// Without a terminal there is no prompt, and the error says what to do.
#[test]
fn scripts_learn_what_to_do() {
    let (_forge, home) = at_a_forge();
    for twg in [
        home.twg(["setup", "bitbucket"]),
        home.twg(["setup", "bitbucket", "--no-input"]),
        home.twg(["setup", "bitbucket"]).env("CI", "true"),
    ] {
        twg.run().expect_code(77).expect_stderr("--with-token").expect_stderr("TWG_BBC_TOKEN");
    }
    let without_email = home.twg(["setup", "bitbucket", "--with-token"]).stdin(Forge::TOKEN);
    without_email.run().expect_code(2).expect_stderr("--email");
    for bad in ["", "two words", "a\nb", "a\0b", &"x".repeat(9000)] {
        with_token(&home).stdin(bad).run().expect_code(2).expect_stderr("one word");
    }
    for bad in ["mia", "a@", "@b", "a:b@c", "a b@c", "a@b\u{202e}"] {
        let setup = home.twg(["setup", "bitbucket", "--with-token", "--email", bad]);
        setup.stdin(Forge::TOKEN).run().expect_code(2);
    }
    // A token on the command line is not possible: there is no flag for it.
    home.twg(["setup", "bitbucket", "--token", "canary"]).run().expect_code(2);
    assert!(!file(&home).exists());
}

/// A damaged file is moved aside, unchanged. A file of a newer version is not replaced.
#[test]
fn damaged_and_newer_files() {
    let (_forge, home) = at_a_forge();
    home.write_config("bitbucket.conf", "torn canary");
    let refused = home.twg(["setup", "bitbucket"]).run();
    refused.expect_code(78).expect_stderr("damaged").expect_stderr("--force");
    assert_eq!(std::fs::read(file(&home)).unwrap(), b"torn canary");
    let forced = with_token(&home).arg("--force").run();
    forced.expect_success().expect_stderr("was moved, unchanged, to");
    let names = std::fs::read_dir(home.config_dir()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> =
        names.filter(|path| std::fs::read(path).is_ok_and(|t| t == b"torn canary")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::metadata(file(&home)).unwrap().permissions().mode() & 0o7777, 0o600);
    let newer = r#"{"schema_version":2,"sealed":"canary"}"#;
    std::fs::write(file(&home), newer).unwrap();
    for refused in [
        home.twg(["setup", "bitbucket"]),
        with_token(&home).arg("--force"),
        home.twg(["auth", "git-credential", "get"]).stdin("protocol=https\nhost=bitbucket.org\n"),
    ] {
        let output = refused.run();
        assert!(!output.stdout.contains("canary") && !output.stderr.contains("canary"), "{output}");
    }
    with_token(&home).arg("--force").run().expect_code(78).expect_stderr("Update this twg");
    assert_eq!(std::fs::read_to_string(file(&home)).unwrap(), newer);
}

/// If the file cannot be written, twg neither asks nor sends anything.
#[test]
fn a_store_that_takes_nothing_is_noticed_first() {
    let (forge, home) = at_a_forge();
    std::fs::create_dir(file(&home)).unwrap();
    let output = with_token(&home).arg("--force").run();
    assert!(matches!(output.code(), Some(73 | 74 | 78)), "{output}");
    assert_eq!(forge.requests().len(), 0);
}

/// A login ends with the offer to enter the token. The user may decline. The offer is made once, or
/// with `--force`.
#[test]
fn a_login_offers_to_take_the_token() {
    let sandbox = Sandbox::start();
    let login = |args: &[&str]| {
        let screen = sandbox.twg(["login", "--loopback"]).args(args).in_terminal();
        screen.wait_for("copy the URL the browser ends at");
        let text = screen.screen();
        let address = text.lines().find_map(|line| line.strip_prefix("  http")).unwrap();
        let _page = sandbox.approve(&Browser::new(), &format!("http{}", address.trim_end()));
        screen
    };
    let bitbucket = sandbox.config_dir().join("bitbucket.conf");
    for (typed, code) in [("\r", 0), ("\x03", 0)] {
        let mut screen = login(&["--force"]);
        screen.wait_for("press Enter to skip this):");
        screen.wait_for_no_echo();
        screen.send(typed);
        assert_eq!(screen.wait().code(), Some(code), "{}", screen.screen());
        screen.wait_for("No token was stored. To enter one later: `twg setup bitbucket`");
        assert!(screen.screen().contains("✔ Authentication successful!"), "{}", screen.screen());
        assert!(sandbox.accepts(sandbox.record().access_token()));
    }
    // A refused token does not harm the login either.
    let mut screen = login(&["--force"]);
    type_token(&mut screen, "canary-mistyped");
    screen.wait_for("! Bitbucket does not accept this token for mia@example.com");
    screen.wait_for_no_echo();
    screen.send_line("");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(!bitbucket.exists());
    let mut screen = login(&["--force"]);
    screen.wait_for("  as             mia@example.com");
    type_token(&mut screen, "sandbox-bitbucket-token");
    screen.wait_for("Let git use this token");
    screen.send_line("n");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(!screen.transcript().contains("sandbox-bitbucket-token"));
    let stored = std::fs::read(&bitbucket).unwrap();
    // A stored token stays, and there is no new prompt without `--force`.
    std::fs::remove_file(sandbox.config_dir().join("auth.conf")).unwrap();
    let screen = login(&[]);
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(!screen.screen().contains("Bitbucket"), "{}", screen.screen());
    let mut screen = login(&["--force"]);
    type_token(&mut screen, "");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert_eq!(std::fs::read(&bitbucket).unwrap(), stored);
    // Signing out leaves the Bitbucket token alone.
    sandbox.twg(["logout"]).run().expect_success();
    assert_eq!(std::fs::read(&bitbucket).unwrap(), stored);
}

/// A login in a script, under a coding agent, or with the token in its environment, has no prompt.
#[test]
fn a_login_without_a_person_asks_nothing() {
    let sandbox = Sandbox::start();
    let output = sandbox.sign_in(&[]);
    assert!(!output.stderr.contains("Bitbucket"), "{output}");
    for (name, value) in [("TWG_BBC_TOKEN", "canary"), ("CLAUDECODE", "1")] {
        let login = sandbox.twg(["login", "--loopback", "--force"]).env(name, value);
        let screen = login.in_terminal();
        screen.wait_for("copy the URL the browser ends at");
        let text = screen.screen();
        let address = text.lines().find_map(|line| line.strip_prefix("  http")).unwrap();
        let _page = sandbox.approve(&Browser::new(), &format!("http{}", address.trim_end()));
        assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
        assert!(!screen.screen().contains("Bitbucket"), "{}", screen.screen());
    }
}

/// A85, for these secrets too: only the commands that hand out a credential print one, and no
/// other, in success or failure. No child gets one on its command line or in its environment. Each
/// is in its own file and nowhere else.
#[test]
fn no_command_shows_a_token_or_a_key() {
    const CANARY: &str = "canary-";
    let (_forge, home) = at_a_forge();
    let said = home.path().join("said");
    let script = |name: &str, then: &str| {
        let path = home.path().join(name);
        let text = format!(
            "#!/bin/sh\n{{ echo ran {name}: \"$@\"; env; tr '\\0' ' ' < /proc/$$/cmdline; }} >> '{}'\n{then}\n",
            said.display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    };
    let path = std::env::var("PATH").unwrap();
    script("git", &format!("PATH='{path}' exec git \"$@\""));
    let browser = script("browser", "exit 0");
    let twg = |words: &[&str]| {
        home.twg(words)
            .env("PATH", format!("{}:{path}", home.path().display()))
            .env("TWG_BROWSER", &browser)
            .env("TWG_TOKEN", "canary-api-token")
            .env("TWG_OAUTH_ACCESS_TOKEN", "canary-access-token")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
    };
    let mut screen = twg(&["setup", "bitbucket"]).in_terminal();
    type_token(&mut screen, Forge::TOKEN);
    screen.wait_for("Email address");
    screen.send_line(Forge::EMAIL);
    screen.wait_for("Let git use this token");
    screen.send_line("y");
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(!screen.transcript().contains(CANARY));
    let key = json!({
        "schema_version": 1, "key": "canary-admin-key", "email": "a@b.c", "org": "x", "checked_at": 1,
    });
    home.write_config("admin.conf", key.to_string());
    home.write_config("providers/atlassian.json", unreachable().to_string());
    for words in [
        &["setup", "bitbucket"][..],
        &["setup", "bitbucket", "--git"],
        &["setup", "bitbucket", "--force"],
        &["setup", "bitbucket", "--with-token"],
        &["setup", "bitbucket", "--with-token", "--force"],
        &["admin", "auth", "status"],
        &["admin", "auth", "login", "--email", "a@b.c", "--org", "x", "--with-token"],
        &["auth", "git-credential", "store"],
        &["auth", "git-credential", "erase"],
        &["auth", "git-credential", "nonsense"],
        &["auth", "docker-credential", "list"],
        &["auth", "docker-credential", "store"],
        &["auth", "docker-credential", "erase"],
        &["auth", "status"],
        &["doctor"],
    ] {
        for more in [&[][..], &["--json"], &["--quiet"]] {
            let output = twg(words).args(more).stdin("canary-typed").run();
            for text in [&output.stdout, &output.stderr] {
                assert!(!text.contains(CANARY), "{output}");
            }
        }
    }
    let said = std::fs::read_to_string(&said).unwrap();
    assert!(
        said.contains("ran git: config --global")
            && said.contains("ran browser: https://id.atlassian.com")
    );
    assert!(!said.contains(CANARY), "{said}");
    for (secret, place) in [(Forge::TOKEN, "bitbucket.conf"), ("canary-admin-key", "admin.conf")] {
        assert_eq!(home.files_with(secret), [format!("config/{place}")]);
    }
    assert!(!std::fs::read_to_string(home.path().join(".gitconfig")).unwrap().contains(CANARY));
}
