//! Many processes at one login: at every expiry all of them want a token at once, and some are killed.

use std::time::Duration;

use twg_tests::{RunningTwg, TwgCommand, TwgOutput};

use crate::parallel::Random;
use crate::place::{Age, Place};
use crate::server::{Children, Counted, Kind, Server};

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// At once.
    pub processes: usize,
    /// How often the token expires.
    pub expiries: usize,
    /// How many times per expiry a process gets a `kill -9`, if it still runs.
    pub kills: usize,
    /// Where the random numbers begin.
    pub seed: u64,
    /// For negative controls.
    pub sabotage: Sabotage,
}

/// What the harness does wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Each process has a copy of the configuration, so that no lock is everybody's.
    Apart,
    /// Before every expiry but the first the record is put back that was there before the last one, as from a
    /// backup.
    PutBack,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    /// Processes that were started.
    pub started: usize,
    /// Those that a kill ended.
    pub killed: usize,
    /// Expiries after which everybody had the token.
    pub passed: usize,
    /// What the server counted.
    pub counted: Counted,
    /// Refresh requests in the server's log.
    pub logged: usize,
    /// What must not be.
    pub violations: Vec<String>,
}

/// The longest pause between two kills. Not to wait for anything: it is what makes the moment random.
const LONGEST_PAUSE_MILLIS: u64 = 250;

/// How long the server takes for a refresh while there are kills, so that some of them come in the middle.
const SLOW_MILLIS: u64 = 600;

/// The leeway that the profile names while there are kills. The server's own is longer. It makes the
/// quarantine a third of that, 1.3 s instead of 20: an expiry in which three processes die one after the other,
/// each while it refreshes, takes 4 s and not a minute.
const KNOWN_LEEWAY: u64 = 4;

/// Raises a storm at a server with a long leeway.
#[must_use]
pub fn raise(plan: Plan) -> Storm {
    let server = Server::start(Kind::Sandbox { leeway: 600, children: Children::All });
    let sandbox = server.sandbox().expect("it is one");
    let place = Place::sign_in(&server, (plan.kills > 0).then_some(KNOWN_LEEWAY));
    if plan.kills > 0 {
        sandbox.switch("fault.refresh", &format!("delay:{SLOW_MILLIS}"));
    }
    let before = place.counted().expect("a sandbox counts");
    sandbox.clear_log();
    let mut random = Random(plan.seed);
    let mut storm = Storm::default();
    let mut old = None;
    for expiry in 0..plan.expiries {
        let backup = place.record().bytes;
        if let Some(old) = old.filter(|_| plan.sabotage == Sabotage::PutBack) {
            std::fs::write(place.record_path(), old).expect("the record can be written");
        }
        old = Some(backup);
        let ends = one_expiry(&place, plan, &mut random);
        storm.started += ends.len();
        let violations = storm.violations.len();
        check(&place, &ends, &mut storm, expiry);
        storm.passed += usize::from(storm.violations.len() == violations);
    }
    let refreshes = sandbox.requests_to("/oauth/token");
    storm.logged = refreshes.iter().filter(|e| e["grant_type"] == "refresh_token").count();
    storm.counted = place.counted().expect("as before").since(before);
    let Counted { rotations, replays, reuses } = storm.counted;
    let mut violations = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            violations.push(format!("{what}: {:?}", storm.counted));
        }
    };
    must(reuses == 0, "a token was reused");
    must(rotations == plan.expiries as u64, "not one rotation per expiry");
    must(storm.logged as u64 == rotations + replays, "requests that were neither");
    must(plan.kills > 0 || replays == 0, "replays, and nobody was killed");
    must(replays <= storm.killed as u64, "more replays than killed processes");
    let last = place.refresh(&["--force"]).run();
    must(last.code() == Some(0) && place.is_alive(), "the final credential does not work");
    storm.violations.extend(violations);
    storm
}

/// Whether a process was asked for the token, and how it ended.
type End = (bool, TwgOutput);

/// Everybody starts, some die, the others come to their end.
fn one_expiry(place: &Place<'_>, plan: Plan, random: &mut Random) -> Vec<End> {
    place.age(Age::Expired);
    let wants_token = |n: usize| n % 2 == 1;
    let command = |n| {
        let command = if wants_token(n) { place.token() } else { place.refresh(&[]) };
        if plan.sabotage == Sabotage::Apart { place.apart(command, n) } else { command }
    };
    let all: Vec<_> = (0..plan.processes).map(command).collect();
    let running: Vec<RunningTwg> = all.iter().map(TwgCommand::start).collect();
    for _ in 0..plan.kills {
        std::thread::sleep(Duration::from_millis(random.below(LONGEST_PAUSE_MILLIS)));
        // Every second time it hits the one that all the others wait for.
        let holder = (random.below(2) == 0).then(|| holder_of(place)).flatten();
        let victim = holder.and_then(|id| running.iter().position(|twg| twg.id() == id));
        let anybody = random.below(plan.processes as u64);
        running[victim.unwrap_or(usize::try_from(anybody).unwrap_or(0))].kill();
    }
    let ends = running.into_iter().map(RunningTwg::wait).enumerate();
    ends.map(|(n, output)| (wants_token(n), output)).collect()
}

/// Who says in the lock file that it holds the lock. It may have let go since.
fn holder_of(place: &Place<'_>) -> Option<u32> {
    let lock = format!("{}.lock", place.record_path().display());
    std::fs::read_to_string(lock).ok()?.split(' ').next()?.parse().ok()
}

fn check(place: &Place<'_>, ends: &[End], storm: &mut Storm, expiry: usize) {
    // Whoever is left over may have been the last one.
    let repair = place.refresh(&[]).run();
    if repair.code() != Some(0) {
        storm.violations.push(format!("expiry {expiry}: not repaired: {repair}"));
        return;
    }
    let token = place.record().access_token().to_owned();
    for (wants_token, output) in ends {
        let expected = if *wants_token { &*token } else { "" };
        match output.code() {
            None => storm.killed += 1,
            Some(0) if output.stdout.trim_end() == expected => {}
            _ => storm.violations.push(format!("expiry {expiry}: {output}")),
        }
    }
}
