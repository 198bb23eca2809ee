//! Ctrl-C and its relatives: asked for once, then a choice of the driver instead of sudden death.
//!
//! An interrupted effect is a dropped future. Everything in this directory cleans up when dropped:
//! locks are released, temporary files removed, listeners closed, terminals put back.

use std::io;

/// Why the process shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// Somebody asked the process to end.
    Terminate,
    /// The terminal was closed.
    Hangup,
}

/// From its creation on, for the rest of the process, these signals are only reported here. Without
/// it, a terminal that shows no typing would stay so. Signals that come while nobody waits are kept.
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
    /// If the operating system does not let it.
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
    /// If the operating system does not let it.
    #[cfg(windows)]
    pub(crate) fn take_over() -> io::Result<Self> {
        use tokio::signal::windows;
        Ok(Self {
            ctrl_c: windows::ctrl_c()?,
            ctrl_break: windows::ctrl_break()?,
            ctrl_close: windows::ctrl_close()?,
        })
    }

    /// Waits for the first signal that was not reported yet. Whoever must not be interrupted (between
    /// sending a refresh token and storing its successor) does not call it, and hears of the signal
    /// afterwards.
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
        // Signals are noted by the runtime, which must have had a chance to.
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

    /// One test, because signals concern the whole process.
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
                // Nobody waits yet.
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
