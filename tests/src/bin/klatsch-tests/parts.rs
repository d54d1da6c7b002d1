//! The parts of the tests, in their order. Everything that cargo builds here is built in one profile, in one
//! folder and with the same features, so that nothing is compiled twice; that is counted as a test too.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use klatsch_tests::place::{built, root};

use crate::child::{self, Ended};
use crate::count::Count;
use crate::machine;
use crate::report::without_what_passed;

/// One part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Machine,
    Lint,
    Doc,
    Build,
    Rust,
    C,
    Node,
    Browser,
}

impl Part {
    pub(crate) const ALL: [Part; 8] =
        [Part::Machine, Part::Lint, Part::Doc, Part::Build, Part::Rust, Part::C, Part::Node, Part::Browser];

    /// The word that chooses it; `None`: the others stand on it.
    pub(crate) fn chosen_by(&self) -> Option<&'static str> {
        match self {
            Part::Machine | Part::Build => None,
            Part::Lint | Part::Doc | Part::Rust => Some("rust"),
            Part::C => Some("c"),
            Part::Node => Some("node"),
            Part::Browser => Some("browser"),
        }
    }

    pub(crate) fn title(&self) -> &'static str {
        match self {
            Part::Machine => "what the tests need",
            Part::Lint => "format and lints",
            Part::Doc => "documentation",
            Part::Build => "build",
            Part::Rust => "Rust, and what crosses the doors",
            Part::C => "C",
            Part::Node => "Node",
            Part::Browser => "browser",
        }
    }

    pub(crate) fn run(self) -> Count {
        match self {
            Part::Machine => machine::prepare(&root()),
            Part::Lint => lint(),
            Part::Doc => {
                let doc = ["doc", "--workspace", "--lib", "--no-deps"];
                check(child::run(cargo(&doc).env("RUSTDOCFLAGS", "-D warnings"), LONG))
            }
            Part::Build => build(),
            Part::Rust => {
                let mut words = vec!["--lib".into(), "--bins".into()];
                words.extend(test_targets(&["core", "core/cli", "node", "tests", "tests/bench"]));
                let mut count = tests_of_cargo(&words);
                count += tests_of_cargo(&["--doc".into()]);
                count
            }
            Part::C => tests_of_cargo(&test_targets(&["ffi"])),
            Part::Node => tests(child::run(npm_test("node").env("KLATSCH_NATIVE", addon()), MEDIUM)),
            Part::Browser if !machine::has_program("chromium") => {
                println!("   left out: there is no chromium, which was counted above");
                Count::default()
            }
            Part::Browser => {
                let command = built().join(format!("klatsch{}", std::env::consts::EXE_SUFFIX));
                tests(child::run(npm_test("tests/browser").env("KLATSCH_BIN", command), MEDIUM))
            }
        }
    }
}

fn lint() -> Count {
    let mut count = check(child::run(&mut cargo(&["fmt", "--all", "--check"]), MEDIUM));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    count += check(child::run(&mut cargo(&clippy), LONG));
    count
}

fn build() -> Count {
    let mut count = check(child::show(&mut cargo(&["build", "--workspace", "--all-targets"]), LONG));
    // The addon that cargo has just built, into the package: Node builds none of its own.
    let mut node = Command::new("node");
    let node = node.arg(root().join("node/build.mjs")).env("KLATSCH_NATIVE", addon());
    count += check(child::run(node, MEDIUM));
    count
}

/// Something that is right or not: one test.
fn check(ended: Ended) -> Count {
    if ended.well {
        return Count::PASSED;
    }
    complain(&ended);
    Count::FAILED
}

/// A runner of tests. One that crashes, hangs or counts nothing is one failure more.
fn tests(ended: Ended) -> Count {
    let mut count = Count::read(&ended.output);
    let nothing = count == Count::default();
    if nothing || (!ended.well && count.failed == 0) {
        count += Count::FAILED;
    }
    if count.failed > 0 {
        complain(&ended);
    }
    if nothing && ended.well {
        println!("   it counted no test");
    }
    count
}

/// Tests that cargo runs, and has built already. Always those of the whole workspace: for a single package
/// cargo would choose other features of its dependencies, and compile them again.
fn tests_of_cargo(targets: &[String]) -> Count {
    let ended = child::run(cargo(&["test", "--workspace", "--no-fail-fast"]).args(targets), MEDIUM);
    let again: Vec<&String> = ended.output.iter().filter(|line| line.starts_with("   Compiling ")).collect();
    let mut built_once = Count::PASSED;
    if !again.is_empty() {
        println!("   FAILED: it was built already, and yet: {again:#?}");
        built_once = Count::FAILED;
    }
    let mut count = tests(ended);
    count += built_once;
    count
}

/// Flags that choose the integration tests of these packages.
fn test_targets(packages: &[&str]) -> Vec<String> {
    let folders = packages.iter().map(|package| root().join(package).join("tests"));
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| {
            entry.path().extension().is_some_and(|kind| kind == "rs") || entry.path().join("main.rs").exists()
        })
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names.into_iter().flat_map(|name| ["--test".into(), name]).collect()
}

/// The tests of a package of Node's.
fn npm_test(folder: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.arg("test").current_dir(root().join(folder));
    npm
}

/// The addon as cargo names it.
fn addon() -> PathBuf {
    built().join(format!("libklatsch_node{}", std::env::consts::DLL_SUFFIX))
}

fn complain(ended: &Ended) {
    println!("{}\n   FAILED {}", without_what_passed(&ended.output).join("\n"), ended.words);
}

fn cargo(words: &[&str]) -> Command {
    let mut command = klatsch_tests::place::cargo();
    command.args(words).current_dir(root());
    command
}

const MEDIUM: Duration = Duration::from_secs(10 * 60);
const LONG: Duration = Duration::from_secs(30 * 60);
