//! Signing in to the sandbox with the built program, and the output of the commands after that.

use serde_json::Value;
use twg_tests::{Browser, Record, Sandbox, TempHome};
use url::Url;

/// A61, A65: URL and code are printed, with the advice of RFC 8628 section 5.4, and every command
/// uses the login.
#[test]
fn a_user_signs_in_with_a_device_code_and_every_command_knows_it() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--device"]).start();
    let address = login.wait_for_address();
    let page = Browser::new().open(&address);
    let code = Url::parse(&address)
        .unwrap()
        .query_pairs()
        .find_map(|(name, value)| (name == "user_code").then(|| value.into_owned()))
        .unwrap();
    login.wait_for_stderr(|text| text.contains("started this").then_some(()));
    assert!(login.stderr.text().contains(&format!("\n  {code}\n")), "{}", login.stderr.text());
    login.wait_for_stderr(|text| {
        text.contains("Only continue if you started this sign-in yourself.").then_some(())
    });
    assert!(page.text().contains("started this sign-in yourself"), "{page:?}");
    let end = sandbox.approve(&Browser::new(), &address);
    assert_eq!(end.status, 200, "{end:?}");
    let output = login.wait();
    output
        .expect_success()
        .expect_stderr("✔ Authentication successful!\n")
        .expect_stderr("✔ Authenticated as Mia Krystof\n")
        .expect_stderr("✔ Credentials saved to ~/config/sandbox/auth.conf\n");
    assert_eq!(output.stdout, "", "a login prints no data");

    let token = sandbox.record().access_token().to_owned();
    let printed = sandbox.twg(["auth", "token"]).run();
    assert_eq!(printed.expect_success().stdout, format!("{token}\n"));
    let name = sandbox.twg(["whoami"]).run();
    assert!(name.expect_success().stdout.starts_with("Mia Krystof\n"), "{name}");
    assert!(name.stdout.contains("mia@example.com"), "{name}");
    let sites = sandbox.twg(["sites"]).run();
    assert!(sites.expect_success().stdout.contains("krystof-design.atlassian.net"), "{sites}");
    let status = sandbox.twg(["auth", "status"]).run();
    assert!(status.expect_success().stdout.contains("works for 59 min"), "{status}");
    assert!(status.stdout.contains("Mia Krystof"), "{status}");

    sandbox.twg(["logout"]).run().expect_success();
    let none = sandbox.twg(["auth", "token"]).run();
    none.expect_code(77).expect_stderr("Not signed in").expect_stderr("`twg login`");
    assert_eq!(none.stdout, "");
    sandbox.twg(["auth", "status"]).run().expect_code(77);
    sandbox.twg(["whoami"]).run().expect_code(77);
    assert!(!sandbox.accepts(&token));
}

