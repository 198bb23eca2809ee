//! Signing in, from the first request to the saved record.
//!
//! ```text
//! preflight -> discovery? -> device code | authorization code -> save -> revoke old? -> who am I -> note
//!                                  |                 ^
//!                                  +-- not enabled --+
//! ```
//!
//! Until the new record is saved, an old one is untouched: a sign-in that is cancelled, refused or cut off
//! loses nothing. Before anything is sent, the store proves that it could take the record.

mod suspended;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::atlassian::sites::SitesRequest;
use crate::authorization_server::AuthorizationServer;
use crate::credential::{
    self, Account, ConnectionKey, Generation, RecordError, SCHEMA_VERSION, Site, StoredCredential,
};
use crate::discovery::Discovery;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::flow::{Effect, Machine, Next, Notice, Outcome, Running};
use crate::grant::authorization_code::AuthorizationCodeGrant;
use crate::grant::device_authorization::DeviceCodeGrant;
use crate::grant::request::LoginRequest;
use crate::identity::IdentityRequest;
use crate::provider::Grant;
use crate::record_update::{Damaged, RecordUpdate, Updated};
use crate::resource::{Authorization, WithToken};
use crate::revocation::{Revocation, TokenKind, revocation_answered, revocation_request};
use crate::time::{Now, UnixTime};
use crate::token_endpoint::TokenResponse;

/// A sign-in that succeeded. Its connection is saved.
#[derive(Debug)]
pub struct SignedIn {
    /// The record as it is stored.
    pub credential: StoredCredential,
    /// The account, or why it could not be read. The sign-in succeeds without it.
    pub account: Option<Result<Account, Error>>,
    /// The sites, or why they could not be listed; `None` if the provider has none.
    pub sites: Option<Result<Vec<Site>, Error>>,
    /// Whether the server refused the device grant to the client. The shell remembers it.
    pub device_grant_not_enabled: bool,
    /// What became of the refresh token of the connection that this one replaced.
    pub replaced: Option<Revocation>,
    /// Scopes that were requested and not granted.
    pub scopes_not_granted: Vec<String>,
}

/// Signs a user in.
pub type LoginFlow = Running<LoginMachine>;

/// The transitions of [`LoginFlow`].
#[derive(Debug)]
pub struct LoginMachine {
    request: LoginRequest,
    key: ConnectionKey,
    entropy: Option<(Entropy, Entropy)>,
    server: Option<AuthorizationServer>,
    device_grant_not_enabled: bool,
    /// When the last request was sent: lifetimes count from there.
    sent_at: UnixTime,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Start,
    Preflight,
    LookingAtRecord,
    Discovering(Discovery),
    Asking(Grant, Asking),
    FallingOver,
    Saving(RecordUpdate),
    RevokingOld(Box<SignedIn>),
    Identifying(Box<SignedIn>, WithToken<IdentityRequest>),
    ListingSites(Box<SignedIn>, WithToken<SitesRequest>),
    Noting(Box<SignedIn>, RecordUpdate),
    Over,
}

#[derive(Debug)]
enum Asking {
    Device(DeviceCodeGrant),
    Browser(AuthorizationCodeGrant),
}

impl LoginFlow {
    /// A sign-in that has not begun. The two pieces of entropy become the PKCE verifier and the state.
    ///
    /// # Errors
    /// [`Error::Configuration`] if a name or a scope is invalid.
    pub fn sign_in(request: LoginRequest, entropy: (Entropy, Entropy)) -> Result<Self, Error> {
        let mut machine = LoginMachine::new(request)?;
        machine.entropy = Some(entropy);
        Ok(Self::new(machine))
    }
}

type Transition = Next<Result<SignedIn, Error>>;

impl LoginMachine {
    fn new(request: LoginRequest) -> Result<Self, Error> {
        let key = ConnectionKey::new(&request.profile.name, &request.connection)
            .map_err(|e| Error::Configuration(e.to_string()))?;
        if let Some(scope) = request.scopes.iter().find(|s| !crate::scope::is_scope_token(s)) {
            let scope = crate::text::printable(scope);
            return Err(Error::Configuration(alloc::format!("'{scope}' is not a scope")));
        }
        Ok(Self {
            request,
            key,
            entropy: None,
            server: None,
            device_grant_not_enabled: false,
            sent_at: UnixTime::EPOCH,
            phase: Phase::Start,
        })
    }

