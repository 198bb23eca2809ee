//! What tests need to use `twg` as a user, a server or a terminal would: the built program in a
//! home directory of its own, a user agent that fills in HTML forms, a pseudo-terminal, an
//! independent authorization server, and a server that misbehaves on request.
//!
//! Nothing here waits for time to pass. A test waits for events, and [`PATIENCE`] only limits how
//! long a hanging test takes to fail.

pub mod browser;
pub mod capture;
pub mod forge;
pub mod home;
pub mod manual;
pub mod oidc;
#[cfg(unix)]
pub mod played;
#[cfg(unix)]
pub mod pty;
pub mod record;
#[cfg(unix)]
pub mod release;
pub mod sandbox;
pub mod schema;
pub mod scripted;
pub mod twg;

use std::path::Path;
use std::time::Duration;

pub use browser::{Browser, Page, answer_to};
pub use forge::Forge;
pub use home::TempHome;
pub use oidc::OidcProvider;
#[cfg(unix)]
pub use played::Played;
#[cfg(unix)]
pub use pty::Pty;
pub use record::Record;
pub use sandbox::Sandbox;
pub use scripted::{RefusingAddress, Reply, Request, ScriptedServer};
pub use twg::{RunningTwg, TwgCommand, TwgOutput, twg_program};

/// The time after which a test gives up. Far more than any step needs on a busy machine, so
/// reaching it always means a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
