//! How many tests passed and failed, from what the test programs print.

/// Passed and failed checks or tests. Ignored ones are neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0 };
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1 };

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// What a line of output says: a summary line its numbers, any other line nothing.
    pub(crate) fn of_line(line: &str) -> Self {
        let Some(summary) = line.strip_prefix("test result: ") else { return Self::default() };
        let number_before = |word: &str| {
            summary
                .split([';', '.'])
                .filter_map(|part| part.trim().strip_suffix(word))
                .find_map(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        Self { passed: number_before("passed"), failed: number_before("failed") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_count_and_others_do_not() {
        let check = |line: &str, passed, failed| assert_eq!(Count::of_line(line), Count { passed, failed }, "{line}");
        check("test result: ok. 15 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s", 15, 0);
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.1s", 3, 2);
        check("test a::b ... ok", 0, 0);
        check("12 passed, 3 failed", 0, 0);
        check("", 0, 0);
    }
}
