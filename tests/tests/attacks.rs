//! The table of attacks in core/docs/attacks.md is true: the tests that it names are there, and none is left out.

use std::path::Path;

use klatsch_tests::place::root;

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands in the second column: files and tests, as they come.
fn promises() -> Vec<(String, Vec<(String, String)>)> {
    let table = text("core/docs/attacks.md");
    let rows =
        table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "));
    rows.filter(|(promise, _)| *promise != "promise" && *promise != "---")
        .map(|(promise, tests)| {
            let mut file = String::new();
            let mut named = Vec::new();
            for word in tests.split('`').skip(1).step_by(2) {
                match word.contains('/') {
                    true => file = word.to_owned(),
                    false => named.push((file.clone(), word.to_owned())),
                }
            }
            (promise.to_owned(), named)
        })
        .collect()
}

/// Whether a file has a test of this name, which in JavaScript may go on.
fn has_test(file: &str, name: &str) -> bool {
    let text = text(file);
    if Path::new(file).extension().is_some_and(|kind| kind == "rs") {
        return tests_of(&text).contains(&name);
    }
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("test("))
        .any(|line| line[1..].starts_with(name))
}

/// The names of the tests in a file of Rust.
fn tests_of(text: &str) -> Vec<&str> {
    let after_mark = text.split("#[test]").skip(1);
    after_mark.filter_map(|rest| rest.split_once("fn ")?.1.split_once('(')).map(|(name, _)| name).collect()
}

#[test]
fn every_test_that_the_table_names_is_in_its_file() {
    let promises = promises();
    assert!(promises.len() > 30, "only {} promises were found", promises.len());
    for (promise, tests) in promises {
        assert!(!tests.is_empty(), "{promise}: no test");
        for (file, name) in tests {
            assert!(has_test(&file, &name), "{promise}: {file} has no test {name}");
        }
    }
    assert!(!has_test("tests/tests/attacks.rs", "nothing_like_this"));
}

#[test]
fn every_attack_stands_in_the_table() {
    let named: Vec<(String, String)> = promises().into_iter().flat_map(|(_, tests)| tests).collect();
    let folder = std::fs::read_dir(root().join("core/tests/attacks")).expect("the attacks are there");
    for file in folder {
        let name = file.expect("a folder can be read").file_name().to_string_lossy().into_owned();
        let file = format!("core/tests/attacks/{name}");
        for test in tests_of(&text(&file)) {
            assert!(named.contains(&(file.clone(), test.to_owned())), "{file}: {test} stands in no row");
        }
    }
}
