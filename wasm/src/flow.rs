//! Any of the core's flows, driven in the shapes of [`wire`](crate::wire), for every kind of host.

use twg_core::api::ApiFlow;
use twg_core::atlassian::sites::{SitesRequest, UseSiteFlow};
use twg_core::authorized::AuthorizedFlow;
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::entropy::Entropy;
use twg_core::error::Error;
use twg_core::flow::{self, Flow as _, Machine, Misuse, Next, Outcome, Running, StepId};
use twg_core::identity::IdentityRequest;
use twg_core::login::LoginFlow;
use twg_core::logout::LogoutFlow;
use twg_core::refresh::RefreshFlow;
use twg_core::resource::TokenAudience;
use twg_core::secret::Secret;
use twg_core::time::{Now, UnixTime};
use zeroize::Zeroizing;

use crate::wire::{self, Done, FlowRequest, HostError, Output, Profile, Status, Step};

/// 64 random octets for one flow, never used again.
pub struct Seed(Zeroizing<[u8; 64]>);

/// One flow.
pub enum AnyFlow {
    /// The only one that can be suspended.
    Login(Box<LoginFlow>),
    /// The others.
    Other(Box<dyn Steps>),
}

/// A flow whose steps and result have the shapes of `wire`.
pub trait Steps {
    /// As [`flow::Flow::begin`].
    ///
    /// # Errors
    /// [`Misuse`]
    fn begin(&mut self, now: Now) -> Result<Step, Misuse>;

    /// As [`flow::Flow::resume`].
    ///
    /// # Errors
    /// [`Misuse`]
    fn resume(&mut self, id: StepId, outcome: Outcome, now: Now) -> Result<Step, Misuse>;
}

impl AnyFlow {
    /// The flow for this request. If the request cannot be carried out, the flow ends at once and says why.
    #[must_use]
    pub fn new(request: FlowRequest, seed: &Seed) -> Self {
        Self::of(request, seed).unwrap_or_else(|error| other(Running::new(Refused(Some(error)))))
    }

    fn of(request: FlowRequest, seed: &Seed) -> Result<Self, Error> {
        Ok(match request {
            FlowRequest::Login(login) => {
                Self::Login(Box::new(LoginFlow::sign_in(login.into_core()?, seed.two())?))
            }
            FlowRequest::RestoredLogin { suspended } => {
                Self::Login(Box::new(LoginFlow::restore(suspended.expose())?))
            }
            FlowRequest::Refresh(refresh) => {
                other(RefreshFlow::refresh(refresh.into_core()?, seed.one()))
            }
            FlowRequest::Identity(client) => {
                let (profile, refresh) = client.into_live()?;
                let request = IdentityRequest::new(profile);
                other(AuthorizedFlow::request(request, refresh, seed.one()))
            }
            FlowRequest::Sites(client) => {
                let (profile, refresh) = client.into_live()?;
                let request = SitesRequest::new(profile);
                other(AuthorizedFlow::request(request, refresh, seed.one()))
            }
            FlowRequest::Api(request) => {
                let (request, refresh) = request.into_core()?;
                other(ApiFlow::ask(request, refresh, seed.one()))
            }
            FlowRequest::UseSite(choice) => {
                let (key, sites, site) = choice.into_core()?;
                let choosing = UseSiteFlow::choose(key.clone(), sites, site);
                Self::Other(Box::new(Choosing(choosing, key)))
            }
            FlowRequest::Logout(client) => {
                let (key, registered, _) = client.into_core()?;
                other(LogoutFlow::sign_out(key, Some(registered)))
            }
        })
    }

    /// The first step; later, the step that the flow waits for.
    ///
    /// # Errors
    /// [`HostError`] if the flow is over.
    pub fn begin(&mut self, now: wire::Now) -> Result<Step, HostError> {
        Ok(self.steps().begin(now.into())?)
    }

    /// The next step.
    ///
    /// # Errors
    /// [`HostError`] if the flow waits for another outcome. It still waits for it.
    pub fn resume(
        &mut self,
        id: u64,
        outcome: wire::Outcome,
        now: wire::Now,
    ) -> Result<Step, HostError> {
        Ok(self.steps().resume(StepId::from_raw(id), outcome.into(), now.into())?)
    }

