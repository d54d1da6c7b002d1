//! Every scenario of `tests/scenarios`, through every door: Rust, C and Node.

mod client;
mod json;
mod play;
mod rust_door;

use std::collections::BTreeSet;
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

/// What no scenario can bring about, and where it is proven instead.
const ELSEWHERE: [(&str, &str); 4] = [
    ("gap", "a client has to read too slowly: core/tests"),
    ("rollback", "a log has to lose records: core/tests, and the transcripts"),
    ("busy", "memory has to run out: core/tests"),
    ("store_unavailable", "a store has to fail: core/tests, and the transcripts"),
];

#[test]
fn every_request_event_act_and_error_of_v1_occurs_in_a_scenario() {
    let transcript = |name: &str| text_of(&format!("tests/transcripts/v1/{name}.txt"));
    let (requests, events) = (transcript("requests"), transcript("events"));
    let scenarios: String =
        LISTED.iter().map(|name| text_of(&format!("tests/scenarios/{name}.txt"))).collect();
    let protocol = text_of("core/docs/protocol-v1.md");
    let errors = protocol.split_once("## Errors").expect("the protocol has errors").1;
    let errors = errors.split("\n## ").next().unwrap_or_default();
    let errors = errors.lines().filter_map(|line| line.strip_prefix("| ")?.split('`').nth(1));
    let errors: BTreeSet<&str> = errors.filter(|name| *name != "code").collect();
    let mut missing = Vec::new();
    for (kind, text, wanted, least) in [
        ("do", &requests, named(&requests, "do"), 19),
        ("on", &events, named(&events, "on"), 15),
        ("act", &requests, named(&requests, "act"), 8),
    ] {
        assert!(wanted.len() >= least, "{kind}: only {wanted:?} are in {} bytes", text.len());
        let found = named(&scenarios, kind);
        // What is said by a step of its own.
        let found: BTreeSet<&str> = found.into_iter().chain(["hello"]).collect();
        missing.extend(wanted.difference(&found).map(|name| format!("{kind} {name}")));
    }
    assert!(errors.len() >= 20, "only {errors:?}");
    let answered = |error: &str| {
        ["answered error ", "gets error ", "\"name\":\""].iter().any(|before| {
            scenarios.match_indices(before).any(|(at, _)| {
                let rest = &scenarios[at + before.len()..];
                rest.split([' ', '\n', '"']).next() == Some(error)
            })
        })
    };
    missing.extend(errors.iter().filter(|error| !answered(error)).map(|error| format!("error {error}")));
    missing.retain(|name| !ELSEWHERE.iter().any(|(elsewhere, _)| name.ends_with(&format!(" {elsewhere}"))));
    assert!(missing.is_empty(), "no scenario has {missing:?}");
}

/// The values of a field in JSON on lines of text.
fn named<'a>(text: &'a str, field: &str) -> BTreeSet<&'a str> {
    let before = format!("\"{field}\":\"");
    text.match_indices(&before).filter_map(|(at, _)| text[at + before.len()..].split('"').next()).collect()
}

fn text_of(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
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