    /// Runs the next grant of the plan.
    fn ask(&mut self, now: Now) -> Transition {
        let (Some(grant), Some(server)) = (self.request.grants.pop_front(), self.server.clone())
        else {
            return failed(Error::Configuration(alloc::format!(
                "{} offers no way to sign in here",
                self.request.profile.display_name
            )));
        };
        let asking = match grant {
            Grant::DeviceCode => Asking::Device(DeviceCodeGrant::new(server, &self.request)),
            Grant::AuthorizationCode => match self.entropy.take() {
                Some(entropy) => {
                    Asking::Browser(AuthorizationCodeGrant::new(server, &self.request, entropy))
                }
                None => return failed(Error::OutOfOrder),
            },
        };
        self.run_grant(grant, asking, |grant| grant.start(now), now)
    }

    fn run_grant(
        &mut self,
        grant: Grant,
        mut asking: Asking,
        run: impl FnOnce(
            &mut dyn Machine<Output = Result<TokenResponse, Error>>,
        ) -> Next<Result<TokenResponse, Error>>,
        now: Now,
    ) -> Transition {
        let next = match &mut asking {
            Asking::Device(device) => run(device),
            Asking::Browser(browser) => run(browser),
        };
        match next {
            Next::Perform(effect) => {
                self.phase = Phase::Asking(grant, asking);
                Next::Perform(effect)
            }
            Next::Done(result) => self.answered(grant, result, now),
        }
    }

    fn answered(
        &mut self,
        grant: Grant,
        result: Result<TokenResponse, Error>,
        now: Now,
    ) -> Transition {
        match result {
            Ok(tokens) => self.save(grant, tokens, now),
            Err(Error::Refused(error))
                if grant == Grant::DeviceCode && error.is_grant_not_enabled() =>
            {
                self.device_grant_not_enabled = true;
                // A restored sign-in has no entropy left for a browser, so the refusal ends it.
                if self.request.grants.is_empty() || self.entropy.is_none() {
                    return failed(Error::GrantNotEnabled(error));
                }
                self.phase = Phase::FallingOver;
                Next::Perform(Effect::Notify(Notice::DeviceGrantNotEnabled))
            }
            Err(error) => failed(error),
        }
    }

    fn save(&mut self, grant: Grant, tokens: TokenResponse, now: Now) -> Transition {
        let Some(server) = &self.server else { return failed(Error::OutOfOrder) };
        // A clock that was set back during the request must not make the token look older than it is.
        let issued_at = self.sent_at.min(now.wall);
        let ends_at = tokens.authorization_expires_in.map(|span| issued_at.plus(span));
        let new = StoredCredential {
            schema_version: SCHEMA_VERSION,
            generation: Generation::FIRST,
            provider: self.key.provider().to_string(),
            connection: self.key.connection().to_string(),
            server: server.issued_by(),
            client_id: self.request.client.id.clone(),
            login: credential::Login { at: now.wall, grant, ends_at },
            tokens: Some(tokens.into_tokens(
                issued_at,
                self.request.profile.assumed_token_lifetime(),
                &self.request.scopes,
                None,
            )),
            ended: None,
            pending: None,
            account: None,
            sites: Vec::new(),
            default_site: None,
            unknown: serde_json::Map::new(),
        };
        let mut update = RecordUpdate::new(self.key.clone(), Damaged::SetAside, move |old| {
            let unknown = old.map(|old| old.unknown.clone()).unwrap_or_default();
            let default_site = old.and_then(|old| old.default_site.clone());
            Some(StoredCredential { unknown, default_site, ..new })
        });
        let next = update.start(now);
        self.phase = Phase::Saving(update);
        next.and_then(|result| self.saved(result, now))
    }

    fn saved(&mut self, result: Result<Updated, Error>, now: Now) -> Transition {
        let updated = match result {
            Ok(updated) => updated,
            Err(error) => return failed(Error::NotSaved(Box::new(error))),
        };
        let Some(credential) = updated.new else { return failed(Error::OutOfOrder) };
        let tokens = credential.tokens.as_ref();
        let scopes_not_granted =
            tokens.map_or_else(Vec::new, |tokens| tokens.missing_scopes(&self.request.scopes));
        let signed_in = Box::new(SignedIn {
            credential,
            account: None,
            sites: None,
            device_grant_not_enabled: self.device_grant_not_enabled,
            replaced: None,
            scopes_not_granted,
        });
        match updated.old.and_then(|old| self.revoke_replaced(&old, &signed_in.credential)) {
            Some(effect) => {
                self.phase = Phase::RevokingOld(signed_in);
                Next::Perform(effect)
            }
            None => self.identify(signed_in, now),
        }
    }

