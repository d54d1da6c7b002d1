//! What a person needs to read of a runner's output: everything but the tests that passed.

/// Leaves out Rust's `test … ok`, and of Node's TAP what stands under `ok`.
pub(crate) fn without_what_passed(output: &[String]) -> Vec<&str> {
    let mut left = Vec::new();
    let mut inside_passed = false;
    for line in output {
        let trimmed = line.trim();
        if trimmed.starts_with("ok ") {
            inside_passed = true;
        } else if inside_passed && trimmed == "..." {
            inside_passed = false;
            continue;
        } else if trimmed.starts_with("not ok ") || trimmed.starts_with("# ") {
            inside_passed = false;
        }
        let passed = trimmed.starts_with("test ") && trimmed.ends_with(" ... ok");
        if !inside_passed && !passed && !trimmed.starts_with("# Subtest: ") {
            left.push(line.as_str());
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(output: &str) -> String {
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        without_what_passed(&lines).join("\n")
    }

    #[test]
    fn rusts_passed_tests_are_left_out() {
        let output = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nthread 'b' panicked\n";
        assert_eq!(left(output), "running 2 tests\ntest b ... FAILED\n\nthread 'b' panicked");
    }

    #[test]
    fn nodes_passed_tests_are_left_out_with_their_details() {
        let output = "TAP version 13\n# Subtest: a\nok 1 - a\n  ---\n  duration_ms: 1\n  ...\n# Subtest: b\n\
                      not ok 2 - b\n  ---\n  error: 'no'\n  ...\nok 3 - c # SKIP\n# pass 1\n";
        assert_eq!(left(output), "TAP version 13\nnot ok 2 - b\n  ---\n  error: 'no'\n  ...\n# pass 1");
    }
}
