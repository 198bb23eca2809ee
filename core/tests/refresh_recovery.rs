//! The recovery of a refresh whose process died or got no response.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::credential::{EndReason, Generation, Host, StagedReply};
use twg_core::error::Error;
use twg_core::flow::{Effect, Notice, Outcome, StoreErrorKind};
use twg_core::http::HttpResponse;
use twg_core::refresh::{How, Need, RefreshFlow, repairable_until};
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

const DUE: Need = Need::Due(Span::ZERO);

/// A recovery that found neither a staged nor a rescued response, `after` the interrupted attempt.
#[track_caller]
fn searching(leeway: u64, need: Need, record: &str, after: Span) -> Play<RefreshFlow> {
    let request = refresh_of(lenient(leeway), need);
    let mut play = locked_at(T0.plus(after), request, &interrupted(record));
    play.load_stage(Some("\0\0\0"));
    play.load_rescue(None);
    play
}

/// The stage of the attempt in `record`, with this response.
fn staged(record: &str, reply: &HttpResponse) -> String {
    let id = parsed(record).pending.unwrap().id;
    StagedReply::write(&id, reply).expose().to_owned()
}

/// The second request, which succeeds.
#[track_caller]
fn sends_again(mut play: Play<RefreshFlow>) {
    let intent = play.replace().record;
    let pending = intent.pending.unwrap();
    assert_eq!(pending.attempt, 2);
    assert_eq!(play.open_stage(), pending.id);
    let request = play.http(new_tokens(""));
    assert_eq!(request.form()["refresh_token"], "CANARY-old-refresh");
    play.stage();
    play.replace();
    play.discard_stage();
    play.release();
    assert!(matches!(play.done().unwrap().how, How::Recovered));
}

/// A staged or rescued response is committed without a request, with every leeway.
#[test]
fn a_reply_that_was_kept() {
    let record = interrupted(&due_record());
    let reply = staged(&record, &new_tokens(""));
    for is_rescued in [false, true] {
        let mut play = locked(profile(), Need::Live, &record);
        let id = parsed(&record).pending.unwrap().id;
        if is_rescued {
            assert_eq!(play.load_stage(Some("\0\0\0")), id);
            play.load_rescue(Some(&reply));
        } else {
            assert_eq!(play.load_stage(Some(&format!("{reply}\0\0\0"))), id);
        }
        let commit = play.replace().record;
        assert_eq!(commit.generation, Generation::from(8));
        let tokens = commit.tokens.unwrap();
        assert_eq!(tokens.refresh_token.unwrap().expose(), "CANARY-new-refresh");
        // Counted from before the request, perhaps a long time ago.
        assert_eq!(tokens.issued_at, T0);
        play.discard_stage();
        play.release();
        assert!(matches!(play.done().unwrap().how, How::Recovered));
    }
}

/// A staged refusal ends the login as any other refusal does.
#[test]
fn a_refusal_that_was_kept() {
    let record = interrupted(&due_record());
    let mut play = locked(profile(), Need::Live, &record);
    play.load_stage(Some(&staged(&record, &oauth_error(400, "invalid_grant"))));
    play.load(Some(&record));
    assert_eq!(play.replace().record.ended.unwrap().reason, EndReason::Revoked);
    play.discard_stage();
    play.release();
    play.done().unwrap_err();
}

/// Without a response, the recovery waits for the end of the interrupted request. Then it sends the
/// same token again while the leeway lasts, although the access token still works. The user sees
/// why it takes so long.
#[test]
fn quarantine() {
    for (leeway, after, wait) in
        [(600, 0, 20), (600, 5, 15), (60, 0, 20), (30, 0, 10), (30, 4, 6), (600, 19, 1)]
    {
        let mut play = searching(leeway, DUE, &due_record(), secs(after));
        // Half a quarantine later, the scheduled recovery would come.
        let half = Span::from_millis(1000 * leeway.min(60) / 6);
        assert_eq!(play.arm(), secs(wait).plus(half));
        assert_eq!(play.notice(), Notice::Recovering);
        assert_eq!(play.wait_silently(), secs(wait), "leeway {leeway}, after {after}");
        sends_again(play);
    }
    for (leeway, after) in [(600, 20), (600, 579), (60, 39), (30, 19)] {
        sends_again(searching(leeway, DUE, &due_record(), secs(after)));
    }
}

