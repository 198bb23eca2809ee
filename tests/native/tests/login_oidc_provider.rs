//! Signing in to `oidc-provider`, an independent server, with a provider file: discovery, required
//! PKCE, rotation without leeway, and approval in the server's own pages.

use std::path::Path;

use twg_tests::{Browser, OidcProvider, Record, RunningTwg, TempHome, TwgOutput};
use url::Url;

struct Place {
    server: OidcProvider,
    home: TempHome,
}

impl Place {
    fn new() -> Self {
        let (server, home) = (OidcProvider::start(), TempHome::new());
        home.write_config("providers/oidc.json", server.provider_file().to_string());
        Self { server, home }
    }

    fn record(&self) -> Record {
        Record::read(&self.home.config_dir().join("connections/oidc/default.conf"))
    }

    fn finish(&self, login: RunningTwg) -> TwgOutput {
        let page = self.server.approve(&Browser::new(), &login.wait_for_address());
        assert_eq!(page.status, 200, "{page:?}");
        login.wait()
    }

    fn sign_in(&self, args: &[&str]) -> TwgOutput {
        let output = self.finish(self.home.twg(["login", "oidc", "--loopback"]).args(args).start());
        output.expect_success();
        output
    }
}

/// A2, A36, A48: a certified server checks PKCE and the redirect URI itself, and sends `iss`.
#[test]
fn a_user_signs_in_with_a_browser_here_and_signs_out() {
    let place = Place::new();
    let output = place.sign_in(&[]);
    output
        .expect_stderr("✔ Authentication successful!")
        .expect_stderr("✔ Authenticated as Ada Lovelace")
        .expect_stderr("✔ Credentials saved to ~/config/connections/oidc/default.conf");
    let record = place.record();
    let refresh = record.refresh_token().expect("rotation gives one").to_owned();
    assert!(place.server.is_active(record.access_token()) && place.server.is_active(&refresh));
    let twg = |args: &[&str]| place.home.twg(args).run();
    let token = twg(&["auth", "token", "oidc"]);
    assert_eq!(token.expect_success().stdout, format!("{}\n", record.access_token()));
    let who = twg(&["whoami", "oidc"]);
    assert!(who.expect_success().stdout.contains("Ada Lovelace"), "{who}");
    assert!(who.stdout.contains("ada@example.com"), "{who}");
    let status = twg(&["auth", "status", "oidc", "--json"]);
    assert_eq!(status.expect_success().json()["grant"], "authorization_code");

    let out = twg(&["logout", "oidc"]);
    out.expect_success()
        .expect_stderr("The refresh token was revoked at the server")
        .expect_stderr("The access token was revoked at the server")
        .expect_stderr("Signed out of oidc");
    assert!(!place.server.is_active(record.access_token()));
    assert!(!place.server.is_active(&refresh));
    twg(&["auth", "token", "oidc"]).expect_code(77).expect_stderr("`twg login oidc`");
}

#[test]
fn a_user_signs_in_with_a_device_code() {
    let place = Place::new();
    // The server's interval is the default of RFC 8628: five seconds.
    let login = place.home.twg(["login", "oidc", "--device"]).start();
    let complete = Url::parse(&login.wait_for_address()).unwrap();
    let code = complete.query_pairs().find(|(name, _)| name == "user_code").unwrap().1;
    let page = place.server.approve_device(&Browser::new(), &place.server.url("/device"), &code);
    assert!(page.text().contains("Sign-in Success"), "{page:?}");
    login.wait().expect_success().expect_stderr("✔ Authenticated as Ada Lovelace");
    assert!(place.server.is_active(place.record().access_token()));
}

#[test]
fn a_forced_login_revokes_the_login_that_it_replaced() {
    let place = Place::new();
    place.sign_in(&[]);
    let old = place.record();
    place.sign_in(&["--force"]);
    let new = place.record();
    assert!(!place.server.is_active(old.refresh_token().unwrap()));
    assert!(place.server.is_active(new.refresh_token().unwrap()));
    assert!(place.server.is_active(new.access_token()));
}

#[test]
fn a_user_declines() {
    let place = Place::new();
    place.sign_in(&[]);
    let before = place.record();
    let login = place.home.twg(["login", "oidc", "--loopback", "--force"]).start();
    let _page = place.server.decline(&Browser::new(), &login.wait_for_address());
    login
        .wait()
        .expect_code(1)
        .expect_stderr("you declined, or the request expired")
        .expect_stderr("unchanged");
    assert_eq!(place.record(), before);
    assert!(place.server.is_active(before.access_token()));
}

/// A12: the client authenticates in the one way that the provider file names, with RFC 6749's
/// encoding.
#[test]
fn confidential_clients_authenticate_as_the_provider_file_says() {
    for (method, (id, secret)) in [
        ("client_secret_basic", OidcProvider::BASIC_CLIENT),
        ("client_secret_post", OidcProvider::POST_CLIENT),
    ] {
        let place = Place::new();
        let mut file = place.server.provider_file();
        file["client"]["authentication"] = method.into();
        place.home.write_config("providers/oidc.json", file.to_string());
        let with_client = |command: twg_tests::TwgCommand| {
            command.env("TWG_OIDC_CLIENT_ID", id).env("TWG_OIDC_CLIENT_SECRET", secret)
        };
        let login = with_client(place.home.twg(["login", "oidc", "--loopback"])).start();
        place.finish(login).expect_success();
        let record = place.record();
        with_client(place.home.twg(["logout", "oidc"])).run().expect_success();
        assert!(!place.server.is_active(record.refresh_token().unwrap()));

        let wrong = with_client(place.home.twg(["login", "oidc", "--loopback"]));
        let wrong = wrong.env("TWG_OIDC_CLIENT_SECRET", "not-the-secret").start();
        let refused = place.finish(wrong);
        refused.expect_code(78).expect_stderr("invalid_client").expect_stderr("--new-client");
        assert!(!refused.stderr.contains("not-the-secret"), "{refused}");
    }
}

/// A64: the browser on this machine comes first. A device code comes first only where the browser
/// must be on another machine, and `--explain` says so.
#[test]
fn a_device_code_comes_first_only_where_the_browser_is_elsewhere() {
    let place = Place::new();
    let explain = place.home.twg(["login", "oidc", "--explain", "--json"]);
    let grants = |output: &TwgOutput| output.expect_success().json()["grants"].clone();

    let remote = explain.clone().env("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22").run();
    assert_eq!(grants(&remote), serde_json::json!(["device_code", "authorization_code"]));
    assert!(remote.json()["reasons"].to_string().contains("remote shell"), "{remote}");

    // The tests may run in a container, so this root directory has none of a container's marks.
    let elsewhere = place.home.path().join("root");
    let script = "mkdir \"$0\" && mount -t tmpfs none \"$0\" && for entry in /*; do
            if [ -h \"$entry\" ]; then cp -P \"$entry\" \"$0/\"
            elif [ \"$entry\" != /run ] && [ -d \"$entry\" ]; then
                mkdir \"$0$entry\" && mount --rbind \"$entry\" \"$0$entry\"
            fi
        done && exec chroot \"$0\" \"$@\"";
    let words = ["unshare", "-Urm", "sh", "-c", script];
    let words = words.iter().map(Path::new).chain([elsewhere.as_path()]);
    let local = explain.env("TWG_BROWSER", "/bin/true").behind(words).run();
    assert_eq!(grants(&local), serde_json::json!(["authorization_code", "device_code"]));
}
