//! The profile of a provider: the user's own file, or else the bundled one.

use twg_core::provider::{BUNDLED, ProviderProfile};
use twg_core::text::printable;

use crate::context::Context;
use crate::failure::Failure;

/// The default provider.
pub(crate) use crate::config_dir::MAIN_PROVIDER as DEFAULT;

/// Loads a profile.
pub(crate) fn load(context: &Context, name: &str) -> Result<ProviderProfile, Failure> {
    let Some(path) = context.config.provider_path(name) else {
        return Err(Failure::usage(format!("'{}' is not a valid provider name", printable(name))));
    };
    let shown = context.config.display(&path);
    let own = context.files.load(&path).map_err(|error| {
        Failure::configuration(format!("Cannot read the provider file {shown}: {}", error.detail))
    })?;
    if let Some(json) = own {
        let profile = ProviderProfile::parse(json.expose()).map_err(|error| {
            Failure::configuration(format!("The provider file {shown} cannot be used: {error}"))
                .or_hint(format!("Correct {shown}."))
        })?;
        return if profile.name == name {
            Ok(profile)
        } else {
            Err(Failure::configuration(format!(
                "The provider file {shown} is for '{}': its member 'name' and its file name must be the same",
                profile.name
            )))
        };
    }
    let Some((_, json)) = BUNDLED.iter().find(|(bundled, _)| *bundled == name) else {
        let known: Vec<_> = BUNDLED.iter().map(|(name, _)| *name).collect();
        return Err(Failure::usage(format!("There is no provider '{name}'")).or_hint(format!(
            "Bundled providers: {}. To add one, write {shown}; `twg help files` says more.",
            known.join(" and ")
        )));
    };
    ProviderProfile::parse(json).map_err(|error| {
        Failure::internal(format!("The bundled profile '{name}' cannot be used: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_profile_can_be_used() {
        for (name, json) in BUNDLED {
            assert_eq!(ProviderProfile::parse(json).unwrap().name, name);
        }
    }
}
