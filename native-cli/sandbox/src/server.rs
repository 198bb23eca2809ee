//! The server: binds the loopback address, runs in its own thread, moves bytes.

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use super::control::HEADER;
use super::faults::Kind;
use super::http::{Reply, Request};
use super::payload::Payload;
use super::plain_http;
use super::state::{State, Store};
use super::switches::Switches;
use super::values::Skew;
use super::world::World;
use super::{SandboxError, tokens};

/// A request body may be this long: 64 KiB tokens fit, several times.
const BODY_LIMIT: usize = 1024 * 1024;

/// How long a second start waits for the first one to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to run a look-alike.
#[derive(Debug)]
pub struct Options {
    /// Where it remembers. Created if need be, for its owner only.
    pub state_dir: PathBuf,
    /// The port; `None` for the one of the last run, or any free one.
    pub port: Option<u16>,
    /// Variants and faults. They are not remembered.
    pub switches: Switches,
}

/// A running look-alike. Dropping it stops the server, if this value started it.
#[derive(Debug)]
pub struct Running {
    base_url: String,
    notice: Option<String>,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    /// Dropped, it stops the thread.
    stop: oneshot::Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Running {
    /// `http://127.0.0.1:PORT`, without a slash at the end. Also the issuer.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether another process runs it.
    pub const fn is_anothers(&self) -> bool {
        self.server.is_none()
    }

    /// Something that people should know about the start: another port than last time, or that the
    /// look-alike was running already.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Serves until the process is killed. Returns at once if another process serves.
    pub fn wait(mut self) {
        if let Some(Server { stop, thread }) = self.server.take() {
            // A server that panicked has stopped; there is nothing else to do about it.
            let _ = thread.join();
            drop(stop);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(Server { stop, thread }) = self.server.take() {
            drop(stop);
            // After this the port is free and the state directory unlocked.
            let _ = thread.join();
        }
    }
}

/// Starts a look-alike on 127.0.0.1, or finds the one that already serves this directory.
///
/// # Errors
/// A sentence for people: the directory or the port cannot be used.
pub fn start(options: Options) -> Result<Running, SandboxError> {
    let Options { state_dir, port, switches } = options;
    let place = state_dir.display();
    let unusable = |error: io::Error| {
        SandboxError(format!("The sandbox cannot keep its state in {place}: {error}"))
    };
    let store = Store::open(&state_dir).map_err(unusable)?;
    let lock = store.lock_file().map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut running = join(&store, &state_dir)?;
            if switches != Switches::default() {
                // They belong to whoever started it.
                let notice = running.notice.get_or_insert_default();
                notice.push_str(" Its switches stay as they are.");
            }
            return Ok(running);
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    let mut state = store.load().map_err(unusable)?;
    if state.instance.is_empty() {
        state.instance =
            tokens::name().map_err(|_| SandboxError("No randomness is available.".into()))?;
    }
    let (listener, notice) = bind(port, state.port)?;
    let bound = listener
        .local_addr()
        .and_then(|address| listener.set_nonblocking(true).map(|()| address.port()))
        .map_err(|error| SandboxError(format!("The sandbox cannot listen: {error}")))?;
    state.port = Some(bound);
    store.save(&state).map_err(unusable)?;
    let base_url = format!("http://127.0.0.1:{bound}");
    let world = World::new(base_url.clone(), switches, state, store);
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("twg-sandbox".into())
        .spawn(move || run(listener, world, stopped, lock))
        .map_err(|error| SandboxError(format!("The sandbox cannot start a thread: {error}")))?;
    Ok(Running { base_url, notice, server: Some(Server { stop, thread }) })
}

/// Binds the wanted port, or else the remembered one, or else a free one.
fn bind(
    wanted: Option<u16>,
    remembered: Option<u16>,
) -> Result<(TcpListener, Option<String>), SandboxError> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = wanted {
        let listener = at(port).map_err(|error| {
            SandboxError(format!("The sandbox cannot listen on 127.0.0.1:{port}: {error}"))
        })?;
        return Ok((listener, None));
    }
    let mut notice = None;
    if let Some(port) = remembered {
        match at(port) {
            Ok(listener) => return Ok((listener, None)),
            Err(error) => {
                notice = Some(format!(
                    "Port {port}, which the sandbox had last time, cannot be used ({error}); it \
                     has another one now, so what was signed in to it must sign in again."
                ));
            }
        }
    }
    let listener =
        at(0).map_err(|error| SandboxError(format!("The sandbox cannot listen: {error}")))?;
    Ok((listener, notice))
}

/// Another process holds the lock: finds its address, and makes sure that it answers.
fn join(store: &Store, directory: &std::path::Path) -> Result<Running, SandboxError> {
    let begun = Instant::now();
    loop {
        // The state is read anew each time: the other process may just be starting.
        if let Ok(State { instance, port: Some(port), .. }) = store.load()
            && answers_as(port, &instance)
        {
            let base_url = format!("http://127.0.0.1:{port}");
            let notice = Some(format!("The sandbox is already running at {base_url}."));
            return Ok(Running { base_url, notice, server: None });
        }
        if begun.elapsed() > PATIENCE {
            return Err(SandboxError(format!(
                "Another sandbox uses {} but does not answer; stop it and try again.",
                directory.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the look-alike with this name answers at this port.
fn answers_as(port: u16, instance: &str) -> bool {
    let Ok(url) = url::Url::parse(&format!("http://127.0.0.1:{port}/_sandbox/ping")) else {
        return false;
    };
    plain_http::send("GET", &url, &[HEADER], None).is_ok_and(|reply| {
        serde_json::from_str::<serde_json::Value>(&reply.body)
            .is_ok_and(|body| body["instance"] == instance)
    })
}

/// The thread.
fn run(listener: TcpListener, world: World, stopped: oneshot::Receiver<Infallible>, lock: File) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let world = Arc::new(Mutex::new(world));
    runtime.block_on(accept(listener, world, stopped));
    // Ends every connection, and only then lets another process have the directory.
    drop(runtime);
    drop(lock);
}

async fn accept(
    listener: TcpListener,
    world: Arc<Mutex<World>>,
    mut stopped: oneshot::Receiver<Infallible>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let stream = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of descriptors: connections that end give some back.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers one after the other must not wait for each other.
        let _ = stream.set_nodelay(true);
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&world), request));
            let mut connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .serve_connection(TokioIo::new(stream), service);
            // A connection that breaks, to order or not, concerns nobody but its client.
            if let Err(error) = (&mut connection).await
                && is_to_be_reset(&error)
            {
                // Closed with zero linger, the peer gets a reset, not an orderly end.
                let _ = connection.into_parts().io.inner().set_zero_linger();
            }
        });
    }
}

