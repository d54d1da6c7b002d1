//! Clients stay and are silent: what one costs in memory, and what all cost in time.

use super::client::Stage;
use super::{Load, Outcome};
use crate::process::{cpu_s, resident_bytes};

pub(super) fn run(mut load: Load) -> Outcome {
    let (empty_bytes, empty_cpu_s) = (resident_bytes(load.pids()), cpu_s(load.pids()));
    let start = load.now();
    load.connect_all(CONNECT_LIMIT_S)?;
    let connect_s = (load.now() - start) as f64 / 1e9;
    let connect_cpu_s = cpu_s(load.pids()) - empty_cpu_s;
    load.turn_for(SETTLE_S)?;
    let full_bytes = resident_bytes(load.pids());
    let (start, before_cpu_s, pings) = (load.now(), cpu_s(load.pids()), load.pings);
    load.turn_for(load.spec.pattern.measured_s)?;
    let idle_s = (load.now() - start) as f64 / 1e9;
    let idle_cpu_s = cpu_s(load.pids()) - before_cpu_s;
    let clients = load.spec.pattern.clients as f64;
    let figures = vec![
        ("bytes_per_connection", (full_bytes - empty_bytes) / clients),
        ("connect_us", connect_cpu_s * 1e6 / clients),
        ("connects_per_s", clients / connect_s),
        ("idle_percent", idle_cpu_s / idle_s * 100.0),
        ("pings", (load.pings - pings) as f64),
    ];
    let alive = load.clients.iter().filter(|client| client.stage == Stage::Joined).count();
    let words = match alive == load.spec.pattern.clients {
        true => String::new(),
        false => format!("{alive} of {clients} stayed; {}", load.first_words),
    };
    Ok((words, figures))
}

/// How long all clients may take to come in.
const CONNECT_LIMIT_S: u64 = 120;

/// After that, the server is as it will stay.
const SETTLE_S: f64 = 1.5;
