//! The rules of the house: who may import whom, and what stands in no file.

use std::path::{Path, PathBuf};

use klatsch_tests::place::root;
use serde_json::Value;

/// The floors of the core, lowest first. A module that stands in none of them fails the test.
///
/// Words are plain types. The pure floor has no socket, file, thread, clock or randomness, and its rooms do not
/// know one another. Edges touch the world; they are the only ones who see every floor below. The engine is the
/// only door to a running chat, and the simulator to one whose network and clock are turned by hand.
const FLOORS: [(Floor, &[&str]); 4] = [
    (
        Floor::Words,
        &[
            "close", "broken", "command", "error", "event", "id", "message", "network", "options", "push",
            "rate", "stats", "time",
        ],
    ),
    (Floor::Pure, &["chat", "dialect", "fanout", "wire"]),
    (Floor::Edges, &["client", "done", "events", "server", "store"]),
    (Floor::Door, &["engine", "lib", "sim", "testing"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Words,
    Pure,
    Edges,
    Door,
}

/// What words and the pure floor have nothing to do with.
const WORLD: [&str; 13] = [
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "mio::",
    "nix::",
    "socket2::",
];

/// The task around the chat client's machine, which has time and a socket.
const CHAT_TASK: [&str; 4] = ["driver.rs", "handle.rs", "options.rs", "shared.rs"];

/// No file of the library and its doors is longer.
const MAX_LINES: usize = 600;

#[test]
fn no_file_imports_from_a_floor_above_or_from_a_room_beside() {
    let mut wrong = Vec::new();
    for file in library_files(&["core/src"]) {
        let home = module_of(&file);
        let floor = floor_of(&home);
        for (line, target) in imports(&text(&file)) {
            let allowed = match floor {
                _ if target == home => true,
                Floor::Words => floor_of(&target) == Floor::Words,
                Floor::Pure => floor_of(&target) == Floor::Words,
                Floor::Edges => floor_of(&target) <= Floor::Edges,
                Floor::Door => true,
            };
            if !allowed {
                wrong.push(format!("{}:{line}: {home} ({floor:?}) must not import {target}", short(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_and_the_pure_floor_do_not_touch_the_world() {
    let mut wrong = Vec::new();
    for file in library_files(&["core/src"]) {
        if floor_of(&module_of(&file)) > Floor::Pure {
            continue;
        }
        for (line, code) in code_lines(&text(&file)) {
            for name in WORLD.iter().filter(|name| code.contains(*name)) {
                wrong.push(format!("{}:{line}: {name}", short(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_chat_clients_machine_does_not_touch_the_world() {
    let mut wrong = Vec::new();
    for file in library_files(&["core/src/client/chat"]) {
        if CHAT_TASK.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        for (line, code) in code_lines(&text(&file)) {
            for name in WORLD.iter().filter(|name| code.contains(*name)) {
                wrong.push(format!("{}:{line}: {name}", short(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_and_the_command_forbid_unsafe_code() {
    for file in ["core/src/lib.rs", "core/cli/src/main.rs", "tests/src/lib.rs", "tests/bench/src/main.rs"] {
        assert!(text(&root().join(file)).contains("\n#![forbid(unsafe_code)]\n"), "{file}");
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    let mut wrong = Vec::new();
    for file in files(&["ffi/src", "node/src"], &["rs"]) {
        let lines: Vec<String> = text(&file).lines().map(str::to_owned).collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let above = &lines[at.saturating_sub(8)..at];
            if (code.contains("unsafe {") || code.contains("unsafe impl"))
                && !above.iter().any(|line| line.contains("SAFETY:"))
            {
                wrong.push(format!("{}:{}", short(&file), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "no SAFETY: above\n{}", wrong.join("\n"));
}

#[test]
fn nothing_unwraps_and_nothing_is_left_to_do_outside_tests() {
    let mut wrong = Vec::new();
    for file in library_files(&["core/src", "core/cli/src", "ffi/src", "node/src", "tests/bench/src"]) {
        for (line, code) in code_lines(&text(&file)) {
            if code.contains(".unwrap()") || code.contains(".expect(\"\")") || code.contains("todo!(") {
                wrong.push(format!("{}:{line}: {}", short(&file), code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_version_is_written_once() {
    let workspace = text(&root().join("Cargo.toml"));
    let version = toml_value(&workspace, "[workspace.package]", "version");
    let node: Value = serde_json::from_str(&text(&root().join("node/package.json"))).expect("it is JSON");
    assert_eq!(node["version"], version.as_str(), "node/package.json and Cargo.toml");
    assert!(workspace.contains(&format!("klatsch = {{ path = \"core\", version = \"{version}\" }}")));
    for member in ["core", "core/cli", "ffi", "node", "tests", "tests/bench"] {
        let manifest = text(&root().join(member).join("Cargo.toml"));
        assert!(
            manifest.contains("\nversion.workspace = true\n"),
            "{member}/Cargo.toml has a version of its own"
        );
    }
}

#[test]
fn every_file_fits_in_a_head() {
    let places = ["core", "ffi", "node", "examples", "tests"];
    let kinds = ["rs", "c", "h", "js", "mjs", "css", "html"];
    let long: Vec<String> = files(&places, &kinds)
        .into_iter()
        .map(|file| (text(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, file)| format!("{}: {lines} lines, more than {MAX_LINES}", short(&file)))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The module that a file of the core belongs to: its folder, or its own name.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("core/src")).expect("it is a file of the core");
    let first = inside.components().next().expect("a file has a name").as_os_str();
    Path::new(first).file_stem().expect("a file has a name").to_string_lossy().into_owned()
}

fn floor_of(module: &str) -> Floor {
    let floor = FLOORS.iter().find(|(_, modules)| modules.contains(&module));
    floor.unwrap_or_else(|| panic!("{module:?} stands on no floor: put it in the table, or name a module")).0
}

/// What a file names by `crate::`, with the line.
fn imports(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, code) in code_lines(source) {
        for (at, start) in code.match_indices("crate::") {
            let rest = &code[at + start.len()..];
            match rest.strip_prefix('{') {
                Some(list) => found.extend(in_braces(list).into_iter().map(|name| (line, name))),
                None => found.push((line, first_word(rest))),
            }
        }
        assert!(!code.contains("super::super::"), "line {line}: say crate:: instead of super::super::");
    }
    found
}

/// The names directly inside `use crate::{…}`, which rustfmt keeps on a line of its own or spreads.
fn in_braces(list: &str) -> Vec<String> {
    let mut depth = 1;
    let mut names = vec![String::new()];
    for char in list.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            _ if depth == 1 => names.last_mut().expect("there is one").push(char),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.iter().map(|name| first_word(name.trim())).filter(|name| !name.is_empty()).collect()
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').collect()
}

/// The lines that are code of the library: no comments, and nothing from `#[cfg(test)]` on.
fn code_lines(source: &str) -> Vec<(usize, String)> {
    source
        .lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line.to_owned()))
        .collect()
}

fn toml_value(toml: &str, table: &str, key: &str) -> String {
    let lines =
        toml.lines().skip_while(|line| *line != table).skip(1).take_while(|line| !line.starts_with('['));
    let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    values.next().unwrap_or_else(|| panic!("{table} has no {key}")).trim_matches('"').to_owned()
}

/// The Rust files in these places that are no tests.
fn library_files(places: &[&str]) -> Vec<PathBuf> {
    let is_test = |file: &PathBuf| short(file).ends_with("/tests.rs") || short(file).contains("/tests/");
    files(places, &["rs"]).into_iter().filter(|file| !is_test(file)).collect()
}

/// The files of these kinds in these places, ours only.
fn files(places: &[&str], kinds: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "node_modules" && name != "target" && name != "prebuilds" {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kinds.iter().any(|wanted| kind == *wanted)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "there is no file in {places:?}");
    found.sort();
    found
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn short(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}
