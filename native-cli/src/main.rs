//! Temporary: runs the sandbox. `twg DIR [SWITCHES] [URL-TO-APPROVE]`.
mod sandbox;

use std::io::Write as _;

fn main() -> std::process::ExitCode {
    let mut args = std::env::args().skip(1);
    let state_dir = args.next().unwrap_or_default().into();
    let Ok(switches) = sandbox::Switches::parse(&args.next().unwrap_or_default()) else {
        return 2.into();
    };
    let mut out = std::io::stdout();
    let options = sandbox::Options { state_dir, port: None, switches };
    let running: sandbox::Running = match sandbox::start(options) {
        Ok(running) => running,
        Err(error) => {
            let _ = writeln!(out, "{error}");
            return 1.into();
        }
    };
    let _ = writeln!(out, "{}{}", sandbox::Switches::describe(), sandbox::describe_clients());
    let _ = writeln!(out, "{} {:?}", running.base_url(), running.notice());
    if let Some(url) = args.next() {
        let answer: Result<sandbox::Approval, _> = sandbox::approve(&url, running.base_url());
        let _ = match answer {
            Ok(approval) => writeln!(out, "{:?} {:?}", approval.pages, approval.client_status),
            Err(error) => writeln!(out, "{error}"),
        };
        return 0.into();
    }
    running.wait();
    0.into()
}
