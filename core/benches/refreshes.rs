//! How long the core takes for a whole refresh when every response comes at once.
//!
//! ```text
//! cargo bench -p twg-core
//! ```
//!
//! Prints the median of many refreshes in microseconds. This is a measurement, not a test: nothing
//! depends on the figures.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock; the core does not")]
#![allow(clippy::print_stdout, clippy::disallowed_macros, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::mem::discriminant;
use std::time::{Duration, Instant};

use twg_core::client::{Client, Registered};
use twg_core::credential::{ConnectionKey, Host};
use twg_core::entropy::Entropy;
use twg_core::flow::{Effect, Flow, Outcome, Step};
use twg_core::http::HttpResponse;
use twg_core::provider::{BUNDLED, ProviderProfile};
use twg_core::refresh::{How, Need, RefreshFlow, RefreshRequest};
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

const WARM_UP: usize = 200;
const RUNS: usize = 2000;

/// As long as Atlassian's tokens.
const ACCESS_TOKEN: usize = 2000;
const REFRESH_TOKEN: usize = 1500;

const AT: UnixTime = UnixTime::from_millis(1_700_000_000_000);
const NOW: Now = Now { wall: AT, uptime: Some(Span::from_secs(1000)) };

fn main() {
    let profile = ProviderProfile::parse(BUNDLED[0].1).unwrap();
    let client = Some(Client { id: "client".to_owned(), secret: None });
    let registered = Registered { profile, client };
    let stored = World { record: record(), stage: None };
    // What a process leaves behind if it dies after it staged the response.
    let mut interrupted = stored.clone();
    refresh(&mut interrupted, &registered, Need::Now, World::is_about_to_commit);
    for (name, world, need, expected) in [
        ("still fresh", &stored, Need::Live, How::StillFresh),
        ("refreshed", &stored, Need::Now, How::Refreshed),
        ("recovered from the stage", &interrupted, Need::Live, How::Recovered),
    ] {
        let run = || {
            let (mut world, need) = (world.clone(), need.clone());
            let begun = Instant::now();
            let how = black_box(refresh(&mut world, &registered, need, |_, _| false)).unwrap();
            let time = begun.elapsed();
            assert_eq!(discriminant(&how), discriminant(&expected), "{how:?}");
            time
        };
        for _ in 0..WARM_UP {
            run();
        }
        let mut times: Vec<Duration> = (0..RUNS).map(|_| run()).collect();
        times.sort_unstable();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "refresh, {name}: median {:.1} us, 99 % {:.1} us, of {RUNS}",
            micros(times[RUNS / 2]),
            micros(times[RUNS * 99 / 100]),
        );
    }
}

/// One refresh, from the first look to the released lock; `None` if the process dies on the way.
fn refresh(
    world: &mut World,
    registered: &Registered,
    need: Need,
    dies: impl Fn(&World, &Effect) -> bool,
) -> Option<How> {
    let request = RefreshRequest {
        key: ConnectionKey::new("atlassian", "default").unwrap(),
        need,
        registered: Ok(registered.clone()),
        host: Host::new(Some("machine"), Some("boot")),
    };
    let mut flow = RefreshFlow::refresh(request, Entropy::new([1; 32]));
    let mut step = flow.begin(NOW).unwrap();
    loop {
        match step {
            Step::Perform(_, effect) if dies(world, &effect) => return None,
            Step::Perform(id, effect) => {
                step = flow.resume(id, world.answer(effect), NOW).unwrap();
            }
            Step::Done(result) => return Some(result.unwrap().how),
        }
    }
}

#[derive(Clone)]
struct World {
    record: Secret,
    stage: Option<Secret>,
}

impl World {
    fn is_about_to_commit(&self, effect: &Effect) -> bool {
        self.stage.is_some() && matches!(effect, Effect::ReplaceRecord { .. })
    }

    fn answer(&mut self, effect: Effect) -> Outcome {
        match effect {
            Effect::SendHttp(_) => Outcome::Http(Ok(reply())),
            Effect::AcquireLock { .. } => Outcome::Locked(Ok(())),
            Effect::ReleaseLock(_) => Outcome::Notified,
            Effect::LoadRecord(_) => Outcome::Loaded(Ok(Some(self.record.clone()))),
            Effect::ReplaceRecord { bytes, .. } => {
                self.record = bytes;
                Outcome::Store(Ok(()))
            }
            Effect::OpenStage { .. } => Outcome::Store(Ok(())),
            Effect::StageReply { bytes, .. } => {
                self.stage = Some(bytes);
                Outcome::Kept(Ok("there".to_owned()))
            }
            Effect::LoadStage { .. } => Outcome::Loaded(Ok(self.stage.clone())),
            Effect::DiscardStage { .. } => Outcome::Store(Ok(())),
            unexpected => panic!("{unexpected:?}"),
        }
    }
}

fn record() -> Secret {
    Secret::new(format!(
        r#"{{
            "schema_version": 1,
            "generation": 1,
            "provider": "atlassian",
            "connection": "default",
            "server": {{
                "issuer": "https://auth.atlassian.com",
                "token_endpoint": "https://auth.atlassian.com/oauth/token",
                "client_authentication": "client_secret_post"
            }},
            "client_id": "client",
            "login": {{ "at": 1700000000000, "grant": "device_code" }},
            "tokens": {{
                "access_token": "{}",
                "refresh_token": "{}",
                "scopes": ["offline_access", "read:me", "read:jira-user", "read:jira-work"],
                "issued_at": 1700000000000,
                "expires_at": 1700003600000
            }},
            "account": {{ "id": "712020:0", "name": "Ada Lovelace", "email": "ada@example.com" }}
        }}"#,
        "a".repeat(ACCESS_TOKEN),
        "r".repeat(REFRESH_TOKEN),
    ))
}

fn reply() -> HttpResponse {
    let body = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600,
            "scope":"offline_access read:me read:jira-user read:jira-work","token_type":"Bearer"}}"#,
        "A".repeat(ACCESS_TOKEN),
        "R".repeat(REFRESH_TOKEN),
    );
    HttpResponse { status: 200, headers: vec![], body: body.into() }
}
