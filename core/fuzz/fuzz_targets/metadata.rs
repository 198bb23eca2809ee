//! An authorization server's metadata document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::endpoint_url::EndpointUrl;
use twg_core::metadata::AuthorizationServerMetadata;
use twg_core_fuzz::assert_inert;

fuzz_target!(|document: &[u8]| {
    let issuer = EndpointUrl::parse("https://as.example/tenant").expect("a good URL");
    match AuthorizationServerMetadata::parse(&issuer, document) {
        Ok(metadata) => {
            assert_eq!(metadata.issuer, issuer);
            let endpoints = metadata.endpoints;
            for url in [
                endpoints.authorization,
                endpoints.token,
                endpoints.device_authorization,
                endpoints.revocation,
                metadata.userinfo,
            ]
            .iter()
            .flatten()
            {
                let safe = url.as_str().to_ascii_lowercase().starts_with("https://");
                assert!(safe || url.is_loopback(), "{url}");
                assert!(!url.host().is_empty() && !url.host().contains('@'), "{url}");
            }
        }
        Err(what) => assert_inert(&what),
    }
});
