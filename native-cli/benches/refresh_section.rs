//! Measures how long a refresh holds the lock of its connection, without the network, compared with
//! the bare calls that the protocol needs.
//!
//! ```text
//! cargo bench -p twg cargo bench -p twg -- --rounds 1000 --in DIR     on the file system of DIR
//! cargo bench -p twg -- --once DIR                 one refresh, for strace cargo bench -p twg --
//! --once-bare DIR            the bare calls, for strace
//! ```
//!
//! The flow, the loop that drives it and the code that performs its effects are those of `twg auth
//! refresh --force`. Only the request gets its response from the benchmark, at once. All variants
//! are measured in turn, because machines are noisy: the ratio of the medians counts. This is a
//! measurement and not a test: nothing depends on its figures.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot run has nothing to say")]
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[cfg(unix)]
mod bare;
#[cfg(unix)]
#[path = "../../core/benches/shared/tokens.rs"]
mod tokens;

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use twg::for_benches::{Shell, host};
    use twg_core::client::{Client, Registered};
    use twg_core::credential::ConnectionKey;
    use twg_core::entropy::Entropy;
    use twg_core::error::Error;
    use twg_core::flow::{Effect, Flow, Misuse, Outcome, Step, StepId};
    use twg_core::http::HttpResponse;
    use twg_core::provider::{BUNDLED, ProviderProfile};
    use twg_core::refresh::{How, Need, RefreshFlow, RefreshRequest, Refreshed};
    use twg_core::time::Now;

    use super::bare::{Bare, Sizes};
    use super::tokens;

    const ROUNDS: usize = 500;
    /// Few, because ext4 does not reuse the inode of a recently deleted file, and creating a file
    /// scans all of those first. After thousands of deletions in one place, a measurement would
    /// show only that.
    const ROUNDS_IN_A_PLACE: usize = 10;
    const WARM_UP: usize = 2;
    /// The number of other connections in a crowd.
    const CROWD: usize = 10_000;
    /// How often each crowd is used.
    const CROWD_ROUNDS: usize = 5;

    pub(super) fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} what?")).as_str())
        };
        if let Some(dir) = value("--once") {
            refresh_once(Path::new(dir));
            return;
        }
        if let Some(dir) = value("--once-bare") {
            let (_, sizes) =
                Connection::sign_in(&Path::new(dir).join("signed-in"), "default").refresh();
            Bare::new(Path::new(dir), sizes).section();
            return;
        }
        let rounds = value("--rounds").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
        let disk = value("--in").unwrap_or(env!("CARGO_TARGET_TMPDIR"));
        let memory = Path::new("/dev/shm");
        let has_memory = memory.is_dir() && value("--in").is_none();
        for (medium, place) in [("disk", Path::new(disk)), ("memory", memory)] {
            if medium == "disk" || has_memory {
                println!("{medium}, {rounds} rounds:");
                compare_with_bare(place, rounds);
                compare_with_crowd(place, rounds);
            }
        }
    }

    /// Compares the section with its floor, and with three durable replaces.
    fn compare_with_bare(place: &Path, rounds: usize) {
        let [mut section, mut floor, mut replaces, mut whole] = [const { Vec::new() }; 4];
        for _ in 0..rounds.div_ceil(ROUNDS_IN_A_PLACE) {
            let scratch = Scratch::in_dir(place);
            let mut connection = Connection::sign_in(&scratch.0, "default");
            let (_, sizes) = connection.refresh();
            let bare = Bare::new(&scratch.0.join("config"), sizes);
            let mut flows = Vec::new();
            let times = in_turn(
                &[&scratch.0.join("config")],
                [
                    &mut || {
                        let begun = Instant::now();
                        let (section, _) = connection.refresh();
                        flows.push(begun.elapsed());
                        section
                    },
                    &mut || timed(|| bare.section()),
                    &mut || timed(|| bare.replaces(3)),
                ],
            );
            for (all, some) in [&mut section, &mut floor, &mut replaces].into_iter().zip(times) {
                all.extend(some);
            }
            whole.extend(flows.split_off(WARM_UP));
        }
        print_beside(
            ("the bare calls of the protocol", floor),
            [
                ("the section as shipped", section),
                ("the flow, first look and all", whole),
                ("bare lock and 3 durable replaces", replaces),
            ],
        );
    }

    /// Compares the section of a single connection with that of one among many in the same
    /// directory.
    fn compare_with_crowd(place: &Path, rounds: usize) {
        let [mut alone, mut among_many] = [const { Vec::new() }; 2];
        for _ in 0..rounds.div_ceil(ROUNDS_IN_A_PLACE * CROWD_ROUNDS) {
            let scratches = [Scratch::in_dir(place), Scratch::in_dir(place)];
            let [mut lonely, mut crowded] =
                scratches.each_ref().map(|scratch| Connection::sign_in(&scratch.0, "mine"));
            let directory = crowded.record.parent().unwrap().to_owned();
            for number in 0..CROWD {
                let name = format!("c{number:05}");
                fs::write(directory.join(format!("{name}.conf")), record(&name)).unwrap();
            }
            for _ in 0..CROWD_ROUNDS {
                let times = in_turn(
                    &[lonely.record.parent().unwrap().to_owned().as_path(), &directory],
                    [&mut || lonely.refresh().0, &mut || crowded.refresh().0],
                );
                for (all, some) in [&mut alone, &mut among_many].into_iter().zip(times) {
                    all.extend(some);
                }
            }
        }
        print_beside(("1 connection", alone), [("1 of 10,001 connections", among_many)]);
    }

    /// Runs between two calls that are easy to find in a trace.
    fn refresh_once(dir: &Path) {
        let mut connection = Connection::sign_in(dir, "default");
        connection.refresh();
        let marker = |name: &str| drop(fs::metadata(format!("/{name}")));
        marker("SECTION-BEGINS");
        connection.refresh();
        marker("SECTION-ENDS");
    }

    /// Runs each of these repeatedly, in an order that changes from round to round. Each one begins
    /// after the file system has finished the work of the one before.
    fn in_turn<const N: usize>(
        dirs: &[&Path],
        contenders: [&mut dyn FnMut() -> Duration; N],
    ) -> [Vec<Duration>; N] {
        let mut times = [const { Vec::new() }; N];
        for round in 0..WARM_UP + ROUNDS_IN_A_PLACE {
            for turn in 0..N {
                for dir in dirs {
                    File::open(dir).unwrap().sync_all().unwrap();
                }
                let which = (round + turn) % N;
                let time = contenders[which]();
                if round >= WARM_UP {
                    times[which].push(time);
                }
            }
        }
        times
    }

    fn timed(work: impl FnOnce()) -> Duration {
        let begun = Instant::now();
        work();
        begun.elapsed()
    }

    /// Prints two ratios: of the medians, and the median of the ratios within a round, which a slow
    /// phase of the disk does not affect.
    fn print_beside<const N: usize>(
        (name, floor): (&str, Vec<Duration>),
        others: [(&str, Vec<Duration>); N],
    ) {
        let micros = |times: &[Duration]| -> Vec<f64> {
            times.iter().map(|time| time.as_secs_f64() * 1e6).collect()
        };
        let floor = micros(&floor);
        let print = |name: &str, times: &[f64]| {
            let in_rounds = times.iter().zip(&floor).map(|(time, floor)| time / floor).collect();
            let times = sorted(times.to_vec());
            println!(
                "  {name:34} min {:6.0} us, median {:6.0} us, 90 % {:6.0} us, max {:6.0} us: {:.2}, in \
                 a round {:.2}",
                times[0],
                middle(&times),
                times[times.len() * 9 / 10],
                times[times.len() - 1],
                middle(&times) / middle(&sorted(floor.clone())),
                middle(&sorted(in_rounds)),
            );
        };
        print(name, &floor);
        for (name, times) in &others {
            print(name, &micros(times));
        }
    }

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    fn middle(sorted: &[f64]) -> f64 {
        sorted[sorted.len() / 2]
    }

    /// One connection, which can be refreshed any number of times.
    struct Connection {
        shell: Shell,
        key: ConnectionKey,
        record: PathBuf,
        registered: Registered,
        refreshes: u32,
    }

    impl Connection {
        fn sign_in(home: &Path, name: &str) -> Self {
            let key = ConnectionKey::new("atlassian", name).unwrap();
            let config = home.join("config");
            let record = match name {
                "default" => config.join("auth.conf"),
                _ => config.join("connections/atlassian").join(format!("{name}.conf")),
            };
            fs::create_dir_all(record.parent().unwrap()).unwrap();
            fs::write(&record, self::record(name)).unwrap();
            let (_, profile) = BUNDLED[0];
            let profile = ProviderProfile::parse(profile).unwrap();
            let client = Some(Client { id: "client".to_owned(), secret: None });
            let registered = Registered { profile, client };
            Self { shell: Shell::below(home).unwrap(), key, record, registered, refreshes: 0 }
        }

        /// From the first attempt to take the lock until its release, and the bytes that were
        /// written.
        fn refresh(&mut self) -> (Duration, Sizes) {
            self.refreshes += 1;
            let request = RefreshRequest {
                key: self.key.clone(),
                need: Need::Now,
                registered: Ok(self.registered.clone()),
                host: host(),
            };
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&self.refreshes.to_le_bytes());
            let flow = Answered {
                flow: RefreshFlow::refresh(request, Entropy::new(seed)),
                reply: Some(tokens::response(self.refreshes)),
                begun: None,
                sizes: Sizes::default(),
            };
            let (result, time, sizes) = self.shell.drive(flow).unwrap();
            let how = result.unwrap().how;
            assert!(matches!(how, How::Refreshed), "{how:?}");
            (time, sizes)
        }
    }

    /// The shipped flow. Its one request gets a response before the shell sees it.
    struct Answered {
        flow: RefreshFlow,
        reply: Option<HttpResponse>,
        begun: Option<Instant>,
        sizes: Sizes,
    }

    type Measured = (Result<Refreshed, Error>, Duration, Sizes);

    impl Answered {
        fn pass_on(
            &mut self,
            step: Step<Result<Refreshed, Error>>,
            now: Now,
        ) -> Result<Step<Measured>, Misuse> {
            match step {
                Step::Perform(id, Effect::SendHttp(_)) => {
                    let reply = Outcome::Http(Ok(self.reply.take().unwrap()));
                    let step = self.flow.resume(id, reply, now)?;
                    self.pass_on(step, now)
                }
                Step::Perform(id, effect) => {
                    self.note(&effect);
                    Ok(Step::Perform(id, effect))
                }
                Step::Done(result) => {
                    Ok(Step::Done((result, self.begun.unwrap().elapsed(), self.sizes)))
                }
            }
        }

        fn note(&mut self, effect: &Effect) {
            let sizes = &mut self.sizes;
            if let Effect::AcquireLock { .. } = effect {
                self.begun = Some(Instant::now());
            } else if let Effect::StageReply { bytes, .. } = effect {
                sizes.reply = bytes.expose().len();
            } else if let Effect::ReplaceRecord { bytes, .. } = effect {
                let size = if self.reply.is_some() { &mut sizes.intent } else { &mut sizes.record };
                *size = bytes.expose().len();
            }
        }
    }

    impl Flow for Answered {
        type Output = Measured;

        fn begin(&mut self, now: impl Into<Now>) -> Result<Step<Measured>, Misuse> {
            let now = now.into();
            let step = self.flow.begin(now)?;
            self.pass_on(step, now)
        }

        fn resume(
            &mut self,
            id: StepId,
            outcome: Outcome,
            now: impl Into<Now>,
        ) -> Result<Step<Measured>, Misuse> {
            let now = now.into();
            let step = self.flow.resume(id, outcome, now)?;
            self.pass_on(step, now)
        }
    }

    fn record(name: &str) -> String {
        format!("{:#}\n", tokens::record(name))
    }

    /// A directory that is removed when this is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn in_dir(place: &Path) -> Self {
            let place = place.join("refresh-section");
            fs::create_dir_all(&place).unwrap();
            scatter(&File::open(&place).unwrap());
            let number = getrandom::u64().unwrap();
            let path = place.join(format!("{number:016x}"));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
            // This succeeds only once it is empty.
            let _ = fs::remove_dir(self.0.parent().unwrap());
        }
    }

    /// Asks the file system to spread out what is created in this directory.
    #[cfg(target_os = "linux")]
    fn scatter(dir: &File) {
        use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
        // Not every file system supports it.
        let _ = ioctl_getflags(dir).and_then(|flags| ioctl_setflags(dir, flags | IFlags::TOPDIR));
    }

    #[cfg(not(target_os = "linux"))]
    fn scatter(_: &File) {}
}
