//! What tests need to treat `twg` as a person, a server or a terminal would: the built program in a
//! home directory of its own, a user agent that fills in HTML forms, a pseudo-terminal, an
//! authorization server that nobody here wrote, and a server that misbehaves to order.
//!
//! Nothing in here waits for time to pass. Whatever is waited for, is waited for as an event, and
//! [`PATIENCE`] only bounds how long a hanging test takes to fail.

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

/// How long something may take before a test gives up on it. Far more than anything needs on a busy
/// machine, so that reaching it always means a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
