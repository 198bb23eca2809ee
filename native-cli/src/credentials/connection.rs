//! Which connection a command is about: what was typed, else what the directory is bound to, else the usual one.

use clap::Args;
use twg_core::credential::ConnectionKey;

use crate::completion::candidates;
use crate::context::Context;
use crate::credentials::{binding, providers};
use crate::failure::Failure;

/// One connection, as it is typed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The provider
    #[arg(default_value = providers::DEFAULT, hide_default_value = false, add = candidates::providers())]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// One of several connections at a provider, as it is typed.
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
    /// `--connection` was typed: then no credential of the environment takes its place.
    pub(crate) was_named: bool,
}

impl Connection {
    /// The connection that is meant.
    ///
    /// # Errors
    /// The name cannot be one, or the file that binds this directory cannot be used.
    pub(crate) fn chosen(&self, context: &Context) -> Result<Chosen, Failure> {
        self.name.chosen(context, &self.provider)
    }
}

impl ConnectionName {
    /// The connection that is meant at a provider.
    ///
    /// # Errors
    /// As of [`Connection::chosen`].
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
