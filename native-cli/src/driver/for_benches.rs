//! The shell for `benches/`, which bring their own flow. The code that performs its effects is the
//! code that ships.

use std::ffi::OsString;
use std::path::Path;

use tokio::runtime::{Builder, Runtime};
use twg_core::credential::Host;
use twg_core::flow::Flow;

use crate::config_dir::ConfigDir;
use crate::context::Context;
use crate::driver::drive;
use crate::environment::{CONFIG_DIR, HOME, XDG_RUNTIME_DIR};
use crate::options::Global;
use crate::system::host;

/// The shell of a configuration directory, independent of the environment.
#[expect(missing_debug_implementations, reason = "it is never printed")]
pub struct Shell {
    runtime: Runtime,
    context: Context,
}

impl Shell {
    /// The shell of the directory `config` below `home`.
    ///
    /// # Errors
    /// A description of the problem.
    pub fn below(home: &Path) -> Result<Self, String> {
        let env = |name: &str| match name {
            HOME => Some(OsString::from(home)),
            XDG_RUNTIME_DIR => Some(home.join("run").into()),
            CONFIG_DIR => Some(home.join("config").into()),
            _ => None,
        };
        let config = ConfigDir::resolve(&env).map_err(|error| error.to_string())?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let options = Global { quiet: true, no_input: true, ..Global::default() };
        Ok(Self { runtime, context: Context::new(config, &options) })
    }

    /// Runs a flow to its end, as every command does.
    ///
    /// # Errors
    /// A description of the problem.
    pub fn drive<F: Flow>(&mut self, flow: F) -> Result<F::Output, String> {
        let done = self.runtime.block_on(drive(&mut self.context, flow));
        done.map_err(|failure| failure.message)
    }
}

/// This machine.
#[must_use]
pub fn host() -> Host {
    host::this()
}