    /// Revokes the refresh token of the replaced connection, but only if that cannot end the new one too, and only
    /// at the server that issued it.
    fn revoke_replaced(&self, old: &StoredCredential, new: &StoredCredential) -> Option<Effect> {
        let profile = &self.request.profile;
        let same_client = old.client_id == self.request.client.id && profile.is_of(&old.server);
        if profile.revocation_ends_grant || !same_client {
            return None;
        }
        let token = old.tokens.as_ref()?.refresh_token.as_ref()?;
        // A server that does not rotate may give the same token again: then it belongs to the new connection.
        let kept = new.tokens.as_ref().and_then(|tokens| tokens.refresh_token.as_ref());
        if kept.is_some_and(|kept| kept.matches(token.expose())) {
            return None;
        }
        let endpoint = old.server.revocation_endpoint.as_ref()?;
        let authentication = old.server.client_authentication;
        Some(revocation_request(
            endpoint,
            &self.request.client,
            authentication,
            TokenKind::Refresh,
            token,
        ))
    }

    /// Asks for the account, which also shows that the new token works.
    fn identify(&mut self, signed_in: Box<SignedIn>, now: Now) -> Transition {
        let server = signed_in.credential.server.clone();
        let (true, Some(tokens)) =
            (server.userinfo_endpoint.is_some(), &signed_in.credential.tokens)
        else {
            return self.list_sites(signed_in, now);
        };
        let request = IdentityRequest::new(self.request.profile.clone());
        let token = Authorization::Bearer(tokens.access_token.clone());
        let mut request = WithToken::new(request, token, server.userinfo_endpoint);
        let next = request.start(now);
        self.phase = Phase::Identifying(signed_in, request);
        next.and_then(|account| self.identified(account, now))
    }

    fn identified(&mut self, account: Result<Account, Error>, now: Now) -> Transition {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        let Phase::Identifying(mut signed_in, _) = phase else {
            return failed(Error::OutOfOrder);
        };
        signed_in.account = Some(account);
        self.list_sites(signed_in, now)
    }

    fn list_sites(&mut self, signed_in: Box<SignedIn>, now: Now) -> Transition {
        let (true, Some(tokens)) =
            (self.request.profile.sites.is_some(), &signed_in.credential.tokens)
        else {
            return self.note(signed_in, now);
        };
        let request = SitesRequest::new(self.request.profile.clone());
        let token = Authorization::Bearer(tokens.access_token.clone());
        let mut request = WithToken::new(request, token, None);
        let next = request.start(now);
        self.phase = Phase::ListingSites(signed_in, request);
        next.and_then(|sites| self.sites_listed(sites, now))
    }

    fn sites_listed(&mut self, sites: Result<Vec<Site>, Error>, now: Now) -> Transition {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        let Phase::ListingSites(mut signed_in, _) = phase else {
            return failed(Error::OutOfOrder);
        };
        signed_in.sites = Some(sites);
        self.note(signed_in, now)
    }

    /// Writes account and sites into the record, so that `auth status` can name them offline.
    fn note(&mut self, signed_in: Box<SignedIn>, now: Now) -> Transition {
        let account = signed_in.account.as_ref().and_then(|account| account.as_ref().ok()).cloned();
        let sites = signed_in.sites.as_ref().and_then(|sites| sites.as_ref().ok()).cloned();
        if account.is_none() && sites.is_none() {
            return Next::Done(Ok(*signed_in));
        }
        let ours = signed_in.credential.generation;
        let mut update = RecordUpdate::new(self.key.clone(), Damaged::Refuse, move |old| {
            // A record that another process wrote meanwhile is newer, and this account is not its own.
            let mut new = old.filter(|old| old.generation == ours)?.clone();
            new.account = account;
            if let Some(sites) = sites {
                // A default site that the token no longer reaches is dropped.
                new.default_site = new.default_site.filter(|id| sites.iter().any(|s| s.id == *id));
                new.sites = sites;
            }
            Some(new)
        });
        let next = update.start(now);
        self.phase = Phase::Noting(signed_in, update);
        next.and_then(|result| self.noted(result))
    }

