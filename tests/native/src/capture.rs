//! The output of a process so far, and a way to wait for more.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Collects all output of a stream in a thread of its own, so that the other side never blocks on a
/// full pipe.
#[derive(Clone, Debug)]
pub struct Capture {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

/// Why the output did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The stream ended without it.
    Ended,
    /// Time is up.
    TimedOut,
}

impl Capture {
    /// Starts to read.
    pub fn of(mut stream: impl Read + Send + 'static) -> Self {
        let capture = Self { shared: Arc::default() };
        let shared = Arc::clone(&capture.shared);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match stream.read(&mut buffer) {
                    Ok(n) if n > 0 => shared.lock().bytes.extend(&buffer[..n]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The other side of a pseudo-terminal is gone: EIO, not an empty read.
                    Ok(_) | Err(_) => {
                        shared.lock().ended = true;
                        shared.changed.notify_all();
                        return;
                    }
                }
                shared.changed.notify_all();
            }
        });
        capture
    }

    /// Everything so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// Everything so far, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Calls `find` with the output so far, now and after each new part, until it finds something.
    ///
    /// # Errors
    /// [`Missing`] if the stream or `patience` ends first.
    pub fn wait_for<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<T, Missing> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = find(&state.bytes) {
                return Ok(found);
            }
            if state.ended {
                return Err(Missing::Ended);
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Err(Missing::TimedOut);
            };
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }

    /// Waits for the end of the stream and returns all output.
    ///
    /// # Errors
    /// [`Missing::TimedOut`] if a process still holds the other side when `patience` ends.
    pub fn wait_for_end(&self, patience: Duration) -> Result<Vec<u8>, Missing> {
        match self.wait_for(patience, |_| None::<()>) {
            Err(Missing::TimedOut) => Err(Missing::TimedOut),
            Ok(()) | Err(Missing::Ended) => Ok(self.bytes()),
        }
    }
}

impl Shared {
    // Only a test's closure can panic while the lock is held, and it changes nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
