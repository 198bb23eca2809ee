//! The one loop that performs effects. It decides nothing: what to do comes from a flow, how to do it
//! stands in `effects/`.

#[doc(hidden)]
pub mod for_benches;
mod narration;

use std::time::Instant;

use twg_core::credential::ConnectionKey;
use twg_core::flow::{
    AuthorizationPrompt, DevicePrompt, Effect, Flow, Notice, Outcome, RedirectTarget, Step,
    StoreError, StoreErrorKind, UserAgentError,
};
use twg_core::http::{HttpRequest, HttpResponse, TransportError};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use crate::context::Context;
use crate::effects::http::HttpClient;
use crate::effects::lock::{self, Lock};
use crate::effects::loopback::RedirectListener;
use crate::effects::stage::{self, Stage};
use crate::effects::store::Expected;
use crate::effects::terminal::Terminal;
use crate::effects::{clock, recovery};
use crate::failure::Failure;
use crate::system::interrupt::Interrupts;

/// Waits for a person outside of any flow. Ctrl-C ends it in the same way as a flow.
pub(crate) async fn interruptible<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    watch_for_signals()?.or(work).await.map_err(|_signal| Failure::interrupted())
}

fn watch_for_signals() -> Result<Interrupts, Failure> {
    Interrupts::take_over()
        .map_err(|error| Failure::internal(format!("cannot watch for signals: {error}")))
}

/// Sends one request outside of any flow; with `--verbose`, tells it as it is told in one. Ctrl-C ends it.
///
/// # Errors
/// Interrupted; inside, as of [`HttpClient::send`].
pub(crate) async fn send(
    context: &mut Context,
    request: HttpRequest,
) -> Result<Result<HttpResponse, TransportError>, Failure> {
    send_watched(context, request, |_, _| {}).await
}

/// As [`send`]. `watch` is told how many bytes of the body there are, again and again.
///
/// # Errors
/// As there.
pub(crate) async fn send_watched(
    context: &mut Context,
    request: HttpRequest,
    mut watch: impl FnMut(&mut Terminal, usize),
) -> Result<Result<HttpResponse, TransportError>, Failure> {
    if context.verbose {
        context.terminal.remark(&narration::sending(&request));
    }
    let begun = Instant::now();
    let terminal = &mut context.terminal;
    let http = HttpClient::new();
    let mut watch = |bytes| watch(terminal, bytes);
    let answer = interruptible(http.send_watched(request, &mut watch)).await;
    context.terminal.done_waiting();
    let answer = answer?;
    if context.verbose {
        context.terminal.remark(&narration::took(&narration::answer(&answer), begun.elapsed()));
    }
    Ok(answer)
}

/// Runs a flow to its end.
///
/// Ctrl-C ends it between or during effects; what the flow holds (lock, listener, connection) is
/// released by being dropped. While a refresh token may be spent and its successor is not safe, the
/// signal waits: it is heard before the next effect that may be interrupted, or at the end.
pub(crate) async fn drive<F: Flow>(
    context: &mut Context,
    http: &HttpClient,
    mut flow: F,
) -> Result<F::Output, Failure> {
    if context.interrupted {
        return Err(Failure::interrupted());
    }
    let mut interrupts = watch_for_signals()?;
    let mut shell = Shell {
        context,
        http,
        lock: None,
        stage: None,
        listener: None,
        approval_until: None,
        armed: false,
    };
    let misuse = |misuse| Failure::internal(format!("a defect of twg: {misuse}"));
    let mut step = flow.begin(clock::read()).map_err(misuse)?;
    loop {
        match step {
            Step::Done(output) => {
                shell.context.terminal.done_waiting();
                if interrupts.came().await {
                    // What was under way is finished; whatever comes next is not begun.
                    shell.context.interrupted = true;
                }
                return Ok(output);
            }
            Step::Perform(id, effect) if !effect.is_interruptible() => {
                let outcome = shell.perform(effect).await;
                step = flow.resume(id, outcome, clock::read()).map_err(misuse)?;
            }
            Step::Perform(id, effect) => {
                let outcome = match interrupts.or(shell.perform(effect)).await {
                    Ok(outcome) => outcome,
                    Err(_signal) => {
                        shell.context.terminal.done_waiting();
                        return Err(shell.interrupted());
                    }
                };
                step = flow.resume(id, outcome, clock::read()).map_err(misuse)?;
            }
        }
    }
}

/// What a running flow holds.
struct Shell<'a> {
    context: &'a mut Context,
    http: &'a HttpClient,
    lock: Option<Lock>,
    stage: Option<Stage>,
    listener: Option<RedirectListener>,
    /// For the countdown while polling.
    approval_until: Option<UnixTime>,
    /// Whether somebody was sent for who repairs an interrupted refresh.
    armed: bool,
}

