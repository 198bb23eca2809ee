//! What the scheduled upkeep stores and decides: updates, reminders, ends of logins.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::time::{Span, UnixTime};
use twg_core::upkeep::Upkeep;

const EVERY: u64 = 12 * 60;
const DAY: u64 = 24 * 3600;

fn with_update() -> Upkeep {
    Upkeep { available_version: Some("2.0.0".to_owned()), ..Upkeep::default() }
}

/// The seconds at which the runs of so many days show a reminder. `clock` gives the clock's time.
fn reminders(days: u64, clock: impl Fn(u64) -> u64) -> Vec<u64> {
    let mut upkeep = with_update();
    (0..days * DAY / EVERY)
        .map(|run| run * EVERY)
        .filter(|second| upkeep.take_reminder(T0.plus(secs(clock(*second)))).is_some())
        .collect()
}

/// Seed: one reminder, then up to three daily ones, then up to three weekly ones.
#[test]
fn reminders_become_rare_and_end() {
    let days: Vec<u64> = [0, 1, 2, 3, 10, 17, 24].map(|day| day * DAY).into();
    assert_eq!(reminders(365, |second| second), days);
}

/// A machine that was off for a while does not show all the missed reminders.
#[test]
fn missed_reminders_are_not_repeated() {
    let mut upkeep = with_update();
    let mut shown = |day: u64| upkeep.take_reminder(T0.plus(secs(day * DAY))).is_some();
    assert!(shown(0) && !shown(0));
    assert!(shown(30) && !shown(30));
    assert!(shown(31) && shown(32) && !shown(33));
    assert!(shown(39) && shown(46) && shown(53));
    assert!(!shown(60) && !shown(6000));
}

/// A clock that is wrong for a while causes at most one reminder more or less.
#[test]
fn a_wrong_clock_costs_one_reminder_at_most() {
    for wrong in [-400 * 86_400_i64, -2 * 86_400, 2 * 86_400, 400 * 86_400] {
        // For one day, from the middle of the second day.
        let clock = |second: u64| {
            let is_wrong = (DAY * 3 / 2..DAY * 5 / 2).contains(&second);
            // Well after the year of T0.
            (500 * DAY + second).checked_add_signed(if is_wrong { wrong } else { 0 }).unwrap()
        };
        let shown = reminders(365, clock);
        assert_eq!(shown.len(), 7, "{wrong}: {shown:?}");
        for pair in shown.windows(2) {
            assert!(pair[1] - pair[0] >= DAY / 2, "{wrong}: {shown:?}");
        }
        assert!(shown[6] < 30 * DAY, "{wrong}: {shown:?}");
    }
}

/// After the installation there is nothing to remind of, and the next release begins anew.
#[test]
fn an_installed_update_is_forgotten() {
    let mut upkeep = with_update();
    for day in 0..60 {
        upkeep.take_reminder(T0.plus(secs(day * DAY)));
    }
    upkeep.forget_installed(|version| version == "2.0.0");
    assert_eq!(upkeep.reminders, 7, "it is still newer");
    upkeep.forget_installed(|_| false);
    assert_eq!(upkeep, Upkeep::default());
    let later = T0.plus(secs(70 * DAY));
    assert_eq!(upkeep.take_reminder(later), None);
    upkeep.looked_for_update(later, Ok(Some("2.1.0".to_owned())), 0);
    assert_eq!(upkeep.take_reminder(later).as_deref(), Some("2.1.0"));
}

/// Seed: "at most daily with jitter".
#[test]
fn updates_are_looked_for_at_most_daily() {
    for chance in [0, 1, 128, 255] {
        let mut upkeep = Upkeep::default();
        let mut looks = Vec::new();
        for second in (0..100 * DAY).step_by(EVERY as usize) {
            let now = T0.plus(secs(second));
            if upkeep.is_update_check_due(now) {
                looks.push(second);
                upkeep.looked_for_update(now, Ok(None), chance);
            }
        }
        assert!(looks.len() >= 85, "{chance}: {}", looks.len());
        assert!(looks.windows(2).all(|pair| pair[1] - pair[0] >= DAY), "{chance}");
        assert!(looks.windows(2).all(|pair| pair[1] - pair[0] <= DAY + 5 * 3600), "{chance}");
    }
    // A time that cannot be right.
    let mut upkeep = Upkeep::default();
    upkeep.looked_for_update(T0.plus(Span::from_days(1000)), Err(()), 255);
    assert!(upkeep.is_update_check_due(T0));
}

/// A failed look for updates keeps what an earlier one found.
#[test]
fn a_failed_look_changes_nothing_but_the_time() {
    let mut upkeep = with_update();
    upkeep.looked_for_update(T0, Err(()), 7);
    assert_eq!(upkeep.available_version.as_deref(), Some("2.0.0"));
    assert!(!upkeep.is_update_check_due(T0.plus(secs(3600))));
    upkeep.looked_for_update(T0, Ok(None), 7);
    assert_eq!(upkeep.available_version, None);
}

#[test]
fn each_end_of_a_login_is_announced_once() {
    let mut upkeep = Upkeep::default();
    assert!(upkeep.take_end_of_login("atlassian/default", T0));
    assert!(!upkeep.take_end_of_login("atlassian/default", T0));
    assert!(upkeep.take_end_of_login("atlassian/work", T0));
    assert!(upkeep.take_end_of_login("atlassian/default", T0.plus(secs(1))));
    upkeep.keep_only(|connection| connection == "atlassian/work");
    assert_eq!(upkeep.told.len(), 1);
}

/// Members of a newer version survive, and damage is reported.
#[test]
fn the_file() {
    let mut upkeep = with_update();
    upkeep.ran(T0, false);
    upkeep.take_reminder(T0);
    upkeep.take_end_of_login("atlassian/default", T0);
    upkeep.looked_for_update(T0, Err(()), 0);
    assert_eq!(Upkeep::parse(&upkeep.to_json()).unwrap(), upkeep);
    let newer = Upkeep::parse(r#"{"schema_version":1,"later":[1]}"#).unwrap();
    assert!(newer.to_json().contains("\"later\""));
    assert_eq!(newer.last_run_at, None::<UnixTime>);
    for bad in ["", "[]", "{}", r#"{"schema_version":1,"reminders":-1}"#] {
        assert!(Upkeep::parse(bad).is_err(), "{bad}");
    }
}
