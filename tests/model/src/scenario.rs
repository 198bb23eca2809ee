//! The scenarios: the commands, the server, and the number of faults.

use crate::disk::Trouble;
use crate::process::Want::{self, Due, Live, Now};
use crate::server::Rules;

/// How often each fault may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Processes killed, anywhere.
    pub kills: u8,
    /// Power failures.
    pub power: u8,
    /// Requests lost or late, responses lost, responses of a gateway.
    pub network: u8,
    /// Single failures of the store.
    pub store: u8,
    /// Times that the machine sleeps through the leeway.
    pub sleeps: u8,
    /// Waits for the lock that end before it is free.
    pub lock_timeouts: u8,
    /// Times that the machine sleeps for a while, at any moment.
    pub stalls: u8,
    /// Changes of the wall clock while a process holds the lock.
    pub clock_sets: u8,
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The commands of each process, one after the other.
    pub commands: &'static [&'static [Want]],
    /// How the server treats a token that it gets twice.
    pub rules: Rules,
    /// Whether the access token works at the beginning. It then outlives the model by little, or
    /// has expired.
    pub live: bool,
    /// The possible faults, and how many of each.
    pub budget: Budget,
    /// The possible lasting failures of the disk.
    pub trouble: &'static [Trouble],
    /// When time ends, in seconds.
    pub end: u32,
    /// What must happen somewhere.
    pub must_happen: &'static [&'static str],
}

const STRICT: Rules = Rules { leeway: 0, newest_only: false };
const LEEWAY: Rules = Rules { leeway: 60, newest_only: false };
const NEWEST: Rules = Rules { leeway: 60, newest_only: true };

const CALM: Budget = Budget {
    kills: 0,
    power: 0,
    network: 0,
    store: 0,
    sleeps: 0,
    lock_timeouts: 0,
    stalls: 0,
    clock_sets: 0,
};

const REFRESHED: &str = "somewhere a login is refreshed";
const ADOPTED: &str = "somewhere another process's refresh is adopted";
const STAGED: &str = "somewhere a dead process's reply is taken from the disk";
const RESENT: &str = "somewhere a token is sent again and the login lives";
const BURIED: &str = "somewhere a login ends";
const RESCUED: &str = "somewhere a reply is rescued";

/// Two processes that both may refresh.
const TWO: &[&[Want]] = &[&[Due, Live], &[Live, Now]];

/// The scenarios of the tests. `thorough` adds those that take minutes.
#[must_use]
pub fn scenarios(thorough: bool) -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(kills_and_network());
    all.extend(power_and_disk());
    all.extend(sleep_and_clock());
    all.extend(three_processes());
    if thorough {
        all.extend(larger_budgets());
    }
    all
}

/// Two processes, one of which may be killed, and a faulty network.
fn kills_and_network() -> [Scenario; 4] {
    [
        Scenario {
            name: "2 processes, strict server: kills and a lost or late request",
            commands: TWO,
            rules: STRICT,
            live: false,
            budget: Budget { kills: 1, network: 1, ..CALM },
            trouble: &[],
            end: 60,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT, BURIED],
        },
        Scenario {
            name: "2 processes, strict server, token alive: nothing is gambled with",
            commands: &[&[Due, Live], &[Live, Due]],
            rules: STRICT,
            live: true,
            budget: Budget { kills: 1, network: 1, ..CALM },
            trouble: &[],
            end: 60,
            must_happen: &[REFRESHED, ADOPTED, STAGED],
        },
        Scenario {
            name: "2 processes, leeway, all children: kills and the network",
            commands: TWO,
            rules: LEEWAY,
            live: false,
            budget: Budget { kills: 1, network: 1, ..CALM },
            trouble: &[],
            end: 50,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT],
        },
        Scenario {
            name: "2 processes, leeway, newest child only: kills and the network",
            commands: TWO,
            rules: NEWEST,
            live: true,
            budget: Budget { kills: 1, network: 1, ..CALM },
            trouble: &[],
            end: 50,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT],
        },
    ]
}

