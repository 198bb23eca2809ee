//! What a token endpoint, or a server in its place, may send. The input is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::http::HttpResponse;
use twg_core::scope::ScopeSeparator;
use twg_core::time::Span;
use twg_core::token_endpoint::TokenResponse;
use twg_core_fuzz::assert_inert;

fuzz_target!(|body: &[u8]| {
    // Every status that has a meaning of its own.
    for status in [200, 302, 400, 401, 403, 429, 503] {
        for separator in [ScopeSeparator::Space, ScopeSeparator::Comma] {
            let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            let response = HttpResponse { status, headers, body: body.to_vec() };
            match TokenResponse::parse(&response, separator) {
                Ok(tokens) => {
                    assert_eq!(status, 200);
                    let refresh_token = tokens.refresh_token.iter();
                    for token in refresh_token.chain([&tokens.access_token]) {
                        // The token fits into a header.
                        assert!(token.expose().bytes().all(|b| matches!(b, b' '..=b'~')));
                        assert!(!token.is_empty());
                    }
                    assert!(tokens.expires_in.is_none_or(|span| span <= Span::from_days(365)));
                }
                Err(error) => assert_inert(&error.to_string()),
            }
        }
    }
});
