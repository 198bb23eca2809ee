//! The connection of a command: from the command line, else from the binding of the directory, else
//! the default.

use clap::Args;
use twg_core::credential::ConnectionKey;

use crate::completion::candidates;
use crate::context::Context;
use crate::credentials::{binding, providers};
use crate::failure::Failure;

/// A provider and a connection on the command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The provider
    #[arg(default_value = providers::DEFAULT, hide_default_value = false, add = candidates::providers())]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// A connection on the command line, for commands with a fixed provider.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionName {
    /// Connection (account) to use
    #[arg(long, value_name = "NAME", add = candidates::connections())]
    pub(crate) connection: Option<String>,
}

/// The connection of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) key: ConnectionKey,
    /// `--connection` was given. Then a credential of the environment does not replace it.
    pub(crate) was_named: bool,
}

impl Connection {
    /// The connection that the command line chooses.
    ///
    /// # Errors
    /// The name is invalid, or the binding of this directory cannot be used.
    pub(crate) fn chosen(&self, context: &Context) -> Result<Chosen, Failure> {
        self.name.chosen(context, &self.provider)
    }
}

impl ConnectionName {
    /// The connection that the command line chooses at a provider.
    ///
    /// # Errors
    /// Those of [`Connection::chosen`].
    pub(crate) fn chosen(&self, context: &Context, provider: &str) -> Result<Chosen, Failure> {
        let bound = match &self.connection {
            None if provider == providers::DEFAULT => binding::of_command(context)?,
            _ => None,
        };
        let name = bound.as_ref().and_then(|binding| binding.connection.as_ref());
        let name = self.connection.as_ref().or(name);
        let key = ConnectionKey::new(provider, name.map_or(ConnectionKey::DEFAULT, String::as_str));
        let key = key.map_err(|error| match &bound {
            Some(binding) => binding::unusable(&binding.file, &error.to_string()),
            None => Failure::usage(error.to_string()),
        })?;
        Ok(Chosen { key, was_named: self.connection.is_some() })
    }
}
