//! Faults to order.

use std::io::{Read as _, Write as _};

use super::{Look, Tokens};

#[test]
fn a_lost_reply_spends_the_token_and_the_leeway_saves_the_login() {
    let look = Look::new("fault.refresh=drop-after*1");
    let tokens = look.log_in();
    assert!(look.try_refresh(&tokens.refresh).is_none());
    assert_eq!(look.families()[0]["rotations"], 1);
    assert_eq!(look.refresh(&tokens.refresh).status, 200);
    assert_eq!(look.families()[0]["replays"], 1);
    let log = look.control("GET", "log");
    let faulty: Vec<_> =
        log.as_array().unwrap().iter().filter(|entry| !entry["fault"].is_null()).collect();
    assert_eq!(faulty.len(), 1);
    assert_eq!((&faulty[0]["carried_out"], &faulty[0]["status"]), (&true.into(), &200.into()));
}

#[test]
fn faults_before_the_request_is_carried_out() {
    let look = Look::new("");
    let tokens = look.log_in();
    look.switch("fault.token", "drop-before*1");
    assert!(look.try_refresh(&tokens.refresh).is_none());
    look.switch("fault.me", "drop-after*1");
    let host = look.base().trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /me HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    for (fault, status) in [
        ("502", 502),
        ("503", 503),
        ("429:7", 429),
        ("html", 200),
        ("redirect", 302),
        ("status:418", 418),
    ] {
        look.switch("fault.refresh", fault);
        let got = look.refresh(&tokens.refresh);
        assert_eq!(got.status, status, "{fault}");
        assert_eq!(got.header("retry-after").is_some(), matches!(status, 429 | 503));
        assert_eq!(got.header("location").is_some(), status == 302);
        assert!(got.json()["access_token"].is_null());
    }
    assert_eq!(look.families()[0]["rotations"], 0);
    look.switch("fault.refresh", "none");
    assert_eq!(look.refresh(&tokens.refresh).status, 200);
}

#[test]
fn faults_on_the_way_back() {
    let look = Look::new("");
    let tokens = look.log_in();
    look.switch("fault.refresh", "cut*1");
    let cut = look.refresh(&tokens.refresh);
    let announced: usize = cut.header("content-length").unwrap().parse().unwrap();
    assert_eq!((cut.status, cut.body.len()), (200, announced / 2));
    look.switch("fault.refresh", "502-after*1");
    assert!(look.refresh(&tokens.refresh).body.contains("Bad Gateway"));
    look.switch("fault.refresh", "delay:300*1");
    let begun = std::time::Instant::now();
    let next = Tokens::of(&look.refresh(&tokens.refresh));
    assert!(begun.elapsed().as_millis() >= 300);
    let family = look.families().remove(0);
    assert_eq!((&family["rotations"], &family["replays"]), (&1.into(), &2.into()));
    look.switch("fault.me", "huge*1");
    let huge = look.get("/me", &next.access);
    assert_eq!((huge.status, huge.body.len()), (200, 100 * 1024 * 1024));
    look.switch("fault.all", "502");
    assert_eq!(look.get("/me", &next.access).status, 502);
    assert_eq!(look.page("/.well-known/openid-configuration").status, 502);
}

#[test]
fn a_clock_that_is_wrong() {
    let look = Look::new("date-skew=-7200");
    let date = look.page("/").header("date").map(httpdate::parse_http_date).unwrap().unwrap();
    let behind = std::time::SystemTime::now().duration_since(date).unwrap().as_secs();
    assert!((7199..7260).contains(&behind), "{behind}");
}
