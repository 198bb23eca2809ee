//! One attempt: intent, stage, request, response, commit.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use super::leeway::{REQUEST_TIMEOUT, left_of, quarantine};
use super::{
    Ending, How, Phase, RefreshMachine, Refreshed, Transition, has_refresh_token, is_live,
};
use crate::client::Registered;
use crate::credential::{
    AttemptId, ConnectionKey, EndReason, Ended, Generation, Pending, StagedReply, StoredCredential,
    sha256_hex,
};
use crate::error::{Endpoint, Error};
use crate::flow::{Effect, StoreError, StoreErrorKind};
use crate::http::{HttpResponse, TransportError};
use crate::secret::Secret;
use crate::time::{Now, Span, UnixTime};
use crate::token_endpoint::{GrantType, TokenEndpoint, TokenResponse};

/// A commit is tried this often, each time with a new file.
///
/// An `fsync` that failed is never repeated on the same file: the kernel has marked the pages clean, and
/// would report a success that it did not have.
const COMMIT_TRIES: u32 = 4;

/// How old an intent may be when its request is sent. A process that finds the intent counts from its time, and the
/// request itself may take [`REQUEST_TIMEOUT`].
const PROMPT: Span = Span::from_secs(2);

/// An intent that got too old is written again, at most this often: a disk may be that slow.
const INTENTS: u32 = 4;

/// A request with less time than this is not worth sending.
const SHORTEST_TIMEOUT: Span = Span::from_secs(5);

/// An attempt that was begun, here or by a process that died.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// The record as it is stored, intent included.
    pub(super) credential: StoredCredential,
    /// The intent, as it is in the record.
    pub(super) pending: Pending,
    /// The intent that was there before, if this is not the first attempt with this token.
    before: Option<Pending>,
    /// Where the response is, once it is staged.
    pub(super) staged_at: Option<String>,
    /// Whether another process, or an earlier run of this flow, began it and did not write its end.
    pub(super) found: bool,
}

/// New tokens on their way into the record.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    attempt: Attempt,
    /// The new record.
    new: StoredCredential,
    /// The generation that is stored now.
    expected: Generation,
    /// The response, for a rescue.
    reply: HttpResponse,
    tries: u32,
    error: Option<StoreError>,
}

impl Attempt {
    /// What a dead process left behind.
    pub(super) const fn found(credential: StoredCredential, pending: Pending) -> Self {
        Self { credential, pending, before: None, staged_at: None, found: true }
    }

    /// Whether an attempt before this one may have spent the token.
    pub(super) const fn was_interrupted(&self) -> bool {
        self.pending.attempt > 1
    }
}

impl RefreshMachine {
    /// Writes the intent of a new attempt. `earlier` is the intent of an attempt whose end is unknown.
    pub(super) fn attempt(
        &mut self,
        credential: StoredCredential,
        earlier: Option<Pending>,
        now: Now,
    ) -> Transition {
        let Some(token) = credential.tokens.as_ref().and_then(|t| t.refresh_token.as_ref()) else {
            return self.release(Err(Error::OutOfOrder));
        };
        let id = AttemptId::new(self.seed.expose().as_bytes(), self.ids);
        self.ids = self.ids.saturating_add(1);
        let host = self.request.host.clone();
        let leeway = self.leeway(&credential);
        let used = earlier.as_ref().map(|earlier| {
            // If no clock can tell its age, its quarantine at least is over.
            earlier.since_first.plus(earlier.age(&host, now).unwrap_or(quarantine(leeway)))
        });
        // After the leeway, this request ends the connection, or it is the first one that arrives: then the leeway
        // begins with it. Not while an access token still works: this intent may be found although its request was
        // never sent.
        let is_live = is_live(&credential, now);
        let since_first = used.filter(|used| is_live || left_of(leeway, *used).is_some());
        let pending = Pending {
            id,
            refresh_token_sha256: sha256_hex(token.expose().as_bytes()),
            at: now.wall,
            uptime: now.uptime,
            since_first: since_first.unwrap_or(Span::ZERO),
            attempt: earlier.as_ref().map_or(1, |earlier| earlier.attempt.saturating_add(1)),
            host,
        };
        let credential = StoredCredential {
            pending: Some(pending.clone()),
            // A user who insists on an ended connection gets the decision of the server, not ours.
            ended: None,
            ..credential
        };
        let effect = self.replace(&credential, credential.generation);
        let attempt =
            Attempt { credential, pending, before: earlier, staged_at: None, found: false };
        self.perform(Phase::Intending(Box::new(attempt)), effect)
    }

