//! A suspended login, after a crash, another version or a stranger changed its text. The input
//! after the first NUL decides how the world responds to a login that could be restored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use twg_core::login::LoginFlow;
use twg_core_fuzz::{Choices, Watch, World};

fuzz_target!(|input: &[u8]| {
    let (text, choices) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut watch = Watch::default();
    let flow = match LoginFlow::restore(text) {
        Ok(flow) => flow,
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("CANARY-device-code"), "{shown}");
            return twg_core_fuzz::assert_inert(&error.to_string());
        }
    };
    let suspended = flow.suspend().expect("a login that waits for its user can be suspended");
    let restored = LoginFlow::restore(suspended.expose())
        .expect("a login that was just suspended can be restored");
    assert_eq!(restored.suspend().expect("it waits").expose(), suspended.expose());

    let mut written: Value = serde_json::from_str(suspended.expose()).expect("JSON");
    watch.allow_all_in(&written);
    if let Some(hosts) = written.pointer("/request/profile/api_hosts").and_then(Value::as_array) {
        hosts.iter().filter_map(Value::as_str).for_each(|host| watch.allow_host(host));
    }
    // The only URL whose query is a secret, because it contains the state.
    if let Some(Value::String(url)) = written.pointer_mut("/waiting/authorization_code/url") {
        url.truncate(url.find('?').unwrap_or(url.len()));
    }
    watch.hears(written.to_string().as_bytes());
    let waiting = |name: &str| {
        let text = written.pointer(&format!("/waiting/authorization_code/{name}"));
        text.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut world = World::new(Choices::new(choices), watch);
    world.expect_redirect(waiting("redirect_uri"), waiting("state"));
    world.drive(flow);
});
