//! Every scenario of `tests/scenarios`, through every door: Rust, C and Node.

mod client;
mod play;
mod rust_door;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use klatsch_tests::driver::{Door, Driver};
use klatsch_tests::place::{built, compile_c, install_addon, root};
use klatsch_tests::scenario;

/// Makes of each file one test for each door.
macro_rules! scenarios {
    (through every door { $($every:ident)+ } through rust and c { $($two:ident)+ }) => {
        const LISTED: &[&str] = &[$(stringify!($every),)+ $(stringify!($two),)+];
        mod through_rust { scenarios! { tests rust_door $($every)+ $($two)+ } }
        mod through_c { scenarios! { tests c_door $($every)+ $($two)+ } }
        mod through_node { scenarios! { tests node_door $($every)+ } }
    };
    (tests $door:ident $($name:ident)+) => {
        $(#[test]
        fn $name() {
            super::run(stringify!($name), super::$door());
        })+
    };
}

include!("list.rs");

#[test]
fn every_scenario_is_listed_and_says_what_is_true() {
    let folder = root().join("tests/scenarios");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .expect("the scenarios are here")
        .filter_map(|entry| {
            entry.ok()?.file_name().into_string().ok()?.strip_suffix(".txt").map(str::to_owned)
        })
        .collect();
    found.sort();
    let mut listed = LISTED.to_vec();
    listed.sort();
    assert_eq!(found, listed, "tests/tests/scenarios/list.rs names every file");
    for name in found {
        let sentence = read(&name).sentence;
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{name}: {sentence:?} is no sentence");
    }
}

fn run(name: &str, door: Box<dyn Door>) {
    play::play(&format!("tests/scenarios/{name}.txt"), &read(name), door);
}

fn read(name: &str) -> scenario::Scenario {
    let file = root().join(format!("tests/scenarios/{name}.txt"));
    let text = std::fs::read_to_string(&file).expect("the scenario is here");
    scenario::parse(&text).unwrap_or_else(|error| panic!("tests/scenarios/{name}.txt: {error}"))
}

fn rust_door() -> Box<dyn Door> {
    Box::new(rust_door::RustDoor::default())
}

fn c_door() -> Box<dyn Door> {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    let program = COMPILED.get_or_init(|| {
        let program = built().join("scenario-host-c");
        compile_c(&root().join("tests/drivers/host.c"), &program);
        program
    });
    Box::new(Driver::start(&mut Command::new(program)).expect("the driver starts"))
}

fn node_door() -> Box<dyn Door> {
    install_addon();
    let mut node = Command::new("node");
    let node = node.arg(root().join("tests/drivers/host.mjs"));
    Box::new(Driver::start(node).expect("there is Node, node"))
}
