//! What this machine calls itself and its present boot session.

use twg_core::credential::Host;
use twg_core::time::Span;

use super::platform;

/// This machine, now.
pub(crate) fn now() -> Host {
    let uptime = u64::try_from(platform::uptime().as_millis()).unwrap_or(u64::MAX);
    let (machine, boot) = (platform::machine_id(), platform::boot_id());
    Host::new(machine.as_deref(), boot.as_deref(), Span::from_millis(uptime))
}
