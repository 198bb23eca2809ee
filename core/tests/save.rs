//! The save: under the lock, based on the current record, and without loss if it fails.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::{Generation, RecordError};
use twg_core::error::{Error, Party};
use twg_core::flow::{Effect, LockError, Notice, Outcome, StoreError, StoreErrorKind};
use twg_core::login::LoginFlow;

/// An approved login that asks for the lock.
#[track_caller]
fn approved() -> Play<LoginFlow> {
    let mut play = polling("");
    play.wait();
    play.http(tokens());
    play
}

/// A33: a store that cannot take the record is noticed before anything is sent.
#[test]
fn preflight_first() {
    for kind in [StoreErrorKind::CannotCreate, StoreErrorKind::CannotWrite] {
        let mut play = Play::begin(device_login(profile()));
        let error = play.store_fails(kind);
        assert_eq!(play.done().unwrap_err(), Error::Store(error));
    }
}

/// Lock, load, replace, release. The first record has generation 1 and expects no earlier one.
#[test]
fn the_first_record() {
    let mut play = approved();
    let Effect::AcquireLock { key: locked, deadline } = play.effect().clone() else { panic!() };
    assert_eq!(locked, key());
    assert_eq!(deadline, play.now.plus(secs(90)));
    let saved = play.save(None);
    assert_eq!(saved.expected, None);
    assert_eq!(saved.record.generation, Generation::FIRST);
    let signed_in = play.done().unwrap();
    assert_eq!(signed_in.credential.to_json().expose(), saved.text, "what is stored is returned");
    assert_eq!(signed_in.replaced, None);
    assert!(signed_in.account.is_none() && signed_in.sites.is_none());
}

/// A damaged record is moved aside, with every byte, and the user learns where it is.
#[test]
fn a_damaged_record() {
    for (damaged, word) in [
        ("", "empty"),
        ("   \n", "empty"),
        ("{\"schema_version\":1,\"tokens\":{\"access_token\":\"CANARY", "unexpected end"),
        ("not JSON CANARY", "not JSON"),
        ("[\"CANARY\"]", "not an object"),
        ("{\"generation\":1}", "schema_version"),
        ("{\"schema_version\":0}", "unknown format 0"),
        ("{\"schema_version\":\"CANARY\"}", "missing or wrong"),
        ("{\"schema_version\":1,\"generation\":\"CANARY\"}", "generation"),
    ] {
        let mut play = approved();
        play.lock();
        play.load(Some(damaged));
        play.set_aside("/store/record.damaged");
        let Notice::RecordSetAside { place, reason } = play.notice() else { panic!() };
        assert_eq!(place, "/store/record.damaged");
        assert!(reason.contains(word), "{reason}");
        assert_shows_no_secret(&reason);
        let saved = play.replace();
        assert_eq!(saved.expected, None, "there is no record any more");
        play.release();
        play.done().unwrap();
    }
}

/// A record of a newer version is not damaged, and is not touched.
#[test]
fn a_newer_record() {
    for newer in [r#"{"schema_version":2}"#, r#"{"schema_version":99,"x":"CANARY"}"#] {
        let mut play = approved();
        play.lock();
        play.load(Some(newer));
        play.release();
        let error = play.done().unwrap_err();
        let Error::NotSaved(cause) = &error else { panic!("{error:?}") };
        assert!(matches!(**cause, Error::Record(RecordError::Newer { .. })));
        assert_eq!(error.party(), Party::Store);
    }
}

/// Without the lock nothing is read or written.
#[test]
fn no_lock() {
    let unusable = StoreError {
        kind: StoreErrorKind::CannotCreate,
        place: "/store/record.lock".to_owned(),
        detail: "is a symbolic link".to_owned(),
    };
    for error in [
        LockError::TimedOut { holder: Some("twg (pid 7)".to_owned()) },
        LockError::TimedOut { holder: None },
        LockError::Unusable(unusable),
    ] {
        let mut play = approved();
        play.answer(Outcome::Locked(Err(error.clone())));
        let failed = play.done().unwrap_err();
        assert_eq!(failed, Error::NotSaved(Box::new(Error::Lock(error))));
        assert_eq!(failed.code(), "NOT_SAVED");
    }
}

/// For every failure of the store: the lock is given back (`Play` checks that), the old record is
/// not touched again, and the user learns that the approval had no effect.
#[test]
fn the_store_fails() {
    for kind in [
        StoreErrorKind::CannotCreate,
        StoreErrorKind::CannotWrite,
        StoreErrorKind::CannotRead,
        StoreErrorKind::Changed,
    ] {
        // Loading.
        let mut play = approved();
        play.lock();
        let error = play.store_fails(kind);
        play.release();
        assert_eq!(play.done().unwrap_err(), Error::NotSaved(Box::new(Error::Store(error))));
        // Setting aside: a record that cannot be moved is not overwritten.
        let mut play = approved();
        play.lock();
        play.load(Some("damaged"));
        let error = play.store_fails(kind);
        play.release();
        assert_eq!(play.done().unwrap_err(), Error::NotSaved(Box::new(Error::Store(error))));
        // Replacing: the old login is not revoked, because it is still the stored one.
        let mut play = approved();
        play.lock();
        play.load(Some(&old_record()));
        let error = play.store_fails(kind);
        play.release();
        let failed = play.done().unwrap_err();
        assert!(failed.to_string().contains("approved but could not be saved"), "{failed}");
        assert_eq!(failed, Error::NotSaved(Box::new(Error::Store(error))));
    }
}
