//! Polling while the server, the network or the clock has trouble: no flood of requests, no early
//! end.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::error::Error;
use twg_core::flow::{Notice, UserAgentError};
use twg_core::http::{HttpResponse, TransportError, TransportFailure};
use twg_core::login::LoginFlow;
use twg_core::provider::Grant;
use twg_core::time::{Span, UnixTime};

const DAY: Span = Span::from_days(1);

fn set_back(time: UnixTime, by: Span) -> UnixTime {
    UnixTime::from_millis(time.as_millis() - by.as_millis())
}

fn pending() -> HttpResponse {
    oauth_error(400, "authorization_pending")
}

#[track_caller]
fn succeeds(mut play: Play<LoginFlow>) {
    play.http(tokens());
    play.save(None);
    play.done().unwrap();
}

/// A57: each `slow_down` adds 5 s for the rest of the login. No later response takes that back.
#[test]
fn slow_down_lasts() {
    for status in [400, 403, 429] {
        let mut play = polling("");
        assert_eq!(play.wait(), secs(5));
        play.http(oauth_error(status, "slow_down"));
        assert_eq!(play.wait(), secs(10));
        play.http(pending());
        assert_eq!(play.wait(), secs(10));
        play.http(html(503));
        assert_eq!(play.wait(), secs(20));
        play.http(pending());
        assert_eq!(play.wait(), secs(10));
        play.http(oauth_error(status, "slow_down"));
        assert_eq!(play.wait(), secs(15));
        succeeds(play);
    }
}

