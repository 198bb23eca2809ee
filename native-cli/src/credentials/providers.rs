//! Which provider profile a name means: the user's own file, or else the bundled one.

use twg_core::provider::{BUNDLED, ProviderProfile};
use twg_core::text::printable;

use crate::context::Context;
use crate::failure::Failure;

/// The provider that is meant when none is named.
pub(crate) use crate::config_dir::MAIN_PROVIDER as DEFAULT;

/// Loads a profile.
pub(crate) fn load(context: &Context, name: &str) -> Result<ProviderProfile, Failure> {
    let Some(path) = context.config.provider_path(name) else {
        return Err(Failure::usage(format!(
            "'{}' cannot be the name of a provider",
            printable(name)
        )));
    };
    let shown = context.config.display(&path);
    let own = context.files.load(&path).map_err(|error| {
        Failure::configuration(format!("Cannot read the provider file {shown}: {}", error.detail))
    })?;
    if let Some(json) = own {
        let profile = ProviderProfile::parse(json.expose()).map_err(|error| {
            Failure::configuration(format!("The provider file {shown} cannot be used: {error}"))
                .or_hint(format!("Correct that member of {shown}."))
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
            "Bundled are {}; define your own in {shown} (see README.md, Custom providers).",
            known.join(" and ")
        )));
    };
    ProviderProfile::parse(json)
        .map_err(|error| Failure::internal(format!("the bundled profile '{name}': {error}")))
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