    /// Nothing is sent unless the intent is durable: "Before contacting the OAuth token endpoint, TWG verifies
    /// that it can atomically update the active credential backend" (seed).
    pub(super) fn intended(
        &mut self,
        attempt: Box<Attempt>,
        result: Result<(), StoreError>,
        now: Now,
    ) -> Transition {
        if let Err(error) = result {
            // The new intent may still be visible, if only making it durable failed.
            return self.withdraw(*attempt, Error::Store(error), now);
        }
        let effect =
            Effect::OpenStage { key: self.request.key.clone(), id: attempt.pending.id.clone() };
        self.perform(Phase::OpeningStage(attempt), effect)
    }

    pub(super) fn stage_opened(
        &mut self,
        attempt: Box<Attempt>,
        result: Result<(), StoreError>,
        now: Now,
    ) -> Transition {
        if let Err(error) = result {
            return self.withdraw(*attempt, Error::Store(error), now);
        }
        let age = self.age(&attempt, now);
        if age > PROMPT && self.ids < INTENTS {
            return self.intend_anew(*attempt, now);
        }
        // The delay of the disk shortens the request: a process that finds the intent counts from its time.
        let late = age.minus(PROMPT).unwrap_or(Span::ZERO);
        let Some(timeout) = REQUEST_TIMEOUT.minus(late).filter(|left| *left >= SHORTEST_TIMEOUT)
        else {
            return self.withdraw(*attempt, Error::Store(too_slow(&self.request.key)), now);
        };
        let registered = self.request.registered.as_ref().ok();
        match request(&attempt.credential, registered, timeout) {
            Some(effect) => {
                self.sent += 1;
                self.perform(Phase::Sending(attempt), effect)
            }
            None => self.withdraw(*attempt, Error::OutOfOrder, now),
        }
    }

