//! The credential file, as a crash, an editor or a newer version may leave it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::credential::StoredCredential;
use twg_core_fuzz::{CANARY, assert_inert};

fuzz_target!(|text: &str| {
    match StoredCredential::parse(text) {
        Ok(record) => {
            let written = record.to_json();
            let again = StoredCredential::parse(written.expose())
                .expect("a record that was just written can be read");
            assert_eq!(again.to_json().expose(), written.expose(), "the record lost something");
            for name in record.unknown.keys() {
                assert!(again.unknown.contains_key(name), "the record lost {name}");
            }
        }
        Err(error) => {
            // The error says where the damage is, and never repeats the text there.
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(CANARY), "{shown}");
            assert_inert(&error.to_string());
        }
    }
});
