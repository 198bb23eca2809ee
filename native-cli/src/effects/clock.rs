//! The clocks, and waiting for a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use twg_core::time::{Now, Span, UnixTime};

use crate::system::platform;

/// Timers stop while the machine sleeps, so the clock is checked at least this often.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// How often a countdown changes.
const TICK: Duration = Duration::from_secs(1);

/// The time by the wall clock. A time before 1970 becomes 1970.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The time by all clocks.
pub(crate) fn read() -> Now {
    Now { wall: now(), uptime: Some(span(platform::uptime())) }
}

fn span(duration: Duration) -> Span {
    Span::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Waits until the clock shows `deadline`, but not longer than the difference now, because clocks
/// can be set back. `on_tick` gets the remaining time at once and then every second.
pub(crate) async fn wait_until(deadline: UnixTime, on_tick: impl FnMut(Span)) {
    let start = platform::uptime();
    let clocks = Clocks { now, elapsed: || platform::uptime().saturating_sub(start), tick: TICK };
    clocks.wait_until(deadline, on_tick).await;
}

/// The time until then, for a timer.
pub(crate) fn until(deadline: UnixTime) -> Duration {
    Duration::from_millis(deadline.since(now()).as_millis())
}

/// Runs `work`, or returns `None` if the deadline passes first. Unlike a bare timer, it counts the
/// time that the machine sleeps.
pub(crate) async fn before<T>(deadline: UnixTime, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        result = work => Some(result),
        () = wait_until(deadline, |_| ()) => None,
    }
}

struct Clocks<N, E> {
    now: N,
    elapsed: E,
    tick: Duration,
}

impl<N: Fn() -> UnixTime, E: Fn() -> Duration> Clocks<N, E> {
    async fn wait_until(&self, deadline: UnixTime, mut on_tick: impl FnMut(Span)) {
        let longest = Duration::from_millis(deadline.since((self.now)()).as_millis());
        loop {
            let by_wall = Duration::from_millis(deadline.since((self.now)()).as_millis());
            let left = by_wall.min(longest.saturating_sub((self.elapsed)()));
            if left.is_zero() {
                return;
            }
            on_tick(span(left));
            tokio::time::sleep(left.min(self.tick).min(LONGEST_NAP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn run(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(
            async { tokio::time::timeout(Duration::from_secs(10), future).await.unwrap() },
        );
    }

    /// Waits for one hour on clocks that the test moves by one step per tick.
    fn ticks(wall_step: i64, mono_step: u64) -> Vec<u64> {
        let (wall, mono) = (Cell::new(1_000_000_000_i64), Cell::new(0_u64));
        let seen = RefCell::new(Vec::new());
        let clocks = Clocks {
            now: || UnixTime::from_millis(wall.get().unsigned_abs()),
            elapsed: || Duration::from_millis(mono.get()),
            tick: Duration::from_millis(1),
        };
        let deadline = UnixTime::from_millis(1_000_000_000 + 3_600_000);
        run(clocks.wait_until(deadline, |left| {
            seen.borrow_mut().push(left.as_secs());
            wall.set(wall.get() + wall_step);
            mono.set(mono.get() + mono_step);
        }));
        seen.into_inner()
    }

    #[test]
    fn both_clocks_agree() {
        assert_eq!(ticks(1_200_000, 1_200_000), [3600, 2400, 1200]);
    }

    /// A63: the machine slept, or the clock was set forward.
    #[test]
    fn a_clock_that_jumps_forward_ends_the_wait() {
        assert_eq!(ticks(7_200_000, 1_000), [3600]);
    }

    /// A63: a clock that is set back does not prolong the wait.
    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_the_wait() {
        assert_eq!(ticks(-100_000, 1_800_000), [3600, 1800]);
    }

    #[test]
    fn the_past_needs_no_waiting() {
        run(wait_until(UnixTime::EPOCH, |_| panic!("a tick")));
        run(async {
            assert_eq!(before(now(), std::future::pending::<()>()).await, None);
            assert_eq!(before(now().plus(Span::from_secs(5)), async { 7 }).await, Some(7));
        });
    }
}
