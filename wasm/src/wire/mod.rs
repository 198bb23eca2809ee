//! The shapes that cross the boundary to a host that is not Rust, in JSON, as `wire.ts` declares them. This module translates
//! them; the core decides what they mean.

#![expect(missing_docs, reason = "every member is documented once, in wire.ts")]

mod effect;
mod error;
mod outcome;
mod output;
mod request;
mod status;

use serde::Serialize;
use serde_json::Value;
use twg_core::credential::ConnectionKey;
use twg_core::json::{FromJson, Members, Mistakes};
use twg_core::time::{self, Span, UnixTime};

pub use effect::Effect;
pub use error::{CoreError, HostError, HostErrorCode};
pub use outcome::{HttpResponse, Outcome};
pub use output::Output;
pub use request::{FlowRequest, Profile};
pub use status::Status;

/// The declarations of all shapes for TypeScript.
pub const TYPESCRIPT: &str = include_str!("wire.ts");

/// The clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    wall: Millis,
    uptime: Option<Millis>,
}

impl Now {
    /// From milliseconds.
    #[must_use]
    pub fn new(wall: u64, uptime: Option<u64>) -> Self {
        Self { wall: Millis(wall), uptime: uptime.map(Millis) }
    }
}

impl From<Now> for time::Now {
    fn from(now: Now) -> Self {
        Self { wall: now.wall.into(), uptime: now.uptime.map(Span::from) }
    }
}

/// Milliseconds as a host writes them: JavaScript has no integers, and clocks of a browser show fractions.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub u64);

impl FromJson for Now {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let now = Self { wall: members.required("wall"), uptime: members.optional("uptime") };
        members.end();
        now
    }
}

impl FromJson for Millis {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        // f64 cannot hold every whole number. A clock before 1970 shows 1970.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates"
        )]
        let millis = value.as_u64().or_else(|| value.as_f64().map(|millis| millis as u64));
        Self(millis.unwrap_or_else(|| {
            mistakes.note("it is not a number of milliseconds");
            0
        }))
    }
}

impl From<Millis> for UnixTime {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

impl From<Millis> for Span {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

/// Which connection.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    provider: String,
    connection: String,
}

impl From<&ConnectionKey> for Key {
    fn from(key: &ConnectionKey) -> Self {
        Self { provider: key.provider().to_owned(), connection: key.connection().to_owned() }
    }
}

/// What a flow wants next.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Perform the effect, then resume with this id.
    Perform {
        /// Names the step.
        id: u64,
        /// Whether the flow may be aborted now.
        interruptible: bool,
        /// What to do.
        effect: Effect,
    },
    /// The flow has ended.
    Done(Done),
}

/// How a flow ended.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// With its result.
    Ok(Output),
    /// Without its result.
    Error(CoreError),
}
