//! Whole sign-ins, against a world that gives any response at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::client::Client;
use twg_core::grant::request::LoginRequest;
use twg_core::login::LoginFlow;
use twg_core::provider::{BUNDLED, Endpoints, Grant, ProviderProfile};
use twg_core::secret::Secret;
use twg_core::time::Span;
use twg_core_fuzz::{Choices, Watch, World, entropy};

/// A profile that names every URL and has none of the special rules of the bundled profiles.
const PLAIN: &str = include_str!("../answers/profile.json");

fn profile(choices: &mut Choices<'_>) -> ProviderProfile {
    let text = match choices.below(4) {
        0 => PLAIN,
        1 => BUNDLED[0].1,
        2 => BUNDLED[1].1,
        _ => {
            let mut profile = ProviderProfile::parse(PLAIN).expect("a good profile");
            // Every endpoint comes from discovery.
            profile.endpoints = Endpoints::default();
            profile.identity = None;
            return profile;
        }
    };
    ProviderProfile::parse(text).expect("a good profile")
}

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let mut profile = profile(&mut choices);
    let more = choices.byte();
    if more & 1 == 1 {
        profile.revocation_ends_grant = !profile.revocation_ends_grant;
    }
    if more & 2 == 2 {
        profile.sites = None;
    }
    let grants = match more >> 2 & 3 {
        0 => profile.grants.clone(),
        1 => vec![Grant::DeviceCode, Grant::AuthorizationCode],
        2 => vec![Grant::AuthorizationCode],
        _ => vec![],
    };
    let secret = (more & 16 == 16).then(|| Secret::new("CANARY: s+cret"));

    let mut watch = Watch::default();
    watch.allow_all_in(&serde_json::from_str(&profile.to_json()).expect("JSON"));
    for host in &profile.api_hosts {
        watch.allow_host(host);
    }
    watch.issuer = profile.issuer.as_ref().map(|issuer| issuer.as_str().to_owned());
    let request = LoginRequest {
        connection: "default".to_owned(),
        client: Client { id: "client-1".to_owned(), secret },
        scopes: vec!["read".to_owned(), "write".to_owned()],
        grants: grants.into(),
        open: more & 32 == 32,
        timeout: Span::from_secs(u64::from(choices.byte()) * 60 + 60),
        profile,
    };
    let flow = LoginFlow::sign_in(request, entropy()).expect("a good request");
    World::new(choices, watch).drive(flow);
});
