//! Signing out: revoke the refresh token, then the access token, then forget both.
//!
//! The lock is held from the first look to the removal, so that no refresh can bring the connection back. The
//! tokens are deleted here in any case; the result of the revocation is only reported.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::client::Registered;
use crate::credential::{
    ConnectionKey, EndReason, Ended, Pending, RecordError, StagedReply, StoredCredential,
};
use crate::error::Error;
use crate::flow::{Effect, Machine, Next, Notice, Outcome, Running};
use crate::provider::ProviderProfile;
use crate::record_update::LOCK_PATIENCE;
use crate::revocation::{Revocation, TokenKind, revocation_answered, revocation_request};
use crate::secret::Secret;
use crate::time::{Now, Span, UnixTime};
use crate::token_endpoint::TokenEndpoint;

/// What a logout did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedOut {
    /// There was nothing to sign out of.
    WasNotSignedIn,
    /// The tokens are deleted here.
    Done {
        /// What became of the refresh token at the server.
        refresh_token: Revocation,
        /// What became of the access token at the server.
        access_token: Revocation,
        /// When the access token stops working if it was not revoked.
        expires_at: Option<UnixTime>,
    },
    /// The record could not be read. It was moved elsewhere, unchanged.
    SetAside {
        /// Where it is now.
        place: String,
    },
}

/// Signs a user out.
pub type LogoutFlow = Running<LogoutMachine>;

/// The transitions of [`LogoutFlow`].
#[derive(Debug)]
pub struct LogoutMachine {
    key: ConnectionKey,
    registered: Option<Registered>,
    revoked: Vec<Revocation>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Locking,
    Loading,
    Preflight(Box<StoredCredential>),
    LoadingStage(Box<StoredCredential>, Pending),
    LoadingRescue(Box<StoredCredential>, Pending),
    SettingAside(RecordError),
    Notifying(String),
    Revoking(Box<StoredCredential>, TokenKind),
    Discarding(Box<StoredCredential>),
    Removing(LoggedOut),
    Releasing(Result<LoggedOut, Error>),
    Over,
}

impl LogoutFlow {
    /// A logout of `key`. The registered client of the provider authenticates the revocation. Without one, or if the
    /// tokens were issued to another client or by another server, a public client tries it.
    #[must_use]
    pub fn sign_out(key: ConnectionKey, registered: Option<Registered>) -> Self {
        let (revoked, phase) = (Vec::new(), Phase::Locking);
        Self::new(LogoutMachine { key, registered, revoked, phase })
    }
}

type Transition = Next<Result<LoggedOut, Error>>;

impl LogoutMachine {
    fn perform(&mut self, phase: Phase, effect: Effect) -> Transition {
        self.phase = phase;
        Next::Perform(effect)
    }

    fn release(&mut self, result: Result<LoggedOut, Error>) -> Transition {
        let effect = Effect::ReleaseLock(self.key.clone());
        self.perform(Phase::Releasing(result), effect)
    }

    fn loaded(&mut self, record: Option<Secret>) -> Transition {
        match record.map(|record| StoredCredential::parse_for(&self.key, record.expose())) {
            None => self.release(Ok(LoggedOut::WasNotSignedIn)),
            // Checked first: tokens that cannot be deleted here are not revoked either.
            Some(Ok(credential)) => {
                let effect = Effect::PreflightStore(self.key.clone());
                self.perform(Phase::Preflight(Box::new(credential)), effect)
            }
            Some(Err(reason @ RecordError::Damaged(_))) => {
                let effect = Effect::SetAsideRecord(self.key.clone());
                self.perform(Phase::SettingAside(reason), effect)
            }
            Some(Err(newer @ RecordError::Newer { .. })) => self.release(Err(Error::Record(newer))),
        }
    }

    /// RFC 7009 section 2.1: revoking the refresh token SHOULD also end the access tokens of the grant, but
    /// need not, so both are revoked, the longer-lived one first.
    fn revoke(
        &mut self,
        credential: Box<StoredCredential>,
        kind: TokenKind,
        now: Now,
    ) -> Transition {
        let token = credential.tokens.as_ref().and_then(|tokens| match kind {
            TokenKind::Refresh => tokens.refresh_token.as_ref(),
            TokenKind::Access => Some(&tokens.access_token),
        });
        let server = &credential.server;
        match (token, &server.revocation_endpoint) {
            (Some(token), Some(endpoint)) => {
                let client = Registered::client_for(self.registered.as_ref(), &credential);
                let authentication = server.client_authentication;
                let effect = revocation_request(endpoint, &client, authentication, kind, token);
                self.perform(Phase::Revoking(credential, kind), effect)
            }
            (None, _) => self.next_token(credential, kind, Revocation::NothingToRevoke, now),
            (Some(_), None) => self.next_token(credential, kind, Revocation::NotSupported, now),
        }
    }

    fn next_token(
        &mut self,
        credential: Box<StoredCredential>,
        kind: TokenKind,
        revocation: Revocation,
        now: Now,
    ) -> Transition {
        self.revoked.push(revocation);
        match kind {
            TokenKind::Refresh => self.revoke(credential, TokenKind::Access, now),
            TokenKind::Access => match &credential.pending {
                // The stage goes first, because removing the record makes that durable too.
                Some(pending) => {
                    let (key, id) = (self.key.clone(), pending.id.clone());
                    let effect = Effect::DiscardStage { key, id };
                    self.perform(Phase::Discarding(credential), effect)
                }
                None => self.forget(*credential, now),
            },
        }
    }

