//! The project's bench: the same chat against Klatsch, a bare loop, and what people use today. `make bench`.
//!
//! [`run`] goes through the [`cases`] and the [`servers`]: each time it starts a fresh server on one core ([`launch`])
//! and, on another, this program again as the [`load`], which measures what the server uses ([`process`]) and checks
//! that every client gets every message. [`install`] builds what is to be measured; [`results`] keeps what came out,
//! and [`table`] and [`report`] show it.
#![forbid(unsafe_code)]

// Elsewhere the workspace still builds, and this program says what it needs.
#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod install;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod table;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_well = match words.split_first() {
        // This program again, as a part of itself.
        Some((word, rest)) if word == "load" => load::run(rest),
        Some((word, rest)) if word == "launch" => launch::become_program(rest),
        _ => run::run(&words),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("klatsch-bench: the bench needs Linux: epoll, cores to be pinned to, and /proc");
    ExitCode::FAILURE
}