/// A57: `slow_down` has no limit: 30 of them add up 30 times.
#[test]
fn slow_down_has_no_ceiling() {
    let mut play = polling(r#","expires_in":3600"#);
    for count in 0..30 {
        assert_eq!(play.wait(), secs(5 + 5 * count));
        play.http(oauth_error(400, "slow_down"));
    }
    play.killed();
}

/// A57: the pause is the larger of five more seconds and the figure that the server names, in the
/// body or in a header.
#[test]
fn slow_down_with_a_figure() {
    let cases = [
        (r#","interval":2"#, &[][..], 10),
        (r#","interval":40"#, &[][..], 40),
        (r#","interval":"40""#, &[][..], 40),
        (r#","interval":200"#, &[][..], 200),
        ("", &[("retry-after", "60")][..], 60),
        ("", &[("retry-after", "1")][..], 10),
        ("", &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")][..], 10),
        (r#","interval":30"#, &[("retry-after", "20")][..], 30),
    ];
    for (interval, headers, wait) in cases {
        let mut play = polling("");
        play.wait();
        play.http(with_headers(429, headers, &format!(r#"{{"error":"slow_down"{interval}}}"#)));
        assert_eq!(play.wait(), secs(wait), "{interval} {headers:?}");
        play.http(pending());
        assert_eq!(play.wait(), secs(wait), "for the rest of the login: {interval} {headers:?}");
        play.killed();
    }
}

/// A57: a bare 429 means `slow_down` too, and `Retry-After` counts within limits.
#[test]
fn bare_429() {
    for (headers, wait) in
        [(&[][..], 10), (&[("retry-after", "60")][..], 60), (&[("retry-after", "86400")][..], 120)]
    {
        let mut play = polling("");
        play.wait();
        play.http(with_headers(429, headers, "<html>Too many requests"));
        assert_eq!(play.wait(), secs(wait));
        succeeds(play);
    }
}

/// A59: a connection time-out doubles the pause each time; the next response ends that.
#[test]
fn timeouts_double_the_pause() {
    for error in [timeout, connection_timeout, broken] {
        let mut play = polling(r#","expires_in":1800"#);
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(play.wait().as_secs());
            play.http(error());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 120, 120]);
        play.wait();
        play.http(pending());
        assert_eq!(play.wait(), secs(5));
        succeeds(play);
    }
}

/// A22: trouble at a server or proxy is not a refusal: the user's approval survives it.
#[test]
fn trouble_in_between() {
    let troubles: [fn() -> Answer; 11] = [
        || html(500).into(),
        || html(502).into(),
        || html(503).into(),
        || html(403).into(),
        || html(200).into(),
        || json(200, r#"{"access_token":"CANARY-torn"#).into(),
        || json(400, "").into(),
        || json(500, r#"{"error":"access_denied"}"#).into(),
        || oauth_error(400, "temporarily_unavailable").into(),
        || TransportError::NotSent(TransportFailure::NameResolution).into(),
        || TransportError::NotSent(TransportFailure::Tls).into(),
    ];
    for (case, trouble) in troubles.into_iter().enumerate() {
        let mut play = polling("");
        play.wait();
        play.http(trouble());
        assert_eq!(play.wait(), secs(10), "case {case}");
        succeeds(play);
    }
}

/// A23: a redirect of the token endpoint is never followed.
#[test]
fn a_redirect_is_final() {
    for status in [301, 302, 307, 308] {
        let mut play = polling("");
        play.wait();
        play.http(with_headers(status, &[("location", "https://evil.example/token")], ""));
        assert!(matches!(play.done(), Err(Error::PeerMisbehaved { .. })));
    }
}

/// `Retry-After` of a server in trouble counts, up to two minutes at a time.
#[test]
fn retry_after_of_a_server_in_trouble() {
    for (asked, wait) in [("1", 10), ("45", 45), ("86400", 120), ("99999999999999999999", 10)] {
        let mut play = polling("");
        play.wait();
        play.http(with_headers(503, &[("retry-after", asked)], ""));
        assert_eq!(play.wait(), secs(wait), "{asked}");
        succeeds(play);
    }
}

/// The response with the tokens was lost. The server then says that the code is spent, which is not
/// the same as a user who declined or was late.
#[test]
fn reply_lost_then_spent() {
    for (lost, code) in [
        (Answer::from(timeout()), "invalid_grant"),
        (Answer::from(broken()), "expired_token"),
        (Answer::from(html(200)), "invalid_grant"),
    ] {
        let mut play = polling("");
        play.wait();
        play.http(lost);
        play.wait();
        play.http(oauth_error(400, code));
        let result = play.done();
        assert_silent(&result);
        let error = result.unwrap_err();
        assert!(matches!(error, Error::PeerMisbehaved { .. }), "{error:?}");
        assert!(error.to_string().contains("lost"), "{error}");
    }
}

/// A lost response while the server still waits for approval had no tokens, so it is forgotten.
#[test]
fn reply_lost_while_still_pending() {
    for still_waiting in ["authorization_pending", "slow_down"] {
        let mut play = polling("");
        play.wait();
        play.http(timeout());
        play.wait();
        play.http(oauth_error(400, still_waiting));
        play.wait();
        play.http(oauth_error(400, "expired_token"));
        assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
    }
}

/// A request that was not sent cannot lose a response.
#[test]
fn nothing_lost_that_was_not_sent() {
    let mut play = polling("");
    play.wait();
    play.http(connection_timeout());
    play.wait();
    play.http(oauth_error(400, "expired_token"));
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
}

#[test]
fn a_page_without_end_is_survived() {
    let mut play = polling("");
    play.wait();
    play.http(TransportError::Unknown(TransportFailure::TooLarge));
    play.wait();
    play.http(tokens());
    play.save(None);
    play.done().unwrap();
}

/// A wrong URL is reported at once instead of polled until the code expires.
#[test]
fn no_token_endpoint_there() {
    let mut play = polling(r#","expires_in":3600"#);
    for _ in 0..5 {
        play.wait();
        play.http(html(404));
    }
    assert!(matches!(play.done(), Err(Error::NotOAuth { status: 404, .. })));
}

/// A gateway error may hide a response with tokens.
#[test]
fn a_gateway_loses_the_reply() {
    for (status, code) in
        [(502, "SERVER_MISBEHAVED"), (504, "SERVER_MISBEHAVED"), (503, "AUTH_REVOKED")]
    {
        let mut play = polling("");
        play.wait();
        play.http(html(status));
        play.wait();
        play.http(oauth_error(403, "invalid_grant"));
        assert_eq!(play.done().unwrap_err().code(), code, "{status}");
    }
}

/// Trouble at the server does not shorten the user's time to approve.
#[test]
fn trouble_near_the_end() {
    let mut play = polling(r#","expires_in":60,"interval":5"#);
    for _ in 0..3 {
        play.wait();
        play.http(html(503));
    }
    play.wait();
    play.http(tokens());
    play.save(None);
    play.done().unwrap();
}

/// A63: a clock that is set back or forward during a wait neither ends the login nor makes it poll
/// more often: the pauses stay the same, and the code's life is counted in time waited.
#[test]
fn the_clock_is_set() {
    for jump in [|t: UnixTime| set_back(t, DAY), |t: UnixTime| t.plus(DAY)] {
        let mut play = polling(r#","expires_in":600"#);
        play.wait();
        play.http(pending());
        let clock = jump(play.now);
        assert_eq!(play.wait_with_clock(clock, secs(5)), secs(5));
        play.http(pending());
        for _ in 0..20 {
            assert_eq!(play.wait(), secs(5));
            play.http(pending());
        }
        play.wait();
        succeeds(play);
    }
}

/// A63: clocks change wildly at every step. The login still ends, after as many polls as the code's
/// life has intervals.
#[test]
fn a_mad_clock_makes_no_storm() {
    let mut play = polling(r#","expires_in":600"#);
    let mut polls = 0;
    while play.is_waiting() {
        let clock =
            if polls % 2 == 0 { set_back(play.now, DAY) } else { play.now.plus(secs(172_800)) };
        assert_eq!(play.wait_with_clock(clock, secs(5)), secs(5));
        play.http(pending());
        polls += 1;
        assert!(polls <= 120, "more polls than the code's life has intervals");
    }
    assert!(polls >= 15, "the login ended after only {polls} polls");
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
}

/// A63: the machine sleeps for two hours while the code waits. Only the server knows how long that
/// was: it is asked once, and its `expired_token` ends the login.
#[test]
fn suspended_for_two_hours() {
    let mut play = polling(r#","expires_in":600"#);
    play.wait();
    play.http(pending());
    let clock = play.now.plus(secs(7200));
    play.wait_with_clock(clock, secs(7200));
    play.http(oauth_error(400, "expired_token"));
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);

    // A code that was approved just before is not lost.
    let mut play = polling(r#","expires_in":600"#);
    let clock = play.now.plus(secs(7200));
    play.wait_with_clock(clock, secs(7200));
    succeeds(play);
}

/// A63: the polling ends with the code's life, even if the server never says `expired_token`.
#[test]
fn a_server_that_never_says_expired() {
    for (lifetime, polls) in
        [("60", 12), ("\"60\"", 12), ("7", 1), ("3600", 720), ("86400", 720), ("null", 180)]
    {
        let mut play = polling(&format!(r#","expires_in":{lifetime}"#));
        let mut count = 0;
        while play.is_waiting() && count <= polls {
            play.wait();
            play.http(pending());
            count += 1;
        }
        assert_eq!(count, polls, "{lifetime}");
        assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
    }
}

#[test]
fn a_code_without_a_life() {
    let play = polling(r#","expires_in":0,"interval":0"#);
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
}

/// `--timeout` can end the wait before the code's life does.
#[test]
fn the_users_own_limit() {
    let mut request = request(profile(), &[Grant::DeviceCode]);
    request.timeout = secs(20);
    let mut play = Play::begin(sign_in(request));
    play.preflight();
    play.http(device_answer(r#","expires_in":600"#));
    assert_eq!(play.show_code().expires_at, T0.plus(secs(20)));
    for _ in 0..4 {
        assert_eq!(play.wait(), secs(5));
        play.http(pending());
    }
    assert_eq!(play.done().unwrap_err().code(), "LOGIN_TIMED_OUT");
}

/// The time of slow requests counts towards the code's life too.
#[test]
fn slow_requests_count() {
    let mut play = polling(r#","expires_in":60"#);
    play.wait();
    play.pass(secs(28));
    play.http(pending());
    play.wait();
    play.pass(secs(28));
    play.http(pending());
    assert_eq!(play.done().unwrap_err(), Error::CodeExpired);
}

/// A rate limit under another name, such as Auth0's `too_many_requests`, slows the polls down and
/// ends nothing. Its `Retry-After` counts.
#[test]
fn a_rate_limit_by_name() {
    let mut play = polling(r#","interval":5"#);
    play.wait();
    play.http(with_headers(429, &[("retry-after", "30")], r#"{"error":"too_many_requests"}"#));
    assert_eq!(play.wait(), secs(30));
    play.http(tokens());
    play.save(None);
    play.done().unwrap();
}

/// The user sees one message about the trouble, at the third failed poll in a row. A second message
/// comes only after the server responded in between.
#[test]
fn the_user_sees_the_trouble() {
    let mut play = polling(r#","expires_in":3600"#);
    for _ in 0..2 {
        for count in 1..=4 {
            play.wait_silently();
            play.http(html(503));
            if count == 3 {
                let Notice::StillTrying(why) = play.notice() else { panic!() };
                assert!(why.contains("503"), "{why}");
            }
        }
        play.wait_silently();
        play.http(pending());
    }
    play.killed();
}

/// The error names the limit that ended the wait: `--timeout`, not the code's life.
#[test]
fn the_callers_own_limit() {
    let mut request = request(profile(), &[Grant::DeviceCode]);
    request.timeout = secs(12);
    let mut play = Play::begin(sign_in(request));
    play.preflight();
    play.http(device_answer(""));
    play.show_code();
    for _ in 0..2 {
        play.wait();
        play.http(pending());
    }
    assert_eq!(play.done().unwrap_err(), Error::UserAgent(UserAgentError::TimedOut));
}
