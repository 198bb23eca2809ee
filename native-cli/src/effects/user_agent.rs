//! The user agent (RFC 6749, section 1.2: "the resource owner's user-agent"): what opens URLs for the user.

use super::browser;
use crate::environment::env;

/// What opens URLs for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserAgent {
    /// The user's browser.
    Browser,
    /// `twg sandbox --approve`: twg fills in the sandbox's pages itself. Holds the sandbox's URL.
    SandboxApprover(String),
}

impl UserAgent {
    /// Opens a URL.
    ///
    /// # Errors
    /// Why no browser was opened, for people.
    pub(crate) async fn open(&self, url: &str) -> Result<(), String> {
        match self {
            Self::Browser => browser::open(url, &env).await.map_err(|reason| reason.to_string()),
            Self::SandboxApprover(base_url) => {
                let (url, base_url) = (url.to_owned(), base_url.clone());
                // It ends with the sign-in: its last request gets a response, or the listener is
                // gone.
                std::thread::spawn(move || {
                    // The command reports a failed sign-in.
                    let _ = twg_sandbox::approve(&url, &base_url);
                });
                Ok(())
            }
        }
    }
}
