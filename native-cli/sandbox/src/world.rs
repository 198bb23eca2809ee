//! The look-alike as one value: state, switches, open pages, log. One request at a time changes it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::consent::Tickets;
use super::faults::{self, Kind};
use super::grants::{Millis, Rules};
use super::http::{self, Reply, Request};
use super::state::{State, Store};
use super::switches::Switches;
use super::{api, control};

/// Requests that the log remembers.
const LOGGED: usize = 20_000;

/// Everything that answers depend on.
pub(super) struct World {
    /// `http://127.0.0.1:PORT`, also the issuer.
    pub(super) base_url: String,
    /// The switches as they are now.
    pub(super) switches: Switches,
    /// The pages that wait for a click.
    pub(super) tickets: Tickets,
    /// One entry per request, without secrets.
    pub(super) log: Vec<Value>,
    state: State,
    changed: bool,
    store: Store,
}

impl World {
    /// A look-alike at `base_url`.
    pub(super) fn new(base_url: String, switches: Switches, state: State, store: Store) -> Self {
        Self {
            base_url,
            switches,
            tickets: Tickets::default(),
            log: Vec::new(),
            state,
            changed: false,
            store,
        }
    }

    /// The time. Nothing in the look-alike asks another clock.
    pub(super) fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(self.state.advanced)
    }

    /// What is remembered.
    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// What is remembered, to change it. It is saved before the reply is sent.
    pub(super) const fn change(&mut self) -> &mut State {
        self.changed = true;
        &mut self.state
    }

    /// The rules for refresh tokens, as the switches are now.
    pub(super) fn rules(&self) -> Rules {
        let switches = &self.switches;
        // A server that sends no new refresh token means that the old one stays.
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

    /// Answers one request: the reply, and what shall happen to it on its way.
    pub(super) fn answer(&mut self, request: &Request) -> (Reply, Option<Kind>) {
        if request.header("host").is_none_or(|host| self.base_url != format!("http://{host}")) {
            // Neither a rebound DNS name nor `localhost` gets in.
            let text = format!("This is {}, and only under this name.", self.base_url);
            return (Reply::error(421, "misdirected_request", &text), None);
        }
        if request.path.starts_with("/_sandbox/") {
            return (self.carry_out(request), None);
        }
        // A browser's preflight must not use up the fault that is meant for the request after it.
        let fault = match request.method.as_str() {
            "OPTIONS" => None,
            _ => self.switches.faults.take(request),
        };
        let carried_out = !fault
            .as_ref()
            .is_some_and(|(kind, _)| *kind == Kind::DropBefore || kind.instead().is_some());
        let mut reply = match fault.as_ref().and_then(|(kind, _)| kind.instead()) {
            Some(instead) => instead,
            None if carried_out => self.carry_out(request),
            None => Reply::empty(503),
        };
        self.note(request, &reply, carried_out, fault.as_ref().map(|(_, text)| text.as_str()));
        let kind = fault.map(|(kind, _)| kind);
        if kind == Some(Kind::BadGatewayAfter) {
            reply = faults::bad_gateway();
        }
        if kind.is_some() && api::is_api(&request.path) {
            reply = api::allow_origins(reply);
        }
        (reply, kind)
    }

    fn carry_out(&mut self, request: &Request) -> Reply {
        let reply = http::route(self, request);
        if !self.changed {
            return reply;
        }
        self.changed = false;
        let now = self.now();
        self.state.prune(now);
        match self.store.save(&self.state) {
            Ok(()) => reply,
            Err(error) => {
                // Nothing that could be forgotten may be told: go back to what is on the disk.
                if let Ok(saved) = self.store.load() {
                    self.state = saved;
                }
                Reply::error(503, "temporarily_unavailable", &format!("State not saved: {error}"))
            }
        }
    }

    fn note(&mut self, request: &Request, reply: &Reply, carried_out: bool, fault: Option<&str>) {
        if self.log.len() >= LOGGED {
            self.log.remove(0);
        }
        let param = |name| request.params.get(name).or_else(|| request.query.get(name));
        let client =
            request.basic().map(|(id, _)| id).or_else(|| param("client_id").map(Into::into));
        self.log.push(json!({
            "at": self.now(),
            "method": request.method,
            "path": request.path,
            "grant_type": param("grant_type").filter(|text| control::is_harmless(text)),
            "client_id": client.filter(|id| control::is_harmless(id)),
            "status": reply.status,
            "outcome": reply.outcome,
            "carried_out": carried_out,
            "fault": fault,
        }));
    }
}
