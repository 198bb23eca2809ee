//! x
use std::collections::BTreeMap;
use twg_crash_matrix::{faults::*, server::*};
fn main() {
    for kind in [Kind::Sandbox { leeway: 0, children: Children::All }] {
        let t0 = std::time::Instant::now();
        let s = Server::start(kind);
        let pts = faults(&s);
        println!("{kind}: {} faults", pts.len());
        let k = inject(&s, &pts, 100);
        let mut m: BTreeMap<_, usize> = BTreeMap::new();
        for k in &k.faulted {
            *m.entry((
                k.phase,
                k.object,
                k.fault.point.call.clone(),
                k.fault.mode,
                k.code,
                k.class.clone(),
                k.seen.requests(),
                k.no_place,
                k.after.fate,
            ))
            .or_default() += 1;
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
