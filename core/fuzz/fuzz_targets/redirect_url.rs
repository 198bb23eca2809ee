//! A redirect URL, as it arrives at the loopback listener or from a browser extension's login
//! window.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::grant::authorization_code::AuthorizationResponse;

fuzz_target!(|url: &str| {
    let response = AuthorizationResponse::parse(url);
    assert!(!response.redirect_uri.contains(['?', '#']), "{}", response.redirect_uri);
    // `Debug` says whether there is a code, and shows nothing of the URL itself.
    assert!(format!("{response:?}").len() < 150, "{response:?}");
});
