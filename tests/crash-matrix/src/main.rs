//! x
use twg_crash_matrix::storm::*;
fn main() {
    for plan in [
        Plan { processes: 64, expiries: 5, kills: 0, seed: 1 },
        Plan { processes: 64, expiries: 5, kills: 24, seed: 1 },
    ] {
        let t0 = std::time::Instant::now();
        let s = raise(plan);
        println!("{s:?} {:?}", t0.elapsed());
    }
}
