//! What is taken away from the world, one at a time, to see that the check notices. The flow stays the
//! shipped one.

/// A part of the protocol that the world no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The lock is given to everybody.
    Lock,
    /// The look under the lock shows what was there before it; and the store does not compare generations,
    /// which is a second such look.
    Reload,
    /// Waits are over at once, and the clocks say that their time has passed.
    Quarantine,
    /// An intent that is written over another one is not synced.
    IntentResync,
    /// No replacement of the record is synced.
    RecordSync,
    /// A reply in the stage is not synced.
    StageSync,
    /// The stage has no room reserved.
    Preallocation,
    /// There is no clock but the wall clock.
    BootClock,
    /// Nobody comes who is sent for.
    Arming,
}

impl Mutation {
    /// The scenario in which it shows soonest.
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

    /// All of them.
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
