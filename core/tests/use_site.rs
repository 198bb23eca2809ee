//! Choosing the default site: one more change of the record, under the same rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::atlassian::sites::UseSiteFlow;
use twg_core::credential::Generation;
use twg_core::credential::Site;
use twg_core::error::Error;
use twg_core::flow::{LockError, Outcome, StoreErrorKind};

#[track_caller]
fn choosing() -> Play<UseSiteFlow> {
    let site = Site {
        id: "site-2".to_owned(),
        name: "Two".to_owned(),
        url: "https://two.example".to_owned(),
        scopes: vec![],
    };
    Play::begin(UseSiteFlow::choose(key(), vec![site], "site-2".to_owned()))
}

/// The choice is stored, and the rest of the record stays as it was.
#[test]
fn the_choice_is_kept() {
    let mut play = choosing();
    let saved = play.save(Some(&old_record()));
    assert!(play.done().unwrap());
    assert_eq!(saved.expected, Some(Generation::from(7)));
    let before = parsed(&old_record());
    let mut after = saved.record;
    assert_eq!(after.generation, Generation::from(8));
    assert_eq!(after.default_site.as_deref(), Some("site-2"));
    assert_eq!(after.sites.len(), 1);
    after.generation = before.generation;
    after.default_site.clone_from(&before.default_site);
    after.sites.clear();
    assert_eq!(after.to_json().expose(), before.to_json().expose());
}

#[test]
fn nothing_to_keep_it_in() {
    let mut play = choosing();
    play.lock();
    play.load(None);
    play.release();
    assert!(!play.done().unwrap());
}

/// A damaged record is moved aside as everywhere; one of a newer version is not touched.
#[test]
fn unusable_records() {
    let mut play = choosing();
    play.lock();
    play.load(Some("torn"));
    play.release();
    assert!(matches!(play.done(), Err(Error::Record(_))), "the file stays where it is");

    let mut play = choosing();
    play.lock();
    play.load(Some(r#"{"schema_version":2}"#));
    play.release();
    assert!(matches!(play.done(), Err(Error::Record(_))));
}

#[test]
fn failures() {
    let mut play = choosing();
    play.answer(Outcome::Locked(Err(LockError::TimedOut { holder: None })));
    assert!(matches!(play.done(), Err(Error::Lock(_))));

    let mut play = choosing();
    play.lock();
    play.load(Some(&old_record()));
    let error = play.store_fails(StoreErrorKind::CannotWrite);
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(error));
}
