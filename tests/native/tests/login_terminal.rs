//! The whole screen of `twg login`, in a real terminal with a user who types.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use twg_tests::{Browser, Pty, Sandbox, TwgCommand};

/// A home whose `~/.config/twg` knows the sandbox, but no client yet.
fn new_user(sandbox: &Sandbox) -> PathBuf {
    let config = sandbox.home().path().join(".config/twg");
    std::fs::create_dir_all(config.join("providers")).expect("a file of ours");
    std::fs::write(config.join("providers/atlassian.json"), sandbox.provider_file().to_string())
        .expect("a file of ours");
    config
}

fn twg(sandbox: &Sandbox, args: &[&str]) -> TwgCommand {
    sandbox.home().twg(args).env_remove("TWG_CONFIG_DIR")
}

/// The URL on the screen, in a line of its own.
fn address_on(screen: &Pty) -> String {
    let screen = screen.screen();
    let line = screen.lines().rev().find_map(|line| line.strip_prefix("  http"));
    format!("http{}", line.unwrap_or_else(|| panic!("no address:\n{screen}")).trim_end())
}

/// Declines to enter the Bitbucket token at the end of a login.
fn go_without_bitbucket(screen: &mut Pty) {
    screen.wait_for("Bitbucket token (not shown; press Enter to skip this):");
    screen.wait_for_no_echo();
    screen.send_line("");
}

#[test]
fn a_new_user_signs_in_and_the_client_is_asked_for_once() {
    let sandbox = Sandbox::start();
    let config = new_user(&sandbox);
    let mut screen = twg(&sandbox, &["login"]).in_terminal();
    screen.wait_for("with redirect URI  http://127.0.0.1/auth/callback/oauth (any port)");
    screen.wait_for("Client ID:");
    screen.send_line("two words");
    screen.wait_for("A client ID is one word without spaces");
    screen.send_line("twg-sandbox-device");
    screen.wait_for("Client secret (not shown; press Enter if it has none):");
    screen.wait_for_no_echo();
    screen.send_line("");
    screen.wait_for("To sign in, open this URL in a browser on any device:");
    screen.wait_for("Only continue if you started this sign-in yourself.");
    screen.wait_for("Waiting for approval… 14 min");
    screen.wait_for(" left");
    assert!(screen.echoes());
    let _done = sandbox.approve(&Browser::new(), &address_on(&screen));
    go_without_bitbucket(&mut screen);
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    let shown = screen.screen();
    assert!(
        shown.contains(
            "✔ Authentication successful!\n✔ Authenticated as Mia Krystof\n\
             ✔ Credentials saved to ~/.config/twg/auth.conf"
        ),
        "{shown}"
    );
    assert!(!shown.contains("Waiting for approval"), "the countdown goes away:\n{shown}");
    assert!(!shown.to_lowercase().contains("password"), "{shown}");

    let file = config.join("clients/atlassian.conf");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(std::fs::read_to_string(file).unwrap().contains("twg-sandbox-device"));
    let again = twg(&sandbox, &["login", "--force"]).in_terminal();
    again.wait_for("Waiting for approval");
    assert!(!again.screen().contains("Client ID"), "{}", again.screen());
}

/// The secret is not shown. The client has no device grant, so the login continues in the browser.
/// The next login knows both.
#[test]
fn a_client_with_a_secret_falls_over_to_the_browser_and_is_remembered() {
    let sandbox = Sandbox::start();
    let config = new_user(&sandbox);
    let (id, secret) = Sandbox::THREE_LO_CLIENT;
    let mut screen = twg(&sandbox, &["login"]).in_terminal();
    screen.wait_for("Client ID:");
    screen.send_line(id);
    screen.wait_for("Client secret");
    screen.wait_for_no_echo();
    screen.send_line(secret);
    screen.wait_for("This app may not sign in with a device code");
    screen.wait_for("copy the URL the browser ends at");
    let _page = sandbox.approve(&Browser::new(), &address_on(&screen));
    go_without_bitbucket(&mut screen);
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(!screen.transcript().contains(secret), "{}", screen.screen());
    let stored = std::fs::read_to_string(config.join("clients/atlassian.conf")).unwrap();
    assert!(stored.contains(id) && stored.contains(secret), "{stored}");

    let again = twg(&sandbox, &["login", "--force"]).in_terminal();
    again.wait_for("copy the URL the browser ends at");
    assert!(!again.screen().contains("device code"), "{}", again.screen());
    assert!(!again.screen().contains("Client ID"), "{}", again.screen());
    assert_eq!(sandbox.requests_to("/oauth/device/code").len(), 1);
}

