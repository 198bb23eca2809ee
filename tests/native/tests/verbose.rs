//! `--verbose` prints each action, its target and its result. Every command accepts `--yes`.

use twg_tests::release::{Installed, Release, Releases};
use twg_tests::{Forge, Sandbox, TempHome};

#[test]
fn verbose_tells_each_effect_on_standard_error() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let quiet = sandbox.twg(["auth", "refresh", "--force"]).run();
    assert!(!quiet.expect_success().stderr.contains('·'), "{quiet}");
    let output = sandbox.twg(["auth", "refresh", "--force", "--verbose", "--json"]).run();
    let token = format!("· POST {}/oauth/token\n", sandbox.base_url());
    output.expect_success().expect_stderr(&token).expect_stderr("·   HTTP 200, ");
    for words in
        ["· Reading ", "· Locking ", "auth.conf.lock", "· Replacing ", "·   done, on disk ("]
    {
        output.expect_stderr(words);
    }
    assert_eq!(output.json()["result"], "refreshed", "standard output is data all the same");
    let record = sandbox.record();
    for secret in [Some(record.access_token()), record.refresh_token()].into_iter().flatten() {
        assert!(!output.stderr.contains(secret), "{output}");
    }
    // A query may hold private data.
    let api = sandbox.twg(["-v", "api", "/me?canary=1"]).run();
    assert!(api.stderr.contains("/me\n") && !api.stderr.contains("canary"), "{api}");
}

/// Also for requests outside the flows.
#[test]
fn verbose_shows_every_request() {
    let sandbox = Sandbox::start();
    sandbox.sign_in(&[]);
    let doctor = sandbox.twg(["doctor", "--verbose"]).run();
    for path in ["/.well-known/openid-configuration", "/me"] {
        doctor.expect_stderr(&format!("· GET {}{path}\n·   HTTP 200, ", sandbox.base_url()));
    }
    let (forge, home) = (Forge::start(), TempHome::new());
    forge.configure(&home);
    let setup = home.twg(["-v", "setup", "bitbucket", "--with-token", "--email", Forge::EMAIL]);
    let setup = setup.stdin(Forge::TOKEN).run();
    setup.expect_success().expect_stderr("/2.0/user\n·   HTTP 200, ");
    assert!(!setup.stderr.contains(Forge::TOKEN), "{setup}");
    let (releases, installed) = (Releases::start(), Installed::new());
    releases.publish(&Release::new("0.2.0"));
    let check = installed.twg(&releases, &["update", "--check", "--verbose"]).run();
    check.expect_success().expect_stderr("manifest.json.minisig\n·   HTTP 200, ");
}

#[test]
fn verbose_and_quiet_contradict_each_other() {
    let sandbox = Sandbox::start();
    sandbox.twg(["auth", "status", "--verbose", "--quiet"]).run().expect_code(2);
    sandbox.twg(["--yes", "auth", "status", "-v"]).run().expect_code(77);
}