/// A56, A57: polls are at least one interval apart, including the first. `slow_down`, here with
/// Auth0's status 429, adds five seconds.
#[test]
fn polls_keep_their_distance_and_slow_down_on_request() {
    let sandbox = Sandbox::start_with(&["slow-down=once"]);
    let login = sandbox.twg(["login", "--device"]).start();
    sandbox.finish(login).expect_success();
    let at = |entry: &Value| entry["at"].as_u64().unwrap();
    let code = &sandbox.requests_to("/oauth/device/code")[0];
    let polls = sandbox.requests_to("/oauth/token");
    let statuses: Vec<_> = polls.iter().map(|poll| poll["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [429, 200], "{polls:?}");
    assert!(at(&polls[0]) - at(code) >= 1000, "{polls:?}");
    assert!(at(&polls[1]) - at(&polls[0]) >= 6000, "{polls:?}");
}

#[test]
fn pending_is_waited_out_with_the_statuses_of_auth0_and_of_the_rfc() {
    for (errors, status) in [("auth0", 403), ("rfc", 400)] {
        let sandbox = Sandbox::start_with(&[&format!("device-errors={errors}")]);
        let login = sandbox.twg(["login", "--device"]).start();
        let address = login.wait_for_address();
        let polls = sandbox.wait_for_requests_to("/oauth/token", 1);
        assert_eq!(polls[0]["status"], status, "{polls:?}");
        let _done = sandbox.approve(&Browser::new(), &address);
        login.wait().expect_success();
    }
}

/// A58, A60: a refusal ends the polling, and no new code is requested.
#[test]
fn a_user_declines_or_is_late() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--device"]).start();
    let _declined = sandbox.decline(&Browser::new(), &login.wait_for_address());
    login
        .wait()
        .expect_code(1)
        .expect_stderr("you declined, or the request expired")
        .expect_stderr("Nothing was stored.")
        .expect_stderr("`twg login`");
    assert_eq!(sandbox.requests_to("/oauth/token").len(), 1);

    sandbox.clear_log();
    sandbox.switch("device-expires", "1");
    let late = sandbox.twg(["login", "--device", "--json"]).run();
    late.expect_code(1);
    assert_eq!(late.json()["error"]["code"], "LOGIN_TIMED_OUT");
    assert_eq!(sandbox.requests_to("/oauth/device/code").len(), 1, "one code, and no second");

    let login = sandbox.twg(["login", "--loopback"]).start();
    let _declined = sandbox.decline(&Browser::new(), &login.wait_for_address());
    login
        .wait()
        .expect_code(1)
        .expect_stderr("you declined, or the request expired")
        .expect_stderr("Nothing was stored.");
    assert!(!sandbox.config_dir().join("auth.conf").exists());
}

/// A45: a shipped or shared secret protects nothing, so a client with a secret must use PKCE too.
#[test]
fn a_client_with_a_secret_uses_pkce_too() {
    let sandbox = Sandbox::start_with(&["pkce-required=on"]);
    sandbox.use_client(Sandbox::THREE_LO_CLIENT);
    let login = sandbox.twg(["login", "--loopback"]).start();
    let address = login.wait_for_address();
    assert!(address.contains("code_challenge_method=S256"), "{address}");
    sandbox.finish(login).expect_success();
}

#[test]
fn a_client_without_the_device_grant_signs_in_with_the_browser_from_then_on() {
    let sandbox = Sandbox::start();
    sandbox.use_client(Sandbox::THREE_LO_CLIENT);
    let output = sandbox.finish(sandbox.twg(["login"]).start());
    output.expect_success().expect_stderr("may not sign in with a device code");
    assert_eq!(sandbox.requests_to("/oauth/device/code").len(), 1);

    let plan = sandbox.twg(["login", "--explain"]).run();
    let told = &plan.expect_success().stdout;
    assert!(told.contains("refused a device code to this client before"), "{plan}");
    assert!(told.contains("loopback") && !told.contains("device code, else"), "{plan}");
    let again = sandbox.finish(sandbox.twg(["login", "--force"]).start());
    again.expect_success();
    assert!(!again.stderr.contains("device code"), "{again}");
    assert_eq!(sandbox.requests_to("/oauth/device/code").len(), 1, "not tried again");
}

#[test]
fn a_user_who_is_signed_in_is_not_asked_again() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let before = sandbox.record();
    sandbox.clear_log();
    let output = sandbox.twg(["login"]).run();
    output.expect_success().expect_stderr("Already signed in as Mia Krystof");
    output.expect_stderr("`twg login --force`");
    assert_eq!(sandbox.log(), Vec::<Value>::new());
    assert_eq!(sandbox.record(), before);
}

#[test]
fn a_forced_login_keeps_the_old_credential_until_the_new_one_is_saved() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let before = sandbox.record();

    let declined = sandbox.twg(["login", "--force", "--loopback"]).start();
    let _page = sandbox.decline(&Browser::new(), &declined.wait_for_address());
    declined.wait().expect_code(1).expect_stderr("Your earlier sign-in is unchanged.");
    assert_eq!(sandbox.record(), before);
    assert!(sandbox.accepts(before.access_token()));

    let cancelled = sandbox.twg(["login", "--force", "--device"]).start();
    let _shown = cancelled.wait_for_address();
    cancelled.interrupt();
    cancelled.wait().expect_code(130).expect_stderr("Your earlier sign-in is unchanged.");
    assert_eq!(sandbox.record(), before);
    sandbox.twg(["whoami"]).run().expect_success();

    sandbox.sign_in(&["--force"]);
    let after = sandbox.record();
    assert_ne!(after.access_token(), before.access_token());
    assert!(after.generation() > before.generation());
    assert!(sandbox.accepts(after.access_token()));
}

#[test]
fn two_logins_at_once_both_finish() {
    let sandbox = Sandbox::start();
    let logins = [(); 2].map(|()| sandbox.twg(["login", "--loopback"]).start());
    let addresses = logins.each_ref().map(|login| login.wait_for_address());
    for address in &addresses {
        assert_eq!(sandbox.approve(&Browser::new(), address).status, 200);
    }
    for login in logins {
        login.wait().expect_success();
    }
    let record = sandbox.record();
    // Each saved its login. Only the last one also saved the account.
    assert!((3..=4).contains(&record.generation()), "{record:?}");
    assert!(sandbox.accepts(record.access_token()));
    sandbox.twg(["whoami"]).run().expect_success();
}

