//! The server: accepts connections and moves bytes.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use crate::faults::Kind;
use crate::http::{Request, Response};
use crate::payload::Payload;
use crate::routes;
use crate::values::Skew;
use crate::world::World;

/// The maximum length of a request body. Several tokens of 64 KiB fit.
const BODY_LIMIT: usize = 1024 * 1024;

/// The thread: serves until `stopped` is dropped. `lock` keeps the state directory meanwhile.
pub(crate) fn run(
    listener: TcpListener,
    world: World,
    stopped: oneshot::Receiver<Infallible>,
    lock: File,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let world = Arc::new(Mutex::new(world));
    runtime.block_on(accept(listener, world, stopped));
    // All connections end before another process can have the directory.
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
                    // Out of file descriptors: connections that end return some.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small responses must not wait for each other.
        let _ = stream.set_nodelay(true);
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&world), request));
            let mut connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .serve_connection(TokioIo::new(stream), service);
            // A connection that breaks concerns only its client, even when a fault breaks it.
            if let Err(error) = (&mut connection).await
                && is_to_be_reset(&error)
            {
                // With zero linger, the peer gets a reset instead of an orderly end.
                let _ = connection.into_parts().io.inner().set_zero_linger();
            }
        });
    }
}

/// Whether [`serve`] ended the connection because of a fault.
fn is_to_be_reset(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| {
            error.get_ref().is_some_and(|inner| inner.downcast_ref::<ResetByFault>().is_some())
        })
}

/// The error of a connection that a fault resets.
#[derive(Debug)]
struct ResetByFault;

impl fmt::Display for ResetByFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault resets the connection")
    }
}

impl std::error::Error for ResetByFault {}

/// Handles one request. An error closes the connection without a response.
async fn serve(
    world: Arc<Mutex<World>>,
    request: hyper::Request<Incoming>,
) -> io::Result<hyper::Response<Payload>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        let too_long = Response::error(413, "invalid_request", "The body is too long.");
        return send(too_long, Payload::whole, 0);
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
    let (response, fault, Skew(skew)) = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        let (response, fault) = routes::handle(&mut world, &request);
        (response, fault, world.switches.date_skew)
    };
    match fault {
        Some(Kind::DropBefore | Kind::DropAfter) => {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, ResetByFault))
        }
        Some(Kind::Delay(millis)) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            send(response, Payload::whole, skew)
        }
        Some(Kind::Cut) => send(response, Payload::cut, skew),
        Some(Kind::Huge) => send(response, Payload::huge, skew),
        Some(
            Kind::BadGateway
            | Kind::BadGatewayAfter
            | Kind::Unavailable
            | Kind::TooMany(_)
            | Kind::Html
            | Kind::Redirect
            | Kind::Status(_),
        )
        | None => send(response, Payload::whole, skew),
    }
}

/// The response as hyper sends it. `skew` is how many seconds its `Date` is ahead.
fn send(
    response: Response,
    body: impl FnOnce(Vec<u8>) -> Payload,
    skew: i64,
) -> io::Result<hyper::Response<Payload>> {
    let mut sent = hyper::Response::new(body(response.body));
    *sent.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let span = Duration::from_secs(skew.unsigned_abs());
    let now = SystemTime::now();
    let shown = if skew < 0 { now.checked_sub(span) } else { now.checked_add(span) };
    let date = httpdate::fmt_http_date(shown.unwrap_or(now));
    for (name, value) in response.headers.iter().chain([&("Date", date)]) {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        sent.headers_mut().append(name, value);
    }
    Ok(sent)
}
