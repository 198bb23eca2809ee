//! Ctrl-C and similar signals. The driver decides when they end a flow.
//!
//! An interrupted effect is a dropped future. Every effect cleans up when it is dropped: it
//! releases locks, removes temporary files, closes listeners and restores the terminal.

use std::io;

/// Why the process should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// Another program asked the process to end.
    Terminate,
    /// The terminal was closed.
    Hangup,
}

/// From its creation until the process ends, these signals are only reported here. Otherwise a
/// signal could leave a terminal that shows no typing. A signal is kept until it is asked for.
#[derive(Debug)]
pub(crate) struct Interrupts {
    #[cfg(unix)]
    signals: [(tokio::signal::unix::Signal, Signal); 3],
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    ctrl_break: tokio::signal::windows::CtrlBreak,
    #[cfg(windows)]
    ctrl_close: tokio::signal::windows::CtrlClose,
}

impl Interrupts {
    /// Takes over. Must be called inside a runtime.
    ///
    /// # Errors
    /// The operating system does not allow it.
    #[cfg(unix)]
    pub(crate) fn take_over() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            signals: [
                (signal(SignalKind::interrupt())?, Signal::Interrupt),
                (signal(SignalKind::terminate())?, Signal::Terminate),
                (signal(SignalKind::hangup())?, Signal::Hangup),
            ],
        })
    }

    /// Takes over. Must be called inside a runtime.
    ///
    /// # Errors
    /// The operating system does not allow it.
    #[cfg(windows)]
    pub(crate) fn take_over() -> io::Result<Self> {
        use tokio::signal::windows;
        Ok(Self {
            ctrl_c: windows::ctrl_c()?,
            ctrl_break: windows::ctrl_break()?,
            ctrl_close: windows::ctrl_close()?,
        })
    }

    /// Waits for the first signal that was not reported yet. A flow that must not be interrupted
    /// (between sending a refresh token and storing its successor) does not call it, and asks for
    /// the signal afterwards.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Signal {
        let [(a, interrupt), (b, terminate), (c, hangup)] = &mut self.signals;
        tokio::select! {
            Some(()) = a.recv() => *interrupt,
            Some(()) = b.recv() => *terminate,
            Some(()) = c.recv() => *hangup,
            else => std::future::pending().await,
        }
    }

    /// Waits for the first signal that was not reported yet.
    #[cfg(windows)]
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.ctrl_c.recv() => Signal::Interrupt,
            Some(()) = self.ctrl_break.recv() => Signal::Terminate,
            Some(()) = self.ctrl_close.recv() => Signal::Hangup,
            else => std::future::pending().await,
        }
    }

    /// Whether a signal came that was not reported yet.
    pub(crate) async fn came(&mut self) -> bool {
        // The runtime notes signals, so it must run once.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            _ = self.next() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// `work`, unless a signal comes first: then `work` is dropped.
    ///
    /// # Errors
    /// The signal.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Signal> {
        tokio::select! {
            biased;
            signal = self.next() => Err(signal),
            result = work => Ok(result),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use rustix::process::{Signal as Raw, getpid, kill_process};

    use super::*;

    /// One test, because signals affect the whole process.
    #[test]
    fn a_signal_drops_the_work_and_waits_to_be_heard() {
        struct Dropped<'a>(&'a std::cell::Cell<bool>);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut interrupts = Interrupts::take_over().unwrap();
            for (raw, expected) in [
                (Raw::INT, Signal::Interrupt),
                (Raw::TERM, Signal::Terminate),
                (Raw::HUP, Signal::Hangup),
            ] {
                // Nothing waits for it yet.
                kill_process(getpid(), raw).unwrap();
                let dropped = std::cell::Cell::new(false);
                let held = Dropped(&dropped);
                let work = async move {
                    let _held = held;
                    std::future::pending::<()>().await;
                };
                assert_eq!(interrupts.or(work).await, Err(expected));
                assert!(dropped.get());
            }
            assert_eq!(interrupts.or(async { 7 }).await, Ok(7));
        });
    }
}
