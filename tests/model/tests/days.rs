//! A thousand days of scheduled upkeep.

use twg_model::days::{AFTER_KILL, EVERY, Pattern, live};

const DAYS: u32 = 1000;

/// Never logged out, and never more than one request per due refresh.
#[test]
fn a_thousand_days() {
    for pattern in
        [Pattern::AlwaysOn, Pattern::Office, Pattern::Laptop, Pattern::TwelveMinutesAMonth]
    {
        for lifetime in [600, 3600, 8 * 3600] {
            for seed in 1..=2 {
                let life = live(pattern, DAYS, lifetime, AFTER_KILL, seed);
                let place = format!("{pattern:?}, tokens of {lifetime} s, seed {seed}: {life:?}");
                assert!(life.broken.is_empty(), "{place}");
                assert!(life.faults > 0 && life.rotations > 30, "nothing happened: {place}");
            }
        }
    }
}

/// Twelve minutes are longer than Atlassian's leeway of ten. So a run that was killed between a
/// request and its response must start again sooner, and the units say so.
#[test]
fn without_a_restart_after_a_kill_logins_are_lost() {
    let life = live(Pattern::AlwaysOn, DAYS, 3600, EVERY, 1);
    assert!(!life.broken.is_empty(), "{life:?}");
}
