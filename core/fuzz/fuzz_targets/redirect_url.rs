//! What arrives at the loopback listener, or as the answer of a browser extension's login window.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::grant::authorization_code::AuthorizationResponse;

fuzz_target!(|url: &str| {
    let response = AuthorizationResponse::parse(url);
    assert!(!response.redirect_uri.contains(['?', '#']), "{}", response.redirect_uri);
    // Whether there is a code, and none of what is in the URL.
    assert!(format!("{response:?}").len() < 150, "{response:?}");
});
