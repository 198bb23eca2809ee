//! The credential file, after a crash, an editor or a newer version has been at it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::credential::StoredCredential;

fuzz_target!(|record: &str| {
    let _answer = StoredCredential::parse(record);
});
