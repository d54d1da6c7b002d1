//! BENCHMARKS.md: the last results, between two marks in prose that people wrote.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::results::Results;
use crate::servers::Place;
use crate::table;

/// The machine and the versions of what is measured, as far as they can be told.
pub(crate) fn about(place: &Place) -> BTreeMap<String, String> {
    let mut about = BTreeMap::new();
    let mut tell = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            about.insert(name.to_owned(), value);
        }
    };
    tell("date", said("date", &["-u", "+%Y-%m-%d"]));
    tell("kernel", said("uname", &["-sr"]));
    tell("processor", processor());
    tell("cores", Some(std::thread::available_parallelism().map_or(0, usize::from).to_string()));
    tell("load average before", load_average());
    tell("klatsch", said(&place.engine.display().to_string(), &["--version"]).map(|words| last_word(&words)));
    tell("rustc", said("rustc", &["--version"]));
    tell("node", said("node", &["--version"]));
    for package in ["bun", "ws", "websocket", "socket.io"] {
        tell(package, npm_version(&place.bench.join("peers/node/node_modules").join(package)));
    }
    for package in ["tokio-tungstenite", "axum"] {
        tell(package, locked_version(&place.bench.join("peers/rust/Cargo.lock"), package));
    }
    about
}

/// Puts the tables into BENCHMARKS.md.
pub(crate) fn write(results: &Results) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../BENCHMARKS.md");
    let words = |error| format!("{}: {error}", file.display());
    let old = std::fs::read_to_string(&file).map_err(words)?;
    let new = replaced(&old, &body(results)).ok_or_else(|| format!("{}: no marks", file.display()))?;
    std::fs::write(&file, new).map_err(words)?;
    eprintln!("   written: {}", file.display());
    Ok(())
}

/// What stands between the marks.
fn body(results: &Results) -> String {
    let mut out = String::from("\n| measured with | |\n| --- | --- |\n");
    for (name, value) in &results.about {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push('\n');
    out.push_str(table::text(results).trim_end());
    out.push_str("\n\n");
    out
}

fn replaced(old: &str, body: &str) -> Option<String> {
    let (before, rest) = old.split_once(BEGIN)?;
    let (_, behind) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{body}{END}{behind}"))
}

/// The first line that a program says.
fn said(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

fn last_word(words: &str) -> String {
    words.split_whitespace().next_back().unwrap_or_default().to_owned()
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// How busy the machine was with other work, in cores: the last minute's average.
fn load_average() -> Option<String> {
    Some(std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.to_owned())
}

fn npm_version(package: &Path) -> Option<String> {
    let text = std::fs::read_to_string(package.join("package.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    Some(value.get("version")?.as_str()?.to_owned())
}

/// The newest version of a package in a lock file; an older one is something else's.
fn locked_version(lock: &Path, package: &str) -> Option<String> {
    let text = std::fs::read_to_string(lock).ok()?;
    let name = format!("name = \"{package}\"");
    let lines: Vec<&str> = text.lines().collect();
    let line = lines.get(lines.iter().rposition(|line| *line == name)? + 1)?;
    Some(line.strip_prefix("version = ")?.trim_matches('"').to_owned())
}

const BEGIN: &str = "<!-- measured: `make bench ARGS=--write` replaces what follows -->";
const END: &str = "<!-- measured: until here -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let old = format!("prose\n{BEGIN}\nold\n{END}\nmore prose\n");
        assert_eq!(replaced(&old, "new\n"), Some(format!("prose\n{BEGIN}\nnew\n{END}\nmore prose\n")));
        assert_eq!(replaced("prose without marks", "new"), None);
    }

    #[test]
    fn the_document_has_its_marks() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../BENCHMARKS.md");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(replaced(&text, "").is_some());
    }
}
