//! A process that runs commands one after the other. Each may refresh.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use twg_core::client::{Client, Registered};
use twg_core::credential::{ConnectionKey, Host};
use twg_core::entropy::Entropy;
use twg_core::flow::{Effect, Flow as _, Outcome, Step, StepId};
use twg_core::provider::ProviderProfile;
use twg_core::refresh::{Need, RefreshFlow, RefreshRequest, Refreshed};
use twg_core::schedule::UPKEEP_WINDOW;
use twg_core::time::{Now, Span, UnixTime};

use crate::network::Reply;

/// What a command needs from its refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// `twg auth token`
    Live,
    /// `twg auth refresh`, and the one-shot recovery
    Due,
    /// `twg auth refresh --force`
    Now,
    /// `twg upkeep run`
    Upkeep,
}

/// One process at a time on one terminal.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Process {
    /// How many commands have begun.
    pub begun: usize,
    /// The running command.
    pub running: Option<Running>,
}

/// A running command.
#[derive(Clone)]
pub struct Running {
    flow: RefreshFlow,
    id: StepId,
    /// The effect that it waits for.
    pub effect: Effect,
    /// What it needs.
    pub want: Want,
    /// A hash of its outcomes so far, which are the flow's only input.
    history: u64,
    /// The time limit of its wait, in seconds since the model began.
    longest: u32,
    /// The record at its first look.
    pub first_look: Option<Option<Arc<str>>>,
    /// Whether it holds the lock, or believes so.
    pub in_section: bool,
    /// The response it received, until its tokens are saved.
    pub holding: Option<Reply>,
    /// Whether it has sent a request.
    pub sent: bool,
    /// Whether the disk failed after it received the response, so that a loss is not its fault.
    pub disk_failed: bool,
}

impl Hash for Running {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.history.hash(state);
        self.in_section.hash(state);
        self.holding.hash(state);
        self.disk_failed.hash(state);
    }
}

/// Two flows with the same history are equal.
impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        let gist = |it: &Self| (it.history, it.in_section, it.holding, it.sent, it.disk_failed);
        gist(self) == gist(other)
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} waits for {:?}", self.want, self.effect)
    }
}

/// The result of a command.
pub type Ended = Result<Refreshed, twg_core::error::Error>;

/// The connection of all processes.
#[must_use]
pub fn key() -> ConnectionKey {
    ConnectionKey::new("example", "default").expect("good names")
}

/// Seconds of the model as a time. The model begins well after 1970.
#[must_use]
pub const fn time(clock: u32) -> UnixTime {
    UnixTime::from_millis((crate::world::EPOCH as u64 + clock as u64) * 1000)
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clocks {
    /// Seconds since the model began.
    pub passed: u32,
    /// How far the wall clock was set forward.
    pub set: i32,
    /// Whether there is a clock that cannot be set.
    pub has_boot_clock: bool,
}

impl Clocks {
    /// The wall clock.
    #[must_use]
    pub const fn wall(self) -> UnixTime {
        time(self.passed.saturating_add_signed(self.set))
    }

    const fn now(self) -> Now {
        let uptime =
            if self.has_boot_clock { Some(Span::from_secs(self.passed as u64)) } else { None };
        Now { wall: self.wall(), uptime }
    }
}

impl Running {
    /// A command begins, and waits for its first effect.
    #[must_use]
    pub fn begin(want: Want, leeway: u32, clocks: Clocks, boot: u32, seed: u8) -> Self {
        let need = match want {
            Want::Live => Need::Live,
            Want::Due => Need::Due(Span::ZERO),
            Want::Now => Need::Now,
            Want::Upkeep => Need::Due(UPKEEP_WINDOW),
        };
        let profile = format!(
            r#"{{"schema_version":1,"name":"example","display_name":"Example","grants":["device_code"],
            "endpoints":{{"token":"https://as.example/token","device_authorization":"https://as.example/d"}},
            "reuse_leeway_seconds":{leeway}}}"#
        );
        let profile = ProviderProfile::parse(&profile).expect("a good profile");
        let client = Some(Client { id: "client".to_owned(), secret: None });
        let boot = format!("boot {boot}");
        let request = RefreshRequest {
            key: key(),
            need,
            registered: Ok(Registered { profile, client }),
            host: Host::new(Some("machine"), Some(&boot)),
        };
        let mut flow = RefreshFlow::refresh(request, Entropy::new([seed; 32]));
        let Ok(Step::Perform(id, effect)) = flow.begin(clocks.now()) else {
            panic!("a refresh begins with an effect");
        };
        let mut running = Self {
            flow,
            id,
            effect,
            want,
            history: 0,
            longest: 0,
            first_look: None,
            in_section: false,
            holding: None,
            sent: false,
            disk_failed: false,
        };
        running.remember(&(want, clocks, boot, seed));
        running.note_wait(clocks);
        running
    }

    /// Passes an outcome to the flow; `gist` stands for the outcome in the history. Returns the
    /// result if the command ended.
    pub fn resume(&mut self, outcome: Outcome, gist: &impl Hash, clocks: Clocks) -> Option<Ended> {
        let mut hasher = DefaultHasher::new();
        gist.hash(&mut hasher);
        self.remember(&(hasher.finish(), clocks));
        match self.flow.resume(self.id, outcome, clocks.now()) {
            Ok(Step::Perform(id, effect)) => {
                (self.id, self.effect) = (id, effect);
                self.note_wait(clocks);
                None
            }
            Ok(Step::Done(ended)) => Some(ended),
            Err(misuse) => panic!("{misuse}: {:?}", self.effect),
        }
    }

    /// A wait ends by the wall clock, or after as much time as it was to take when it began.
    fn note_wait(&mut self, clocks: Clocks) {
        if let Effect::WaitUntil(until) = self.effect {
            let seconds = u32::try_from(until.since(clocks.wall()).as_secs());
            self.longest = clocks.passed.saturating_add(seconds.unwrap_or(u32::MAX));
        }
    }

    /// Whether it waits for a time that has not come yet.
    #[must_use]
    pub fn is_waiting(&self, clocks: Clocks) -> bool {
        matches!(self.effect, Effect::WaitUntil(until)
            if clocks.wall() < until && clocks.passed < self.longest)
    }

    fn remember(&mut self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        self.history.hash(&mut hasher);
        what.hash(&mut hasher);
        self.history = hasher.finish();
    }
}