    /// The connection is saved already, so a note that could not be written is no failure.
    fn noted(&mut self, result: Result<Updated, Error>) -> Transition {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        let Phase::Noting(mut signed_in, _) = phase else {
            return failed(Error::OutOfOrder);
        };
        if let Ok(Updated { new: Some(credential), .. }) = result {
            signed_in.credential = credential;
        }
        Next::Done(Ok(*signed_in))
    }
}

fn failed(error: Error) -> Transition {
    Next::Done(Err(error))
}

impl Machine for LoginMachine {
    type Output = Result<SignedIn, Error>;

    fn start(&mut self, now: Now) -> Transition {
        // A suspended sign-in continues where it waited.
        if let Phase::Asking(grant, asking) = core::mem::replace(&mut self.phase, Phase::Over) {
            return self.run_grant(grant, asking, |grant| grant.start(now), now);
        }
        self.phase = Phase::Preflight;
        Next::Perform(Effect::PreflightStore(self.key.clone()))
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Transition {
        let next = match (core::mem::replace(&mut self.phase, Phase::Over), outcome) {
            (Phase::Preflight, Outcome::Store(Ok(()))) => {
                self.phase = Phase::LookingAtRecord;
                Next::Perform(Effect::LoadRecord(self.key.clone()))
            }
            (Phase::LookingAtRecord, Outcome::Loaded(Err(error))) => failed(Error::Store(error)),
            (Phase::LookingAtRecord, Outcome::Loaded(Ok(record))) => {
                // A record that cannot be replaced must end the sign-in before the user approves. A damaged one can
                // be replaced: it is set aside.
                if let Some(Err(newer @ RecordError::Newer { .. })) =
                    record.map(|record| StoredCredential::parse_for(&self.key, record.expose()))
                {
                    return failed(Error::Record(newer));
                }
                let mut discovery = Discovery::new(&self.request.profile);
                let next = discovery.start(now);
                self.phase = Phase::Discovering(discovery);
                next.and_then(|server| self.discovered(server, now))
            }
            (Phase::Preflight, Outcome::Store(Err(error))) => failed(Error::Store(error)),
            (Phase::Discovering(mut discovery), outcome) => {
                let next = discovery.advance(outcome, now);
                self.phase = Phase::Discovering(discovery);
                next.and_then(|server| self.discovered(server, now))
            }
            (Phase::Asking(grant, asking), outcome) => {
                self.run_grant(grant, asking, |grant| grant.advance(outcome, now), now)
            }
            (Phase::FallingOver, Outcome::Notified) => self.ask(now),
            (Phase::Saving(mut update), outcome) => {
                let next = update.advance(outcome, now);
                self.phase = Phase::Saving(update);
                next.and_then(|result| self.saved(result, now))
            }
            (Phase::RevokingOld(mut signed_in), Outcome::Http(answer)) => {
                signed_in.replaced = Some(revocation_answered(answer));
                self.identify(signed_in, now)
            }
            (Phase::Identifying(signed_in, mut request), outcome) => {
                let next = request.advance(outcome, now);
                self.phase = Phase::Identifying(signed_in, request);
                next.and_then(|account| self.identified(account, now))
            }
            (Phase::ListingSites(signed_in, mut request), outcome) => {
                let next = request.advance(outcome, now);
                self.phase = Phase::ListingSites(signed_in, request);
                next.and_then(|sites| self.sites_listed(sites, now))
            }
            (Phase::Noting(signed_in, mut update), outcome) => {
                let next = update.advance(outcome, now);
                self.phase = Phase::Noting(signed_in, update);
                next.and_then(|result| self.noted(result))
            }
            _ => failed(Error::OutOfOrder),
        };
        if matches!(next, Next::Perform(Effect::SendHttp(_))) {
            self.sent_at = now.wall;
        }
        next
    }
}

impl LoginMachine {
    fn discovered(&mut self, server: Result<AuthorizationServer, Error>, now: Now) -> Transition {
        match server {
            Ok(server) => {
                self.server = Some(server);
                self.ask(now)
            }
            Err(error) => failed(error),
        }
    }
}
