//! A refresh that fails: before the request it costs nothing; after the request nothing is lost.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::{EndReason, Generation, StagedReply};
use twg_core::error::Error;
use twg_core::flow::{Effect, StoreErrorKind};
use twg_core::http::{TransportError, TransportFailure};
use twg_core::refresh::{How, Need, RefreshFlow};
use twg_core::secret::Secret;
use twg_core::time::Span;

const FULL: StoreErrorKind = StoreErrorKind::CannotWrite;

/// The intent is taken back, because the token cannot be spent.
#[track_caller]
fn withdrawn(play: &mut Play<RefreshFlow>) {
    let record = play.replace().record;
    assert!(record.pending.is_none());
    assert_eq!(record.generation, Generation::from(7));
    play.discard_stage();
    play.release();
}

/// The end of a failed refresh, with a token that still works and with one that does not.
#[track_caller]
fn failed(play: Play<RefreshFlow>, serves: bool) -> Error {
    let result = play.done();
    match result {
        Ok(served) if serves => match served.how {
            How::NotRefreshed(error) => *error,
            how => panic!("{how:?}"),
        },
        Err(error) if !serves => error,
        other => panic!("{other:?}"),
    }
}

/// A33: if the intent or the stage cannot be written, nothing is sent. A process with a working
/// token still gets it.
#[test]
fn a_failed_preflight_sends_nothing() {
    for (need, record, serves) in [
        (Need::Live, due_record(), true),
        (Need::Live, dead_record(), false),
        (Need::Due(Span::ZERO), due_record(), false),
        (Need::Now, due_record(), false),
    ] {
        let mut play = locked(profile(), need.clone(), &record);
        let error = play.store_fails(FULL);
        // The failed write may be visible all the same.
        withdrawn(&mut play);
        assert_eq!(failed(play, serves), Error::Store(error));

        let mut play = locked(profile(), need, &record);
        play.replace();
        let error = play.store_fails(FULL);
        withdrawn(&mut play);
        assert_eq!(failed(play, serves), Error::Store(error));
    }
}

/// If the intent cannot even be taken back, still nothing is sent.
#[test]
fn a_store_that_takes_nothing() {
    let mut play = locked(profile(), Need::Now, &due_record());
    let first = play.store_fails(FULL);
    play.store_fails(FULL);
    play.discard_stage();
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(first));
}

/// The request was not sent at all, for several reasons: the intent is taken back.
#[test]
fn not_sent() {
    for failure in [
        TransportFailure::NameResolution,
        TransportFailure::Connect,
        TransportFailure::Tls,
        TransportFailure::Timeout,
        TransportFailure::Other("no".to_owned()),
    ] {
        let (mut play, _) = sending(lenient(600), Need::Live, &due_record());
        let error = TransportError::NotSent(failure);
        play.http(error.clone());
        withdrawn(&mut play);
        let why = failed(play, true);
        assert!(matches!(why, Error::Transport { error: e, .. } if e == error));
    }
}

/// The server may have carried out the request, for several reasons: the intent stays. Without a
/// leeway nothing puts the token at risk that still works.
#[test]
fn unknown() {
    for failure in [
        TransportFailure::Timeout,
        TransportFailure::Interrupted,
        TransportFailure::TooLarge,
        TransportFailure::Other("no".to_owned()),
    ] {
        for (need, serves) in
            [(Need::Live, true), (Need::Due(Span::ZERO), false), (Need::Now, false)]
        {
            let (mut play, _) = sending(profile(), need, &due_record());
            play.http(TransportError::Unknown(failure.clone()));
            play.release();
            let error = failed(play, serves);
            let Error::Interrupted { cause, repairable_until } = &error else {
                panic!("{error:?}")
            };
            assert!(cause.is_some() && repairable_until.is_none());
            assert!(error.is_retryable());
        }
    }
}

