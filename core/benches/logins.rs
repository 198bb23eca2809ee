//! How long the core takes for a whole sign-in when every response comes at once.
//!
//! ```text
//! cargo bench -p twg-core
//! ```
//!
//! Prints the median of many sign-ins in microseconds. This is a measurement, not a test: nothing
//! depends on the figures.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock; the core does not")]
#![allow(clippy::print_stdout, clippy::disallowed_macros, reason = "a bench prints its figures")]

#[path = "shared/memory.rs"]
mod memory;

use std::hint::black_box;
use std::time::{Duration, Instant};

use twg_core::client::Client;
use twg_core::entropy::Entropy;
use twg_core::flow::{Effect, Flow, Outcome, Step};
use twg_core::grant::request::LoginRequest;
use twg_core::http::HttpResponse;
use twg_core::login::LoginFlow;
use twg_core::provider::{BUNDLED, Grant, ProviderProfile};
use twg_core::secret::Secret;
use twg_core::time::{Span, UnixTime};

use memory::Memory;

const WARM_UP: usize = 200;
const RUNS: usize = 2000;
const POLLS: u32 = 3;

fn main() {
    let (_, json) = BUNDLED[0];
    let profile = ProviderProfile::parse(json).unwrap();
    for (name, grant) in [
        ("device login, two polls pending", Grant::DeviceCode),
        ("browser login", Grant::AuthorizationCode),
    ] {
        for _ in 0..WARM_UP {
            black_box(sign_in(&profile, grant));
        }
        let mut times: Vec<Duration> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                black_box(sign_in(&profile, grant));
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "{name}: median {:.1} us, 99 % {:.1} us, of {RUNS}",
            micros(times[RUNS / 2]),
            micros(times[RUNS * 99 / 100]),
        );
    }
}

/// One sign-in with Atlassian's profile, from the preflight to the saved sites. Returns the number
/// of steps.
fn sign_in(profile: &ProviderProfile, grant: Grant) -> usize {
    let request = LoginRequest {
        connection: "default".to_owned(),
        profile: profile.clone(),
        client: Client { id: "client".to_owned(), secret: None },
        scopes: profile.scopes.clone(),
        grants: [grant].into(),
        open: false,
        timeout: Span::from_mins(10),
    };
    let entropy = (Entropy::new([1; 32]), Entropy::new([2; 32]));
    let mut flow = LoginFlow::sign_in(request, entropy).unwrap();
    let mut world = World::default();
    let mut now = UnixTime::from_millis(1_700_000_000_000);
    let mut step = flow.begin(now).unwrap();
    let mut steps = 0;
    loop {
        match step {
            Step::Perform(id, effect) => {
                if let Effect::WaitUntil(until) = effect {
                    now = until;
                }
                step = flow.resume(id, world.perform(&effect), now).unwrap();
                steps += 1;
            }
            Step::Done(result) => {
                result.unwrap();
                return steps;
            }
        }
    }
}

/// A machine in front of Atlassian's servers, and a user who approves.
#[derive(Default)]
struct World {
    machine: Memory,
    polls: u32,
}

impl World {
    fn perform(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::SendHttp(request) => {
                let (status, body) = self.serve(&request.url);
                Outcome::Http(Ok(HttpResponse { status, headers: vec![], body: body.into() }))
            }
            Effect::OpenUserAgent(prompt) => {
                // The code of a browser is exchanged at once.
                self.polls = POLLS;
                let state = prompt.url.split("state=").nth(1).unwrap().split('&').next().unwrap();
                let redirect = format!("{}?code=code&state={state}", prompt.redirect_uri);
                Outcome::Redirected(Ok(Secret::new(redirect)))
            }
            effect => self.machine.perform(effect),
        }
    }

    fn serve(&mut self, url: &str) -> (u16, &'static str) {
        match url {
            "https://auth.atlassian.com/oauth/device/code" => (
                200,
                r#"{"device_code":"device","user_code":"WDJB-MJHT","interval":5,"expires_in":600,
                    "verification_uri":"https://auth.atlassian.com/activate"}"#,
            ),
            "https://auth.atlassian.com/oauth/token" => {
                self.polls += 1;
                if self.polls < POLLS {
                    return (403, r#"{"error":"authorization_pending"}"#);
                }
                (
                    200,
                    r#"{"access_token":"access","refresh_token":"refresh","expires_in":3600,
                        "scope":"offline_access read:me","token_type":"Bearer"}"#,
                )
            }
            "https://api.atlassian.com/me" => (200, r#"{"account_id":"1","name":"Ada"}"#),
            _ => (200, r#"[{"id":"1","name":"One","url":"https://one.atlassian.net"}]"#),
        }
    }
}
