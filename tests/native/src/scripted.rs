//! A server that sends exactly what a test says, even if it breaks every rule.

use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::PATIENCE;

/// What happens after a complete request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These bytes, then the end of the connection. They need not be HTTP.
    Bytes(Vec<u8>),
    /// These bytes, then a reset of the connection: the client's next read fails.
    BytesThenReset(Vec<u8>),
    /// A 200 response whose body does not end before this many bytes.
    Endless {
        /// The size at which this server gives up.
        bytes: u64,
    },
    /// No response. The connection stays open until the client or this server closes it.
    Silence,
    /// Nothing until [`ScriptedServer::release`], then the reply.
    Held(Box<Self>),
}

impl Reply {
    /// A whole response.
    #[must_use]
    pub fn http(status: &str, content_type: &str, body: &str) -> Self {
        Self::http_with(status, &[("content-type", content_type)], body)
    }

    /// A whole response with these header fields. Its length is added.
    #[must_use]
    pub fn http_with(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let fields: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{fields}connection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        Self::Bytes((head + body).into_bytes())
    }

    /// A whole JSON response.
    #[must_use]
    pub fn json(status: &str, body: &str) -> Self {
        Self::http(status, "application/json", body)
    }

    /// A reset of the connection instead of a response.
    #[must_use]
    pub const fn reset() -> Self {
        Self::BytesThenReset(Vec::new())
    }

    /// The end of the connection instead of a response.
    #[must_use]
    pub const fn close() -> Self {
        Self::Bytes(Vec::new())
    }

