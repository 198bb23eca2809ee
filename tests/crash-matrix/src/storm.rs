//! Many processes with one login: each time the token expires, all need a new one at once, and some
//! of them are killed.

use std::time::Duration;

use twg_tests::{RunningTwg, TwgCommand, TwgOutput};

use crate::parallel::Random;
use crate::place::{Age, Place};
use crate::server::{Children, Counted, Kind, Server};

/// The plan of a storm.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of processes at once.
    pub processes: usize,
    /// How many times the token expires.
    pub expiries: usize,
    /// How many times per expiry a running process gets a `kill -9`.
    pub kills: usize,
    /// The seed of the random numbers.
    pub seed: u64,
    /// For negative controls.
    pub sabotage: Sabotage,
}

/// A deliberate fault of the harness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// No fault.
    #[default]
    None,
    /// Each process has its own copy of the configuration, so there is no common lock.
    Apart,
    /// Before every expiry except the first, an old record is put back, as from a backup.
    PutBack,
}

/// The result of a storm.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    /// Processes that were started.
    pub started: usize,
    /// The processes that a kill ended.
    pub killed: usize,
    /// Expiries after which every process had the token.
    pub passed: usize,
    /// The server's counts.
    pub counted: Counted,
    /// Refresh requests in the server's log.
    pub logged: usize,
    /// The violations.
    pub violations: Vec<String>,
}

/// The longest pause between two kills. It makes their times random; nothing waits for it.
const LONGEST_PAUSE_MILLIS: u64 = 250;

/// How long the server takes for a refresh in a storm with kills, so that some kills come during
/// it.
const SLOW_MILLIS: u64 = 600;

/// The leeway that the profile names in a storm with kills. The server's own is longer. The
/// quarantine is a third of it, 1.3 s instead of 20: three processes that die one after the other
/// during a refresh take 4 s instead of a minute.
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
    must(plan.kills > 0 || replays == 0, "replays without a killed process");
    must(replays <= storm.killed as u64, "more replays than killed processes");
    let last = place.refresh(&["--force"]).run();
    must(last.code() == Some(0) && place.is_alive(), "the final credential does not work");
    storm.violations.extend(violations);
    storm
}

/// Whether a process was to print the token, and its end.
type End = (bool, TwgOutput);

/// All processes start, some die, and the others run to their end.
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
        // Every second kill on average hits the process that all the others wait for.
        let holder = (random.below(2) == 0).then(|| holder_of(place)).flatten();
        let victim = holder.and_then(|id| running.iter().position(|twg| twg.id() == id));
        let anybody = random.below(plan.processes as u64);
        running[victim.unwrap_or(usize::try_from(anybody).unwrap_or(0))].kill();
    }
    let ends = running.into_iter().map(RunningTwg::wait).enumerate();
    ends.map(|(n, output)| (wants_token(n), output)).collect()
}

/// The process that the lock file names. It may have released the lock since.
fn holder_of(place: &Place<'_>) -> Option<u32> {
    let lock = format!("{}.lock", place.record_path().display());
    std::fs::read_to_string(lock).ok()?.split(' ').next()?.parse().ok()
}

fn check(place: &Place<'_>, ends: &[End], storm: &mut Storm, expiry: usize) {
    // The processes that could have repaired the refresh may all be dead.
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