/// A request must also arrive within the leeway, so none is sent in its last seconds while the
/// access token works. No recovery is scheduled either.
#[test]
fn too_late() {
    for (leeway, after) in [(0, 60), (600, 580), (60, 40), (30, 20)] {
        let record = record_of(&profile(), T0).to_json().expose().to_owned();
        let intent = {
            // An upkeep run ahead of time, so that the token outlives every leeway.
            let mut play = locked(profile(), Need::Due(secs(3600)), &record);
            let intent = play.replace().text;
            play.killed();
            intent
        };
        let request = refresh_of(lenient(leeway), Need::Due(secs(3600)));
        let mut play = locked_at(T0.plus(secs(after)), request, &intent);
        play.load_stage(None);
        play.load_rescue(None);
        play.release();
        let error = play.done().unwrap_err();
        assert_eq!(error, Error::Interrupted { cause: None, repairable_until: None }, "{leeway}");
    }
}

/// With nothing to lose, the token is sent again with every leeway, because the first request may
/// never have arrived. The same if the user insists.
#[test]
fn nothing_to_lose() {
    for (need, record) in [
        (Need::Live, dead_record()),
        (DUE, dead_record()),
        (Need::Now, due_record()),
        (Need::Other(Secret::new("CANARY-old-access")), due_record()),
    ] {
        let mut play = searching(0, need.clone(), &record, Span::ZERO);
        play.notice();
        assert_eq!(play.wait_silently(), secs(20));
        sends_again(play);
        sends_again(searching(0, need, &record, secs(300)));
    }
}

/// A request after the leeway either ends the login or is the first one that arrived. In the second
/// case the leeway begins with it, so that a lost response is not the end. (The case: a machine
/// lost power with only an intent written, and met a failing gateway the next morning.)
#[test]
fn the_leeway_begins_with_the_first_request_that_can_have_arrived() {
    for (after, since_first) in [(300, secs(300)), (57_840, Span::ZERO)] {
        let mut play = searching(600, DUE, &dead_record(), secs(after));
        let intent = play.replace().record.pending.unwrap();
        assert_eq!((intent.attempt, intent.since_first), (2, since_first));
        play.open_stage();
        play.http(html(502));
        play.stage();
        assert!(play.arm() > Span::ZERO);
        play.release();
        assert!(play.done().is_err());
    }
}

/// The server refuses the second request: the login is over, and the reason is known.
#[test]
fn the_token_was_spent() {
    let mut play = searching(0, Need::Live, &dead_record(), secs(300));
    let intent = play.replace().text;
    play.open_stage();
    play.http(oauth_error(403, "invalid_grant"));
    play.stage();
    play.load(Some(&intent));
    assert_eq!(play.replace().record.ended.unwrap().reason, EndReason::Interrupted);
    play.discard_stage();
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Ended { interrupted: true });
}

/// A flow sends two requests at most. Then it schedules a recovery while the leeway lasts.
#[test]
fn not_for_ever() {
    let (mut play, _) = sending(lenient(600), Need::Now, &due_record());
    play.http(broken());
    play.arm();
    play.notice();
    play.wait_silently();
    play.replace();
    play.open_stage();
    play.http(timeout());
    assert_eq!(play.arm(), secs(40), "twice the quarantine after the second attempt");
    play.release();
    let error = play.done().unwrap_err();
    assert!(matches!(error, Error::Interrupted { repairable_until: Some(_), .. }));
}

/// A process with a working token does not wait in the quarantine, and the pauses between attempts
/// grow.
#[test]
fn backoff() {
    let mut play = searching(600, Need::Live, &due_record(), secs(5));
    assert_eq!(play.arm(), secs(15));
    play.release();
    assert!(matches!(play.done().unwrap().how, How::NotRefreshed(_)));
    sends_again(searching(600, Need::Live, &due_record(), secs(20)));
}

