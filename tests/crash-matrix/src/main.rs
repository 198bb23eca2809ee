//! x
use std::collections::BTreeMap;
use twg_crash_matrix::{aftermath::*, kill::*, place::*, server::*};
fn main() {
    for kind in [
        Kind::Sandbox { leeway: 600, children: Children::All },
        Kind::Sandbox { leeway: 0, children: Children::All },
    ] {
        let t0 = std::time::Instant::now();
        let s = Server::start(kind);
        let pts = points(&s);
        println!("{kind}: {} points", pts.len());
        let k =
            kill_at(&s, &pts, Plan { age: Age::Expired, sabotage: Sabotage::None, threads: 100 });
        let mut m: BTreeMap<_, usize> = BTreeMap::new();
        for k in &k.killed {
            *m.entry((k.phase, k.after.fate)).or_default() += 1;
        }
        println!("{m:#?} {:?}", k.unreached);
        for v in &k.violations {
            println!("V {v}");
        }
        println!("{:?}", t0.elapsed());
    }
}
