//! An authorization server's metadata document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::metadata::AuthorizationServerMetadata;

fuzz_target!(|document: &[u8]| {
    let _answer = AuthorizationServerMetadata::parse("https://as.example/tenant", document);
});
