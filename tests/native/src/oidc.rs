//! `oidc-provider`, a certified and independent authorization server. See
//! `tests/oidc-provider/server.mjs`.

use std::process::{Child, ChildStdin, Command, Stdio};

use crate::browser::{Browser, Page};
use crate::capture::Capture;
use crate::{PATIENCE, repository};

/// A running server with clients, no accounts (any name signs in) and no tokens yet. Stopped on
/// drop.
#[derive(Debug)]
pub struct OidcProvider {
    child: Child,
    stdin: Option<ChildStdin>,
    issuer: String,
}

impl OidcProvider {
    /// The public client: native, any loopback port.
    pub const PUBLIC_CLIENT: &str = "twg-oidc";
    /// The id and the secret of the client that authenticates with HTTP Basic.
    pub const BASIC_CLIENT: (&str, &str) =
        ("twg-oidc-basic", "a secret+with:odd%characters/and=32 more");
    /// The id and the secret of the client that authenticates in the form body.
    pub const POST_CLIENT: (&str, &str) =
        ("twg-oidc-post", "a-secret-that-is-sent-in-the-form-body");
    const INSPECTOR: (&str, &str) = ("inspector", "the-secret-of-the-tests-own-inspector");

    /// Starts a server.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with options of `server.mjs`, such as `["--access-token-ttl", "5"]`.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        let directory = repository().join("tests/oidc-provider");
        assert!(
            directory.join("node_modules").exists(),
            "oidc-provider is not installed: run tests/run, or npm ci in tests/oidc-provider"
        );
        let mut child = Command::new("node")
            .arg(directory.join("server.mjs"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start node: {error}"));
        let stdin = child.stdin.take();
        let stdout = Capture::of(child.stdout.take().expect("standard output is a pipe"));
        let line = stdout.wait_for(PATIENCE, |bytes| {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
        });
        let line =
            line.unwrap_or_else(|missing| panic!("oidc-provider did not start: {missing:?}"));
        let issuer = serde_json::from_str::<serde_json::Value>(&line)
            .ok()
            .and_then(|announced| Some(announced["issuer"].as_str()?.to_owned()))
            .unwrap_or_else(|| panic!("oidc-provider said {line:?}"));
        Self { child, stdin, issuer }
    }

    /// Its issuer identifier, which is also its root URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The absolute URL of one of its paths.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// A provider file with only its issuer, so that the rest is discovered.
    #[must_use]
    pub fn provider_file(&self) -> serde_json::Value {
        let host = self.issuer.trim_start_matches("http://");
        serde_json::json!({
            "schema_version": 1,
            "name": "oidc",
            "display_name": "OIDC Test",
            "issuer": self.issuer,
            "grants": ["authorization_code", "device_code"],
            "client": { "id": Self::PUBLIC_CLIENT, "secret": "optional" },
            "authorize_parameters": { "prompt": "consent" },
            "token_request_has_redirect_uri": true,
            "scopes": ["openid", "offline_access", "profile", "email"],
            "redirect": { "path": "/callback" },
            "revocation_ends_grant": false,
            "identity": {},
            "api_hosts": [host],
        })
    }

    /// Its metadata document.
    #[must_use]
    pub fn metadata(&self) -> serde_json::Value {
        Browser::new().open(&self.url("/.well-known/openid-configuration")).json()
    }

    /// Whether the server considers an access or refresh token active.
    #[must_use]
    pub fn is_active(&self, token: &str) -> bool {
        let url = self.url("/token/introspection");
        let answer = Browser::new().post_form(&url, &[("token", token)], Some(Self::INSPECTOR));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["active"].as_bool().expect("introspection tells whether a token is active")
    }

    /// The user of `browser` opens an authorization URL, signs in where asked to, and consents.
    /// Returns the page after the redirect.
    #[must_use]
    pub fn approve(&self, browser: &Browser, authorization_url: &str) -> Page {
        self.sign_in_and_consent(browser.open(authorization_url))
    }

    /// The user opens an authorization URL and declines.
    #[must_use]
    pub fn decline(&self, browser: &Browser, authorization_url: &str) -> Page {
        browser.open(authorization_url).click("Cancel")
    }

    /// The user opens the verification URI, enters the code, confirms, signs in and consents.
    #[must_use]
    pub fn approve_device(
        &self,
        browser: &Browser,
        verification_uri: &str,
        user_code: &str,
    ) -> Page {
        let entered = browser.open(verification_uri).fill("user_code", user_code).press("Continue");
        self.sign_in_and_consent(entered.press("Continue"))
    }

    /// The user opens the verification URI, enters the code and presses "Abort".
    #[must_use]
    pub fn decline_device(
        &self,
        browser: &Browser,
        verification_uri: &str,
        user_code: &str,
    ) -> Page {
        let entered = browser.open(verification_uri).fill("user_code", user_code).press("Continue");
        entered.press("Abort")
    }

    fn sign_in_and_consent(&self, mut page: Page) -> Page {
        if page.has_field("password") {
            page = page.fill("login", "ada").fill("password", "any").press("Sign-in");
        }
        let consents = page.url.as_str().starts_with(&self.issuer) && page.has_button("Continue");
        if consents { page.press("Continue") } else { page }
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        // It ends with its standard input; the kill only makes sure. Both calls fail only if it has
        // ended.
        drop(self.stdin.take());
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