impl Shell<'_> {
    /// Performs an effect; with `--verbose`, says which, before, and how it ended, after.
    async fn perform(&mut self, effect: Effect) -> Outcome {
        if !self.context.verbose {
            return self.perform_silently(effect).await;
        }
        let config = &self.context.config;
        self.context.terminal.remark(&narration::begin(config, &effect));
        let begun = Instant::now();
        let outcome = self.perform_silently(effect).await;
        let end = narration::end(&outcome, begun.elapsed());
        self.context.terminal.remark(&end);
        outcome
    }

    async fn perform_silently(&mut self, effect: Effect) -> Outcome {
        match effect {
            Effect::SendHttp(request) => Outcome::Http(self.send(request).await),
            Effect::WaitUntil(time) => {
                self.wait(time).await;
                Outcome::Waited
            }
            Effect::ShowUserCode(prompt) => {
                self.show_user_code(&prompt).await;
                Outcome::Shown(Ok(()))
            }
            Effect::ObtainRedirectUri(target) => Outcome::RedirectUri(self.listen(&target)),
            Effect::OpenUserAgent(prompt) => {
                self.show_authorization(&prompt);
                let url = prompt.open.then_some(prompt.url.as_str());
                Outcome::Redirected(self.redirect(prompt.deadline, url).await)
            }
            Effect::AwaitRedirect { deadline } => {
                Outcome::Redirected(self.redirect(deadline, None).await)
            }
            Effect::Notify(notice) => {
                self.notify(&notice);
                Outcome::Notified
            }
            Effect::PreflightStore(key) => {
                let path = self.context.config.record_path(&key);
                Outcome::Store(self.context.store.preflight(&path))
            }
            Effect::AcquireLock { key, deadline } => {
                let path = self.context.config.lock_path(&key);
                let lock = lock::acquire(&self.context.store, &path, "twg", deadline).await;
                Outcome::Locked(lock.map(|lock| self.lock = Some(lock)))
            }
            Effect::ReleaseLock(_) => {
                self.stage = None;
                self.lock = None;
                Outcome::Notified
            }
            Effect::LoadRecord(key) => {
                let path = self.context.config.record_path(&key);
                Outcome::Loaded(self.context.store.load(&path))
            }
            Effect::ReplaceRecord { key, expected, bytes } => {
                let path = self.context.config.record_path(&key);
                let expected = Expected::Generation(expected);
                Outcome::Store(self.context.store.replace(&path, expected, &bytes))
            }
            Effect::SetAsideRecord(key) => {
                let path = self.context.config.record_path(&key);
                Outcome::Kept(self.context.store.set_aside(&path))
            }
            Effect::RemoveRecord(key) => {
                let path = self.context.config.record_path(&key);
                Outcome::Store(self.context.store.remove(&path))
            }
            Effect::OpenStage { key, id: _ } => {
                let path = self.context.config.record_path(&key);
                let stage = Stage::open(&self.context.store, &path);
                Outcome::Store(stage.map(|stage| self.stage = Some(stage)))
            }
            Effect::StageReply { key, bytes, id: _ } => {
                Outcome::Kept(self.stage_reply(&key, &bytes))
            }
            Effect::LoadStage { key, id: _ } => {
                let path = self.context.config.record_path(&key);
                Outcome::Loaded(Stage::load(&self.context.store, &path))
            }
            Effect::RescueReply { id, bytes, key: _ } => {
                Outcome::Kept(stage::rescue(&self.context.store, &id, &bytes))
            }
            Effect::LoadRescue { id, key: _ } => {
                Outcome::Loaded(stage::load_rescued(&self.context.store, &id))
            }
            Effect::SetAsideStage { key, id: _ } => {
                let path = self.context.config.record_path(&key);
                Outcome::Kept(Stage::set_aside(&self.context.store, &path))
            }
            Effect::DiscardStage { key, id } => {
                let path = self.context.config.record_path(&key);
                self.stage = None;
                Outcome::Store(Stage::discard(&self.context.store, &path, &id))
            }
            Effect::ArmRecovery { key, at } => {
                self.armed = recovery::arm(&self.context.store, &key, at);
                Outcome::Notified
            }
        }
    }

    fn interrupted(&self) -> Failure {
        let failure = Failure::interrupted();
        if !self.armed {
            return failure;
        }
        failure
            .keeping("The login is kept; its interrupted refresh is repaired in the background in a moment.")
            .or_hint("`twg auth status` shows how things are.")
    }

    fn stage_reply(&mut self, key: &ConnectionKey, reply: &Secret) -> Result<String, StoreError> {
        match &mut self.stage {
            Some(stage) => stage.write(&self.context.store, reply),
            None => {
                let path = self.context.config.record_path(key);
                let kind = StoreErrorKind::CannotWrite;
                Err(self.context.store.error(kind, &path, "no stage was opened"))
            }
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        self.http.send(request).await
    }

    async fn wait(&mut self, time: UnixTime) {
        let approval_until = self.approval_until;
        let terminal = &mut self.context.terminal;
        clock::wait_until(time, |left| match approval_until {
            Some(end) => terminal.waiting("Waiting for approval", end.since(clock::now())),
            None => terminal.waiting("Waiting", left),
        })
        .await;
    }

    /// The address and the code are always printed, whatever a browser does, and always with the
    /// advice of RFC 8628 section 5.4 against codes that somebody else sent.
    async fn show_user_code(&mut self, prompt: &DevicePrompt) {
        let address = prompt.verification_uri_complete.as_deref();
        let address = address.unwrap_or(&prompt.verification_uri);
        let terminal = &mut self.context.terminal;
        let code = terminal.bold(&prompt.user_code);
        terminal.line("To sign in, open this address in a browser on any device:");
        terminal.line(&format!("  {address}"));
        if address != prompt.verification_uri {
            terminal.line("and check that it shows this code:");
        } else {
            terminal.line("and enter this code:");
        }
        terminal.line(&format!("  {code}"));
        terminal.line("Only continue if you started this sign-in yourself.");
        self.approval_until = Some(prompt.expires_at);
        if prompt.open {
            self.context.open(address).await;
        }
    }

    fn listen(&mut self, target: &RedirectTarget) -> Result<String, UserAgentError> {
        let listener = self.listener.insert(RedirectListener::bind(target)?);
        Ok(listener.redirect_uri())
    }

    fn show_authorization(&mut self, prompt: &AuthorizationPrompt) {
        let terminal = &mut self.context.terminal;
        terminal.line("To sign in, open this address in a browser on this machine:");
        terminal.line(&format!("  {}", prompt.url));
        if terminal.can_ask() {
            // Where something may be typed no countdown can run.
            let left = prompt.deadline.since(clock::now());
            terminal.line(&format!(
                "Waiting {left} for the answer. If the browser is elsewhere, paste here the address \
                 that it ends up at, and press Enter."
            ));
        }
    }

    /// Waits for the redirect at the listener, or for its address on the terminal. The browser is opened
    /// meanwhile, because the answer may come before its launcher returns.
    async fn redirect(
        &mut self,
        deadline: UnixTime,
        open: Option<&str>,
    ) -> Result<Secret, UserAgentError> {
        let Some(listener) = &mut self.listener else {
            return Err(UserAgentError::Unavailable("no redirect is expected here".to_owned()));
        };
        let context = &mut *self.context;
        let at_the_terminal = async {
            if let Some(url) = open {
                context.open(url).await;
            }
            let may_paste = context.may_ask && context.terminal.can_ask();
            pasted_address(&mut context.terminal, may_paste, deadline).await
        };
        tokio::select! {
            received = listener.receive(deadline) => received,
            pasted = at_the_terminal => Ok(pasted),
        }
    }

    fn notify(&mut self, notice: &Notice) {
        let terminal = &mut self.context.terminal;
        match notice {
            Notice::RedirectIgnored => terminal.warning(
                "An answer arrived that does not belong to this sign-in; it was ignored. Still waiting.",
            ),
            Notice::StillTrying(trouble) => terminal.warning(&format!("{trouble}. Still trying.")),
            Notice::Recovering => terminal.warning(
                "A refresh was interrupted. Waiting until its request cannot be running any \
                 more, then repairing the login.",
            ),
            Notice::DeviceGrantNotEnabled => terminal.warning(
                "This app may not sign in with a device code; using the browser on this machine instead.",
            ),
            Notice::RecordSetAside { place, reason } => {
                terminal.warning(&format!("{reason}; it was moved, unchanged, to {place}"));
            }
        }
    }
}

/// A line on the terminal that looks like an address. Without a person to type it, waits forever, with a
/// countdown if somebody watches.
async fn pasted_address(terminal: &mut Terminal, may_paste: bool, deadline: UnixTime) -> Secret {
    if !may_paste {
        clock::wait_until(UnixTime::from_millis(u64::MAX), |_| {
            terminal.waiting("Waiting for the browser", deadline.since(clock::now()));
        })
        .await;
        return std::future::pending().await;
    }
    loop {
        match terminal.ask(">").await {
            Ok(line) if line.starts_with("http://") || line.starts_with("https://") => {
                return Secret::new(line);
            }
            Ok(line) if line.is_empty() => {}
            Ok(_) => terminal.line("That is not an address."),
            // Ctrl-C arrives as a signal; without a terminal there is nothing to read.
            Err(_) => return std::future::pending().await,
        }
    }
}