#[test]
fn connections_are_apart() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    sandbox.sign_in(&["--connection", "work"]).expect_stderr("connections/atlassian/work.conf");
    let work = Record::read(&sandbox.config_dir().join("connections/atlassian/work.conf"));
    let printed = sandbox.twg(["auth", "token", "--connection", "work"]).run();
    assert_eq!(printed.expect_success().stdout, format!("{}\n", work.access_token()));
    assert_ne!(work.access_token(), sandbox.record().access_token());
    let missing = sandbox.twg(["auth", "token", "--connection", "home"]).run();
    missing.expect_code(77).expect_stderr("`twg login --connection home`");
    sandbox.switch("revoke-ends-grant", "off");
    sandbox.twg(["logout", "--connection", "work"]).run().expect_success();
    sandbox.twg(["auth", "token"]).run().expect_success();
    for name in ["../x", "A", "", "a/b", "con\u{1b}[2J"] {
        let refused = sandbox.twg(["login", "--connection", name]).run();
        refused.expect_code(2);
        assert!(!refused.stderr.contains('\u{1b}'), "{refused}");
    }
}

fn scope_asked(address: &str) -> String {
    let url = Url::parse(address).expect("an address");
    url.query_pairs().find(|(name, _)| name == "scope").expect("it asks for scopes").1.into_owned()
}

/// A15: only scopes from the profile or the user are requested.
#[test]
fn scopes_are_those_of_the_profile_or_those_that_were_named() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "--loopback"]).start();
    let profile = &sandbox.provider_file()["scopes"];
    let profile: Vec<_> =
        profile.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    assert_eq!(scope_asked(&login.wait_for_address()), profile.join(" "));
    drop(login);
    for named in ["offline_access,read:me", "offline_access read:me", " offline_access, read:me,"] {
        let login = sandbox.twg(["login", "--loopback", "--force", "--scopes", named]).start();
        assert_eq!(scope_asked(&login.wait_for_address()), "offline_access read:me");
        sandbox.finish(login).expect_success();
        assert!(sandbox.record().scopes().contains(&"read:me"));
    }
    let refused = sandbox.twg(["login", "--force", "--scopes", "read:me \"x"]).run();
    refused.expect_code(78).expect_stderr("not a scope");
}

/// A20: the record stores the granted scopes.
#[test]
fn narrowed_scopes_and_a_missing_refresh_token_are_reported() {
    let sandbox = Sandbox::start_with(&["narrow-scopes=write:jira-work", "omit=refresh_token"]);
    let output = sandbox.sign_in(&[]);
    output.expect_stderr("Not granted: write:jira-work").expect_stderr("no refresh token");
    let record = sandbox.record();
    assert!(!record.scopes().contains(&"write:jira-work"), "{:?}", record.scopes());
    assert_eq!(record.refresh_token(), None);
    // A missing scope is worth another sign-in; a granted one is not.
    sandbox.twg(["login", "--scopes", "read:me"]).run().expect_stderr("Already signed in");
    let status = sandbox.twg(["auth", "status", "--json"]).run();
    assert_eq!(status.json()["hasRefreshToken"], false);
}

#[test]
fn a_login_that_reaches_no_site_says_so() {
    let sandbox = Sandbox::start_with(&["sites=none"]);
    sandbox.sign_in(&[]).expect_stderr("has no site");
    let sites = sandbox.twg(["sites"]).run();
    assert_eq!(sites.expect_success().stdout, "");
    sites.expect_stderr("`twg login --force`").expect_stderr("has no site");
    sandbox.twg(["sites", "use", "krystof-design"]).run().expect_code(2).expect_stderr("no site");
}

#[test]
fn a_site_can_be_the_default() {
    let sandbox = Sandbox::start_with(&["sites=all"]);
    sandbox.sign_in(&["--site", "krystof-design"]).expect_stderr("krystof-design.atlassian.net");
    let id = sandbox.record().members()["default_site"].clone();
    assert_eq!(id, "1324a887-45db-1bf4-1e99-ef0ff456d421");
    sandbox.twg(["sites", "use", "https://krystof-support.atlassian.net/"]).run().expect_success();
    let sites = sandbox.twg(["sites", "--json"]).run().json();
    assert_eq!(sites["defaultSite"], "8594f221-9797-5f78-1fa4-485e198d7cd0");
    let unknown = sandbox.twg(["sites", "use", "elsewhere"]).run();
    unknown.expect_code(2).expect_stderr("elsewhere").expect_stderr("krystof-support");
}

