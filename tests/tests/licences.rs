//! What the library stands on asks nothing of whoever uses it.

use std::process::Command;

use klatsch_tests::place::root;
use serde_json::Value;

/// Licences that ask nothing of whoever uses the library.
const PERMISSIVE: [&str; 11] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
];

/// Packages that only build or test, and are in nothing that is shipped: weak copyleft is no matter there.
const BUILD_ONLY: [(&str, &str); 1] = [("cbindgen", "MPL-2.0")];

#[test]
fn every_dependency_has_a_permissive_licence() {
    let packages = packages();
    assert!(packages.len() > 20, "cargo metadata knows only {} packages", packages.len());
    let wrong: Vec<String> = packages
        .iter()
        .filter(|(name, licence)| !BUILD_ONLY.contains(&(name, licence)) && !is_permissive(licence))
        .map(|(name, licence)| format!("{name}: {licence:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn licences_are_read_as_they_are_meant() {
    for right in
        ["MIT", "MIT OR Apache-2.0", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"]
    {
        assert!(is_permissive(right), "{right}");
    }
    assert!(is_permissive("Apache-2.0 WITH LLVM-exception OR GPL-3.0"));
    for wrong in ["", "GPL-3.0", "MIT AND GPL-2.0", "(MIT OR ISC) AND MPL-2.0", "MPL-2.0"] {
        assert!(!is_permissive(wrong), "{wrong}");
    }
}

/// Every package in the lock file that this system builds, with its licence; ours excepted.
fn packages() -> Vec<(String, String)> {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let rustc = Command::new("rustc").arg("-vV").output().expect("there is rustc");
    let rustc = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc knows its host");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("there is cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let packages = metadata["packages"].as_array().expect("there is a list").iter();
    packages
        .filter(|package| !package["source"].is_null())
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            (text("name"), text("license"))
        })
        .collect()
}

/// Whether a licence expression (SPDX) leaves a permissive choice.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> bool {
    let mut permissive = all_of(words);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        permissive |= all_of(words);
    }
    permissive
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut permissive = one(words);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        permissive &= one(words);
    }
    permissive
}

fn one(words: &mut &[&str]) -> bool {
    let (permissive, rest) = match *words {
        ["(", inside @ ..] => {
            *words = inside;
            let permissive = any_of(words);
            let [")", rest @ ..] = *words else { return false };
            (permissive, rest)
        }
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => (PERMISSIVE.contains(licence), rest),
        [] => return false,
    };
    *words = rest;
    permissive
}