#[test]
fn the_address_of_a_browser_elsewhere_can_be_pasted() {
    let sandbox = Sandbox::start();
    let mut screen = sandbox.twg(["login", "--loopback"]).in_terminal();
    screen.wait_for("copy the URL the browser ends at");
    screen.wait_for(">");
    screen.send_line("what?");
    screen.wait_for("That is not a URL.");
    screen.send_line("http://127.0.0.1:1/auth/callback/oauth?code=forged&state=forged");
    screen.send_line("com.example.twg:/auth/callback/oauth?code=forged&state=forged");
    let address = address_on(&screen);
    let redirect_uri = url::Url::parse(&address).unwrap();
    let redirect_uri = redirect_uri.query_pairs().find(|(name, _)| name == "redirect_uri");
    let redirect_uri = redirect_uri.unwrap().1;
    screen.send_line(&format!("{redirect_uri}?code=forged&state=forged"));
    let browser = Browser::new().stop_before(&redirect_uri);
    let ended = sandbox.approve(&browser, &address);
    assert!(ended.query("code").is_some(), "{ended:?}");
    screen.send_line(ended.url.as_str());
    go_without_bitbucket(&mut screen);
    assert_eq!(screen.wait().code(), Some(0), "{}", screen.screen());
    assert!(screen.screen().contains("✔ Authentication successful!"), "{}", screen.screen());
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 1, "the forged code was not exchanged");
    assert!(sandbox.accepts(sandbox.record().access_token()));
}

fn interrupted_at(sandbox: &Sandbox, mut screen: Pty) {
    screen.send("\x03");
    assert_eq!(screen.wait().code(), Some(130), "{}", screen.screen());
    assert!(screen.echoes(), "the terminal shows again what is typed");
    let shown = screen.screen();
    assert!(shown.contains("Cancelled"), "{shown}");
    let config = sandbox.home().path().join(".config/twg");
    assert!(!config.join("auth.conf").exists());
}

#[test]
fn control_c_ends_every_prompt_and_stores_nothing() {
    let sandbox = Sandbox::start();
    let config = new_user(&sandbox);
    let login = twg(&sandbox, &["login", "--loopback"]);

    let screen = login.in_terminal();
    screen.wait_for("Client ID:");
    interrupted_at(&sandbox, screen);

    let mut screen = login.in_terminal();
    screen.wait_for("Client ID:");
    screen.send_line("twg-sandbox-device");
    screen.wait_for("Client secret");
    screen.wait_for_no_echo();
    screen.send("half a sec");
    interrupted_at(&sandbox, screen);
    assert!(!config.join("clients").exists(), "an incomplete client is not stored");

    let with_client = login.clone().env("TWG_CLIENT_ID", "twg-sandbox-device");
    let mut screen = with_client.in_terminal();
    screen.wait_for("paste it here");
    screen.wait_for(">");
    screen.send("http://half");
    interrupted_at(&sandbox, screen);
}

#[test]
fn control_c_ends_the_waiting_and_stores_nothing() {
    let sandbox = Sandbox::start();
    let _config = new_user(&sandbox);
    let login = twg(&sandbox, &["login", "--device"]).env("TWG_CLIENT_ID", "twg-sandbox-device");
    let screen = login.in_terminal();
    screen.wait_for("Waiting for approval");
    interrupted_at(&sandbox, screen);

    // Without a terminal, as in a script.
    for args in [["login", "--device"], ["login", "--loopback"]] {
        let login = sandbox.twg(args).start();
        let _shown = login.wait_for_address();
        login.interrupt();
        login.wait().expect_code(130).expect_stderr("Nothing was stored.");
    }
    assert!(!sandbox.config_dir().join("auth.conf").exists());
}

