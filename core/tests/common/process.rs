//! Tests that measure the whole process run in one of their own.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Runs a test in a process of its own; gives whether this is that process. `name`: the test's, with its
/// modules.
pub fn alone(name: &str) -> bool {
    if std::env::var_os("KLATSCH_ALONE").is_some() {
        return true;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("KLATSCH_ALONE", "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{words}{}", String::from_utf8_lossy(&child.stderr));
    assert!(words.contains("1 passed"), "{words}");
    false
}

/// Resident memory of this process in bytes.
#[cfg(target_os = "linux")]
pub fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// How much CPU time the engines of this process have used.
#[cfg(target_os = "linux")]
pub fn engine_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let times = std::fs::read_to_string(task.join("schedstat")).ok()?;
        (name.trim() == "klatsch").then(|| times.split_whitespace().next()?.parse::<u64>().ok()).flatten()
    });
    Duration::from_nanos(nanos.sum())
}

/// How much CPU time the engines use while `act` runs.
#[cfg(target_os = "linux")]
pub fn cpu_of(act: impl FnOnce()) -> Duration {
    let before = engine_cpu();
    act();
    engine_cpu() - before
}

/// The share of one processor that this process uses in the next second, in percent. Opens no file: there may be no
/// descriptor left for it.
pub fn idle_percent() -> i64 {
    let used_us = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    };
    let (start, before) = (Instant::now(), used_us());
    std::thread::sleep(Duration::from_secs(1));
    (used_us() - before) * 100 / start.elapsed().as_micros() as i64
}

/// Whether twice as much costs at most about twice as much: `cost` is measured for `n` and `2n`, and the best of
/// some rounds counts, because others use this machine too.
#[cfg(target_os = "linux")]
pub fn grows_linearly(n: usize, mut cost: impl FnMut(usize) -> Duration) -> Result<(), String> {
    let mut best = [Duration::MAX; 2];
    for _ in 0..5 {
        best[0] = best[0].min(cost(n));
        best[1] = best[1].min(cost(2 * n));
    }
    match best[1] <= best[0] * 3 {
        true => Ok(()),
        false => Err(format!("{n}: {:?}, twice that: {:?}", best[0], best[1])),
    }
}
