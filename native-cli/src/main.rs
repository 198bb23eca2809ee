//! x
mod sandbox;

fn main() -> std::process::ExitCode {
    let mut args = std::env::args().skip(1);
    let state_dir = args.next().unwrap_or_default().into();
    let switches = match sandbox::Switches::parse(&args.next().unwrap_or_default()) {
        Ok(switches) => switches,
        Err(_) => return 2.into(),
    };
    let Ok(running) = sandbox::start(sandbox::Options { state_dir, port: None, switches }) else {
        return 1.into();
    };
    running.wait();
    0.into()
}
