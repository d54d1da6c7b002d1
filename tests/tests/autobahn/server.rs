//! The engine as a server: the suite against the echo example.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use klatsch_tests::place::{built, root};

use crate::{judge, python, set, update};

#[test]
fn every_case_has_the_verdict_that_is_expected_of_the_server() {
    let echo = Echo::start();
    let script = root().join("tests/autobahn/run.py");
    let run = Command::new(python()).arg(script).arg(&echo.url).arg(set()).output().unwrap();
    let (told, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "the suite did not run to its end ({}):\n{complaints}", run.status);
    match env::var_os("UPDATE_AUTOBAHN") {
        Some(_) => update(&told),
        None => judge(&told, &complaints),
    }
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
