//! Wall-clock time as the core sees it: an argument, never a call.

use core::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::json::{FromJson, Mistakes};

/// Milliseconds since 1970-01-01T00:00:00Z, as the shell's clock shows it.
///
/// The clock may jump in either direction (suspend, NTP, a user); arithmetic saturates, so that no
/// server and no clock can make the core panic or believe in "forever".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// A time given in milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time plus `span`, saturating.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long after `earlier` this time is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl FromJson for UnixTime {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self(u64::from_json(value, mistakes))
    }
}

/// What the shell's clocks show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: UnixTime,
    /// How long ago the boot session of this [`Host`](crate::credential::Host) began, time asleep included, by a
    /// clock that cannot be set; `None` without such a clock: then the wall clock must do.
    pub uptime: Option<Span>,
}

impl From<UnixTime> for Now {
    /// For a shell that has only a wall clock.
    fn from(wall: UnixTime) -> Self {
        Self { wall, uptime: None }
    }
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Span(u64);

impl FromJson for Span {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self(u64::from_json(value, mistakes))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of seconds, saturating.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// A span of minutes, saturating.
    #[must_use]
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins.saturating_mul(60))
    }

    /// A span of days, saturating.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        Self::from_mins(days.saturating_mul(24 * 60))
    }

    /// The span in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The span in whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// What is left of this span after `other`; `None` if that is the longer one.
    #[must_use]
    pub const fn minus(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(millis) => Some(Self(millis)),
            None => None,
        }
    }

    /// The sum of two spans, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `percent` hundredths of this span, rounded down. Computed in 128 bits, so that it cannot overflow.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "saturated to u64 just before")]
    pub const fn percent(self, percent: u8) -> Self {
        let scaled = self.0 as u128 * percent as u128 / 100;
        Self(if scaled > u64::MAX as u128 { u64::MAX } else { scaled as u64 })
    }
}

impl fmt::Display for Span {
    /// Two largest units, for people: `2 h 5 min`, `59 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        let (days, hours, mins) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
        match (days, hours, mins) {
            (0, 0, 0) => write!(f, "{secs} s"),
            (0, 0, m) if secs.is_multiple_of(60) => write!(f, "{m} min"),
            (0, 0, m) => write!(f, "{m} min {} s", secs % 60),
            (0, h, 0) => write!(f, "{h} h"),
            (0, h, m) => write!(f, "{h} h {m} min"),
            (1, 0, _) => write!(f, "1 day"),
            (d, 0, _) => write!(f, "{d} days"),
            (1, h, _) => write!(f, "1 day {h} h"),
            (d, h, _) => write!(f, "{d} days {h} h"),
        }
    }
}
