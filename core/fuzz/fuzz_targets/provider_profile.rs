//! A provider profile, written by a user or given to one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::plan::{Surroundings, Wishes, plan_login};
use twg_core::provider::ProviderProfile;
use twg_core_fuzz::assert_inert;

fuzz_target!(|text: &str| {
    match ProviderProfile::parse(text) {
        Ok(profile) => {
            let again = ProviderProfile::parse(&profile.to_json())
                .expect("a profile that was just written can be read");
            assert_eq!(again, profile);
            let plan = plan_login(&profile, true, &Surroundings::default(), Wishes::default());
            assert!(!plan.expect("a profile has a grant").grants.is_empty());
        }
        Err(error) => assert_inert(&error.to_string()),
    }
});
