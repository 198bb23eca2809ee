//! A provider profile that a user wrote or was given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::provider::ProviderProfile;

fuzz_target!(|profile: &str| {
    let _answer = ProviderProfile::parse(profile);
});
