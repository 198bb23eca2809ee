//! Mutations remove one part from the world at a time, to see that the check notices. The flow
//! stays the shipped one.

/// A part of the protocol that the world leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Every process gets the lock.
    Lock,
    /// The look under the lock shows the record from before the lock. The store does not compare
    /// generations either, because that is a second such look.
    Reload,
    /// Waits are over at once, and the clocks show their time as passed.
    Quarantine,
    /// An intent that replaces another intent is not synced.
    IntentResync,
    /// No replacement of the record is synced.
    RecordSync,
    /// A response in the stage is not synced.
    StageSync,
    /// The stage has no reserved room.
    Preallocation,
    /// There is only the wall clock.
    BootClock,
    /// A scheduled recovery never comes.
    Arming,
}

impl Mutation {
    /// The scenario in which it is noticed soonest.
    #[must_use]
    pub const fn shows_in(self) -> &'static str {
        match self {
            Self::Lock
            | Self::Reload
            | Self::Quarantine
            | Self::IntentResync
            | Self::RecordSync => "2 processes, strict server: kills and a lost or late request",
            Self::StageSync => "2 processes, leeway: power failure after a kill",
            Self::Preallocation => "2 processes, strict server: full and broken disks",
            Self::Arming => "2 processes, leeway, newest child only: kills and the network",
            Self::BootClock => "2 processes, strict server: the clock is set",
        }
    }

    /// All mutations.
    pub const ALL: [Self; 9] = [
        Self::Lock,
        Self::Reload,
        Self::Quarantine,
        Self::IntentResync,
        Self::RecordSync,
        Self::StageSync,
        Self::Preallocation,
        Self::BootClock,
        Self::Arming,
    ];
}
