//! The sandbox as one value: state, switches, open pages, log. One request at a time changes it.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::families::{Millis, Rules};
use crate::log::Log;
use crate::state::State;
use crate::store::Store;
use crate::switches::Switches;
use crate::ticket::Tickets;

/// Everything that responses depend on.
pub(crate) struct World {
    /// `http://127.0.0.1:PORT`, also the issuer.
    pub(crate) base_url: String,
    /// The switches as they are now.
    pub(crate) switches: Switches,
    /// The pages that wait for a click.
    pub(crate) tickets: Tickets,
    /// The requests so far.
    pub(crate) log: Log,
    state: State,
    changed: bool,
    store: Store,
}

impl World {
    /// A sandbox at `base_url`.
    pub(crate) fn new(base_url: String, switches: Switches, state: State, store: Store) -> Self {
        Self {
            base_url,
            switches,
            tickets: Tickets::default(),
            log: Log::default(),
            state,
            changed: false,
            store,
        }
    }

    /// The time. The sandbox reads no other clock.
    pub(crate) fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(self.state.advanced)
    }

    /// The state.
    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// The state, to change it. [`Self::save`] runs before the response leaves.
    pub(crate) const fn change(&mut self) -> &mut State {
        self.changed = true;
        &mut self.state
    }

    /// Saves the state if it changed. On failure it goes back to what is on the disk, because a
    /// client must not learn anything that a restart could forget.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        self.state.prune(self.now());
        let saved = self.store.save(&self.state);
        if saved.is_err()
            && let Ok(earlier) = self.store.load()
        {
            self.state = earlier;
        }
        saved
    }

    /// The rules for refresh tokens, as the switches are now.
    pub(crate) fn rules(&self) -> Rules {
        let switches = &self.switches;
        // A server that sends no new refresh token lets the old one live.
        let silent = [&switches.omit, &switches.omit_on_refresh]
            .iter()
            .any(|omit| omit.has("refresh_token"));
        Rules {
            rotate: switches.rotation && !silent,
            leeway: switches.leeway.millis(),
            replay: switches.leeway_replay,
            children: switches.leeway_children,
            reuse_ends: switches.reuse_ends_family,
            idle: switches.idle_lifetime.millis(),
            absolute: switches.absolute_lifetime.millis(),
        }
    }
}
