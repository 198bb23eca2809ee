//! A `twg sandbox serve`, the user in front of its pages, and `twg` that connects to it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::PATIENCE;
use crate::browser::{Browser, Page};
use crate::home::TempHome;
use crate::record::Record;
use crate::twg::{RunningTwg, TwgCommand, TwgOutput};

/// A running sandbox and the home directory with its state. Killed on drop.
///
/// Device codes may be polled every second, and any port of the redirect URI is registered, so that
/// tests neither wait nor disturb each other.
#[derive(Debug)]
pub struct Sandbox {
    home: TempHome,
    base_url: String,
    _server: RunningTwg,
}

impl Sandbox {
    /// The confidential client: no device grant.
    pub const THREE_LO_CLIENT: (&str, &str) = ("twg-sandbox-3lo", "sandbox-3lo-secret");
    /// The name of its only user.
    pub const USER: &str = "Mia Krystof";

    /// Starts a sandbox.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a sandbox with these switches, each `name=value`.
    #[must_use]
    pub fn start_with(switches: &[&str]) -> Self {
        let home = TempHome::new();
        let mut serve = home.twg(["sandbox", "--switch", "device-interval=1,redirect-port=any"]);
        for switch in switches {
            serve = serve.args(["--switch", switch]);
        }
        let server = serve.arg("serve").start();
        let base_url = server.stdout.wait_for(PATIENCE, |bytes| {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
        });
        let base_url = base_url.unwrap_or_else(|missing| {
            panic!("the sandbox did not start ({missing:?}): {}", server.stderr.text())
        });
        Self { home, base_url, _server: server }
    }

    /// Its URL, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The home directory.
    #[must_use]
    pub const fn home(&self) -> &TempHome {
        &self.home
    }

    /// The configuration directory that it made for `twg`: providers, clients and records.
    #[must_use]
    pub fn config_dir(&self) -> PathBuf {
        self.home.config_dir().join("sandbox")
    }

    /// `twg` with these arguments, for this sandbox.
    #[must_use]
    pub fn twg<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> TwgCommand {
        self.home.twg(args).env("TWG_CONFIG_DIR", self.config_dir())
    }

    /// `twg login` in the browser on this machine, with these further arguments, approved.
    #[track_caller]
    pub fn sign_in(&self, args: &[&str]) -> TwgOutput {
        let output = self.finish(self.twg(["login", "--loopback"]).args(args).start());
        output.expect_success();
        output
    }

    /// Lets the user approve a running login, and waits for its end.
    #[must_use]
    pub fn finish(&self, login: RunningTwg) -> TwgOutput {
        let _done = self.approve(&Browser::new(), &login.wait_for_address());
        login.wait()
    }

    /// The user opens a URL of the sandbox and accepts everything. Returns the last page.
    #[must_use]
    pub fn approve(&self, browser: &Browser, address: &str) -> Page {
        Self::decide(browser.open(address), "Accept")
    }

    /// The user goes through the pages up to the permissions, and declines.
    #[must_use]
    pub fn decline(&self, browser: &Browser, address: &str) -> Page {
        Self::decide(browser.open(address), "Deny")
    }

    fn decide(mut page: Page, last: &str) -> Page {
        while !page.has_button(last) {
            if !page.has_button("Continue") {
                return page;
            }
            page = page.press("Continue");
        }
        page.press(last)
    }

    /// Sets a switch of the running sandbox.
    #[track_caller]
    pub fn switch(&self, name: &str, value: &str) {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("name", name), ("value", value)])
            .finish();
        let answer = self.control("POST", &format!("switch?{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Moves the sandbox's clock forward.
    pub fn advance(&self, seconds: u64) {
        assert_eq!(self.control("POST", &format!("advance?seconds={seconds}")).status, 200);
    }

    /// The requests so far, without secrets: `method`, `path`, `grant_type`, `status`, `at`, ...
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        self.control("GET", "log").json().as_array().expect("a list").clone()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        assert_eq!(self.control("DELETE", "log").status, 200);
    }

    /// The requests to this path so far.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> Vec<Value> {
        self.log().into_iter().filter(|entry| entry["path"] == path).collect()
    }

    /// Waits until this many requests to this path have their responses.
    ///
    /// The sandbox has no event for requests, so this polls.
    #[track_caller]
    #[must_use]
    pub fn wait_for_requests_to(&self, path: &str, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let requests = self.requests_to(path);
            if requests.len() >= count {
                return requests;
            }
            assert!(Instant::now() < deadline, "{} of {count}: {requests:?}", requests.len());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The sandbox's logins, with those that have ended.
    #[must_use]
    pub fn grants(&self) -> Vec<Value> {
        self.control("GET", "grants").json().as_array().expect("a list").clone()
    }

    /// Whether it accepts this access token.
    #[must_use]
    pub fn accepts(&self, access_token: &str) -> bool {
        let bearer = format!("Bearer {access_token}");
        let url = format!("{}/me", self.base_url);
        Browser::new().request("GET", &url, &[("authorization", &bearer)], "").status == 200
    }

    /// The record of the default connection.
    #[track_caller]
    #[must_use]
    pub fn record(&self) -> Record {
        Record::read(&self.config_dir().join("auth.conf"))
    }

    /// Changes the record directly, without twg.
    pub fn change_record(&self, change: impl FnOnce(&mut Value)) {
        let mut record = self.record().members().clone();
        change(&mut record);
        std::fs::write(self.config_dir().join("auth.conf"), record.to_string())
            .expect("it can be written");
    }

    /// Makes the stored tokens this much older, as if that time had passed here. The server's clock
    /// stays.
    pub fn age_tokens(&self, seconds: u64) {
        self.change_record(|record| {
            for time in ["issued_at", "expires_at"] {
                let then = record["tokens"][time].as_u64().expect("a time") - seconds * 1000;
                record["tokens"][time] = then.into();
            }
        });
    }

    /// The refresh requests so far.
    #[must_use]
    pub fn refreshes(&self) -> Vec<Value> {
        let requests = self.requests_to("/oauth/token").into_iter();
        requests.filter(|entry| entry["grant_type"] == "refresh_token").collect()
    }

    /// The bundled provider file with the sandbox's URLs, for a test to change.
    #[must_use]
    pub fn provider_file(&self) -> Value {
        let path = self.config_dir().join("providers/atlassian.json");
        let text = std::fs::read_to_string(path).expect("the sandbox wrote it");
        serde_json::from_str(&text).expect("the sandbox wrote JSON")
    }

    /// Replaces the provider file of the sandbox's configuration directory.
    pub fn change_provider(&self, change: impl FnOnce(&mut Value)) {
        let mut provider = self.provider_file();
        change(&mut provider);
        let path = self.config_dir().join("providers/atlassian.json");
        std::fs::write(path, provider.to_string()).expect("it can be written");
    }

    /// Makes `twg` use this client with the sandbox.
    pub fn use_client(&self, (id, secret): (&str, &str)) {
        let file = serde_json::json!({
            "schema_version": 1, "client_id": id, "client_secret": secret,
        });
        let path = self.config_dir().join("clients/atlassian.conf");
        std::fs::write(path, file.to_string()).expect("it can be written");
    }

    fn control(&self, method: &str, what: &str) -> Page {
        let url = format!("{}/_sandbox/{what}", self.base_url);
        Browser::new().request(method, &url, &[("x-twg-sandbox", "control")], "")
    }
}
