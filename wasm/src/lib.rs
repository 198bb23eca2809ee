//! The core as a WebAssembly module. For now it proves one thing, in CI: the whole core compiles for
//! `wasm32-unknown-unknown` and imports nothing from its host. The bindings are still to come.

use twg_core::client::Client;
use twg_core::flow::{Outcome, Step, StepId};
use twg_core::login::{LoginFlow, LoginRequest};
use twg_core::logout::LogoutFlow;
use twg_core::pkce::Entropy;
use twg_core::provider::{BUNDLED, ProviderProfile};
use twg_core::refresh::{Need, RefreshFlow, RefreshRequest};
use twg_core::time::{Span, UnixTime};

pub use twg_core::*;

/// Begins a sign-in, a sign-out and a refresh at `now` (milliseconds since the epoch) and answers each with
/// the wrong outcome, so that the linker must keep every transition of them. Returns how many of them took
/// that as the misuse it is: 3.
#[unsafe(no_mangle)]
pub extern "C" fn twg_self_check(now: u64) -> u32 {
    let now = UnixTime::from_millis(now);
    let Some(profile) = BUNDLED.first().and_then(|(_, json)| ProviderProfile::parse(json).ok())
    else {
        return 0;
    };
    let key = credential::ConnectionKey::new(&profile.name, "default");
    let request = LoginRequest {
        connection: "default".to_owned(),
        client: Client { id: "client".to_owned(), secret: None },
        scopes: profile.scopes.clone(),
        grants: profile.grants.iter().copied().collect(),
        open: true,
        timeout: Span::from_mins(15),
        profile,
    };
    let entropy = (Entropy::new([1; 32]), Entropy::new([2; 32]));
    let login = LoginFlow::sign_in(request, entropy).map(|flow| misused(flow, now));
    let logout = key.clone().map(|key| misused(LogoutFlow::sign_out(key, None), now));
    let refresh = key.map(|key| {
        let request = RefreshRequest {
            key,
            need: Need::Live,
            registered: Err("not in this check".to_owned()),
            host: credential::Host::default(),
        };
        misused(RefreshFlow::refresh(request, Entropy::new([3; 32])), now)
    });
    let noticed = [login.unwrap_or(false), logout.unwrap_or(false), refresh.unwrap_or(false)];
    noticed.into_iter().map(u32::from).sum()
}

fn misused(mut flow: impl flow::Flow, now: UnixTime) -> bool {
    let Ok(Step::Perform(id, _)) = flow.begin(now) else { return false };
    let stale = StepId::from_raw(id.get() + 1);
    flow.resume(stale, Outcome::Waited, now).is_err()
        && flow.resume(id, Outcome::Waited, now).is_err()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_flow_notices() {
        assert_eq!(super::twg_self_check(1_700_000_000_000), 3);
    }
}