/// A42, A43: the user's browser gets the URL as exactly one argument, without a shell in between.
/// Incident: webbrowser RUSTSEC-2026-0257.
#[test]
fn the_browser_gets_one_argument() {
    let sandbox = Sandbox::start();
    let dir = sandbox.home().path().join("a dir");
    std::fs::create_dir(&dir).unwrap();
    let recorder = |path: &std::path::Path, into: &std::path::Path| {
        let script = format!(
            "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\n' \"$word\"; done > '{0}.part'\n\
             mv '{0}.part' '{0}'\n",
            into.display()
        );
        std::fs::write(path, script).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
    };
    let seen = sandbox.home().path().join("seen");
    let (spaced, plain) = (dir.join("my browser"), sandbox.home().path().join("browser"));
    recorder(&spaced, &seen);
    recorder(&plain, &seen);
    for (browser, before) in [
        (spaced.display().to_string(), vec![]),
        (format!("{} --new-window %s", plain.display()), vec!["--new-window"]),
        (format!("{} -a --url", plain.display()), vec!["-a", "--url"]),
        (format!("/nonexistent/x:{} %s", plain.display()), vec![]),
    ] {
        let login = sandbox.twg(["login", "--loopback", "--force"]);
        let login = login.env("TWG_BROWSER", &browser).env("BROWSER", "/bin/false").start();
        let address = login.wait_for_address();
        assert!(
            address.contains('&'),
            "the URL needs a character that is special in a shell: {address}"
        );
        sandbox.finish(login).expect_success();
        // The launcher may still run when the login is over.
        let words = wait_for_file(&seen);
        let mut expected: Vec<_> = before;
        expected.push(&address);
        assert_eq!(words.lines().collect::<Vec<_>>(), expected, "{browser}");
        std::fs::remove_file(&seen).unwrap();
    }
}

/// Waits for a file of another process. There is no event for it, so this polls.
fn wait_for_file(path: &std::path::Path) -> String {
    let deadline = std::time::Instant::now() + twg_tests::PATIENCE;
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} never came", path.display());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    std::fs::read_to_string(path).expect("a file of ours")
}

#[test]
fn a_browser_that_cannot_be_opened_does_not_end_the_login() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--loopback"]).env("TWG_BROWSER", "/nonexistent/browser");
    let login = login.start();
    login.wait_for_stderr(|text| text.contains("No browser was opened").then_some(()));
    sandbox.finish(login).expect_success().expect_stderr("/nonexistent/browser");
}

#[test]
fn without_a_terminal_a_form_in_the_browser_asks_for_the_client() {
    let sandbox = Sandbox::start();
    let config = new_user(&sandbox);
    // A browser that does nothing: the test plays the user in front of it.
    let login = twg(&sandbox, &["login", "--loopback"]).env("TWG_BROWSER", "/bin/true").start();
    let form = Browser::new().open(&login.wait_for_address());
    assert!(form.has_field("client_id") && form.has_field("client_secret"), "{form:?}");
    let (id, secret) = Sandbox::THREE_LO_CLIENT;
    let again = form.clone().fill("client_id", "two words").submit();
    assert!(again.has_field("client_id"), "asked again: {again:?}");
    let saved = again.fill("client_id", id).fill("client_secret", secret).submit();
    assert!(!saved.body.contains(secret) && saved.status == 200, "{saved:?}");
    let address = login.wait_for_stderr(|text| {
        let at = text.find("open this URL")?;
        let line = text[at..].lines().nth(1)?.trim().to_owned();
        (text.ends_with('\n') && line.starts_with("http")).then_some(line)
    });
    let _page = sandbox.approve(&Browser::new(), &address);
    let output = login.wait();
    output.expect_success();
    assert!(!output.stderr.contains(secret), "{output}");
    let stored = std::fs::read_to_string(config.join("clients/atlassian.conf")).unwrap();
    assert!(stored.contains(id) && stored.contains(secret), "{stored}");
}

/// There is no prompt without a terminal and a browser, with `--no-input`, and in CI.
#[test]
fn without_a_prompt_a_missing_client_is_an_error() {
    let sandbox = Sandbox::start();
    let _config = new_user(&sandbox);
    let login = twg(&sandbox, &["login"]);
    for refused in [
        login.clone(),
        login.clone().env("TWG_BROWSER", "/bin/true").arg("--no-input"),
        login.clone().env("TWG_BROWSER", "/bin/true").env("CI", "true"),
    ] {
        refused.run().expect_code(78).expect_stderr("No client ID").expect_stderr("TWG_CLIENT_ID");
        let json = refused.arg("--json").run();
        assert_eq!(json.expect_code(78).json()["error"]["code"], "CLIENT_REQUIRED");
    }
    assert!(sandbox.log().is_empty());
}
