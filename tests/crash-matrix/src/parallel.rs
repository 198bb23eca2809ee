//! Many cases at once. A case spends most of its time in the quarantine of an interrupted refresh.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

/// How many programs may work at once. Without this limit, dozens of waiting cases would slow down
/// the few working ones, and a case would measure the machine.
const BUSY: usize = 6;

static SLOTS: Slots = Slots { taken: Mutex::new(0), freed: Condvar::new() };

struct Slots {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// Runs `work`, which needs the processor, when it is its turn.
pub fn busy<T>(work: impl FnOnce() -> T) -> T {
    struct Slot;
    impl Drop for Slot {
        fn drop(&mut self) {
            *SLOTS.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            SLOTS.freed.notify_one();
        }
    }
    let taken = SLOTS.taken.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = SLOTS
        .freed
        .wait_while(taken, |taken| *taken >= BUSY)
        .unwrap_or_else(PoisonError::into_inner);
    *taken += 1;
    drop(taken);
    let _slot = Slot;
    work()
}

/// Runs every case in order, in up to `threads` threads. Each thread has a `W` of its own. A case
/// may take it and not give it back. If a case panics, its message is the result.
pub fn run<C: Sync, W, R: Send>(
    cases: &[C],
    threads: usize,
    case: impl Fn(&mut Option<W>, &C) -> R + Sync,
) -> Vec<Result<R, String>> {
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..cases.len()).collect());
    let results: Mutex<Vec<Option<Result<R, String>>>> =
        Mutex::new(std::iter::repeat_with(|| None).take(cases.len()).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(cases.len()) {
            scope.spawn(|| {
                let mut own = None;
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(next) = next else { return };
                    let result = catch_unwind(AssertUnwindSafe(|| case(&mut own, &cases[next])));
                    let result = result.map_err(|panic| {
                        own = None;
                        said(&*panic)
                    });
                    results.lock().unwrap_or_else(PoisonError::into_inner)[next] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|one| one.unwrap_or_else(|| Err("it never ran".to_owned()))).collect()
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// Random numbers from a printed seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_panic_is_one_of_them() {
        let results = run(&[1, 2, 3, 4], 3, |_: &mut Option<()>, n| {
            assert_ne!(*n, 3, "not this one");
            busy(|| n * 10)
        });
        let words: Vec<_> = results.iter().map(|r| r.clone().map_err(|e| e.len() > 5)).collect();
        assert_eq!(words, [Ok(10), Ok(20), Err(true), Ok(40)]);
    }

    #[test]
    fn a_seed_repeats() {
        let (mut a, mut b) = (Random(7), Random(7));
        let ten = |r: &mut Random| (0..10).map(|_| r.below(100)).collect::<Vec<_>>();
        assert_eq!(ten(&mut a), ten(&mut b));
        assert!(ten(&mut a).iter().all(|n| *n < 100));
    }
}
