//! Clients come, see the history, take a name, and leave: what a session costs.

use super::client::Stage;
use super::{Load, Outcome};
use crate::process::cpu_s;

pub(super) fn run(mut load: Load) -> Outcome {
    if load.spec.pattern.prefill > 0 {
        prefill(&mut load)?;
    }
    let clients = load.clients.len();
    for at in 0..clients {
        load.open(at)?;
    }
    let begin = load.now();
    let measure_from = begin + (load.spec.pattern.warmup_s * 1e9) as u64;
    let end = measure_from + (load.spec.pattern.measured_s * 1e9) as u64;
    let (mut start, mut opened) = (None, clients);
    while load.now() < end {
        let now = load.now();
        if start.is_none() && now >= measure_from {
            load.checks.is_recording = true;
            start = Some((now, cpu_s(load.pids()), load.session_count, load.received_bytes));
        }
        load.turn(20)?;
        let late =
            load.clients.iter().any(|client| client.stage != Stage::Gone && now > client.born + LATE_NS);
        if load.failed > 0 || late {
            return Err(format!("a session failed or took too long; {}", load.first_words));
        }
        for at in std::mem::take(&mut load.done) {
            load.clients[at].source = (opened % 200) as u8;
            load.open(at)?;
            opened += 1;
        }
    }
    let (at, before_cpu_s, sessions, bytes) = start.ok_or("nothing was measured")?;
    let cpu_s = cpu_s(load.pids()) - before_cpu_s;
    let sessions = (load.session_count - sessions).max(1) as f64;
    let figures = vec![
        ("us_per_session", cpu_s * 1e6 / sessions),
        ("sessions_per_s", sessions * 1e9 / (load.now() - at) as f64),
        ("session_p50_us", load.sessions.quantile_us(0.5)),
        ("session_p99_us", load.sessions.quantile_us(0.99)),
        ("bytes_per_session", (load.received_bytes - bytes) as f64 / sessions),
    ];
    Ok((String::new(), figures))
}

/// One client says so many messages and leaves, so that whoever comes is shown a history.
fn prefill(load: &mut Load) -> Result<(), String> {
    let deadline = load.now() + PREFILL_LIMIT_NS;
    // Only one is in the room yet.
    load.checks = super::Checks::new(load.now(), load.clients.len(), 1, 1);
    load.is_running = true;
    load.open(0)?;
    let mut said = 0;
    while (load.checks.deliveries as usize) < load.spec.pattern.prefill {
        load.turn(20)?;
        // A few at a time, since a server may limit how much of one client it takes at once.
        if load.joined == 1 && said < load.spec.pattern.prefill && said as u64 == load.checks.deliveries {
            for _ in 0..PREFILL_AT_ONCE.min(load.spec.pattern.prefill - said) {
                let now = load.now();
                load.say_message(0, now);
                said += 1;
            }
            load.flush_dirty();
        }
        if load.failed > 0 || load.now() > deadline {
            return Err(format!("the history could not be filled; {}", load.first_words));
        }
    }
    load.is_running = false;
    load.clients[0].cut();
    load.turn_for(0.2)
}

/// A session that takes longer is a failure.
const LATE_NS: u64 = 5_000_000_000;

const PREFILL_LIMIT_NS: u64 = 10_000_000_000;

const PREFILL_AT_ONCE: usize = 10;
