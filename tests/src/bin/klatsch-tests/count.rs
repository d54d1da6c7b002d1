//! The words of test runners to numbers.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Count {
    pub(crate) const PASSED: Count = Count { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAILED: Count = Count { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIPPED: Count = Count { passed: 0, failed: 0, skipped: 1 };

    /// Adds up every count in a runner's output: `test result: ok. 3 passed; …` of Rust, and the lines
    /// `# pass 3` or `ℹ pass 3` of Node.
    pub(crate) fn read(output: &[String]) -> Count {
        let mut count = Count::default();
        for line in output {
            let words: Vec<&str> = line.trim().split([' ', ';']).filter(|word| !word.is_empty()).collect();
            match words.as_slice() {
                ["test", "result:", rest @ ..] => {
                    for pair in rest.windows(2) {
                        count.add(pair[1], pair[0]);
                    }
                }
                ["#" | "ℹ", kind, number] => count.add(kind, number),
                _ => {}
            }
        }
        count
    }

    fn add(&mut self, kind: &str, number: &str) {
        let Ok(number) = number.parse::<u64>() else { return };
        match kind {
            "passed" | "pass" => self.passed += number,
            "failed" | "fail" | "cancelled" => self.failed += number,
            "ignored" | "skipped" | "todo" => self.skipped += number,
            _ => {}
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Count {
        Count::read(&output.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn rusts_counts_are_added_up() {
        let output = "running 9 tests\ntest a ... ok\n\
            test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s\n\
            test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(read(output), Count { passed: 10, failed: 2, skipped: 3 });
    }

    #[test]
    fn nodes_counts_are_read_in_both_of_its_formats() {
        for mark in ["#", "ℹ"] {
            let output = format!(
                "{mark} tests 9\n{mark} suites 0\n{mark} pass 5\n{mark} fail 1\n{mark} cancelled 1\n\
                 {mark} skipped 1\n{mark} todo 1\n{mark} duration_ms 8.1\n"
            );
            assert_eq!(read(&output), Count { passed: 5, failed: 2, skipped: 2 });
        }
    }

    #[test]
    fn the_last_line_is_as_promised() {
        let count = Count { passed: 10, failed: 2, skipped: 3 };
        assert_eq!(count.to_string(), "10 passed, 2 failed, 3 skipped");
    }
}