/// A damaged stage proves that there was a response. With a leeway the stage is moved aside and the
/// token sent again. Without one, nothing is sent and nothing overwritten.
#[test]
fn a_damaged_stage() {
    let record = interrupted(&due_record());
    let whole = staged(&record, &new_tokens(""));
    for torn in [&whole[..whole.len() / 2], "garbage", &whole.replace("new-access", "old-access")] {
        let request = refresh_of(lenient(600), DUE);
        let mut play = locked_at(T0.plus(secs(60)), request, &record);
        play.load_stage(Some(torn));
        play.load_rescue(None);
        play.set_stage_aside();
        sends_again(play);

        let mut play = locked(profile(), DUE, &record);
        play.load_stage(Some(torn));
        play.load_rescue(None);
        play.release();
        assert_eq!(play.done().unwrap_err(), Error::ReplyDamaged);
    }
}

/// An unreadable stage may hold the response, so nothing is sent.
#[test]
fn an_unreadable_stage() {
    let mut play = locked(lenient(600), DUE, &interrupted(&due_record()));
    let error = play.store_fails(StoreErrorKind::CannotRead);
    play.arm();
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(error));
}

/// The new intent must be as durable as the first one. Otherwise the old one is put back.
#[test]
fn the_old_intent_stays() {
    let old = parsed(&interrupted(&due_record())).pending.unwrap();
    let mut play = searching(600, DUE, &due_record(), secs(60));
    let error = play.store_fails(StoreErrorKind::CannotWrite);
    assert_eq!(play.replace().record.pending, Some(old));
    play.discard_stage();
    // The refresh still needs a recovery.
    assert_eq!(play.arm(), secs(20));
    play.release();
    assert_eq!(play.done().unwrap_err(), Error::Store(error));
}

/// An intent about another refresh token does not count: a login has replaced the record since.
#[test]
fn an_intent_of_an_older_login() {
    let record = interrupted(&due_record()).replace("CANARY-old-refresh", "CANARY-newer");
    let mut play = locked(profile(), DUE, &record);
    let pending = play.replace().record.pending.unwrap();
    assert_eq!(pending.attempt, 1);
    play.killed();
}

/// A63: a machine that sleeps for two hours in the quarantine sends nothing afterwards that could
/// end a working login.
#[test]
fn sleeping_through_the_leeway() {
    let record = record_of(&profile(), T0);
    let mut long = record.clone();
    long.tokens.as_mut().unwrap().expires_at = T0.plus(secs(86_400));
    let text = long.to_json().expose().to_owned();
    let mut play = locked(lenient(600), Need::Due(secs(86_400)), &text);
    play.replace();
    play.open_stage();
    play.http(broken());
    play.arm();
    play.notice();
    assert_eq!(play.wait_with_clock(T0.plus(secs(7200)), secs(7200)), secs(20));
    play.release();
    assert!(matches!(play.done(), Err(Error::Interrupted { repairable_until: None, .. })));
}

/// A63: if the machine sleeps between intent and request, the intent is written again, and its age
/// counts from then on.
#[test]
fn sleeping_before_the_request() {
    let mut play = locked(profile(), Need::Now, &due_record());
    let first = play.replace().record.pending.unwrap();
    play.pass(secs(7200));
    play.open_stage();
    let second = play.replace().record.pending.unwrap();
    assert_eq!((second.at, second.attempt), (T0.plus(secs(7200)), 1));
    assert_ne!(first.id, second.id);
    assert_eq!(play.open_stage(), second.id);
    play.http(new_tokens(""));
    play.killed();

    // The second attempt of a recovery checks again whether the leeway still lasts.
    let mut play = searching(60, DUE, &due_record(), secs(30));
    play.replace();
    play.pass(secs(30));
    play.open_stage();
    play.release();
    assert!(matches!(play.done(), Err(Error::Interrupted { .. })));
}

/// Slow disk writes do not keep a flow busy for ever. Their time is taken from the request's
/// time-out, because the request must end before the quarantine of its intent does. If too little
/// time is left, nothing is sent.
#[test]
fn a_slow_disk() {
    for (slow, timeout) in [(3, Some(17)), (10, Some(10)), (15, Some(5)), (16, None)] {
        let mut play = locked(profile(), Need::Now, &due_record());
        for _ in 0..4 {
            play.replace();
            play.pass(secs(slow));
            play.open_stage();
        }
        let Some(timeout) = timeout else {
            assert_eq!(play.replace().record.pending, None);
            play.discard_stage();
            play.release();
            assert!(matches!(play.done().unwrap_err(), Error::Store(_)));
            continue;
        };
        assert_eq!(play.http(new_tokens("")).timeout, secs(timeout), "{slow}");
        play.killed();
    }
}

