//! The Node door: `index.js` is its other half.
//!
//! In: values of JavaScript, checked for their type over there; options as JSON text. Out: the same values,
//! and JSON text for all that has a structure. Each call converts in, makes one call to the core and converts
//! out; a failure is thrown as an error whose `code` is the stable name. Nothing here decides anything.
//!
//! Every `#[napi]` function runs inside `error::guard`: a panic that left one would abort the host. A test
//! below reads the source for it.

mod cleanup;
mod client;
mod engine;
mod error;
mod event;
mod json;
mod message;
mod options;
mod people;
mod sim;
#[cfg(test)]
mod types;
mod wake;

use napi_derive::napi;

use crate::error::{Failure, guard};

/// The version of the library, as the package's own says it.
#[napi]
pub fn version() -> Result<String, Failure> {
    guard(|| Ok(env!("CARGO_PKG_VERSION").to_owned()))
}

/// Every error's name and number, as a JSON object in the order of the numbers.
#[napi]
pub fn error_codes() -> Result<String, Failure> {
    guard(|| {
        let mut out = Vec::new();
        let table = json::Object::new(&mut out);
        let number_of = |code: &klatsch::ErrorCode| u64::from(code.number());
        klatsch::ErrorCode::ALL
            .iter()
            .fold(table, |table, code| table.number(code.name(), number_of(code)))
            .end();
        Ok(json::finish(out))
    })
}

/// Every cause of closing and its code in the dialect v1, as a JSON object.
#[napi]
pub fn close_codes() -> Result<String, Failure> {
    guard(|| {
        let mut out = Vec::new();
        let table = json::Object::new(&mut out);
        let code_of = |cause: &klatsch::CloseCause| u64::from(cause.code(klatsch::Dialect::V1));
        klatsch::CloseCause::ALL
            .iter()
            .fold(table, |table, cause| table.number(cause.name(), code_of(cause)))
            .end();
        Ok(json::finish(out))
    })
}

/// Every kind of event, as a JSON array of names.
#[napi]
pub fn event_kinds() -> Result<String, Failure> {
    guard(|| Ok(json::array(klatsch::Event::KINDS, |out, kind| json::text(out, kind))))
}

/// Every option that is set by a value, as a JSON array of names in their JavaScript spelling.
#[napi]
pub fn option_names() -> Result<String, Failure> {
    guard(|| Ok(json::array(&options::names(), |out, name| json::text(out, name))))
}

#[cfg(test)]
mod tests {
    /// The sources in which `#[napi]` functions stand.
    const SOURCES: [(&str, &str); 4] = [
        ("lib.rs", include_str!("lib.rs")),
        ("engine.rs", include_str!("engine.rs")),
        ("client.rs", include_str!("client.rs")),
        ("sim.rs", include_str!("sim.rs")),
    ];

    #[test]
    fn every_function_that_javascript_can_call_runs_inside_the_guard() {
        let mut seen = 0;
        for (file, source) in SOURCES {
            let code = source.split("#[cfg(test)]").next().expect("split gives at least one part");
            // What follows an attribute up to the next one is one function with its body.
            for item in code.split("\n#[napi").chain(code.split("\n    #[napi")).skip(1) {
                let head: String = item.lines().skip(1).take_while(|line| !line.ends_with('{')).collect();
                let first_line = item.lines().nth(1).unwrap_or_default();
                if !(first_line.contains("pub fn ") || head.contains("pub fn ")) {
                    continue;
                }
                let body = item.split_once(" {\n").expect("a function has a body").1;
                let statement = body.trim_start();
                seen += 1;
                assert!(
                    ["guard(|| ", "self.call(|", "self.on(line, |"]
                        .iter()
                        .any(|guard| statement.starts_with(guard)),
                    "{file}: {} does not begin with the guard",
                    first_line.trim()
                );
            }
        }
        assert!(seen >= 20, "only {seen} functions were found");
    }

    #[test]
    fn only_those_sources_have_functions_that_javascript_can_call() {
        let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("src is there");
        for path in sources.map(|entry| entry.expect("src can be read").path()) {
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            let source = std::fs::read_to_string(&path).expect("sources are text");
            let exports = source.lines().any(|line| line.trim_start().starts_with("#[napi"));
            assert_eq!(exports, SOURCES.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
