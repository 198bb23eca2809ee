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

#[path = "shared/memory.rs"]
mod memory;
#[path = "shared/tokens.rs"]
mod tokens;

use std::hint::black_box;
use std::mem::discriminant;
use std::time::{Duration, Instant};

use twg_core::client::{Client, Registered};
use twg_core::credential::{ConnectionKey, Host};
use twg_core::entropy::Entropy;
use twg_core::flow::{Effect, Flow, Outcome, Step};
use twg_core::provider::{BUNDLED, ProviderProfile};
use twg_core::refresh::{How, Need, RefreshFlow, RefreshRequest};
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

use memory::Memory;

const WARM_UP: usize = 200;
const RUNS: usize = 2000;

const AT: UnixTime = UnixTime::from_millis(1_700_000_000_000);
const NOW: Now = Now { wall: AT, uptime: Some(Span::from_secs(1000)) };

fn main() {
    let profile = ProviderProfile::parse(BUNDLED[0].1).unwrap();
    let client = Some(Client { id: "client".to_owned(), secret: None });
    let registered = Registered { profile, client };
    let record = Some(Secret::new(tokens::record("default").to_string()));
    let stored = World(Memory { record, ..Memory::default() });
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
                step = flow.resume(id, world.perform(&effect), NOW).unwrap();
            }
            Step::Done(result) => return Some(result.unwrap().how),
        }
    }
}

/// A machine in front of a server that issues tokens.
#[derive(Clone)]
struct World(Memory);

impl World {
    fn is_about_to_commit(&self, effect: &Effect) -> bool {
        self.0.reply.is_some() && matches!(effect, Effect::ReplaceRecord { .. })
    }

    fn perform(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::SendHttp(_) => Outcome::Http(Ok(tokens::response(1))),
            effect => self.0.perform(effect),
        }
    }
}