/// A63: in the boot session of the attempt, on the same machine, the clock since boot counts and
/// the wall clock does not. Elsewhere the age of the attempt is unknown, and it may be zero.
#[test]
fn clocks_that_were_set() {
    let day = 86_400_000;
    let t0 = T0.as_millis();
    for now in [t0 - day, t0 + 5000, t0 + day] {
        let mut record = parsed(&interrupted(&dead_record()));
        // Expired by every clock.
        record.tokens.as_mut().unwrap().expires_at = UnixTime::EPOCH;
        let record = record.to_json().expose().to_owned();
        let now = Now { wall: UnixTime::from_millis(now), ..up(T0.plus(secs(5))) };
        let request = refresh_of(lenient(600), Need::Live);
        let mut play = locked_by(now, request.clone(), &record);
        play.load_stage(None);
        play.load_rescue(None);
        play.arm();
        play.notice();
        assert_eq!(play.wait_silently(), secs(15));
        play.killed();

        let mut elsewhere = request.clone();
        elsewhere.host.boot = Some("boot-2".to_owned());
        elsewhere.host.machine = Some("machine-2".to_owned());
        let mut play = locked_by(now, elsewhere, &record);
        play.load_stage(None);
        play.load_rescue(None);
        play.arm();
        play.notice();
        assert_eq!(play.wait_silently(), secs(20));
        play.killed();
    }
}

/// A63: a clock that is set during the quarantine neither shortens nor prolongs it. The next intent
/// stores the true uptime.
#[test]
fn a_clock_that_is_set_during_the_quarantine() {
    for jump in [-86_400_000_i64, 86_400_000] {
        let mut play = searching(600, DUE, &dead_record(), Span::ZERO);
        play.arm();
        play.notice();
        let now = UnixTime::from_millis(play.now.as_millis().checked_add_signed(jump).unwrap());
        // Whichever clock ended the wait, nothing is sent before the time is over.
        assert_eq!(play.wait_with_clock(now, secs(3)), secs(20));
        assert_eq!(play.wait_silently(), secs(17));
        let pending = play.replacement().record.pending.unwrap();
        assert_eq!((pending.at, pending.uptime), (now.plus(secs(17)), Some(secs(3620))));
        sends_again(play);
    }
}

/// The same without a name for the boot session (macOS, Windows), and with an intent of another
/// machine: a process measures its own wait with its own clock.
#[test]
fn a_clock_that_is_set_where_boot_sessions_have_no_name() {
    let record = interrupted(&dead_record());
    for (machine, wait) in [(None, 15), (Some("machine-2"), 20)] {
        let mut request = refresh_of(lenient(600), DUE);
        request.host = Host { machine: machine.map(Into::into), boot: None };
        let mut play = locked_at(T0.plus(secs(5)), request, &record);
        play.load_stage(None);
        play.load_rescue(None);
        play.arm();
        play.notice();
        let now = play.now.plus(secs(86_400));
        assert_eq!(play.wait_with_clock(now, secs(3)), secs(wait));
        assert_eq!(play.wait_silently(), secs(wait - 3));
        // And it knows the age of its own intent by that clock.
        play.replace();
        play.pass(secs(1));
        play.now = play.now.plus(secs(86_400));
        play.open_stage();
        assert!(matches!(play.effect(), Effect::SendHttp(_)));
        play.killed();
    }
}

