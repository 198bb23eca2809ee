//! Performs the effects of one flow, and holds that flow's lock, stage and listener.

use std::time::Instant;

use twg_core::credential::ConnectionKey;
use twg_core::flow::{
    DevicePrompt, Effect, Outcome, RedirectTarget, StoreError, StoreErrorKind, UserAgentError,
};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

use super::user::{User, url_of};
use super::{Shell, narration};
use crate::effects::clock;
use crate::effects::lock::Lock;
use crate::effects::loopback::RedirectListener;
use crate::effects::stage::Stage;
use crate::failure::Failure;

/// Performs the effects of one flow.
pub(super) struct Performer<'a, U> {
    shell: Shell<'a>,
    user: &'a mut U,
    lock: Option<Lock>,
    stage: Option<Stage>,
    listener: Option<RedirectListener>,
    /// For the countdown while polling.
    approval_until: Option<UnixTime>,
    /// A background process was started that repairs this interrupted refresh.
    is_armed: bool,
}

impl<'a, U: User> Performer<'a, U> {
    pub(super) const fn new(shell: Shell<'a>, user: &'a mut U) -> Self {
        Self {
            shell,
            user,
            lock: None,
            stage: None,
            listener: None,
            approval_until: None,
            is_armed: false,
        }
    }

    /// Performs an effect, and narrates its beginning and its end.
    pub(super) async fn perform(&mut self, effect: Effect) -> Outcome {
        let records = self.shell.records;
        self.user.narrate(|| narration::begin(records, &effect));
        let begun = Instant::now();
        let outcome = self.perform_silently(effect).await;
        self.user.narrate(|| narration::end(&outcome, begun.elapsed()));
        outcome
    }

    /// Removes the countdown.
    pub(super) fn done(&mut self) {
        self.user.done_waiting();
    }

    /// The failure of a flow that a signal ended.
    pub(super) fn interrupted(&mut self) -> Failure {
        self.done();
        let failure = Failure::interrupted();
        if !self.is_armed {
            return failure;
        }
        failure
            .keeping("The connection is kept; a background process repairs its interrupted refresh shortly.")
            .or_hint("`twg auth status` shows the state.")
    }

    async fn perform_silently(&mut self, effect: Effect) -> Outcome {
        let records = self.shell.records;
        match effect {
            Effect::SendHttp(request) => Outcome::Http(self.shell.http.send(request).await),
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
                self.user.show_authorization(&prompt);
                let url = prompt.open.then_some(prompt.url.as_str());
                Outcome::Redirected(self.redirect(prompt.deadline, url).await)
            }
            Effect::AwaitRedirect { deadline } => {
                Outcome::Redirected(self.redirect(deadline, None).await)
            }
            Effect::Notify(notice) => {
                self.user.notify(&notice);
                Outcome::Notified
            }
            Effect::PreflightStore(key) => Outcome::Store(records.preflight(&key)),
            Effect::AcquireLock { key, deadline } => {
                let lock = records.lock(&key, deadline).await;
                Outcome::Locked(lock.map(|lock| self.lock = Some(lock)))
            }
            Effect::ReleaseLock(_) => {
                self.stage = None;
                self.lock = None;
                Outcome::Notified
            }
            Effect::LoadRecord(key) => Outcome::Loaded(records.load(&key)),
            Effect::ReplaceRecord { key, expected, bytes } => {
                Outcome::Store(records.replace(&key, expected, &bytes))
            }
            Effect::SetAsideRecord(key) => Outcome::Kept(records.set_aside(&key)),
            Effect::RemoveRecord(key) => Outcome::Store(records.remove(&key)),
            Effect::OpenStage { key, id: _ } => {
                Outcome::Store(records.open_stage(&key).map(|stage| self.stage = Some(stage)))
            }
            Effect::StageReply { key, bytes, id: _ } => Outcome::Kept(self.stage(&key, &bytes)),
            Effect::LoadStage { key, id: _ } => Outcome::Loaded(records.load_stage(&key)),
            Effect::RescueReply { id, bytes, key: _ } => Outcome::Kept(records.rescue(&id, &bytes)),
            Effect::LoadRescue { id, key: _ } => Outcome::Loaded(records.load_rescued(&id)),
            Effect::SetAsideStage { key, id: _ } => Outcome::Kept(records.set_aside_stage(&key)),
            Effect::DiscardStage { key, id } => {
                self.stage = None;
                Outcome::Store(records.discard_stage(&key, &id))
            }
            Effect::ArmRecovery { key, at } => {
                self.is_armed = records.arm_recovery(&key, at);
                Outcome::Notified
            }
        }
    }

    fn stage(&mut self, key: &ConnectionKey, response: &Secret) -> Result<String, StoreError> {
        let records = self.shell.records;
        match &mut self.stage {
            Some(stage) => records.write_stage(stage, response),
            None => Err(records.error(StoreErrorKind::CannotWrite, key, "no stage was opened")),
        }
    }

    async fn wait(&mut self, time: UnixTime) {
        let (user, approval_until) = (&mut *self.user, self.approval_until);
        clock::wait_until(time, |left| match approval_until {
            Some(end) => user.waiting("Waiting for approval", end.since(clock::now())),
            None => user.waiting("Waiting", left),
        })
        .await;
    }

    async fn show_user_code(&mut self, prompt: &DevicePrompt) {
        self.user.show_user_code(prompt);
        self.approval_until = Some(prompt.expires_at);
        if prompt.open {
            self.user.open(url_of(prompt)).await;
        }
    }

    fn listen(&mut self, target: &RedirectTarget) -> Result<String, UserAgentError> {
        let listener = self.listener.insert(RedirectListener::bind(target)?);
        Ok(listener.redirect_uri())
    }

    /// Waits for the redirect at the listener, or for its URL from the user. The browser opens at
    /// the same time, because the redirect may arrive before the launcher of the browser returns.
    async fn redirect(
        &mut self,
        deadline: UnixTime,
        open: Option<&str>,
    ) -> Result<Secret, UserAgentError> {
        let Some(listener) = &mut self.listener else {
            return Err(UserAgentError::Unavailable("no redirect is expected here".to_owned()));
        };
        let user = &mut *self.user;
        let from_user = async {
            if let Some(url) = open {
                user.open(url).await;
            }
            user.pasted_url(deadline).await
        };
        tokio::select! {
            received = listener.receive(deadline) => received,
            pasted = from_user => Ok(pasted),
        }
    }
}
