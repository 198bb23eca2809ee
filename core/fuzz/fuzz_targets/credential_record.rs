//! The credential file, after a crash, an editor or a newer version has been at it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::credential::StoredCredential;
use twg_core_fuzz::{CANARY, assert_inert};

fuzz_target!(|text: &str| {
    match StoredCredential::parse(text) {
        Ok(record) => {
            let written = record.to_json();
            let again = StoredCredential::parse(written.expose()).expect("it was just written");
            assert_eq!(again.to_json().expose(), written.expose(), "something was forgotten");
            for name in record.unknown.keys() {
                assert!(again.unknown.contains_key(name), "{name} was forgotten");
            }
        }
        Err(error) => {
            // It says where the damage is, and never what stands there.
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(CANARY), "{shown}");
            assert_inert(&error.to_string());
        }
    }
});
