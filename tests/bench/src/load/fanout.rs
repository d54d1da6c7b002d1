//! Clients stay and some talk: what a delivery costs, how long it takes, and whether everything arrives; in `klatsch.v1`
//! also whether everything is answered.

use super::client::Stage;
use super::{Figures, Load, Outcome};
use crate::process::{cpu_s, resident_bytes};

/// What is counted at the start and at the end of what is measured.
struct Marks {
    at: u64,
    cpu_s: f64,
    own_cpu_s: f64,
    deliveries: u64,
    said: u64,
    received_bytes: u64,
    reads: u64,
}

pub(super) fn run(mut load: Load) -> Outcome {
    load.connect_all(CONNECT_LIMIT_S)?;
    // What others' joining brings may still be under way.
    load.turn_for(0.2)?;
    let joined_bytes = resident_bytes(load.pids());
    load.is_running = true;
    let begin = load.now();
    let measure_from = begin + seconds(load.spec.pattern.warmup_s);
    let end = measure_from + seconds(load.spec.pattern.measured_s);
    let mut rate = Rate { begin, said: 0, per_s: load.spec.pattern.rate };
    if load.spec.pattern.rate == 0.0 {
        for _ in 0..load.spec.pattern.window {
            for sender in 0..load.spec.pattern.senders {
                let now = load.now();
                load.say_message(sender, now);
            }
        }
        load.flush_dirty();
    }

    let mut start = None;
    let (mut progress_at, mut progress) = (begin, 0);
    loop {
        let now = load.now();
        if start.is_none() && now >= measure_from {
            load.checks.is_recording = true;
            start = Some(marks(&load));
        }
        if now >= end {
            break;
        }
        if load.spec.pattern.rate > 0.0 {
            let wait = rate.say_due(&mut load, end);
            load.turn(wait)?;
            load.checks.finished.clear();
        } else {
            load.turn(50)?;
            let mut finished = std::mem::take(&mut load.checks.finished);
            let now = load.now();
            for sender in finished.drain(..) {
                load.say_message(sender, now);
            }
            load.checks.finished = finished;
        }
        load.flush_dirty();
        if load.checks.deliveries != progress {
            (progress_at, progress) = (now, load.checks.deliveries);
        } else if now - progress_at > seconds(STALL_S) {
            return Err(format!("nothing came for {STALL_S} s; {}", load.first_words));
        }
        if load.failed > 0 {
            return Err(load.first_words);
        }
    }
    let start = start.ok_or("nothing was measured")?;
    let stop = marks(&load);
    load.checks.is_recording = false;
    let end_bytes = resident_bytes(load.pids());
    let drain_s = drain(&mut load)?;
    let figures = figures(&load, &start, &stop, joined_bytes, end_bytes, drain_s);
    Ok((verdict(&load), figures))
}

/// Messages at fixed times, whatever has become of those before.
struct Rate {
    begin: u64,
    said: u64,
    per_s: f64,
}

impl Rate {
    /// Says what is due, as of when it was due. Gives how many milliseconds there are to wait; below one it does not
    /// sleep.
    fn say_due(&mut self, load: &mut Load, end: u64) -> u16 {
        loop {
            let due = self.begin + (self.said as f64 * 1e9 / self.per_s) as u64;
            let now = load.now();
            if due > now || due >= end {
                load.flush_dirty();
                return (due.min(end).saturating_sub(now) / 1_000_000).min(20) as u16;
            }
            load.say_message(self.said as usize % load.spec.pattern.senders, due);
            self.said += 1;
        }
    }
}

fn marks(load: &Load) -> Marks {
    Marks {
        at: load.now(),
        cpu_s: cpu_s(load.pids()),
        own_cpu_s: cpu_s(&[std::process::id()]),
        deliveries: load.checks.deliveries,
        said: load.checks.said(),
        received_bytes: load.received_bytes,
        reads: load.reads,
    }
}

/// Waits until everything that was said has come everywhere.
fn drain(load: &mut Load) -> Result<f64, String> {
    let start = load.now();
    let readers = (load.spec.pattern.clients - load.spec.pattern.slow) as u64;
    while (load.checks.deliveries < load.checks.said() * readers || load.unanswered() > 0)
        && load.failed == 0
        && load.now() < start + seconds(DRAIN_LIMIT_S)
    {
        load.turn(50)?;
        load.checks.finished.clear();
    }
    // What would come twice, comes now.
    let took = load.now() - start;
    load.turn_for(0.05)?;
    Ok(took as f64 / 1e9)
}

/// What was wrong, in words; empty: every reader has every message, once, in order.
fn verdict(load: &Load) -> String {
    let readers = load.spec.pattern.clients - load.spec.pattern.slow;
    let deflated = load.spec.deflate;
    let looked_at = (0..readers).filter(|&at| !deflated || load.clients[at].inflater.is_some());
    let incomplete = load.checks.incomplete(looked_at);
    let missing = (load.checks.said() * readers as u64).abs_diff(load.checks.deliveries);
    let unanswered = load.unanswered();
    match (incomplete, missing, load.checks.disorder, unanswered, load.failed) {
        (0, 0, 0, 0, 0) => String::new(),
        (incomplete, missing, disorder, unanswered, failed) => format!(
            "{missing} deliveries missing or too many, {incomplete} pairs incomplete, {disorder} out of order, \
             {unanswered} sends without their reply, {failed} connections failed; {}",
            load.first_words
        ),
    }
}

fn figures(
    load: &Load,
    start: &Marks,
    stop: &Marks,
    joined_bytes: f64,
    end_bytes: f64,
    drain_s: f64,
) -> Figures {
    let wall_s = (stop.at - start.at) as f64 / 1e9;
    let deliveries = (stop.deliveries - start.deliveries).max(1) as f64;
    let cpu_s = stop.cpu_s - start.cpu_s;
    let latency = &load.checks.latency;
    let kept = load.clients.iter().filter(|client| client.is_slow && client.stage == Stage::Joined).count();
    vec![
        ("ns_per_delivery", cpu_s * 1e9 / deliveries),
        ("deliveries_per_s", deliveries / wall_s),
        ("messages_per_s", (stop.said - start.said) as f64 / wall_s),
        ("server_load", cpu_s / wall_s),
        ("client_load", (stop.own_cpu_s - start.own_cpu_s) / wall_s),
        ("latency_p50_us", latency.quantile_us(0.5)),
        ("latency_p99_us", latency.quantile_us(0.99)),
        ("latency_max_us", latency.max_us()),
        ("bytes_per_delivery", (stop.received_bytes - start.received_bytes) as f64 / deliveries),
        ("deliveries_per_read", deliveries / (stop.reads - start.reads).max(1) as f64),
        ("grown_bytes", end_bytes - joined_bytes),
        ("slow_closed", load.spec.pattern.slow as f64 - kept as f64),
        ("drain_s", drain_s),
    ]
}

fn seconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// How long all clients may take to come in.
const CONNECT_LIMIT_S: u64 = 90;

/// When nothing at all comes for so long, the run is over.
const STALL_S: f64 = 5.0;

/// How long what was said may be under way.
const DRAIN_LIMIT_S: f64 = 15.0;
