//! Nothing lost, nothing twice: ten thousand stories, or as many as there is time for, each from another seed.
//!
//! `KLATSCH_SEEDS=50000 cargo test -p klatsch --test seeds` plays so many, however long that takes; `KLATSCH_SEED=42` plays
//! one and prints it with all that went over the lines. What a story is stands in `seeds/story.rs`.

#[path = "seeds/person.rs"]
mod person;
#[path = "seeds/story.rs"]
mod story;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use story::play;

/// How many stories are played, and for how long at the most, if nothing else is asked for.
const COUNT: u64 = 10_000;
const BUDGET: Duration = Duration::from_secs(300);
/// The first seed.
const FIRST: u64 = 1;

#[test]
fn nothing_is_lost_and_nothing_happens_twice() {
    if let Some(seed) = number("KLATSCH_SEED") {
        let outcome = play(seed, true);
        panic_if_broken(
            seed,
            &outcome.story,
            outcome.faults.iter().map(|(_, words)| words.clone()).collect(),
        );
        return say(&format!("{}\nnothing is broken\n", outcome.story));
    }
    let asked = number("KLATSCH_SEEDS");
    let (count, is_bounded) = (asked.unwrap_or(COUNT), asked.is_some());
    let (began, next) = (Instant::now(), AtomicU64::new(FIRST));
    let [records, acknowledged, shown, repeated, run] = [const { AtomicU64::new(0) }; 5];
    let broken: Mutex<Option<(u64, String, Vec<String>)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while (is_bounded || began.elapsed() < BUDGET)
                    && broken.lock().expect("nobody panics with it").is_none()
                {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - FIRST >= count {
                        break;
                    }
                    let (story, faults) = match catch_unwind(AssertUnwindSafe(|| play(seed, false))) {
                        Ok(outcome) => {
                            records.fetch_add(outcome.record_count, Ordering::Relaxed);
                            acknowledged.fetch_add(outcome.acknowledged_count, Ordering::Relaxed);
                            shown.fetch_add(outcome.shown_count, Ordering::Relaxed);
                            repeated.fetch_add(outcome.repeated_count, Ordering::Relaxed);
                            run.fetch_add(1, Ordering::Relaxed);
                            (outcome.story, outcome.faults.into_iter().map(|(_, words)| words).collect())
                        }
                        Err(_) => (String::new(), vec!["it panicked".to_owned()]),
                    };
                    if !faults.is_empty() {
                        let mut broken = broken.lock().expect("nobody panics with it");
                        broken.get_or_insert((seed, story, faults));
                    }
                }
            });
        }
    });
    if let Some((seed, story, faults)) = broken.into_inner().expect("nobody panics with it") {
        panic_if_broken(seed, &story, faults);
    }
    let (run, shown, repeated) = (run.into_inner(), shown.into_inner(), repeated.into_inner());
    say(&format!(
        "seeds: {run} run, from {FIRST} to {}: {} records, {} acknowledged changes, {shown} shown, {repeated} of them again, {:.1} ms each\n",
        FIRST + run - 1,
        records.into_inner(),
        acknowledged.into_inner(),
        began.elapsed().as_secs_f64() * 1_000.0 * threads as f64 / run.max(1) as f64,
    ));
    assert!(run > 0, "there was no time for any story");
    assert!(repeated * 100 < shown, "{repeated} of {shown} records were shown again to those who had them");
}

fn panic_if_broken(seed: u64, story: &str, faults: Vec<String>) {
    assert!(
        faults.is_empty(),
        "\n{story}\nseed {seed} is broken; KLATSCH_SEED={seed} plays it again:\n{}",
        faults.join("\n")
    );
}

#[test]
fn a_story_is_the_same_whenever_it_is_told() {
    for seed in 1..=6 {
        let (first, second) = (play(seed, true), play(seed, true));
        assert_eq!(first.story, second.story);
        assert_eq!((first.record_count, first.faults), (second.record_count, second.faults), "seed {seed}");
    }
}

/// Past the capture of the test's output: how many were run is worth knowing when all went well, too.
fn say(words: &str) {
    let _ = std::io::stderr().write_all(words.as_bytes());
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, which is no number")))
}
