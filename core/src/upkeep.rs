//! What the scheduled upkeep remembers from run to run, and what it decides from that: when to look for an update, and
//! when to notify the user. [`crate::refresh`] does the refresh itself, with
//! [`UPKEEP_WINDOW`](crate::schedule::UPKEEP_WINDOW).
//!
//! Seed: "checks for CLI updates at most daily with jitter. When an update is available, it sends an initial native
//! notification, up to three daily reminders, then up to three weekly reminders until you update."

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::json::{self, BadJson, FromJson, Members, Mistakes};
use crate::time::{Span, UnixTime};

const DAY: Span = Span::from_days(1);
const WEEK: Span = Span::from_days(7);

/// The most that is added to the day between two update checks, so that not every machine asks at once.
const MOST_JITTER: Span = Span::from_mins(4 * 60);

/// After the first one.
const DAILY_REMINDERS: u32 = 3;
const WEEKLY_REMINDERS: u32 = 3;

/// The file `upkeep.json`. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upkeep {
    /// Always 1.
    pub schema_version: u32,
    /// When it ran last, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<UnixTime>,
    /// Whether all that it tried worked.
    pub last_run_succeeded: bool,
    /// When to look for an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_update_check_at: Option<UnixTime>,
    /// The newest version that was seen, if it is newer than the version that looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_version: Option<String>,
    /// How many reminders of an update there were since the last one was installed.
    pub reminders: u32,
    /// When the last reminder was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<UnixTime>,
    /// The ends of connections that the user was notified of, by connection.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, UnixTime>,
    /// Members of a newer version.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            schema_version: 1,
            last_run_at: None,
            last_run_succeeded: true,
            next_update_check_at: None,
            available_version: None,
            reminders: 0,
            reminded_at: None,
            told: BTreeMap::new(),
            unknown: Map::new(),
        }
    }
}

impl FromJson for Upkeep {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            schema_version: members.required("schema_version"),
            last_run_at: members.optional("last_run_at"),
            last_run_succeeded: members.optional("last_run_succeeded").unwrap_or(true),
            next_update_check_at: members.optional("next_update_check_at"),
            available_version: members.optional("available_version"),
            reminders: members.or_default("reminders"),
            reminded_at: members.optional("reminded_at"),
            told: members.or_default("told"),
            unknown: members.rest(),
        }
    }
}

impl Upkeep {
    /// Reads the file.
    ///
    /// # Errors
    /// [`BadJson`]. The file is dispensable: start with a new one.
    pub fn parse(json: &str) -> Result<Self, BadJson> {
        json::parse(json)
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Members with names, and nothing else: this cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Notes a run.
    pub const fn ran(&mut self, now: UnixTime, succeeded: bool) {
        self.last_run_at = Some(now);
        self.last_run_succeeded = succeeded;
    }

    /// Whether to look for an update now. A time too far in the future comes from a wrong clock.
    #[must_use]
    pub fn is_update_check_due(&self, now: UnixTime) -> bool {
        let farthest = now.plus(DAY).plus(MOST_JITTER);
        self.next_update_check_at.is_none_or(|at| now >= at || at > farthest)
    }

    /// Notes an update check and its result: `newer` is a version that is newer than this program, or an error if the
    /// check failed. `chance`, out of 255, decides when to look again.
    pub fn looked_for_update(
        &mut self,
        now: UnixTime,
        newer: Result<Option<String>, ()>,
        chance: u8,
    ) {
        let jitter = Span::from_millis(MOST_JITTER.as_millis() / 255 * u64::from(chance));
        self.next_update_check_at = Some(now.plus(DAY).plus(jitter));
        // After a failed check, the last result still counts.
        if let Ok(newer) = newer {
            self.available_version = newer;
        }
    }

    /// Forgets an update that was installed: `is_newer` decides whether a version is newer than this program.
    pub fn forget_installed(&mut self, is_newer: impl FnOnce(&str) -> bool) {
        if self.available_version.as_deref().is_none_or(|version| !is_newer(version)) {
            self.available_version = None;
            self.reminders = 0;
            self.reminded_at = None;
        }
    }

    /// The version to remind the user of now, if it is time. It counts as shown even if it cannot be: better one
    /// reminder too few than one every 12 minutes.
    pub fn take_reminder(&mut self, now: UnixTime) -> Option<String> {
        let version = self.available_version.clone()?;
        if let Some(last) = self.reminded_at {
            // In the future: the clock was wrong then, or is now. The pause starts again now.
            if last > now {
                self.reminded_at = Some(now);
                return None;
            }
            let pause = pause_after(self.reminders)?;
            if now.since(last) < pause {
                return None;
            }
        }
        self.reminders = self.reminders.saturating_add(1);
        self.reminded_at = Some(now);
        Some(version)
    }

    /// Whether to notify the user that `connection` ends or ended at `end`: once for each end.
    pub fn take_end_of_login(&mut self, connection: &str, end: UnixTime) -> bool {
        self.told.insert(connection.into(), end) != Some(end)
    }

    /// Forgets the ends of connections that are no longer stored.
    pub fn keep_only(&mut self, is_stored: impl Fn(&str) -> bool) {
        self.told.retain(|connection, _| is_stored(connection));
    }
}

/// How long to wait after so many reminders; `None` means for ever.
const fn pause_after(reminders: u32) -> Option<Span> {
    if reminders <= DAILY_REMINDERS {
        Some(DAY)
    } else if reminders <= DAILY_REMINDERS + WEEKLY_REMINDERS {
        Some(WEEK)
    } else {
        None
    }
}