/// Two processes, power failures and a disk in trouble.
fn power_and_disk() -> [Scenario; 5] {
    [
        Scenario {
            name: "2 processes, leeway: power failure after a kill",
            commands: &[&[Now, Due], &[Due]],
            rules: NEWEST,
            live: true,
            budget: Budget { kills: 1, power: 1, ..CALM },
            trouble: &[],
            end: 40,
            must_happen: &[REFRESHED, STAGED, RESENT],
        },
        Scenario {
            name: "2 processes, strict server: power failure",
            commands: &[&[Now, Due], &[Now]],
            rules: STRICT,
            live: false,
            budget: Budget { power: 1, store: 1, ..CALM },
            trouble: &[],
            end: 40,
            must_happen: &[REFRESHED, STAGED, BURIED],
        },
        Scenario {
            name: "2 processes, strict server: full and broken disks",
            commands: &[&[Due, Due], &[Live]],
            rules: STRICT,
            live: false,
            budget: Budget { kills: 1, lock_timeouts: 1, ..CALM },
            trouble: &[Trouble::Full, Trouble::Broken],
            end: 40,
            must_happen: &[REFRESHED, STAGED, RESCUED],
        },
        Scenario {
            name: "2 processes, leeway: a full disk, and power fails",
            commands: &[&[Now, Due], &[Due]],
            rules: LEEWAY,
            live: false,
            budget: Budget { power: 1, ..CALM },
            trouble: &[Trouble::Full],
            end: 40,
            must_happen: &[REFRESHED, STAGED],
        },
        Scenario {
            name: "2 processes, leeway: single store failures",
            commands: &[&[Due, Due], &[Now]],
            rules: LEEWAY,
            live: false,
            budget: Budget { store: 2, kills: 1, ..CALM },
            trouble: &[],
            end: 40,
            must_happen: &[REFRESHED, STAGED, RESENT],
        },
    ]
}

/// Two processes on a machine that sleeps, or whose clock is set.
fn sleep_and_clock() -> [Scenario; 5] {
    [
        Scenario {
            name: "2 processes, leeway that the machine sleeps through",
            commands: &[&[Due, Live], &[Live]],
            rules: LEEWAY,
            live: true,
            budget: Budget { kills: 1, network: 1, sleeps: 1, ..CALM },
            trouble: &[],
            end: 130,
            must_happen: &[REFRESHED, STAGED, RESENT],
        },
        Scenario {
            name: "2 processes, leeway, newest child only: the machine sleeps at any moment",
            commands: &[&[Due, Live], &[Live]],
            rules: NEWEST,
            live: true,
            budget: Budget { kills: 1, stalls: 1, ..CALM },
            trouble: &[],
            end: 100,
            must_happen: &[REFRESHED, STAGED, RESENT],
        },
        Scenario {
            name: "2 processes, strict server: the machine sleeps at any moment",
            commands: &[&[Due, Now], &[Live]],
            rules: STRICT,
            live: false,
            budget: Budget { kills: 1, stalls: 1, ..CALM },
            trouble: &[],
            end: 100,
            must_happen: &[REFRESHED, STAGED, RESENT, BURIED],
        },
        Scenario {
            name: "2 processes, leeway, newest child only: the clock is set",
            commands: &[&[Due, Live], &[Due]],
            rules: NEWEST,
            live: true,
            budget: Budget { kills: 1, clock_sets: 1, ..CALM },
            trouble: &[],
            end: 50,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT],
        },
        Scenario {
            name: "2 processes, strict server: the clock is set",
            commands: &[&[Due], &[Now]],
            rules: STRICT,
            live: false,
            budget: Budget { kills: 1, network: 1, clock_sets: 1, ..CALM },
            trouble: &[],
            end: 60,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT, BURIED],
        },
    ]
}

/// Three processes.
fn three_processes() -> [Scenario; 2] {
    [
        Scenario {
            name: "3 processes, leeway, newest child only: kill and network",
            commands: &[&[Live], &[Due], &[Now]],
            rules: NEWEST,
            live: false,
            budget: Budget { kills: 1, network: 1, ..CALM },
            trouble: &[],
            end: 50,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT],
        },
        Scenario {
            name: "3 processes, strict server: kills",
            commands: &[&[Live], &[Due], &[Now]],
            rules: STRICT,
            live: false,
            budget: Budget { kills: 2, ..CALM },
            trouble: &[],
            end: 50,
            must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT, BURIED],
        },
    ]
}

/// Two and three processes with more faults, which take minutes.
fn larger_budgets() -> Vec<Scenario> {
    let two = |name, rules| Scenario {
        name,
        commands: TWO,
        rules,
        live: false,
        budget: Budget { kills: 2, power: 1, network: 2, ..CALM },
        trouble: &[],
        end: 50,
        must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT],
    };
    let three = |name, rules| Scenario {
        name,
        commands: &[&[Live], &[Due, Live], &[Now]],
        rules,
        live: false,
        budget: Budget { kills: 2, network: 1, ..CALM },
        trouble: &[],
        end: 50,
        must_happen: &[REFRESHED, ADOPTED, STAGED, RESENT],
    };
    vec![
        two("thorough: 2 processes, strict server", STRICT),
        two("thorough: 2 processes, leeway, all children", LEEWAY),
        two("thorough: 2 processes, leeway, newest child only", NEWEST),
        three("thorough: 3 processes, strict server", STRICT),
        three("thorough: 3 processes, leeway, newest child only", NEWEST),
    ]
}