/// Inside the sandbox, every command in a remark, a remedy or an error begins with `twg sandbox`.
/// The command without it would sign in elsewhere.
#[test]
fn inside_the_sandbox_every_hint_is_for_the_sandbox() {
    let home = TempHome::new();
    let twg = |words: &[&str]| home.twg(["sandbox"]).args(words).run();
    let signed_out = [
        twg(&["auth", "process"]),
        twg(&["auth", "exec-credential"]),
        twg(&["auth", "token"]),
        twg(&["doctor"]),
        twg(&["auth", "token", "--json"]),
    ];
    twg(&["--approve", "login", "--connection", "w2"]).expect_success();
    let revoked = twg(&["--switch", "sessions-revoked=on", "doctor", "--connection", "w2"]);
    revoked.expect_stderr("Run `twg sandbox login --connection w2 --force` to sign in again.");
    let nowhere = twg(&["--switch", "sites=none", "sites", "--connection", "w2"]);
    for output in signed_out.iter().chain([&revoked, &nowhere]) {
        let said = output.stdout.clone() + &output.stderr;
        assert!(said.contains("`twg sandbox login"), "{output}");
        assert!(!said.replace("`twg sandbox ", "").contains("`twg "), "{output}");
    }
}

/// For an unknown provider, the remedy is not a sign-in.
#[test]
fn an_unknown_provider_is_an_error_at_once() {
    let home = TempHome::new();
    for words in [&["auth", "token"][..], &["auth", "refresh"], &["auth", "process"]] {
        let output = home.twg(words).arg("nope").run();
        output.expect_code(2).expect_stderr("There is no provider 'nope'");
    }
}

#[test]
fn the_sandbox_approves_with_approve() {
    let home = TempHome::new();
    let login = ["sandbox", "--approve", "--switch", "device-interval=1", "login"];
    home.twg(login).run().expect_success().expect_stderr("✔ Authenticated as Mia Krystof");
    let loopback = ["sandbox", "--approve", "login", "--force", "--loopback"];
    home.twg(loopback).run().expect_success();
    let who = home.twg(["sandbox", "whoami"]).run();
    assert!(who.expect_success().stdout.contains("Mia Krystof"), "{who}");
    let token = home.twg(["sandbox", "auth", "token"]).run();
    let same = home.twg(["auth", "token"]).env("TWG_CONFIG_DIR", home.config_dir().join("sandbox"));
    assert_eq!(same.run().expect_success().stdout, token.expect_success().stdout);
}

#[test]
fn the_bundled_bitbucket_works_too() {
    let sandbox = Sandbox::start();
    let login = sandbox.twg(["login", "bitbucket"]).start();
    sandbox.finish(login).expect_success().expect_stderr("connections/bitbucket/default.conf");
    let token = sandbox.twg(["auth", "token", "bitbucket"]).run();
    assert!(token.expect_success().stdout.len() > 20, "{token}");
    let who = sandbox.twg(["whoami", "bitbucket"]).run();
    assert!(who.expect_success().stdout.starts_with("Mia Krystof"), "{who}");
    sandbox.twg(["auth", "token"]).run().expect_code(77);
}

#[test]
fn the_plan_says_what_would_be_done_and_does_nothing() {
    let sandbox = Sandbox::start();
    let explain = |args: &[&str], env: (&str, &str)| {
        let command = sandbox.twg(["login", "--explain", "--json"]).args(args);
        command.env(env.0, env.1).run().expect_success().json()
    };
    let plan = explain(&[], ("TWG_BROWSER", "/bin/true"));
    assert_eq!(
        (&plan["opensBrowser"], &plan["clientSource"]),
        (&true.into(), &"client file".into())
    );
    let plan = explain(&["--no-browser"], ("TWG_BROWSER", "/bin/true"));
    assert_eq!(plan["opensBrowser"], false);
    assert!(plan["reasons"].to_string().contains("--no-browser"), "{plan}");
    let plan = explain(&[], ("CI", "true"));
    assert_eq!(plan["opensBrowser"], false);
    let plan = explain(&["--loopback"], ("CLAUDECODE", "1"));
    assert_eq!(plan["grants"], serde_json::json!(["authorization_code"]));
    assert!(plan["reasons"].to_string().contains("Claude Code"), "{plan}");
    let plan = explain(&["--client-id", "other"], ("SSH_AUTH_SOCK", "/x"));
    assert_eq!(
        (&plan["clientId"], &plan["clientSource"]),
        (&"other".into(), &"--client-id".into())
    );
    assert!(sandbox.log().is_empty());
}
