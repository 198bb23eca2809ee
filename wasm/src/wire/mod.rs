//! The shapes that cross the boundary to a host that is not Rust, as `wire.ts` declares them: JSON for the plain
//! module and the scenarios, JavaScript values for the npm package. Only shapes and their translation; what they mean is
//! the core's business.

#![expect(missing_docs, reason = "every member is documented once, in wire.ts")]

mod effect;
mod error;
mod outcome;
mod output;
mod request;
mod status;

use serde::{Deserialize, Serialize};
use twg_core::credential::ConnectionKey;
use twg_core::time::{self, Span, UnixTime};

pub use effect::Effect;
pub use error::{CoreError, HostError, HostErrorCode};
pub use outcome::Outcome;
pub use output::Output;
pub use request::{FlowRequest, Profile};
pub use status::Status;

/// The declarations of all this for TypeScript.
pub const TYPESCRIPT: &str = include_str!("wire.ts");

/// The clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Now {
    wall: Millis,
    uptime: Option<Millis>,
}

impl From<Now> for time::Now {
    fn from(now: Now) -> Self {
        Self { wall: now.wall.into(), uptime: now.uptime.map(Span::from) }
    }
}

/// Milliseconds as a host writes them: JavaScript has no integers, and clocks of a browser show fractions.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub u64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl serde::de::Visitor<'_> for Number {
            type Value = Millis;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("milliseconds")
            }

            fn visit_u64<E>(self, millis: u64) -> Result<Millis, E> {
                Ok(Millis(millis))
            }

            /// A clock before 1970 shows 1970.
            fn visit_i64<E>(self, millis: i64) -> Result<Millis, E> {
                Ok(Millis(u64::try_from(millis).unwrap_or(0)))
            }

            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` saturates"
            )]
            fn visit_f64<E>(self, millis: f64) -> Result<Millis, E> {
                Ok(Millis(millis as u64))
            }
        }
        deserializer.deserialize_any(Number)
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
        /// Whether the flow may be given up now.
        interruptible: bool,
        /// What to do.
        effect: Effect,
    },
    /// The flow is over.
    Done(Done),
}

/// How a flow ended.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Well.
    Ok(Output),
    /// Without its result.
    Error(CoreError),
}
