//! Holds the tables in `index.d.ts` to the core's. `UPDATE_TYPES=1 cargo test -p klatsch-node` rewrites them.

use std::path::Path;

use klatsch::{Color, ErrorCode, Event, NUMBER_OPTIONS};

use crate::options::{camel_case, names};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/index.d.ts");
const UPDATE: &str = "UPDATE_TYPES=1 cargo test -p klatsch-node";
const WIDTH: usize = 116;

fn declarations() -> String {
    std::fs::read_to_string(PATH).expect("index.d.ts is beside the sources")
}

/// `text` with what stands between two of its lines replaced.
fn with_section(text: &str, begin: &str, end: &str, lines: &str) -> String {
    let (before, rest) = text.split_once(begin).expect("the section's first line is there");
    let (_, after) = rest.split_once(end).expect("the section's last line is there");
    format!("{before}{begin}\n{lines}  {end}{after}")
}

fn numbers() -> String {
    let mut lines = String::new();
    for option in NUMBER_OPTIONS {
        let words = option.meaning.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push_str("  /**\n");
        let mut line = String::from("   *");
        for word in
            format!("{words} Default {}; from {} to {}.", option.default, option.min, option.max).split(' ')
        {
            if line.len() + 1 + word.len() > WIDTH {
                lines.push_str(&line);
                lines.push('\n');
                line.truncate("   *".len());
            }
            line.push(' ');
            line.push_str(word);
        }
        lines.push_str(&line);
        lines.push_str("\n   */\n");
        lines.push_str(&format!("  {}?: number | undefined;\n", camel_case(option.name)));
    }
    lines
}

fn codes() -> String {
    let mut lines = String::new();
    for code in ErrorCode::ALL {
        lines.push_str(&format!("  /** {} {} */\n  | '{}'\n", code.number(), code.meaning(), code.name()));
    }
    lines
}

#[test]
fn the_number_options_and_the_codes_are_the_cores() {
    let old = declarations();
    let numbers_begin = format!("// Numbers, from the core's table: {UPDATE}");
    let new = with_section(&old, &numbers_begin, "// End of the numbers.", &numbers());
    let new =
        with_section(&new, &format!("// From the core's table: {UPDATE}"), "// End of the table.", &codes());
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(PATH, new).expect("index.d.ts can be written");
    } else {
        assert!(old == new, "index.d.ts differs from the core's tables; run {UPDATE}");
    }
}

#[test]
fn every_option_event_and_colour_is_declared() {
    let declarations = declarations();
    for name in names() {
        assert!(declarations.contains(&format!("\n  {name}?: ")), "option {name}");
    }
    // Questions go to the handlers.
    for kind in Event::KINDS.iter().filter(|kind| **kind != "question") {
        assert!(declarations.contains(&format!("\n  {kind}: [")), "event {kind}");
    }
    let colors = Color::HANDED_OUT.iter().chain([&Color::Black]).map(|color| format!("'{color}'"));
    let union = colors.collect::<Vec<_>>().join(" | ");
    assert!(declarations.contains(&format!("export type Color = {union};")), "{union}");
}

#[test]
fn the_package_has_the_librarys_version() {
    let package = Path::new(PATH).with_file_name("package.json");
    let package = std::fs::read_to_string(package).expect("package.json is beside the sources");
    let package: serde_json::Value = serde_json::from_str(&package).expect("package.json is JSON");
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
}
