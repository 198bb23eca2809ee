//! The identifiers of this machine and of its present boot session.

use twg_core::credential::Host;

use super::platform;

/// This machine.
pub(crate) fn this() -> Host {
    let (machine, boot) = (platform::machine_id(), platform::boot_id());
    Host::new(machine.as_deref(), boot.as_deref())
}
