//! Runs that are killed at random points of every step, and resumed.
//!
//! A point is how many of a step's files were there when the run was killed. Points follow from a
//! seed, which a failure names; the moment within a write is the machine's.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dhfpack::publish::Step;

use super::shop::{Files, Places, difference, succeed};

/// The variable that holds the seed of a run to be repeated.
const SEED: &str = "DHFPACK_TEST_SEED";

/// The steps that write, in order.
pub(super) const STEPS: [Step; 5] = [
    Step::Files,
    Step::Dhf,
    Step::ServiceManual,
    Step::Registry,
    Step::Receipt,
];

/// The step that writes a file.
pub(super) fn step_of(path: &str) -> Step {
    let name = path.rsplit('/').next().unwrap();
    match name {
        _ if path.starts_with("dhf:") => Step::Dhf,
        "service-manual.md" => Step::ServiceManual,
        "registry.csv" => Step::Registry,
        _ if path.contains("registry.keys/") => Step::Registry,
        _ if name.contains(".receipt-") => Step::Receipt,
        _ => Step::Files,
    }
}

/// The first step of which a file lacks, and that no step was begun before it; none if all is
/// there.
pub(super) fn step_of_death(found: &Files, clean: &Files) -> Option<Step> {
    let lacks = clean.keys().filter(|path| !found.contains_key(*path));
    let died = lacks.map(|path| step_of(path)).min()?;
    for path in found.keys() {
        assert!(step_of(path) <= died, "{path} was written before {died:?}");
    }
    Some(died)
}

/// Kills `publish` at this many points or more, and resumes it each time to the end of a clean run.
/// `look` is shown what a killed run left, and what a clean one does.
pub(super) fn killed_and_resumed(
    points: usize,
    places: &Places,
    publish: &dyn Fn() -> Command,
    look: &dyn Fn(&Files, &Files),
) {
    let begun = Instant::now();
    succeed(&mut publish());
    let whole = begun.elapsed();
    let clean = places.everything();
    places.empty();
    let mut random = Random::new();
    let mut died = BTreeSet::new();
    // On a busy machine a kill may come too late for its step: then a few more are tried.
    for point in 0..3 * points {
        if point >= points && died.len() == STEPS.len() {
            break;
        }
        let step = STEPS[point % STEPS.len()];
        let killer = Killer::new(step, &clean, places, whole, &mut random);
        killer.kill(&mut publish());
        let found = places.everything();
        for (path, bytes) in &found {
            assert_eq!(clean.get(path), Some(bytes), "{path} at point {point}");
        }
        died.extend(step_of_death(&found, &clean));
        look(&found, &clean);
        succeed(&mut publish());
        let differing = difference(&places.everything(), &clean);
        assert_eq!(differing, [""; 0], "killed at point {point}");
        places.empty();
    }
    assert_eq!(died.into_iter().collect::<Vec<_>>(), STEPS);
}

/// When to kill a run.
struct Killer {
    /// These are looked for.
    files: Vec<std::path::PathBuf>,
    /// Once so many of them are there.
    count: usize,
    /// And so much later.
    delay: Duration,
}

impl Killer {
    /// In this step, before its last file is there.
    fn new(
        step: Step,
        clean: &Files,
        places: &Places,
        whole: Duration,
        random: &mut Random,
    ) -> Self {
        let of = |wanted: &dyn Fn(Step) -> bool| {
            let paths = clean.keys().filter(|path| wanted(step_of(path)));
            paths.map(|path| places.of(path)).collect::<Vec<_>>()
        };
        let (before, own) = (of(&|one| one < step), of(&|one| one == step));
        assert!(!own.is_empty(), "a clean run writes nothing in {step:?}");
        let count = before.len() + random.below(own.len());
        // Before anything is written, any moment is as good.
        let longest = if count == 0 {
            whole
        } else {
            Duration::from_micros(200)
        };
        let delay = longest * u32::try_from(random.below(1000)).unwrap() / 1000;
        let files = [before, own].concat();
        Self {
            files,
            count,
            delay,
        }
    }

    fn kill(mut self, command: &mut Command) {
        let mut run = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let left = self.files.len() - self.count;
        while self.files.len() > left && run.try_wait().unwrap().is_none() {
            self.files.retain(|file| !file.exists());
            std::thread::yield_now();
        }
        std::thread::sleep(self.delay);
        run.kill().unwrap();
        run.wait().unwrap();
    }
}

/// Numbers that follow from a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    /// With the seed that is asked for, or one of its own; whoever sees a failure sees the seed.
    #[expect(clippy::print_stdout, reason = "a failure has to be repeatable")]
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let asked = std::env::var(SEED).ok();
        let seed = asked.map_or_else(
            || RandomState::new().hash_one(()),
            |seed| seed.parse().unwrap(),
        );
        println!("{SEED}={seed} repeats these points");
        Self(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).unwrap();
        usize::try_from((number ^ (number >> 31)) % end).unwrap()
    }
}