    /// Removes the record. If the server did not confirm the revocation, a tombstone without any secret stays, so
    /// that `auth status` and `doctor` can show it.
    fn forget(&mut self, credential: StoredCredential, now: Now) -> Transition {
        let mut revoked = core::mem::take(&mut self.revoked).into_iter();
        let (Some(refresh_token), Some(access_token)) = (revoked.next(), revoked.next()) else {
            return self.release(Err(Error::OutOfOrder));
        };
        let expires_at = credential.tokens.as_ref().map(|tokens| tokens.expires_at);
        let unconfirmed = matches!(refresh_token, Revocation::Unconfirmed(_))
            || matches!(access_token, Revocation::Unconfirmed(_));
        let expected = credential.generation;
        let done = LoggedOut::Done { refresh_token, access_token, expires_at };
        if !unconfirmed {
            let effect = Effect::RemoveRecord(self.key.clone());
            return self.perform(Phase::Removing(done), effect);
        }
        let tombstone = StoredCredential {
            generation: expected.next(),
            tokens: None,
            ended: Some(Ended { at: now.wall, reason: EndReason::SignedOutUnconfirmed }),
            pending: None,
            // Members of a newer version may hold secrets.
            unknown: serde_json::Map::new(),
            ..credential
        };
        let effect = Effect::ReplaceRecord {
            key: self.key.clone(),
            expected: Some(expected),
            bytes: tombstone.to_json(),
        };
        self.perform(Phase::Removing(done), effect)
    }

    /// The record with the tokens of an interrupted refresh, which are the ones to revoke; `Err` with the record as it
    /// was if `kept` is not a whole response.
    fn with_reply(
        &self,
        mut credential: Box<StoredCredential>,
        pending: &Pending,
        kept: Option<Secret>,
    ) -> Result<Box<StoredCredential>, Box<StoredCredential>> {
        let kept = kept.map(|kept| StagedReply::parse(&pending.id, kept.expose()));
        let Some(StagedReply::Complete(reply)) = kept else { return Err(credential) };
        let profile = self.registered.as_ref().map(|registered| &registered.profile);
        let endpoint = TokenEndpoint::that_issued(&credential.server, profile);
        let Ok(tokens) = endpoint.parse(&reply) else { return Err(credential) };
        let old = credential.tokens.take();
        let assumed = profile.map_or(Span::ZERO, ProviderProfile::assumed_token_lifetime);
        credential.tokens = Some(tokens.into_tokens(pending.at, assumed, &[], old.as_ref()));
        Ok(credential)
    }
}

impl Machine for LogoutMachine {
    type Output = Result<LoggedOut, Error>;

    fn start(&mut self, now: Now) -> Transition {
        let effect =
            Effect::AcquireLock { key: self.key.clone(), deadline: now.wall.plus(LOCK_PATIENCE) };
        self.perform(Phase::Locking, effect)
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Transition {
        match (core::mem::replace(&mut self.phase, Phase::Over), outcome) {
            (Phase::Locking, Outcome::Locked(Ok(()))) => {
                let effect = Effect::LoadRecord(self.key.clone());
                self.perform(Phase::Loading, effect)
            }
            (Phase::Locking, Outcome::Locked(Err(error))) => Next::Done(Err(Error::Lock(error))),
            (Phase::Loading, Outcome::Loaded(Ok(record))) => self.loaded(record),
            (Phase::Preflight(credential), Outcome::Store(Ok(()))) => {
                match credential.pending.clone() {
                    Some(pending) => {
                        let (key, id) = (self.key.clone(), pending.id.clone());
                        let effect = Effect::LoadStage { key, id };
                        self.perform(Phase::LoadingStage(credential, pending), effect)
                    }
                    None => self.revoke(credential, TokenKind::Refresh, now),
                }
            }
            // A stage that cannot be read does not stop the logout.
            (Phase::LoadingStage(credential, pending), Outcome::Loaded(stage)) => {
                match self.with_reply(credential, &pending, stage.ok().flatten()) {
                    Ok(newer) => self.revoke(newer, TokenKind::Refresh, now),
                    Err(credential) => {
                        let (key, id) = (self.key.clone(), pending.id.clone());
                        let effect = Effect::LoadRescue { key, id };
                        self.perform(Phase::LoadingRescue(credential, pending), effect)
                    }
                }
            }
            (Phase::LoadingRescue(credential, pending), Outcome::Loaded(rescued)) => {
                let (Ok(credential) | Err(credential)) =
                    self.with_reply(credential, &pending, rescued.ok().flatten());
                self.revoke(credential, TokenKind::Refresh, now)
            }
            (Phase::Removing(_) | Phase::Discarding(_), Outcome::Store(Err(error))) => {
                self.release(Err(Error::NotForgotten(Box::new(Error::Store(error)))))
            }
            (Phase::Discarding(credential), Outcome::Store(Ok(()))) => {
                self.forget(*credential, now)
            }
            (Phase::SettingAside(reason), Outcome::Kept(Ok(place))) => {
                let reason = reason.to_string();
                let notice = Notice::RecordSetAside { place: place.clone(), reason };
                self.perform(Phase::Notifying(place), Effect::Notify(notice))
            }
            (Phase::Notifying(place), Outcome::Notified) => {
                self.release(Ok(LoggedOut::SetAside { place }))
            }
            (Phase::Revoking(credential, kind), Outcome::Http(answer)) => {
                self.next_token(credential, kind, revocation_answered(answer), now)
            }
            (Phase::Removing(done), Outcome::Store(Ok(()))) => self.release(Ok(done)),
            (
                Phase::Loading | Phase::Preflight(_) | Phase::SettingAside(_),
                Outcome::Loaded(Err(error))
                | Outcome::Kept(Err(error))
                | Outcome::Store(Err(error)),
            ) => self.release(Err(Error::Store(error))),
            (Phase::Releasing(result), Outcome::Notified) => Next::Done(result),
            _ => Next::Done(Err(Error::OutOfOrder)),
        }
    }
}