/// A22: trouble keeps everything. If the server says that it did nothing, the intent is taken back.
/// If the error may come from a proxy, the intent stays.
#[test]
fn trouble() {
    let torn = json(200, r#"{"access_token":"CANARY-t"#);
    for answer in [html(500), html(502), html(503), html(403), html(200), torn, json(200, "{}")] {
        let (mut play, _) = sending(profile(), Need::Live, &due_record());
        play.http(answer);
        play.stage();
        play.release();
        let error = failed(play, true);
        assert!(matches!(error, Error::Interrupted { cause: Some(_), .. }), "{error:?}");
    }
    let limited = with_headers(429, &[("retry-after", "60")], "");
    for answer in [limited, oauth_error(400, "invalid_client"), oauth_error(400, "invalid_request")]
    {
        let (mut play, _) = sending(profile(), Need::Live, &due_record());
        play.http(answer);
        play.stage();
        withdrawn(&mut play);
        assert!(!matches!(failed(play, true), Error::Ended { .. }));
    }
}

/// A22: only a dead grant ends a login, with any status, and in Atlassian's own words. The record
/// says so and stays, and there is no new attempt unless the user insists.
#[test]
fn a_dead_grant() {
    let odd = r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#;
    for answer in [
        oauth_error(400, "invalid_grant"),
        oauth_error(401, "invalid_grant"),
        oauth_error(403, "invalid_grant"),
        json(403, odd),
    ] {
        let (mut play, intent) = sending(profile(), Need::Live, &due_record());
        play.http(answer);
        play.stage();
        play.load(Some(&intent));
        play.pass(secs(1));
        let tombstone = play.replace();
        let record = &tombstone.record;
        assert_eq!(record.generation, Generation::from(8));
        assert!(record.pending.is_none() && record.tokens.is_some());
        let ended = record.ended.clone().unwrap();
        assert_eq!(ended.reason, EndReason::Revoked);
        play.discard_stage();
        play.release();
        // The token is not handed out: the server may have ended the access token too.
        assert_eq!(play.done().unwrap_err(), Error::Ended { interrupted: false });

        for need in [Need::Live, Need::Due(Span::ZERO)] {
            let flow = RefreshFlow::refresh(refresh_of(profile(), need), entropy().0);
            let mut play = Play::begin(flow);
            play.load(Some(&tombstone.text));
            assert_eq!(play.done().unwrap_err(), Error::Ended { interrupted: false });
        }
        let (play, intent) = sending(profile(), Need::Now, &tombstone.text);
        play.killed();
        assert!(parsed(&intent).ended.is_none());
    }
}

/// A31: the server refuses, but the record holds another token by now. That one is used, and
/// nothing is written.
#[test]
fn refused_but_another_process_was_faster() {
    let mut theirs = record_of(&profile(), T0);
    theirs.tokens.as_mut().unwrap().access_token = Secret::new("CANARY-theirs");
    let (mut play, _) = sending(profile(), Need::Live, &dead_record());
    play.http(oauth_error(400, "invalid_grant"));
    play.stage();
    play.load(Some(theirs.to_json().expose()));
    play.discard_stage();
    play.release();
    let adopted = play.done().unwrap();
    assert!(matches!(adopted.how, How::Adopted));
    assert_eq!(adopted.credential.tokens.unwrap().access_token.expose(), "CANARY-theirs");
}

/// If the tombstone cannot be written, the login is over all the same.
#[test]
fn a_tombstone_that_fails() {
    let (mut play, intent) = sending(profile(), Need::Live, &due_record());
    play.http(oauth_error(400, "invalid_grant"));
    play.stage();
    play.load(Some(&intent));
    play.store_fails(FULL);
    play.discard_stage();
    play.release();
    assert!(matches!(play.done(), Err(Error::Ended { .. })));
}

/// If the stage cannot be written, the record still takes the tokens.
#[test]
fn a_reply_that_is_not_staged() {
    let (mut play, _) = sending(profile(), Need::Live, &due_record());
    play.http(new_tokens(""));
    play.store_fails(FULL);
    play.replace();
    play.discard_stage();
    play.release();
    assert!(matches!(play.done().unwrap().how, How::Refreshed));
}

/// A commit is tried four times. Each try reads the record first, because the new record may
/// already be visible when only the sync failed.
#[test]
fn commits_are_tried_again() {
    for failures in 1..4 {
        for is_visible in [false, true] {
            let (mut play, intent) = sending(profile(), Need::Live, &due_record());
            play.http(new_tokens(""));
            play.stage();
            let mut expected = Generation::from(7);
            for _ in 0..failures {
                let commit = play.replacement();
                assert_eq!(commit.expected, Some(expected));
                assert_eq!(commit.record.generation, Generation::from(8));
                play.store_fails(FULL);
                let there = if is_visible { &commit.text } else { &intent };
                expected = parsed(there).generation;
                play.load(Some(there));
            }
            assert_eq!(play.replace().record.generation, Generation::from(8));
            play.discard_stage();
            play.release();
            assert!(matches!(play.done().unwrap().how, How::Refreshed));
        }
    }
}

/// After the fourth failure, the response stays in the stage or goes to the rescue directory, and
/// the error says where. The intent leads the next refresh there.
#[test]
fn a_reply_that_cannot_be_saved() {
    for (is_staged, is_rescued, place, leeway) in [
        (true, false, Some("/store/stage"), 0),
        (false, true, Some("/rescue/reply"), 0),
        (false, false, None, 0),
        (true, false, Some("/store/stage"), 600),
        (false, true, Some("/rescue/reply"), 600),
        (false, false, None, 600),
    ] {
        let (mut play, intent) = sending(lenient(leeway), Need::Live, &due_record());
        let id = parsed(&intent).pending.unwrap().id;
        play.http(new_tokens(""));
        if is_staged {
            play.stage();
        } else {
            play.store_fails(FULL);
        }
        for _ in 0..3 {
            play.store_fails(FULL);
            play.load(Some(&intent));
        }
        play.store_fails(FULL);
        if !is_staged {
            let Effect::RescueReply { bytes, .. } = play.effect() else { panic!() };
            assert!(matches!(StagedReply::parse(&id, bytes.expose()), StagedReply::Complete(_)));
            if is_rescued {
                play.rescue();
            } else {
                play.store_fails(FULL);
            }
        }
        if leeway > 0 {
            assert_eq!(
                play.arm(),
                Span::from_secs(20),
                "a recovery is scheduled within the leeway"
            );
        }
        play.release();
        let error = play.done().unwrap_err();
        assert!(matches!(&error, Error::ReplyNotSaved { place: p, .. } if p.as_deref() == place));
        assert_eq!(error.code(), "REPLY_NOT_SAVED");
    }
}

/// Another process wrote a newer login without the lock while the commit failed: that login counts.
#[test]
fn a_login_in_between() {
    let mut theirs = record_of(&profile(), T0);
    theirs.tokens.as_mut().unwrap().access_token = Secret::new("CANARY-theirs");
    let (mut play, _) = sending(profile(), Need::Live, &due_record());
    play.http(new_tokens(""));
    play.stage();
    play.store_fails(StoreErrorKind::Changed);
    play.load(Some(theirs.to_json().expose()));
    play.discard_stage();
    play.release();
    assert!(matches!(play.done().unwrap().how, How::Adopted));
}
