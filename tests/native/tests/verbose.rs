//! `--verbose` says what is done, where and how it ended; `--yes` is taken everywhere.

use twg_tests::Sandbox;

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
        ["· reading ", "· locking ", "auth.conf.lock", "· replacing ", "·   done, on the disk ("]
    {
        output.expect_stderr(words);
    }
    assert_eq!(output.json()["result"], "refreshed", "standard output is data all the same");
    let record = sandbox.record();
    for secret in [Some(record.access_token()), record.refresh_token()].into_iter().flatten() {
        assert!(!output.stderr.contains(secret), "{output}");
    }
    // A query is nobody's business.
    let api = sandbox.twg(["-v", "api", "/me?canary=1"]).run();
    assert!(api.stderr.contains("/me\n") && !api.stderr.contains("canary"), "{api}");
}

#[test]
fn verbose_and_quiet_contradict_each_other() {
    let sandbox = Sandbox::start();
    sandbox.twg(["auth", "status", "--verbose", "--quiet"]).run().expect_code(2);
    sandbox.twg(["--yes", "auth", "status", "-v"]).run().expect_code(77);
}
