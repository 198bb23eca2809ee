//! A machine in memory on which every effect succeeds at once. The benches and the fuzz targets share it; what servers and
//! users do, and what fails, is their own.
//!
//! The model check (`tests/model`) has another world, on purpose: there a write is visible before it is durable, processes
//! share the disk and die between effects, and a mutation can take each part of the protocol away.

use twg_core::flow::{Effect, Outcome};
use twg_core::secret::Secret;

/// What the machine holds.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    /// The record of the only connection.
    pub(crate) record: Option<Secret>,
    /// A reply, in the stage or rescued.
    pub(crate) reply: Option<Secret>,
    /// Where redirects arrive.
    pub(crate) redirect_uri: String,
}

impl Memory {
    /// Performs an effect that needs no server and no redirect.
    ///
    /// # Panics
    /// With any other effect.
    pub(crate) fn perform(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::AcquireLock { .. } => Outcome::Locked(Ok(())),
            Effect::ReleaseLock(_) | Effect::Notify(_) | Effect::ArmRecovery { .. } => {
                Outcome::Notified
            }
            Effect::LoadRecord(_) => Outcome::Loaded(Ok(self.record.clone())),
            Effect::ReplaceRecord { bytes, .. } => {
                self.record = Some(bytes.clone());
                Outcome::Store(Ok(()))
            }
            Effect::RemoveRecord(_) => {
                self.record = None;
                Outcome::Store(Ok(()))
            }
            Effect::PreflightStore(_) => Outcome::Store(Ok(())),
            Effect::OpenStage { .. } | Effect::DiscardStage { .. } => {
                self.reply = None;
                Outcome::Store(Ok(()))
            }
            Effect::StageReply { bytes, .. } | Effect::RescueReply { bytes, .. } => {
                self.reply = Some(bytes.clone());
                Outcome::Kept(Ok("/store/stage".to_owned()))
            }
            Effect::LoadStage { .. } | Effect::LoadRescue { .. } => {
                Outcome::Loaded(Ok(self.reply.clone()))
            }
            Effect::SetAsideRecord(_) | Effect::SetAsideStage { .. } => {
                Outcome::Kept(Ok("/store/aside".to_owned()))
            }
            Effect::ShowUserCode(_) => Outcome::Shown(Ok(())),
            Effect::ObtainRedirectUri(target) => {
                let port = target.port.unwrap_or(50123);
                self.redirect_uri = format!("http://127.0.0.1:{port}{}", target.path);
                Outcome::RedirectUri(Ok(self.redirect_uri.clone()))
            }
            Effect::WaitUntil(_) => Outcome::Waited,
            Effect::SendHttp(_) | Effect::OpenUserAgent(_) | Effect::AwaitRedirect { .. } => {
                panic!("not the machine's: {effect:?}")
            }
        }
    }
}