    /// This reply, after the test calls [`ScriptedServer::release`].
    #[must_use]
    pub fn held(self) -> Self {
        Self::Held(Box::new(self))
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST`
    pub method: String,
    /// `/token?x=y`
    pub target: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// All of the body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header field of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a form field, which must be there at most once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let mut values = url::form_urlencoded::parse(&self.body).filter(|(known, _)| known == name);
        let value = values.next()?.1.into_owned();
        assert!(values.next().is_none(), "two fields are called {name}: {self:?}");
        Some(value)
    }
}

/// A server on a free port of 127.0.0.1, one thread for each connection, one request for each
/// connection. Stopped on drop.
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

type Answer = dyn FnMut(&Request) -> Reply + Send;

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    answer: Box<Answer>,
    requests: Vec<Request>,
    released: usize,
    connections: Vec<TcpStream>,
    connected: usize,
    sent: u64,
    stopping: bool,
}

impl ScriptedServer {
    /// A server that sends these replies in order. Further requests are recorded, and their
    /// connections closed.
    #[must_use]
    pub fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<_> = replies.into_iter().collect();
        Self::answering(move |_| replies.pop_front().unwrap_or_else(Reply::close))
    }

    /// A server that calls `answer` for its reply to each request.
    #[must_use]
    pub fn answering(answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = State {
            answer: Box::new(answer),
            requests: Vec::new(),
            released: 0,
            connections: Vec::new(),
            connected: 0,
            sent: 0,
            stopping: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Its socket address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The absolute URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A provider file for it as the provider `scripted`: authorization at `/authorize`, tokens at
    /// `/token`, device codes at `/device`, revocation at `/revoke`, and the account at `/me`.
    #[must_use]
    pub fn provider_file(&self) -> serde_json::Value {
        serde_json::json!({
            "schema_version": 1,
            "name": "scripted",
            "display_name": "Scripted",
            "endpoints": {
                "authorization": self.url("/authorize"),
                "token": self.url("/token"),
                "device_authorization": self.url("/device"),
                "revocation": self.url("/revoke"),
            },
            "grants": ["authorization_code", "device_code"],
            "client": { "id": "scripted-client" },
            "scopes": ["read"],
            "redirect": { "path": "/callback" },
            "identity": { "url": self.url("/me") },
        })
    }

    /// A record of a login at it: tokens `old-access` and `old-refresh`, issued so many seconds ago
    /// for so many seconds in all.
    #[must_use]
    pub fn record(&self, issued_ago: u64, lifetime: u64) -> serde_json::Value {
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
        let now = u64::try_from(now).expect("before the end of time");
        let issued_at = now - issued_ago * 1000;
        serde_json::json!({
            "schema_version": 1,
            "generation": 1,
            "provider": "scripted",
            "connection": "default",
            "server": {
                "token_endpoint": self.url("/token"),
                "revocation_endpoint": self.url("/revoke"),
                "userinfo_endpoint": self.url("/me"),
                "client_authentication": "client_secret_post",
            },
            "client_id": "scripted-client",
            "login": { "at": issued_at, "grant": "authorization_code" },
            "tokens": {
                "access_token": "old-access",
                "refresh_token": "old-refresh",
                "scopes": ["read"],
                "issued_at": issued_at,
                "expires_at": issued_at + lifetime * 1000,
            },
        })
    }

    /// Stores that [record](Self::record) in `home`.
    pub fn sign_in(&self, home: &crate::TempHome, record: &serde_json::Value) {
        home.write_config("providers/scripted.json", self.provider_file().to_string());
        home.write_config("connections/scripted/default.conf", record.to_string());
    }

    /// The complete requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// The number of connections so far, with and without a request.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().connected
    }

    /// How many bytes of [`Reply::Endless`] the clients took.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.lock().sent
    }

    /// Waits until this many requests have arrived in all.
    #[track_caller]
    #[must_use]
    pub fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        let arrived = self.shared.wait_until(|state| state.requests.len() >= count);
        let requests = self.requests();
        assert!(arrived, "{} of {count} requests arrived: {requests:?}", requests.len());
        requests
    }

    /// Releases one [`Reply::Held`], now or when its request arrives.
    pub fn release(&self) {
        self.shared.lock().released += 1;
        self.shared.changed.notify_all();
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stopping = true;
            for connection in &state.connections {
                connection.shutdown(Shutdown::Both).ok(); // fails if it is closed
            }
        }
        self.shared.changed.notify_all();
        // `accept` returns for this connection and then finds the server stopped.
        TcpStream::connect(self.address).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok(); // its panic was printed
        }
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    // Only a test's closure can panic while the lock is held; the state stays valid.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `reached` became true within [`PATIENCE`].
    fn wait_until(&self, mut reached: impl FnMut(&mut State) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while !reached(&mut state) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        true
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        let connection = connection.expect("a connection can be accepted");
        let mut state = shared.lock();
        if state.stopping {
            return;
        }
        state.connected += 1;
        state.connections.push(connection.try_clone().expect("a second handle"));
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(connection, &shared));
    }
}

fn serve(mut connection: TcpStream, shared: &Shared) {
    let timeouts = connection
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| connection.set_write_timeout(Some(PATIENCE)));
    timeouts.expect("a connection has timeouts");
    if speaks_tls(&connection) {
        connection.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nThis is plain HTTP\n").ok();
        close(&connection);
        return;
    }
    let Some(request) = read_request(&mut connection) else {
        return; // the client left before the end of its request
    };
    let reply = {
        let mut state = shared.lock();
        state.requests.push(request.clone());
        (state.answer)(&request)
    };
    shared.changed.notify_all();
    perform(reply, connection, shared);
}

/// Whether a client tries TLS first, as docker does with an unknown registry.
fn speaks_tls(connection: &TcpStream) -> bool {
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    connection.peek(&mut first).is_ok() && first == [HANDSHAKE]
}

fn perform(reply: Reply, mut connection: TcpStream, shared: &Shared) {
    match reply {
        // The client may have left, here and below. The client is what is tested, not this server.
        Reply::Bytes(bytes) => {
            connection.write_all(&bytes).ok();
            close(&connection);
        }
        Reply::BytesThenReset(bytes) => {
            connection.write_all(&bytes).ok();
            SockRef::from(&connection).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
            // The reset happens when the last handle is closed.
            forget(&connection, shared);
        }
        Reply::Endless { bytes } => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"a\":\"";
            let chunk = [b'a'; 64 * 1024];
            let mut sent = 0;
            let mut open = connection.write_all(head.as_bytes()).is_ok();
            while open && sent < bytes {
                open = connection.write_all(&chunk).is_ok();
                sent += if open { chunk.len() as u64 } else { 0 };
            }
            shared.lock().sent += sent;
            shared.changed.notify_all();
            close(&connection);
        }
        Reply::Silence => {
            // Until the client closes the connection or `drop` shuts it down.
            while !matches!(connection.read(&mut [0; 1024]), Ok(0) | Err(_)) {}
        }
        Reply::Held(reply) => {
            let released = shared.wait_until(|state| {
                let released = state.released > 0 && !state.stopping;
                state.released -= usize::from(released);
                released || state.stopping
            });
            if released {
                perform(*reply, connection, shared);
            }
        }
    }
}

/// Ends a connection in order. Closing it with unread data would reset it, and the client could
/// lose the response.
fn close(mut connection: &TcpStream) {
    connection.shutdown(Shutdown::Write).ok();
    while !matches!(connection.read(&mut [0; 1024]), Ok(0) | Err(_)) {}
}

/// Closes the handle that is kept for [`ScriptedServer::drop`].
fn forget(connection: &TcpStream, shared: &Shared) {
    let peer = connection.peer_addr().ok();
    shared.lock().connections.retain(|kept| kept.peer_addr().ok() != peer);
}

fn read_request(connection: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(request) = parse_request(&bytes) {
            return Some(request);
        }
        match connection.read(&mut buffer) {
            Ok(0) => return None,
            Ok(n) => bytes.extend(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// The request, once it is complete.
fn parse_request(bytes: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let status =
        parsed.parse(bytes).unwrap_or_else(|error| panic!("not HTTP ({error}): {bytes:?}"));
    let httparse::Status::Complete(head) = status else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut request = Request {
        method: parsed.method?.to_owned(),
        target: parsed.path?.to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|field| (field.name.to_lowercase(), text(field.value)))
            .collect(),
        body: Vec::new(),
    };
    assert_eq!(request.header("transfer-encoding"), None, "not supported here: {request:?}");
    let length =
        request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    request.body = bytes[head..].get(..length)?.to_vec();
    Some(request)
}

/// A URL that refuses connections: the port is taken, so that no other program can listen on it,
/// and this one does not listen. Lasts as long as the value.
#[derive(Debug)]
pub struct RefusingAddress {
    socket: Socket,
}

impl RefusingAddress {
    /// Takes a free port of 127.0.0.1.
    #[must_use]
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a free port");
        Self { socket }
    }

    /// The absolute URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let address = self.socket.local_addr().expect("a bound socket has an address");
        format!("http://{}{path}", address.as_socket().expect("an internet address"))
    }
}

impl Default for RefusingAddress {
    fn default() -> Self {
        Self::new()
    }
}