/// If no clock tells the age of an interrupted refresh, no repair is promised, and the next attempt
/// waits at least the whole quarantine.
#[test]
fn an_interruption_of_unknown_age() {
    let record = interrupted(&due_record());
    let mut request = refresh_of(lenient(600), DUE);
    request.host = Host { machine: Some("machine-2".into()), boot: None };
    let pending = parsed(&record).pending.unwrap();
    let at = |after| up(T0.plus(secs(after)));
    assert_eq!(repairable_until(&pending, secs(600), &request.host, at(5)), None);
    let here = repairable_until(&pending, secs(600), &host(), at(5));
    assert_eq!(here, Some(T0.plus(secs(580))));

    let mut play = locked_at(T0.plus(secs(5)), request, &record);
    play.load_stage(None);
    play.load_rescue(None);
    play.arm();
    play.notice();
    assert_eq!(play.wait_silently(), secs(20));
    assert_eq!(play.replace().record.pending.unwrap().since_first, secs(20));
    play.killed();
}

/// A clock that changes all the time does not keep a flow busy for ever, and a token at risk is not
/// sent.
#[test]
fn a_mad_clock() {
    let mut play = searching(600, DUE, &dead_record(), Span::ZERO);
    play.arm();
    play.notice();
    let mut waits = 0;
    while play.is_waiting() {
        let now = play.now.plus(secs(3600));
        play.wait_with_clock(now, Span::ZERO);
        waits += 1;
    }
    assert_eq!(waits, 8);
    play.arm();
    play.release();
    let Err(Error::Interrupted { repairable_until: Some(_), .. }) = play.done() else { panic!() };
}

/// A shell that has only a wall clock waits by it, and by the timer that ends its waits.
#[test]
fn without_a_boot_clock() {
    let record = interrupted(&dead_record());
    let request = refresh_of(lenient(600), DUE);
    for (clock, waits) in [(-3_600_000_i64, 1), (20_000, 1), (3_600_000, 1), (5000, 2)] {
        let mut play = locked_by(T0.into(), request.clone(), &record);
        play.load_stage(None);
        play.load_rescue(None);
        play.arm();
        play.notice();
        let now = UnixTime::from_millis(T0.as_millis().checked_add_signed(clock).unwrap());
        assert_eq!(play.wait_with_clock(now, secs(20)), secs(20));
        if waits == 2 {
            assert_eq!(play.wait_silently(), secs(15));
        }
        assert_eq!(play.replacement().record.pending.unwrap().uptime, None);
        sends_again(play);
    }
}

/// After a restart the wall clock counts, unless it shows a time before the attempt.
#[test]
fn after_a_restart() {
    for (shift, wait) in [(5000, 15), (-86_400_000_i64, 20)] {
        let now = UnixTime::from_millis(T0.as_millis().checked_add_signed(shift).unwrap());
        let mut request = refresh_of(lenient(600), Need::Now);
        request.host.boot = Some("boot-2".to_owned());
        let now = Now { wall: now, uptime: Some(secs(1)) };
        let mut play = locked_by(now, request, &interrupted(&due_record()));
        play.load_stage(None);
        play.load_rescue(None);
        play.arm();
        play.notice();
        assert_eq!(play.wait_silently(), secs(wait));
        play.killed();
    }
}

/// A failing server is not asked by every command. A thousand commands in ten minutes make a
/// handful of requests, and each command gets its token.
#[test]
fn no_storm() {
    let mut record = due_record();
    let mut requests = 0;
    for command in 0..1000 {
        let after = Span::from_millis(command * 599);
        let request = refresh_of(lenient(600), Need::Live);
        let flow = RefreshFlow::refresh(request, twg_core::entropy::Entropy::new([7; 32]));
        let mut play = Play::begin_at(flow, T0.plus(after));
        while !play.is_done() {
            match play.effect().clone() {
                Effect::LoadRecord(_) => play.load(Some(&record)),
                Effect::AcquireLock { .. } => play.lock(),
                Effect::ReleaseLock(_) => play.release(),
                Effect::ReplaceRecord { .. } => record = play.replace().text,
                Effect::OpenStage { .. } => drop(play.open_stage()),
                Effect::LoadStage { .. } => drop(play.load_stage(None)),
                Effect::LoadRescue { .. } => play.load_rescue(None),
                Effect::ArmRecovery { .. } => drop(play.arm()),
                Effect::SendHttp(_) => {
                    requests += 1;
                    play.answer(Outcome::Http(Err(broken())));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(play.done().unwrap().how, How::NotRefreshed(_)));
    }
    assert!((3..=8).contains(&requests), "{requests} requests");
}