/// Whether [`serve`] broke the connection to order.
fn is_to_be_reset(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| {
            error.get_ref().is_some_and(|inner| inner.downcast_ref::<ToOrder>().is_some())
        })
}

/// The error of a connection that is reset to order.
#[derive(Debug)]
struct ToOrder;

impl std::fmt::Display for ToOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is reset to order")
    }
}

impl std::error::Error for ToOrder {}

/// One request. An error closes the connection without an answer.
async fn serve(
    world: Arc<Mutex<World>>,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Payload>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return response(Reply::error(413, "invalid_request", "Too long."), Payload::whole, 0);
    };
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().into(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let request = Request::new(
        head.method.as_str(),
        head.uri.path(),
        head.uri.query().unwrap_or_default(),
        headers,
        &body.to_bytes(),
    );
    let (reply, fault, Skew(skew)) = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, fault) = world.answer(&request);
        (reply, fault, world.switches.date_skew)
    };
    match fault {
        Some(Kind::DropBefore | Kind::DropAfter) => {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, ToOrder))
        }
        Some(Kind::Delay(millis)) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            response(reply, Payload::whole, skew)
        }
        Some(Kind::Cut) => response(reply, Payload::cut, skew),
        Some(Kind::Huge) => response(reply, Payload::huge, skew),
        Some(
            Kind::BadGateway
            | Kind::BadGatewayAfter
            | Kind::Unavailable
            | Kind::TooMany(_)
            | Kind::Html
            | Kind::Redirect
            | Kind::Status(_),
        )
        | None => response(reply, Payload::whole, skew),
    }
}

fn response(
    reply: Reply,
    body: impl FnOnce(Vec<u8>) -> Payload,
    skew: i64,
) -> io::Result<Response<Payload>> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
    let mut response = Response::new(body(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let span = Duration::from_secs(skew.unsigned_abs());
    let now = SystemTime::now();
    let shown = if skew < 0 { now.checked_sub(span) } else { now.checked_add(span) };
    let date = httpdate::fmt_http_date(shown.unwrap_or(now));
    for (name, value) in reply.headers.iter().chain([&("Date", date)]) {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        response.headers_mut().append(name, HeaderValue::from_str(value).map_err(invalid)?);
    }
    Ok(response)
}
