//! What arrives at the loopback listener, or as the answer of a browser extension's login window.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::authorization_code::AuthorizationResponse;

fuzz_target!(|url: &str| {
    let _answer = AuthorizationResponse::parse(url);
});
