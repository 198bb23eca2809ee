//! x
use std::collections::BTreeMap;
use twg_crash_matrix::{aftermath::*, power::*, server::*};
fn main() {
    for kind in [
        Kind::Sandbox { leeway: 600, children: Children::All },
        Kind::Sandbox { leeway: 0, children: Children::All },
    ] {
        let t0 = std::time::Instant::now();
        let s = Server::start(kind);
        let pts = states(&s);
        println!("{kind}: {} states", pts.len());
        for p in &pts {
            println!("{:?} {} {}", p.phase, p.point.call, p.description);
        }
        let k = fail_in(&s, &pts, 100, Sabotage::None);
        let mut m: BTreeMap<_, usize> = BTreeMap::new();
        for k in &k.failed {
            *m.entry((k.state.phase, k.has_reply, k.after.fate)).or_default() += 1;
        }
        for (k, v) in m {
            println!("{k:?} {v}");
        }
        for v in &k.violations {
            println!("V {v}");
        }
        println!("{:?}", t0.elapsed());
    }
}
