//! Places where a user might get stuck: each message must name a next step, and that step must
//! work.

use twg_tests::Sandbox;

/// The server ended the session, and the stored token looks alive. Every command that notices it
/// names the remedy, the login is not tried again, and the remedy works.
#[test]
fn a_dead_token_leads_to_a_login_that_happens() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]).expect_success();
    sandbox.switch("sessions-revoked", "on");
    for command in [["whoami"], ["sites"]] {
        let dead = sandbox.twg(command).run();
        dead.expect_code(77)
            .expect_stderr("the server ended this connection")
            .expect_stderr("`twg login`");
    }
    let refreshes = sandbox.requests_to("/oauth/token");
    assert_eq!(refreshes.iter().filter(|r| r["grant_type"] == "refresh_token").count(), 1);
    sandbox.twg(["doctor"]).run().expect_code(1);
    sandbox.switch("sessions-revoked", "off");
    sandbox.sign_in(&[]).expect_success();
    sandbox.twg(["whoami"]).run().expect_success();
    let doctor = sandbox.twg(["doctor"]).run();
    assert!(doctor.expect_success().stdout.contains("✔ token"), "{doctor}");
}

/// `login` options count even if the user is already signed in.
#[test]
fn wishes_count_also_when_signed_in() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]).expect_success();
    let nowhere = sandbox.twg(["login", "--site", "nowhere"]).run();
    nowhere.expect_code(2).expect_stderr("No site 'nowhere'");
    let chosen = sandbox.twg(["login", "--site", "krystof-design"]).run();
    chosen.expect_success().expect_stderr("by default").expect_stderr("Already signed in");
    let other = sandbox.twg(["login", "--client-id", "another-client", "--device"]).run();
    other.expect_code(78).expect_stderr("client ID");
    let again = sandbox.twg(["login", "--new-client"]).run();
    again.expect_code(78).expect_stderr("No client ID");
    sandbox.twg(["whoami"]).run().expect_success();
}

/// A wrong new client costs nothing: the working one is still there. An unreadable client file is
/// kept beside the new one.
#[test]
fn a_wrong_new_client_does_not_replace_the_one_that_worked() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]).expect_success();
    let file = sandbox.config_dir().join("clients/atlassian.conf");
    let worked = std::fs::read(&file).unwrap();
    let mut screen = sandbox.twg(["login", "--new-client", "--device"]).in_terminal();
    screen.wait_for("Client ID:");
    screen.send_line("mistyped");
    screen.wait_for("Client secret");
    screen.wait_for_no_echo();
    screen.send_line("");
    assert_eq!(screen.wait().code(), Some(78), "{}", screen.screen());
    assert_eq!(std::fs::read(&file).unwrap(), worked);
    sandbox.sign_in(&["--force"]).expect_success();

    std::fs::write(&file, "torn").unwrap();
    let mut screen = sandbox.twg(["login", "--new-client", "--device"]).in_terminal();
    screen.wait_for("Client ID:");
    screen.send_line("twg-sandbox-device");
    screen.wait_for("Client secret");
    screen.wait_for_no_echo();
    screen.send_line("");
    screen.wait_for("moved, unchanged, to");
    let names = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
    let kept = names.filter(|entry| std::fs::read(entry.path()).unwrap() == b"torn").count();
    assert_eq!(kept, 1);
}

/// `--json` prints one document even if the command does two things.
#[test]
fn one_document_for_a_login_with_a_site() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--device", "--json", "--site", "nowhere"]).start();
    let refused = sandbox.finish(login);
    assert_eq!(
        refused.expect_code(2).json()["error"]["kept"],
        "You are signed in; no default site was chosen."
    );
    let used = sandbox.twg(["sites", "use", "krystof-design", "--json"]).run();
    assert_eq!(used.expect_success().json()["defaultSite"]["name"], "krystof-design");
    let login = sandbox.twg(["login", "--force", "--device", "--json", "--site", "krystof-design"]);
    let done = sandbox.finish(login.start());
    assert_eq!(done.expect_success().json()["ok"], true);
}

/// A rate limit under another name than RFC 8628's does not end a login, and slows the polls down.
#[test]
fn a_rate_limit_is_waited_for() {
    let sandbox = Sandbox::start_with(&["fault.poll=429:1*1"]);
    let login = sandbox.twg(["login", "--device"]).start();
    sandbox.finish(login).expect_success();
    let polls = sandbox.requests_to("/oauth/token");
    assert_eq!(polls[0]["status"], 429, "{polls:?}");
}

/// An unreadable record does not prevent the logout of the others.
#[test]
fn logout_of_all_goes_on() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]).expect_success();
    sandbox.sign_in(&["--connection", "work"]).expect_success();
    let newer = sandbox.config_dir().join("auth.conf");
    std::fs::write(&newer, r#"{"schema_version":99}"#).unwrap();
    let all = sandbox.twg(["logout", "--all"]).run();
    all.expect_code(78).expect_stderr("newer twg").expect_stderr("Signed out of atlassian/work");
    assert_eq!(std::fs::read_to_string(&newer).unwrap(), r#"{"schema_version":99}"#);
    let json = sandbox.twg(["logout", "--all", "--json"]).run();
    assert_eq!(json.expect_code(78).json()["connections"][0]["state"], "failed");
}
