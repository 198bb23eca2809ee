//! A request to a resource server with a token that works: refreshed first if that is due, and once more if
//! the server does not accept it.

use alloc::boxed::Box;

use crate::credential::StoredCredential;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::flow::{Machine, Next, Outcome, Running};
use crate::refresh::{How, Need, RefreshMachine, RefreshRequest, Refreshed};
use crate::resource::{Authorization, ResourceRequest, WithToken};
use crate::time::Now;

/// Sends one request of a connection.
pub type AuthorizedFlow<R> = Running<AuthorizedMachine<R>>;

/// The response of the resource server, and the record that was used.
#[derive(Debug)]
pub struct Authorized<A> {
    /// What the response means.
    pub answer: A,
    /// The record whose access token was accepted.
    pub credential: StoredCredential,
    /// Where its token came from.
    pub how: How,
}

/// The transitions of [`AuthorizedFlow`].
#[derive(Clone, Debug)]
pub struct AuthorizedMachine<R> {
    refresh: RefreshMachine,
    request: R,
    phase: Phase<R>,
}

#[derive(Clone, Debug)]
enum Phase<R> {
    Refreshing { again: bool },
    Asking { refreshed: Box<Refreshed>, asking: Box<WithToken<R>>, again: bool },
    Over,
}

impl<R: ResourceRequest + Clone> AuthorizedFlow<R> {
    /// A request for the connection of `refresh`, whose need is [`Need::Live`]. The entropy is for
    /// refreshes.
    #[must_use]
    pub fn request(request: R, refresh: RefreshRequest, entropy: Entropy) -> Self {
        Self::new(AuthorizedMachine::new(request, refresh, entropy))
    }
}

type Transition<A> = Next<Result<Authorized<A>, Error>>;

impl<R: ResourceRequest + Clone> AuthorizedMachine<R> {
    pub(crate) fn new(request: R, refresh: RefreshRequest, entropy: Entropy) -> Self {
        let refresh = RefreshMachine::new(RefreshRequest { need: Need::Live, ..refresh }, entropy);
        Self { refresh, request, phase: Phase::Refreshing { again: false } }
    }

    fn refreshed(
        &mut self,
        result: Result<Refreshed, Error>,
        again: bool,
        now: Now,
    ) -> Transition<R::Answer> {
        let refreshed = match result {
            Ok(refreshed) => refreshed,
            Err(error) => return Next::Done(Err(error)),
        };
        let Some(tokens) = &refreshed.credential.tokens else {
            return Next::Done(Err(Error::OutOfOrder));
        };
        let userinfo = refreshed.credential.server.userinfo_endpoint.clone();
        let token = Authorization::Bearer(tokens.access_token.clone());
        let mut asking = Box::new(WithToken::new(self.request.clone(), token, userinfo));
        let next = asking.start(now);
        self.phase = Phase::Asking { refreshed: Box::new(refreshed), asking, again };
        next.and_then(|answer| self.answered(answer, now))
    }

    /// RFC 6750 section 3.1 of `invalid_token`: "The client MAY request a new access token and retry the protected
    /// resource request." Once: a server that rejects a new token too will reject every one.
    fn answered(&mut self, answer: Result<R::Answer, Error>, now: Now) -> Transition<R::Answer> {
        let Phase::Asking { refreshed, again, .. } =
            core::mem::replace(&mut self.phase, Phase::Over)
        else {
            return Next::Done(Err(Error::OutOfOrder));
        };
        let Refreshed { credential, how } = *refreshed;
        match (answer, &credential.tokens) {
            (Ok(answer), _) => Next::Done(Ok(Authorized { answer, credential, how })),
            (Err(Error::TokenRejected), Some(tokens))
                if !again && tokens.refresh_token.is_some() =>
            {
                self.refresh.again(Need::Other(tokens.access_token.clone()));
                self.phase = Phase::Refreshing { again: true };
                let next = self.refresh.start(now);
                next.and_then(|result| self.refreshed(result, true, now))
            }
            (Err(error), _) => Next::Done(Err(error)),
        }
    }
}

impl<R: ResourceRequest + Clone> Machine for AuthorizedMachine<R> {
    type Output = Result<Authorized<R::Answer>, Error>;

    fn start(&mut self, now: Now) -> Transition<R::Answer> {
        let next = self.refresh.start(now);
        next.and_then(|result| self.refreshed(result, false, now))
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Transition<R::Answer> {
        match &mut self.phase {
            Phase::Refreshing { again } => {
                let again = *again;
                let next = self.refresh.advance(outcome, now);
                next.and_then(|result| self.refreshed(result, again, now))
            }
            Phase::Asking { asking, .. } => {
                let next = asking.advance(outcome, now);
                next.and_then(|answer| self.answered(answer, now))
            }
            Phase::Over => Next::Done(Err(Error::OutOfOrder)),
        }
    }
}
