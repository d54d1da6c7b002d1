//! The header is what cbindgen makes of the sources, and says what the core says.

use std::fs;
use std::path::{Path, PathBuf};

use klatsch::{CloseCause, Dialect, ErrorCode, Event, NUMBER_OPTIONS};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> String {
    fs::read_to_string(here().join("../include/klatsch.h")).expect("include/klatsch.h is there")
}

#[test]
fn the_header_is_what_cbindgen_makes_of_the_sources() {
    let config = cbindgen::Config::from_file(here().join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new().with_crate(here()).with_config(config).generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::create_dir_all(here().join("../include")).unwrap();
        fs::write(here().join("../include/klatsch.h"), &made).unwrap();
    }
    let is_same = made == header();
    assert!(is_same, "include/klatsch.h is stale: UPDATE_HEADER=1 cargo test -p klatsch-ffi --test header");
}

/// The comment above a declaration that begins with `declaration`, in one line.
fn comment(header: &str, declaration: &str) -> String {
    let lines: Vec<&str> = header.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.contains(declaration));
    let at = at.unwrap_or_else(|| panic!("no {declaration} in the header"));
    let above = lines[..at].iter().rev().map_while(|line| line.strip_prefix("//"));
    let mut above: Vec<&str> = above.map(str::trim).collect();
    above.reverse();
    above.join(" ")
}

#[test]
fn every_number_option_has_the_cores_meaning_default_and_range() {
    let header = header();
    for option in NUMBER_OPTIONS {
        let name = option.name;
        let comment = comment(&header, &format!("klatsch_code_t klatsch_options_{name}("));
        let meaning = option.meaning.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(comment.starts_with(&meaning), "{name}: {comment}\nThe core says: {meaning}");
        let range = format!("default {}; from {} to {}.", option.default, option.min, option.max);
        assert!(comment.contains(&range), "{name}: {comment}\nThe core says: {range}");
    }
}

#[test]
fn every_close_code_is_the_cores_and_has_its_meaning() {
    let header = header();
    for cause in CloseCause::ALL {
        let line = format!("KLATSCH_CLOSE_{} {}", cause.name().to_uppercase(), cause.code(Dialect::V1));
        assert_eq!(comment(&header, &line), cause.meaning(), "{line}");
    }
}

#[test]
fn every_code_has_the_cores_number_and_meaning() {
    let header = header();
    for code in ErrorCode::ALL {
        let line = format!("KLATSCH_{} = {},", code.name().to_uppercase(), code.number());
        let meaning = code.meaning().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(comment(&header, &line), meaning);
    }
}

#[test]
fn every_kind_of_event_has_its_number_from_the_order_of_the_cores_list() {
    let header = header();
    for (index, kind) in Event::KINDS.iter().enumerate() {
        let line = format!("KLATSCH_EVENT_{} = {},", kind.to_uppercase(), index + 1);
        assert!(header.contains(&line), "{line}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Each exported function's name and its text.
fn exported() -> Vec<(String, String)> {
    let mut files = Vec::new();
    sources(&here().join("src"), &mut files);
    let mut functions = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).expect("a source is UTF-8");
        for part in text.split("#[unsafe(no_mangle)]\n").skip(1) {
            let (signature, _) = part.split_once("\n}\n").expect("a function ends");
            let (_, name) = signature.split_once("extern \"C\" fn ").expect("a function");
            let (name, _) = name.split_once('(').expect("parameters");
            functions.push((name.to_owned(), signature.to_owned()));
        }
    }
    functions
}

#[test]
fn every_exported_function_has_the_wall_against_panics() {
    let functions = exported();
    assert!(functions.len() > 60, "{}", functions.len());
    for (name, text) in functions {
        let walls = ["guard(", "with_engine(", "value_or(", "set(options, ", "    count(", "    at("];
        // The one that gives a literal and can do nothing else.
        let is_harmless = name == "klatsch_version";
        assert!(is_harmless || walls.iter().any(|wall| text.contains(wall)), "{name} has no guard:\n{text}");
    }
}

#[test]
fn every_exported_function_stands_in_the_header_and_in_the_list_of_symbols() {
    let header = header();
    let mut names: Vec<String> = exported().into_iter().map(|(name, _)| name).collect();
    names.sort();
    for name in &names {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    let list = fs::read_to_string(here().join("symbols.txt")).expect("ffi/symbols.txt is there");
    assert_eq!(list.lines().collect::<Vec<_>>(), names);
}
