//! What a token endpoint, or whoever answers in its place, may send: the input is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::http::HttpResponse;
use twg_core::token_endpoint::TokenResponse;

fuzz_target!(|body: &[u8]| {
    // With every status that is read in another way.
    for status in [200, 302, 400, 401, 403, 429, 503] {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let _answer = TokenResponse::parse(&HttpResponse { status, headers, body: body.to_vec() });
    }
});
