//! The Autobahn suite: every case has the verdict that `autobahn/expected.txt` says, of the engine as a server and of the
//! client.
//!
//! `KLATSCH_AUTOBAHN=full` runs every case, not only the quick ones. `KLATSCH_ECHO` names another binary for the
//! server's side, for example one built with `--release`. `UPDATE_AUTOBAHN=1` writes what came out of the server's
//! side instead of comparing it: read the difference before it is committed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod client;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use klatsch_tests::place::root;

/// The port of the suite that the verdicts are from.
const SUITE: &str = "kosoku==0.1.0";

/// The set of cases that this run is about.
fn set() -> &'static str {
    if env::var("KLATSCH_AUTOBAHN").is_ok_and(|set| set == "full") { "full" } else { "quick" }
}

/// Compares what the suite told with what is expected, of either side.
fn judge(told: &str, complaints: &str) {
    let (mut expected, got) = (expected(), verdicts(told));
    let full = set() == "full";
    expected.retain(|_, line| full || line.ends_with(" quick"));
    let differs = |case| expected.get(case) != got.get(case);
    let differences: Vec<String> = expected
        .keys()
        .chain(got.keys().filter(|case| !expected.contains_key(*case)))
        .filter(|case| differs(*case))
        .map(|case| format!("expected {:?}, got {:?}", expected.get(case), got.get(case)))
        .collect();
    assert!(differences.is_empty(), "{}\n\nIn the suite's words:\n{complaints}", differences.join("\n"));
}

/// Writes what the suite told into the file of what is expected.
fn update(told: &str) {
    let mut expected = expected();
    expected.extend(verdicts(told));
    let lines: Vec<String> = expected.values().map(|line| format!("{line}\n")).collect();
    fs::write(file(), lines.concat()).unwrap();
}

#[test]
fn nothing_is_expected_that_breaks_a_rule() {
    for (case, line) in expected() {
        let mut words = line.split(' ').skip(1);
        for verdict in [words.next(), words.next()] {
            assert!(matches!(verdict, Some("OK" | "INFORMATIONAL")), "case {case:?}: {line}");
        }
    }
}

fn expected() -> BTreeMap<Vec<u32>, String> {
    verdicts(&fs::read_to_string(file()).unwrap())
}

fn file() -> PathBuf {
    root().join("tests/autobahn/expected.txt")
}

/// The lines by their case, in the order of numbers.
fn verdicts(text: &str) -> BTreeMap<Vec<u32>, String> {
    let case = |line: &str| {
        line.split(' ').next().unwrap().split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>()
    };
    text.lines().map(|line| (case(line), line.to_owned())).collect()
}

/// A Python that has the suite, made where cargo keeps what tests make.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(install)
}

fn install() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn-venv");
    let python = venv.join("bin/python");
    let has_suite = Command::new(&python).args(["-c", "import kosoku"]).output();
    if !has_suite.is_ok_and(|output| output.status.success()) {
        let base = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        run(Command::new(base).args(["-m", "venv"]).arg(&venv), "make a virtual environment");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SUITE];
        run(Command::new(&python).args(install), "install the suite from PyPI");
    }
    python
}

fn run(command: &mut Command, what: &str) {
    let hint = "this test needs Python 3 with venv and pip, and PyPI";
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("cannot {what}: {}\n{hint}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("cannot {what}: {command:?}: {error}\n{hint}"),
    }
}
