//! Faults.

use std::io::{Read as _, Write as _};

use super::{Sandbox, Tokens};

#[test]
fn a_lost_response_spends_the_token_and_the_leeway_saves_the_family() {
    let sandbox = Sandbox::new("fault.refresh=drop-after*1");
    let tokens = sandbox.sign_in();
    assert!(sandbox.try_refresh(&tokens.refresh).is_none());
    assert_eq!(sandbox.families()[0]["rotations"], 1);
    assert_eq!(sandbox.refresh(&tokens.refresh).status, 200);
    assert_eq!(sandbox.families()[0]["replays"], 1);
    let log = sandbox.control("GET", "log");
    let faulty: Vec<_> =
        log.as_array().unwrap().iter().filter(|entry| !entry["fault"].is_null()).collect();
    assert_eq!(faulty.len(), 1);
    assert_eq!((&faulty[0]["carried_out"], &faulty[0]["status"]), (&true.into(), &200.into()));
}

#[test]
fn faults_before_the_request_is_carried_out() {
    let sandbox = Sandbox::new("");
    let tokens = sandbox.sign_in();
    sandbox.switch("fault.token", "drop-before*1");
    assert!(sandbox.try_refresh(&tokens.refresh).is_none());
    sandbox.switch("fault.me", "drop-after*1");
    let host = sandbox.base().trim_start_matches("http://");
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
        sandbox.switch("fault.refresh", fault);
        let got = sandbox.refresh(&tokens.refresh);
        assert_eq!(got.status, status, "{fault}");
        assert_eq!(got.header("retry-after").is_some(), matches!(status, 429 | 503));
        assert_eq!(got.header("location").is_some(), status == 302);
        assert!(got.json()["access_token"].is_null());
    }
    assert_eq!(sandbox.families()[0]["rotations"], 0);
    sandbox.switch("fault.refresh", "none");
    assert_eq!(sandbox.refresh(&tokens.refresh).status, 200);
}

#[test]
fn faults_on_the_way_back() {
    let sandbox = Sandbox::new("");
    let tokens = sandbox.sign_in();
    sandbox.switch("fault.refresh", "cut*1");
    let cut = sandbox.refresh(&tokens.refresh);
    let announced: usize = cut.header("content-length").unwrap().parse().unwrap();
    assert_eq!((cut.status, cut.body.len()), (200, announced / 2));
    sandbox.switch("fault.refresh", "502-after*1");
    assert!(sandbox.refresh(&tokens.refresh).body.contains("Bad Gateway"));
    sandbox.switch("fault.refresh", "delay:300*1");
    let begun = std::time::Instant::now();
    let next = Tokens::of(&sandbox.refresh(&tokens.refresh));
    assert!(begun.elapsed().as_millis() >= 300);
    let family = sandbox.families().remove(0);
    assert_eq!((&family["rotations"], &family["replays"]), (&1.into(), &2.into()));
    sandbox.switch("fault.me", "huge*1");
    let huge = sandbox.get("/me", &next.access);
    assert_eq!((huge.status, huge.body.len()), (200, 100 * 1024 * 1024));
    sandbox.switch("fault.all", "502");
    assert_eq!(sandbox.get("/me", &next.access).status, 502);
    assert_eq!(sandbox.page("/.well-known/openid-configuration").status, 502);
}

#[test]
fn a_clock_that_is_wrong() {
    let sandbox = Sandbox::new("date-skew=-7200");
    let date = sandbox.page("/").header("date").map(httpdate::parse_http_date).unwrap().unwrap();
    let behind = std::time::SystemTime::now().duration_since(date).unwrap().as_secs();
    assert!((7199..7260).contains(&behind), "{behind}");
}
