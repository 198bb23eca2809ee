//! Starting, finding a running sandbox, and which requests get in.

use std::net::TcpListener;

use super::{Directory, Sandbox, start_in};
use crate::{Options, Switches, start};

#[test]
fn a_second_start_joins_the_first_and_stops_nothing() {
    let sandbox = Sandbox::new("");
    let second = start_in(&sandbox.directory.0, "");
    assert_eq!(second.base_url(), sandbox.base());
    assert!(second.notice().unwrap().contains("already running"));
    drop(second);
    assert_eq!(sandbox.page("/").status, 200);
}

#[test]
fn the_port_is_remembered_unless_a_stranger_has_it() {
    let directory = Directory::new();
    let first = start_in(&directory.0, "");
    let base = first.base_url().to_owned();
    drop(first);
    let again = start_in(&directory.0, "");
    assert_eq!((again.base_url(), again.notice()), (base.as_str(), None));
    drop(again);
    let stranger = TcpListener::bind(base.trim_start_matches("http://")).unwrap();
    let elsewhere = start_in(&directory.0, "");
    assert_ne!(elsewhere.base_url(), base);
    assert!(elsewhere.notice().unwrap().contains("has a new port"));
    let port = Some(stranger.local_addr().unwrap().port());
    let other = Directory::new();
    let state_dir = other.0.clone();
    let switches = Switches::default();
    let error = start(Options { state_dir, port, switches }).unwrap_err();
    assert!(error.to_string().contains("cannot listen"));
}

#[test]
fn a_state_that_cannot_be_read_is_kept() {
    let directory = Directory::new();
    drop(start_in(&directory.0, ""));
    let file = directory.0.join("sandbox-state.json");
    std::fs::write(&file, "{").unwrap();
    let options =
        Options { state_dir: directory.0.clone(), port: None, switches: Switches::default() };
    assert!(start(options).unwrap_err().to_string().contains("sandbox-state.json"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
}

#[test]
fn only_the_literal_address_and_only_control_requests_control() {
    let sandbox = Sandbox::new("");
    let port = sandbox.base().rsplit(':').next().unwrap();
    for host in [format!("localhost:{port}"), format!("evil.example:{port}"), "127.0.0.1".into()] {
        let request = format!("GET /me HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(sandbox.raw(&request).unwrap().status, 421, "{host}");
    }
    assert_eq!(sandbox.send("POST", "/_sandbox/reset", "", "").unwrap().status, 403);
    let preflight = sandbox.send("OPTIONS", "/_sandbox/reset", "", "").unwrap();
    assert!(preflight.header("access-control-allow-origin").is_none());
    sandbox.sign_in();
    sandbox.control("POST", "reset");
    assert!(sandbox.families().is_empty());
    assert_eq!(sandbox.control("GET", "log").as_array().unwrap().len(), 0);
    let switches = sandbox.control("GET", "switch");
    assert_eq!(switches["leeway"], "600");
}
