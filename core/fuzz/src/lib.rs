//! What the fuzz targets share: a world whose responses the input chooses, and a watch over what a
//! flow asks for and what it shows.

#[path = "../../benches/shared/memory.rs"]
mod memory;
mod refresh_watch;
mod watch;
mod world;

pub use refresh_watch::RefreshWatch;
pub use watch::{Watch, assert_inert};
pub use world::{Choices, World};

use twg_core::entropy::Entropy;

/// Part of every secret in a made-up response, and of nothing that may be shown.
pub const CANARY: &str = "CANARY";

/// Known bytes, so that the watch knows verifier and state.
#[must_use]
pub const fn entropy() -> (Entropy, Entropy) {
    (Entropy::new([0x5A; 32]), Entropy::new([0xC3; 32]))
}

/// The PKCE verifier that [`entropy`] becomes.
pub const VERIFIER: &str = "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo";
/// The state that [`entropy`] becomes.
pub const STATE: &str = "w8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8M";
