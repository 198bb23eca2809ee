//! The request log: one entry per request, without secrets.

use serde_json::{Value, json};

use crate::families::Millis;
use crate::http::{Request, Response};

/// The log keeps this many requests.
const LOGGED: usize = 20_000;

/// The requests so far, the oldest first.
#[derive(Default)]
pub(crate) struct Log(Vec<Value>);

impl Log {
    /// Adds an entry. `fault` is the fault that the request met, as the user wrote it.
    pub(crate) fn note(
        &mut self,
        at: Millis,
        request: &Request,
        response: &Response,
        carried_out: bool,
        fault: Option<&str>,
    ) {
        if self.0.len() >= LOGGED {
            self.0.remove(0);
        }
        let param = |name| request.params.get(name).or_else(|| request.query.get(name));
        let client =
            request.basic().map(|(id, _)| id).or_else(|| param("client_id").map(Into::into));
        self.0.push(json!({
            "at": at,
            "method": request.method,
            "path": request.path,
            "grant_type": param("grant_type").filter(|text| is_harmless(text)),
            "client_id": client.filter(|id| is_harmless(id)),
            "status": response.status,
            "outcome": response.outcome,
            "carried_out": carried_out,
            "fault": fault,
        }));
    }

    /// All entries, the oldest first.
    pub(crate) fn entries(&self) -> &[Value] {
        &self.0
    }

    /// Removes every entry.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether a name from a request may stand in the log.
fn is_harmless(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic())
}
