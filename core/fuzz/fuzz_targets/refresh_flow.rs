//! Whole refreshes, from any record, against a world that gives any response at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::client::{Client, Registered};
use twg_core::credential::{ConnectionKey, Host};
use twg_core::entropy::Entropy;
use twg_core::provider::ProviderProfile;
use twg_core::refresh::{Need, RefreshFlow, RefreshRequest};
use twg_core::secret::Secret;
use twg_core::time::Span;
use twg_core_fuzz::{Choices, RefreshWatch, Watch, World};

/// The provider of the record in `answers/old_record.json`.
const PLAIN: &str = include_str!("../answers/profile.json");

/// The processes run one after the other. Each finds what the one before left behind.
const PROCESSES: u32 = 4;

fuzz_target!(|input: &[u8]| {
    let blind = input.windows(6).any(|bytes| bytes == b"CANARY");
    let mut world = World::new(Choices::new(input), Watch::default());
    world.store(include_str!("../answers/old_record.json"));
    for number in 0..PROCESSES {
        let flow = refresh(&mut world.choices, number);
        world.refresh(flow, RefreshWatch::blind(blind));
    }
});

/// The refresh of one process.
fn refresh(choices: &mut Choices<'_>, number: u32) -> RefreshFlow {
    let mut profile = ProviderProfile::parse(PLAIN).expect("a good profile");
    profile.reuse_leeway_seconds = [600, 0, 60, 5][usize::from(choices.below(4))];
    let key = ConnectionKey::new(&profile.name, "default").expect("good names");
    let need = match choices.below(4) {
        0 => Need::Live,
        1 => Need::Due(Span::from_mins(choices.byte().into())),
        2 => Need::Now,
        _ => Need::Other(Secret::new("CANARY-old-access")),
    };
    let client = Some(Client { id: "client-1".to_owned(), secret: None });
    let registered = match choices.below(8) {
        7 => Err("the profile cannot be read".to_owned()),
        _ => Ok(Registered { profile, client }),
    };
    let (machine, boot) = (Some("machine"), (choices.below(4) != 3).then_some("boot"));
    let host = Host::new(machine, boot);
    let seed = Entropy::new([u8::try_from(number).unwrap_or(0); 32]);
    RefreshFlow::refresh(RefreshRequest { key, need, registered, host }, seed)
}