    /// The machine slept, or the disk was slow. The next process would end its quarantine too early, and the
    /// server's leeway may be over by now.
    fn intend_anew(&mut self, attempt: Attempt, now: Now) -> Transition {
        match attempt.before {
            None => self.attempt(attempt.credential, None, now),
            Some(before) => {
                let before = Attempt::found(attempt.credential, before);
                self.without_reply(Box::new(before), None, now)
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        attempt: Box<Attempt>,
        answer: Result<HttpResponse, TransportError>,
        now: Now,
    ) -> Transition {
        match answer {
            Ok(response) => {
                let effect = Effect::StageReply {
                    key: self.request.key.clone(),
                    id: attempt.pending.id.clone(),
                    bytes: StagedReply::write(&attempt.pending.id, &response),
                };
                self.perform(Phase::Staging(attempt, response), effect)
            }
            Err(error) => {
                let is_unknown = matches!(error, TransportError::Unknown(_));
                let error = Error::Transport { endpoint: Endpoint::Token, error };
                if is_unknown {
                    self.without_reply(attempt, Some(error), now)
                } else {
                    self.withdraw(*attempt, error, now)
                }
            }
        }
    }

    /// The response is kept, if possible. Only now is it read.
    pub(super) fn understand(
        &mut self,
        attempt: Box<Attempt>,
        response: &HttpResponse,
        now: Now,
    ) -> Transition {
        let profile = self.request.registered.as_ref().ok().map(|registered| &registered.profile);
        match TokenEndpoint::that_issued(&attempt.credential.server, profile).parse(response) {
            Ok(tokens) => self.commit(attempt, tokens, response, now),
            Err(Error::Refused(error)) if error.is_invalid_grant() => {
                let effect = Effect::LoadRecord(self.request.key.clone());
                self.perform(Phase::Rereading(attempt), effect)
            }
            // An error that was sent to a dead process is out of date.
            Err(_) if attempt.found => self.without_reply(attempt, None, now),
            // The server says that it did not do it.
            Err(error @ (Error::Refused(_) | Error::Unavailable { status: 429, .. })) => {
                self.withdraw(*attempt, error, now)
            }
            // A proxy may send this although the server carried out the refresh. Another request now would fare no
            // better: the next refresh asks again.
            Err(error) => self.interrupted(*attempt, Some(error), now),
        }
    }

    fn commit(
        &mut self,
        attempt: Box<Attempt>,
        tokens: TokenResponse,
        response: &HttpResponse,
        now: Now,
    ) -> Transition {
        let credential = &attempt.credential;
        // The time before the request was sent, so that no lifetime is overestimated. A clock that was set
        // back meanwhile must not make the token look older than it is.
        let issued_at = attempt.pending.at.min(now.wall);
        let assumed = self
            .request
            .registered
            .as_ref()
            .map_or(Span::ZERO, |registered| registered.profile.assumed_token_lifetime());
        let mut new = credential.clone();
        new.login.ends_at = tokens
            .authorization_expires_in
            .map(|span| issued_at.plus(span))
            .or(credential.login.ends_at);
        new.tokens = Some(tokens.into_tokens(issued_at, assumed, &[], credential.tokens.as_ref()));
        new.pending = None;
        new.ended = None;
        new.generation = credential.generation.next();
        let commit = Box::new(Commit {
            expected: credential.generation,
            reply: response.clone(),
            new,
            attempt: *attempt,
            tries: 0,
            error: None,
        });
        self.try_commit(commit)
    }

    fn try_commit(&mut self, mut commit: Box<Commit>) -> Transition {
        commit.tries += 1;
        let effect = self.replace(&commit.new, commit.expected);
        self.perform(Phase::Committing(commit), effect)
    }

    pub(super) fn committed(
        &mut self,
        mut commit: Box<Commit>,
        result: Result<(), StoreError>,
        now: Now,
    ) -> Transition {
        match result {
            Ok(()) => {
                let Attempt { pending, found, .. } = commit.attempt;
                let recovered = found || pending.attempt > 1;
                let how = if recovered { How::Recovered } else { How::Refreshed };
                let done = Refreshed { credential: commit.new, how };
                self.discard(pending.id, Ok(Box::new(done)), None)
            }
            Err(error) => {
                commit.error = Some(error);
                if commit.tries < COMMIT_TRIES {
                    let effect = Effect::LoadRecord(self.request.key.clone());
                    return self.perform(Phase::LookingAfterFailedCommit(commit), effect);
                }
                if commit.attempt.staged_at.is_some() {
                    return self.not_saved(*commit, now);
                }
                let effect = Effect::RescueReply {
                    key: self.request.key.clone(),
                    id: commit.attempt.pending.id.clone(),
                    bytes: StagedReply::write(&commit.attempt.pending.id, &commit.reply),
                };
                self.perform(Phase::Rescuing(commit), effect)
            }
        }
    }

    /// After a failed commit: the new record may be there already, if only making it durable failed; and
    /// another program may have written without the lock.
    pub(super) fn commit_again(
        &mut self,
        mut commit: Box<Commit>,
        record: Result<Option<Secret>, StoreError>,
        now: Now,
    ) -> Transition {
        if let Some(found) = self.readable(record) {
            let is_ours =
                same_token(&found, &commit.new) || same_token(&found, &commit.attempt.credential);
            if !is_ours && is_live(&found, now) {
                // A newer sign-in. Our tokens belong to the connection that it replaced.
                let done = Refreshed { credential: found, how: How::Adopted };
                return self.discard(commit.attempt.pending.id, Ok(Box::new(done)), None);
            }
            commit.expected = found.generation;
            if found.generation >= commit.new.generation && !same_token(&found, &commit.new) {
                commit.new.generation = found.generation.next();
            }
        }
        self.try_commit(commit)
    }

    pub(super) fn rescued(
        &mut self,
        mut commit: Commit,
        result: Result<String, StoreError>,
        now: Now,
    ) -> Transition {
        commit.attempt.staged_at = result.ok();
        self.not_saved(commit, now)
    }

    /// The intent stays: it leads the next refresh to the response. If the response was kept nowhere, only the server's
    /// leeway helps; and while a token is live, no other command may refresh in time.
    fn not_saved(&mut self, commit: Commit, now: Now) -> Transition {
        let Commit { attempt, error, .. } = commit;
        let recovery_at = self.recovery_at(&attempt, now);
        let ending = match error {
            Some(cause) => Err(Error::ReplyNotSaved { cause, place: attempt.staged_at }),
            None => Err(Error::OutOfOrder),
        };
        self.leave(ending, recovery_at)
    }

    /// The server refused the token. If the record holds another one by now, another process was faster, and
    /// nothing is lost. Otherwise the connection has ended.
    pub(super) fn reread(
        &mut self,
        attempt: Box<Attempt>,
        record: Result<Option<Secret>, StoreError>,
        now: Now,
    ) -> Transition {
        if let Some(found) = self.readable(record)
            && !same_token(&found, &attempt.credential)
            && found.ended.is_none()
        {
            if is_live(&found, now) {
                let done = Refreshed { credential: found, how: How::Adopted };
                return self.discard(attempt.pending.id, Ok(Box::new(done)), None);
            }
            // The tokens of the other process need a refresh themselves.
            if self.may_send() && has_refresh_token(&found) {
                return self.attempt(found, None, now);
            }
        }
        let reason =
            if attempt.was_interrupted() { EndReason::Interrupted } else { EndReason::Revoked };
        let expected = attempt.credential.generation;
        let tombstone = StoredCredential {
            generation: expected.next(),
            ended: Some(Ended { at: now.wall, reason }),
            pending: None,
            ..attempt.credential.clone()
        };
        let effect = self.replace(&tombstone, expected);
        self.perform(Phase::Burying(attempt), effect)
    }

    /// This attempt spent nothing, so its intent can go. If the end of an earlier attempt is unknown, that intent
    /// must stay, with a recovery scheduled.
    fn withdraw(&mut self, attempt: Attempt, error: Error, now: Now) -> Transition {
        let Attempt { credential, pending, before, .. } = attempt;
        let credential = StoredCredential { pending: before.clone(), ..credential };
        let effect = self.replace(&credential, credential.generation);
        let id = pending.id.clone();
        let recovery_at = before.and_then(|before| {
            // If this intent cannot be withdrawn, the next process finds it, and its leeway may differ.
            let of = |pending| self.recovery_at(&Attempt::found(credential.clone(), pending), now);
            of(before).or_else(|| of(pending))
        });
        let ending = self.settle(credential, error, now);
        self.perform(Phase::Withdrawing(id, ending, recovery_at), effect)
    }

    pub(super) fn discard(
        &mut self,
        id: AttemptId,
        ending: Ending,
        recovery_at: Option<UnixTime>,
    ) -> Transition {
        let effect = Effect::DiscardStage { key: self.request.key.clone(), id };
        self.perform(Phase::Discarding(ending, recovery_at), effect)
    }

    /// The record as it is now, if it can be used.
    fn readable(&self, record: Result<Option<Secret>, StoreError>) -> Option<StoredCredential> {
        StoredCredential::parse_for(&self.request.key, record.ok()??.expose()).ok()
    }

    fn replace(&self, record: &StoredCredential, expected: Generation) -> Effect {
        Effect::ReplaceRecord {
            key: self.request.key.clone(),
            expected: Some(expected),
            bytes: record.to_json(),
        }
    }
}

/// A disk on which every intent is old before its request can be sent.
fn too_slow(key: &ConnectionKey) -> StoreError {
    StoreError {
        kind: StoreErrorKind::CannotWrite,
        place: format!("the record of {key}"),
        detail: "each write takes so long that no request can be sent in time".into(),
    }
}

/// Whether both hold the same access token.
fn same_token(a: &StoredCredential, b: &StoredCredential) -> bool {
    match (&a.tokens, &b.tokens) {
        (Some(a), Some(b)) => a.access_token.matches(b.access_token.expose()),
        (None, None) => true,
        _ => false,
    }
}

/// RFC 6749 section 6. Without `scope`, it asks for what was granted before.
fn request(
    credential: &StoredCredential,
    registered: Option<&Registered>,
    timeout: Span,
) -> Option<Effect> {
    let token = credential.tokens.as_ref()?.refresh_token.as_ref()?;
    let profile = registered.map(|registered| &registered.profile);
    let endpoint = TokenEndpoint::that_issued(&credential.server, profile);
    let client = Registered::client_for(registered, credential);
    let parameters = [("refresh_token", token.expose())];
    let mut request = endpoint.request(&client, GrantType::RefreshToken, &parameters);
    request.single_use = true;
    request.timeout = timeout;
    Some(Effect::SendHttp(request))
}
