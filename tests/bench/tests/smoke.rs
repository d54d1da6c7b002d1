//! The bench itself works: short runs against the engine, whose own checks say that every client got every message,
//! once, in each sender's order.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // A helper that panics fails its test.

use std::path::PathBuf;
use std::process::{Command, Output};

use klatsch_tests::place::built;

#[test]
fn every_client_of_the_bench_gets_every_message_plain_encrypted_deflated_and_in_v1() {
    let out = scratch("fan");
    let output = bench(&["--cases", "fan100,wss100,deflate1000,fan100-v1", "--out", out.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let lines = std::fs::read_to_string(&out).unwrap();
    for case in ["fan100", "wss100", "deflate1000", "fan100-v1"] {
        let line = lines.lines().find(|line| line.contains(&format!("{case:?}"))).unwrap();
        let run: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(run["words"], "", "{line}");
        assert!(run["figures"]["deliveries_per_s"].as_f64().unwrap() > 0.0, "{line}");
    }
    std::fs::remove_file(&out).unwrap();
}

#[test]
fn the_bench_prints_its_tables_for_sessions_too() {
    let out = scratch("churn");
    let output = bench(&["--cases", "churn", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("### churn") && said.contains("| klatsch |") && said.contains("| 1/1 |"), "{said}");
    let again = Command::new(env!("CARGO_BIN_EXE_klatsch-bench")).arg("--table").arg(&out).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout).trim(), said.trim());
    std::fs::remove_file(&out).unwrap();
}

#[test]
fn a_server_that_does_not_start_is_told_with_its_words() {
    let out = scratch("broken");
    let words = ["--servers", "klatsch", "--engine", "/bin/false", "--cases", "fan100", "--out"];
    let output = Command::new(env!("CARGO_BIN_EXE_klatsch-bench")).args(words).arg(&out).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("- klatsch: the server did not start"), "{said}");
    std::fs::remove_file(&out).unwrap();
}

/// The bench against the command that cargo has just built, as short as it gets.
fn bench(words: &[&str]) -> Output {
    let engine = built().join(format!("klatsch{}", std::env::consts::EXE_SUFFIX));
    assert!(engine.exists(), "{} is missing: cargo build --workspace", engine.display());
    let mut bench = Command::new(env!("CARGO_BIN_EXE_klatsch-bench"));
    bench.args(["--servers", "klatsch", "--seconds", "0.3", "--engine"]).arg(engine).args(words);
    bench.output().unwrap()
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("klatsch-bench-{name}-{}.jsonl", std::process::id()))
}
