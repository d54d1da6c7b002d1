//! One word per concept: the three doors and the error table have the same names.

use std::collections::{BTreeMap, BTreeSet};

use klatsch::{ErrorCode, Event, NUMBER_OPTIONS};
use klatsch_tests::place::root;

/// Names by object: `engine` has `member_count`, `klatsch_engine_member_count` or `memberCount`.
type Names = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_name_of_every_door_stands_in_the_list_and_the_other_way_round() {
    let listed = listed(&read("tests/doors.txt"));
    let mut wrong = Vec::new();
    for (door, listed, found) in
        [("Rust", &listed[0], rust_names()), ("C", &listed[1], c_names()), ("Node", &listed[2], node_names())]
    {
        for (object, names) in &found {
            for name in names.difference(listed.get(object).unwrap_or(&BTreeSet::new())) {
                wrong.push(format!("{door} has {object}.{name}, which tests/doors.txt does not know"));
            }
        }
        for (object, names) in listed {
            for name in names.difference(found.get(object).unwrap_or(&BTreeSet::new())) {
                wrong.push(format!("tests/doors.txt has {object}.{name} for {door}, which {door} has not"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_door_has_every_error_under_the_same_name_and_number() {
    let table: BTreeMap<String, u32> =
        ErrorCode::ALL.iter().map(|code| (code.name().to_owned(), code.number())).collect();
    let mut in_c = c_constants("enum klatsch_code_t");
    assert_eq!(in_c.remove("ok"), Some(0), "success is KLATSCH_OK");
    assert_eq!(in_c, table, "klatsch.h");
    let in_node: BTreeSet<String> = node_union("export type ErrorCode =");
    assert_eq!(in_node, table.into_keys().collect(), "index.d.ts");
}

#[test]
fn every_door_has_every_kind_of_event() {
    let kinds: BTreeSet<String> = Event::KINDS.iter().map(|&kind| kind.to_owned()).collect();
    let in_c = c_constants("enum klatsch_event_kind_t").into_keys();
    let in_c: BTreeSet<String> = in_c.map(|name| name.trim_start_matches("event_").to_owned()).collect();
    assert_eq!(in_c, kinds, "klatsch.h");
    let mut in_node = node_members("export interface EngineEvents {");
    // In Node a question goes to a handler, which answers by what it returns.
    assert!(in_node.insert("question".into()), "index.d.ts has the event question: put it in this test too");
    assert_eq!(in_node, kinds, "index.d.ts");
}

/// What the list says about each door.
fn listed(list: &str) -> [Names; 3] {
    let mut doors = [Names::new(), Names::new(), Names::new()];
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [word, names @ ..] = columns.as_slice() else { panic!("{line:?}") };
        assert!(names.len() >= 3, "{line:?} has no column for each door");
        let (object, word) = word.split_once('.').unwrap_or_else(|| panic!("{line:?} is OBJECT.WORD"));
        let differs = names[..3].iter().any(|name| *name != "=");
        assert_eq!(differs, names.len() > 3, "{line:?}: a line says why exactly where doors differ");
        for (door, names) in names[..3].iter().enumerate() {
            let names = match *names {
                "-" => Vec::new(),
                "=" if door == 2 => vec![camel(word)],
                "=" => vec![word.to_owned()],
                names => names.split(',').map(str::to_owned).collect(),
            };
            if !names.is_empty() {
                doors[door].entry(object.to_owned()).or_default().extend(names);
            }
        }
    }
    for (door, names) in doors.iter_mut().enumerate() {
        let numbers = NUMBER_OPTIONS.iter().map(|option| match door {
            2 => camel(option.name),
            _ => option.name.to_owned(),
        });
        names.entry("options".into()).or_default().extend(numbers);
    }
    doors
}

fn rust_names() -> Names {
    let engine = methods("core/src/engine.rs", "impl Engine {");
    let events = methods("core/src/events.rs", "impl Events {");
    let mut names = Names::from([("engine".into(), &engine | &events)]);
    let mut options = methods("core/src/options.rs", "impl Options {");
    options.extend(methods("core/src/options/numbers.rs", "        impl Options {"));
    options.extend(methods("core/src/options/tls.rs", "impl Options {"));
    options.extend(NUMBER_OPTIONS.iter().map(|option| option.name.to_owned()));
    names.insert("options".into(), options);
    names
}

/// The public functions of an `impl` block. It ends where a line closes it, at its own indentation.
fn methods(file: &str, block: &str) -> BTreeSet<String> {
    let source = read(file);
    let indentation = block.len() - block.trim_start().len();
    let end = format!("{}}}", " ".repeat(indentation));
    let lines = source.lines().skip_while(|line| *line != block).skip(1).take_while(|line| **line != end);
    let names: BTreeSet<String> = lines
        .filter_map(|line| line.trim_start().strip_prefix("pub fn "))
        .map(|rest| rest.split(['(', '<']).next().unwrap_or_default().to_owned())
        // A name that the macro fills in.
        .filter(|name| !name.starts_with('$'))
        .collect();
    assert!(!names.is_empty(), "{file} has no {block:?} with a public function");
    names
}

fn c_names() -> Names {
    let header = read("include/klatsch.h");
    let code =
        header.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Names::new();
    for (at, _) in code.match_indices("klatsch_") {
        let name = &code[at..];
        let length =
            name.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(name.len());
        if name[length..].starts_with('(') {
            let name = &name["klatsch_".len()..length];
            let (object, word) = name.split_once('_').unwrap_or(("klatsch", name));
            names.entry(object.to_owned()).or_default().insert(word.to_owned());
        }
    }
    names
}

/// An enum's constants, in lower case and without the prefix, with their numbers.
fn c_constants(head: &str) -> BTreeMap<String, u32> {
    let header = read("include/klatsch.h");
    let body = between(&header, head, "};");
    let constants: BTreeMap<String, u32> = body
        .lines()
        .filter_map(|line| line.trim().strip_prefix("KLATSCH_")?.trim_end_matches(',').split_once(" = "))
        .map(|(name, number)| (name.to_lowercase(), number.parse().expect("a constant is a number")))
        .collect();
    assert!(!constants.is_empty(), "{head} has no constants");
    constants
}

fn node_names() -> Names {
    let mut names = Names::new();
    names.insert("engine".into(), node_members("export class Engine extends EventEmitter {"));
    names.insert("options".into(), node_members("export interface EngineOptions {"));
    let constants = read("node/index.d.ts");
    let constants = constants.lines().filter_map(|line| line.strip_prefix("export const "));
    let constants = constants.map(|rest| rest.split(':').next().unwrap_or_default().to_owned());
    names.insert("klatsch".into(), constants.collect());
    names
}

/// The members of a class or an interface: what stands at the first indentation.
fn node_members(head: &str) -> BTreeSet<String> {
    let types = read("node/index.d.ts");
    let names: BTreeSet<String> = between(&types, head, "\n}")
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with([' ', '/', '*', '}']) && !line.is_empty())
        .map(|line| line.trim_start_matches("readonly "))
        .map(|line| line.split(['(', ':', '?', '<']).next().unwrap_or_default().trim().to_owned())
        .collect();
    assert!(!names.is_empty(), "{head:?} has no members");
    names
}

/// The texts of a union of literals.
fn node_union(head: &str) -> BTreeSet<String> {
    let types = read("node/index.d.ts");
    let lines = between(&types, head, ";").lines();
    let literals = lines.filter_map(|line| line.trim().strip_prefix("| '")?.strip_suffix('\''));
    literals.map(str::to_owned).collect()
}

fn between<'a>(text: &'a str, head: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(head).unwrap_or_else(|| panic!("{head:?} is not there"));
    rest.split_once(end).unwrap_or_else(|| panic!("{head:?} has no end")).0
}

/// `member_count` to `memberCount`.
fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
