//! The Autobahn suite against the echo example: every case has the verdict that `autobahn/expected.txt` says.
//!
//! `KLATSCH_AUTOBAHN=full` runs every case, not only the quick ones. `KLATSCH_ECHO` names another binary, for
//! example one built with `--release`. `UPDATE_AUTOBAHN=1` writes what came out instead of comparing it: read
//! the difference before it is committed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use klatsch_tests::place::{built, root};

/// The port of the suite that the verdicts are from.
const SUITE: &str = "kosoku==0.1.0";

#[test]
fn every_case_has_the_verdict_that_is_expected() {
    let full = env::var("KLATSCH_AUTOBAHN").is_ok_and(|set| set == "full");
    let here = root().join("tests/autobahn");
    let echo = Echo::start();
    let run = Command::new(python())
        .arg(here.join("run.py"))
        .arg(&echo.url)
        .arg(if full { "full" } else { "quick" })
        .output()
        .unwrap();
    let (told, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "the suite did not run to its end ({}):\n{complaints}", run.status);

    let expected_path = here.join("expected.txt");
    let expected = fs::read_to_string(&expected_path).unwrap();
    let (mut expected, got) = (verdicts(&expected), verdicts(&told));
    if env::var_os("UPDATE_AUTOBAHN").is_some() {
        expected.extend(got);
        let lines: Vec<String> = expected.values().map(|line| format!("{line}\n")).collect();
        return fs::write(expected_path, lines.concat()).unwrap();
    }
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

#[test]
fn nothing_is_expected_that_breaks_a_rule() {
    let path = root().join("tests/autobahn/expected.txt");
    for (case, line) in verdicts(&fs::read_to_string(path).unwrap()) {
        let mut words = line.split(' ').skip(1);
        for verdict in [words.next(), words.next()] {
            assert!(matches!(verdict, Some("OK" | "INFORMATIONAL")), "case {case:?}: {line}");
        }
    }
}

/// The lines by their case, in the order of numbers.
fn verdicts(text: &str) -> BTreeMap<Vec<u32>, String> {
    let case = |line: &str| {
        line.split(' ').next().unwrap().split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>()
    };
    text.lines().map(|line| (case(line), line.to_owned())).collect()
}

/// The echo example, running.
struct Echo {
    process: Child,
    url: String,
}

impl Echo {
    fn start() -> Echo {
        let built = built().join(format!("examples/echo{}", env::consts::EXE_SUFFIX));
        let echo = env::var_os("KLATSCH_ECHO").map_or(built, PathBuf::from);
        let started = Command::new(&echo).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
        let mut process = started.unwrap_or_else(|error| {
            panic!("{}: {error}; build it: cargo build -p klatsch --example echo", echo.display())
        });
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().unwrap_or_default().to_owned();
        assert!(url.starts_with("ws://"), "the echo example said {line:?}");
        Echo { process, url }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A Python that has the suite, made where cargo keeps what tests make.
fn python() -> PathBuf {
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
