//! Starting a sandbox, or finding the one that already serves the directory.

use std::convert::Infallible;
use std::fs::TryLockError;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::control::HEADER;
use crate::error::{SandboxError, reason};
use crate::state::State;
use crate::store::Store;
use crate::switches::Switches;
use crate::world::World;
use crate::{plain_http, server, tokens};

/// How long a second start waits for a response of the first one.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to run a sandbox.
#[derive(Debug)]
pub struct Options {
    /// The directory for its state. Created if it is missing, for its owner only.
    pub state_dir: PathBuf,
    /// The port; `None` for the port of the last run, or else any free one.
    pub port: Option<u16>,
    /// Variants and faults. The next run does not remember them.
    pub switches: Switches,
}

/// A running sandbox. If this process started the server, dropping this value stops it.
#[derive(Debug)]
pub struct Running {
    base_url: String,
    notice: Option<String>,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    /// Dropping it stops the thread.
    stop: oneshot::Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Running {
    /// `http://127.0.0.1:PORT`, without a slash at the end. It is also the issuer.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether another process runs it.
    pub const fn is_anothers(&self) -> bool {
        self.server.is_none()
    }

    /// What a user should know about the start: the port differs from last time, or the sandbox was
    /// already running.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Serves until the process is killed. Returns at once if another process serves.
    pub fn wait(mut self) {
        if let Some(Server { stop, thread }) = self.server.take() {
            // A server that panicked has stopped too.
            let _ = thread.join();
            drop(stop);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(Server { stop, thread }) = self.server.take() {
            drop(stop);
            // Now the port is free, and the state directory is unlocked.
            let _ = thread.join();
        }
    }
}

/// Starts a sandbox on 127.0.0.1, or finds the one that already serves this directory.
///
/// # Errors
/// A sentence for people: the directory or the port is not usable.
pub fn start(options: Options) -> Result<Running, SandboxError> {
    let Options { state_dir, port, switches } = options;
    let place = state_dir.display();
    let unusable = |error: io::Error| {
        SandboxError(format!("The sandbox cannot keep its state in {place}: {}", reason(&error)))
    };
    let store = Store::open(&state_dir).map_err(unusable)?;
    let lock = store.lock_file().map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut running = join(&store, &state_dir)?;
            if switches != Switches::default() {
                // They belong to the process that started it.
                let notice = running.notice.get_or_insert_default();
                notice.push_str(" Its switches stay unchanged.");
            }
            return Ok(running);
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    let mut state = store.load().map_err(unusable)?;
    if state.instance.is_empty() {
        state.instance =
            tokens::name().map_err(|_| SandboxError("No random numbers are available.".into()))?;
    }
    let (listener, notice) = bind(port, state.port)?;
    let bound = listener
        .local_addr()
        .and_then(|address| listener.set_nonblocking(true).map(|()| address.port()))
        .map_err(cannot_listen)?;
    state.port = Some(bound);
    store.save(&state).map_err(unusable)?;
    let base_url = format!("http://127.0.0.1:{bound}");
    let world = World::new(base_url.clone(), switches, state, store);
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("twg-sandbox".into())
        .spawn(move || server::run(listener, world, stopped, lock))
        .map_err(|error| {
            SandboxError(format!("The sandbox cannot start a thread: {}", reason(&error)))
        })?;
    Ok(Running { base_url, notice, server: Some(Server { stop, thread }) })
}

/// Binds the wanted port. Without one, the port of the last run, or else a free one.
fn bind(
    wanted: Option<u16>,
    remembered: Option<u16>,
) -> Result<(TcpListener, Option<String>), SandboxError> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = wanted {
        let listener = at(port).map_err(|error| {
            let reason = reason(&error);
            SandboxError(format!("The sandbox cannot listen on 127.0.0.1:{port}: {reason}"))
        })?;
        return Ok((listener, None));
    }
    let mut notice = None;
    if let Some(port) = remembered {
        match at(port) {
            Ok(listener) => return Ok((listener, None)),
            Err(error) => {
                notice = Some(format!(
                    "The sandbox has a new port, because {port} is not free ({}). Sign in to it \
                     again.",
                    reason(&error)
                ));
            }
        }
    }
    let listener = at(0).map_err(cannot_listen)?;
    Ok((listener, notice))
}

fn cannot_listen(error: io::Error) -> SandboxError {
    SandboxError(format!("The sandbox cannot listen: {}", reason(&error)))
}

/// Another process holds the lock: finds its port, and makes sure that it responds.
fn join(store: &Store, directory: &Path) -> Result<Running, SandboxError> {
    let begun = Instant::now();
    loop {
        // Reads the state each time: the other process may just be starting.
        if let Ok(State { instance, port: Some(port), .. }) = store.load()
            && responds_as(port, &instance)
        {
            let base_url = format!("http://127.0.0.1:{port}");
            let notice = Some(format!("The sandbox is already running at {base_url}."));
            return Ok(Running { base_url, notice, server: None });
        }
        if begun.elapsed() > PATIENCE {
            return Err(SandboxError(format!(
                "Another sandbox uses {} but does not respond. Stop it and try again.",
                directory.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the sandbox with this name responds at this port.
fn responds_as(port: u16, instance: &str) -> bool {
    let Ok(url) = url::Url::parse(&format!("http://127.0.0.1:{port}/_sandbox/ping")) else {
        return false;
    };
    plain_http::send("GET", &url, &[HEADER], None).is_ok_and(|response| {
        serde_json::from_str::<serde_json::Value>(&response.body)
            .is_ok_and(|body| body["instance"] == instance)
    })
}
