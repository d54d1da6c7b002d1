//! Runs every test there is: `cargo run -p klatsch-tests [-- rust c node browser]`.
//!
//! The parts run one after the other ([`parts`]), each as programs with a deadline ([`child`]), whose own words
//! say how many tests passed ([`count`]); what they need beside Rust, Node and a C compiler is installed first
//! ([`machine`]). The last line is `N passed, N failed, N skipped`.
#![forbid(unsafe_code)]

mod child;
mod count;
mod machine;
mod parts;
mod report;

use std::process::ExitCode;
use std::time::Instant;

use count::Count;
use parts::Part;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let parts = match chosen(&words) {
        Ok(parts) => parts,
        Err(words) => {
            eprintln!("{words}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let mut total = Count::default();
    for part in parts {
        println!("== {}", part.title());
        let start = Instant::now();
        let count = part.run();
        println!("   {count}, {:.1} s\n", start.elapsed().as_secs_f64());
        total += count;
    }
    println!("{:.1} s in all", start.elapsed().as_secs_f64());
    // Last, and exactly so: programs read it.
    println!("{total}");
    let skip_fails = std::env::var("CI").is_ok_and(|ci| ci == "true");
    match total.failed > 0 || total.passed == 0 || (skip_fails && total.skipped > 0) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// The parts that the command line names, in their order, with those that they stand on.
fn chosen(words: &[String]) -> Result<Vec<Part>, String> {
    if let Some(word) = words.iter().find(|word| !Part::ALL.iter().any(|part| part.chosen_by() == Some(word)))
    {
        return Err(format!("there is no part {word:?}; the parts are rust, c, node and browser"));
    }
    let wanted = |part: &Part| match part.chosen_by() {
        Some(word) => words.is_empty() || words.iter().any(|chosen| chosen == word),
        None => true,
    };
    Ok(Part::ALL.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(words: &[&str]) -> Result<Vec<&'static str>, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Ok(chosen(&words)?.iter().map(Part::title).collect())
    }

    #[test]
    fn no_word_chooses_every_part() {
        assert_eq!(titles(&[]).unwrap().len(), Part::ALL.len());
    }

    #[test]
    fn a_chosen_part_brings_what_it_stands_on() {
        let browser = titles(&["browser"]).unwrap();
        assert_eq!(browser, [Part::Machine.title(), Part::Build.title(), Part::Browser.title()]);
        assert!(titles(&["rusty"]).unwrap_err().contains("rusty"));
    }
}
