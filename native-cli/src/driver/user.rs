//! What a flow shows to its user, and asks of them.

use twg_core::flow::{AuthorizationPrompt, DevicePrompt, Notice};
use twg_core::secret::Secret;
use twg_core::time::{Span, UnixTime};

use crate::effects::clock;
use crate::effects::terminal::Terminal;
use crate::person::Person;

/// The user of one flow.
pub(crate) trait User {
    /// Shows the URL and the code of a device authorization.
    fn show_user_code(&mut self, prompt: &DevicePrompt);

    /// Shows the URL of an authorization request.
    fn show_authorization(&mut self, prompt: &AuthorizationPrompt);

    /// Opens a URL that is shown already. If that fails, the user can still open it.
    async fn open(&mut self, url: &str);

    /// A URL that the user pastes. Waits forever where no user can.
    async fn pasted_url(&mut self, deadline: UnixTime) -> Secret;

    /// Shows what is waited for and how long it may still take, in place of what this showed before.
    fn waiting(&mut self, what: &str, left: Span);

    /// Removes what [`User::waiting`] showed.
    fn done_waiting(&mut self);

    /// Shows what happened meanwhile.
    fn notify(&mut self, notice: &Notice);

    /// Tells one step in words, with `--verbose`.
    fn narrate(&mut self, words: impl FnOnce() -> String);
}

impl User for Person {
    /// The URL and the code are always printed, also where a browser opens, and always with the advice of RFC 8628
    /// section 5.4 against codes that another person sent.
    fn show_user_code(&mut self, prompt: &DevicePrompt) {
        let (url, terminal) = (url_of(prompt), &mut self.terminal);
        let code = terminal.bold(&prompt.user_code);
        terminal.line("To sign in, open this URL in a browser on any device:");
        terminal.line(&format!("  {url}"));
        terminal.line(if url == prompt.verification_uri {
            "and enter this code:"
        } else {
            "and check that it shows this code:"
        });
        terminal.line(&format!("  {code}"));
        terminal.line("Only continue if you started this sign-in yourself.");
    }

    fn show_authorization(&mut self, prompt: &AuthorizationPrompt) {
        let terminal = &mut self.terminal;
        terminal.line("To sign in, open this URL in a browser on this machine:");
        terminal.line(&format!("  {}", prompt.url));
        if terminal.can_ask() {
            // Where something may be typed no countdown can run.
            let left = prompt.deadline.since(clock::now());
            terminal.line(&format!(
                "Waiting {left} for the browser. If it runs on another machine, copy the URL that it ends at \
                 (http://127.0.0.1...), paste it here and press Enter."
            ));
        }
    }

    async fn open(&mut self, url: &str) {
        Self::open(self, url).await;
    }

    async fn pasted_url(&mut self, deadline: UnixTime) -> Secret {
        if self.may_ask && self.terminal.can_ask() {
            return pasted_url(&mut self.terminal).await;
        }
        clock::wait_until(UnixTime::from_millis(u64::MAX), |_| {
            self.terminal.waiting("Waiting for the browser", deadline.since(clock::now()));
        })
        .await;
        std::future::pending().await
    }

    fn waiting(&mut self, what: &str, left: Span) {
        self.terminal.waiting(what, left);
    }

    fn done_waiting(&mut self) {
        self.terminal.done_waiting();
    }

    fn notify(&mut self, notice: &Notice) {
        let terminal = &mut self.terminal;
        match notice {
            Notice::RedirectIgnored => terminal
                .warning("Ignored a redirect that does not belong to this sign-in. Still waiting."),
            Notice::StillTrying(trouble) => terminal.warning(&format!("{trouble}. Still trying.")),
            Notice::Recovering => {
                terminal.warning("Waiting for an interrupted refresh to finish (20 s at most).");
            }
            Notice::DeviceGrantNotEnabled => terminal.warning(
                "This app may not sign in with a device code. Using the browser on this machine instead.",
            ),
            Notice::RecordSetAside { place, reason } => {
                terminal.warning(&format!("{reason}; it was moved, unchanged, to {place}"));
            }
        }
    }

    fn narrate(&mut self, words: impl FnOnce() -> String) {
        if self.verbose {
            self.terminal.remark(&words());
        }
    }
}

/// The URL to open: the one that holds the code, if there is one.
pub(super) fn url_of(prompt: &DevicePrompt) -> &str {
    prompt.verification_uri_complete.as_deref().unwrap_or(&prompt.verification_uri)
}

/// A line on the terminal that looks like a URL.
async fn pasted_url(terminal: &mut Terminal) -> Secret {
    loop {
        match terminal.ask(">").await {
            Ok(line) if line.starts_with("http://") || line.starts_with("https://") => {
                return Secret::new(line);
            }
            Ok(line) if line.is_empty() => {}
            Ok(_) => terminal.line("That is not a URL."),
            // Ctrl-C arrives as a signal; without a terminal there is nothing to read.
            Err(_) => return std::future::pending().await,
        }
    }
}