    /// A login that waits for its user, as text that holds secrets.
    #[must_use]
    pub fn suspend(&self) -> Option<Secret> {
        match self {
            Self::Login(login) => login.suspend(),
            Self::Other(_) => None,
        }
    }

    fn steps(&mut self) -> &mut dyn Steps {
        match self {
            Self::Login(login) => &mut **login,
            Self::Other(flow) => &mut **flow,
        }
    }
}

/// What a record says at that time.
///
/// # Errors
/// [`Error::Record`] if it cannot be read, [`Error::Configuration`] if the profile cannot be used.
pub fn status(record: &str, profile: &Profile, now: UnixTime, chance: u8) -> Result<Status, Error> {
    let profile = profile.read()?;
    let credential = StoredCredential::parse(record).map_err(Error::Record)?;
    Ok(Status::of(credential, &profile, now, chance))
}

/// Whether access tokens of `profile` may be sent to that URL.
///
/// # Errors
/// [`Error::Configuration`] if the profile cannot be used.
pub fn may_have_token(profile: &Profile, url: &str) -> Result<bool, Error> {
    Ok(TokenAudience::new(&profile.read()?, None).includes(url))
}

impl Seed {
    /// Takes fresh random octets.
    #[must_use]
    pub const fn new(octets: Zeroizing<[u8; 64]>) -> Self {
        Self(octets)
    }

    /// Two independent halves.
    fn two(&self) -> (Entropy, Entropy) {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        first.copy_from_slice(&self.0[..32]);
        second.copy_from_slice(&self.0[32..]);
        (Entropy::new(first), Entropy::new(second))
    }

    fn one(&self) -> Entropy {
        self.two().0
    }
}

fn other(flow: impl Steps + 'static) -> AnyFlow {
    AnyFlow::Other(Box::new(flow))
}

impl<M: Machine> Steps for Running<M>
where
    Done: From<M::Output>,
{
    fn begin(&mut self, now: Now) -> Result<Step, Misuse> {
        flow::Flow::begin(self, now).map(|step| step_of(step, Done::from))
    }

    fn resume(&mut self, id: StepId, outcome: Outcome, now: Now) -> Result<Step, Misuse> {
        flow::Flow::resume(self, id, outcome, now).map(|step| step_of(step, Done::from))
    }
}

fn step_of<T>(step: flow::Step<T>, done: impl FnOnce(T) -> Done) -> Step {
    match step {
        flow::Step::Perform(id, effect) => Step::Perform {
            id: id.get(),
            interruptible: effect.is_interruptible(),
            effect: effect.into(),
        },
        flow::Step::Done(output) => Step::Done(done(output)),
    }
}

/// The choice of a site. A connection that is not signed in cannot store one.
struct Choosing(UseSiteFlow, ConnectionKey);

impl Choosing {
    fn done(&self, noted: Result<bool, Error>) -> Done {
        match noted {
            Ok(true) => Done::Ok(Output::SiteChosen(())),
            Ok(false) => Done::Error((&Error::NotSignedIn(self.1.clone())).into()),
            Err(error) => Done::Error((&error).into()),
        }
    }
}

impl Steps for Choosing {
    fn begin(&mut self, now: Now) -> Result<Step, Misuse> {
        let step = self.0.begin(now)?;
        Ok(step_of(step, |noted| self.done(noted)))
    }

    fn resume(&mut self, id: StepId, outcome: Outcome, now: Now) -> Result<Step, Misuse> {
        let step = self.0.resume(id, outcome, now)?;
        Ok(step_of(step, |noted| self.done(noted)))
    }
}

/// A request that cannot be carried out.
struct Refused(Option<Error>);

impl Machine for Refused {
    type Output = Result<twg_core::logout::LoggedOut, Error>;

    fn start(&mut self, _now: Now) -> Next<Self::Output> {
        Next::Done(Err(self.0.take().unwrap_or(Error::OutOfOrder)))
    }

    fn advance(&mut self, _outcome: Outcome, now: Now) -> Next<Self::Output> {
        self.start(now)
    }
}
