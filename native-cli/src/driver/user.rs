//! What a flow shows to its user and asks them for.

use twg_core::flow::{AuthorizationPrompt, DevicePrompt, Notice};
use twg_core::secret::Secret;
use twg_core::time::{Span, UnixTime};

use crate::advice::sentence;
use crate::effects::clock;
use crate::effects::terminal::Terminal;
use crate::person::Person;

/// The user of one flow.
pub(crate) trait User {
    /// Shows the URL and the code of a device authorization.
    fn show_user_code(&mut self, prompt: &DevicePrompt);

    /// Shows the URL of an authorization request.
    fn show_authorization(&mut self, prompt: &AuthorizationPrompt);

    /// Opens a URL. The URL is on the screen already, so the user can open it if this fails.
    async fn open(&mut self, url: &str);

    /// A URL that the user pastes. Waits forever if there is no user to ask.
    async fn pasted_url(&mut self, deadline: UnixTime) -> Secret;

    /// Shows a wait and its remaining time, in place of what this showed before.
    fn waiting(&mut self, what: &str, left: Span);

    /// Removes what [`User::waiting`] showed.
    fn done_waiting(&mut self);

    /// Shows an event.
    fn notify(&mut self, notice: &Notice);

    /// Narrates one step, with `--verbose`.
    fn narrate(&mut self, words: impl FnOnce() -> String);
}

impl User for Person {
    /// The URL and the code are always printed, even if a browser opens. So is the advice of RFC
    /// 8628 section 5.4 against a code that another person sent.
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
            // A countdown would overwrite what the user types.
            let left = prompt.deadline.since(clock::now());
            terminal.line(&format!(
                "Waiting {left} for the browser. If it runs on another machine, copy the URL the browser ends at \
                 (http://127.0.0.1...) and paste it here."
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
            Notice::StillTrying(trouble) => {
                terminal.warning(&format!("{}. Still trying.", sentence(trouble)))
            }
            Notice::Recovering => {
                terminal.warning("Waiting for an interrupted refresh to finish (20 s at most).");
            }
            Notice::DeviceGrantNotEnabled => terminal.warning(
                "This app may not sign in with a device code. Using the browser on this machine.",
            ),
            Notice::RecordSetAside { place, reason } => {
                terminal
                    .warning(&format!("{}; it was moved, unchanged, to {place}", sentence(reason)));
            }
        }
    }

    fn narrate(&mut self, words: impl FnOnce() -> String) {
        if self.verbose {
            self.terminal.remark(&words());
        }
    }
}

/// The URL to open: the one with the code, if the server sent one.
pub(super) fn url_of(prompt: &DevicePrompt) -> &str {
    prompt.verification_uri_complete.as_deref().unwrap_or(&prompt.verification_uri)
}

/// The first line on the terminal that looks like a URL.
async fn pasted_url(terminal: &mut Terminal) -> Secret {
    loop {
        match terminal.ask(">").await {
            Ok(line) if line.starts_with("http://") || line.starts_with("https://") => {
                return Secret::new(line);
            }
            Ok(line) if line.is_empty() => {}
            Ok(_) => terminal.line("That is not a URL."),
            // Ctrl-C arrives as a signal. Without a terminal there is no line to read.
            Err(_) => return std::future::pending().await,
        }
    }
}
