//! `cargo xtask test`: every check, in sequence, whatever the others found; the same at a desk and in CI.
//!
//! The last line alone is the result: `N passed, N failed`. A check (formatting, lints, …) counts as one, and so does
//! each test. A run of tests that could not be compiled counts as one failed.

mod arrows;
mod count;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::build::{self, Target};
use crate::command::{cargo, command};
use crate::places::Places;
use crate::setup::{self, BuildTools, TestTools, WasmClippy};
use crate::step::{display, duration, say};
use crate::versions::WASM_TARGET;
use count::Count;

/// They need a build, so they run last.
const SYSTEM_TESTS: &str = "portico-tests";
/// The crates that run in the browser or the worker, with their features there; lints are checked for both targets. The
/// profile is that of the build, which has compiled the same macros.
const WASM_CRATES: [(&str, &str, &[&str]); 4] = [
    ("portico-edge", "release", &[]),
    ("portico-widget", "widget", &["--no-default-features", "--features", "browser"]),
    ("portico-calculator", "widget", &[]),
    ("portico-console", "widget", &[]),
];

/// Runs everything. Whether all passed.
pub(crate) fn run(places: &Places) -> Result<bool> {
    let build = setup::for_builds(places)?;
    let tests = setup::for_tests(places, &build)?;
    let mut run = Run { total: Count::default(), failures: Vec::new() };

    run.check("formatting", || stream(cargo(&places.root).args(["fmt", "--all", "--check"])));
    run.check("lints, native", || {
        let mut clippy = cargo(&places.root);
        clippy.args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);
        stream(&mut clippy)
    });
    wasm_lints(&mut run, &build, &tests, places);
    run.check("dependency arrows", || arrows::check(places));
    run.check("licences, sources, bans", || {
        stream(command(&tests.cargo_deny).current_dir(&places.root).args(["check", "bans", "licenses", "sources"]))
    });
    run.check("documentation", || {
        let mut doc = cargo(&places.root);
        doc.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
        // Private items are documented too, so links to them lead somewhere.
        stream(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
    });
    run.tests("tests, native", || {
        let mut test = cargo(&places.root);
        test.args(["test", "--workspace", "--exclude", SYSTEM_TESTS, "--no-fail-fast"]);
        counted(&mut test)
    });
    let mut inside = None;
    run.check("build", || {
        build::run(places, &build, None)?;
        inside = Some(build::inside::build(places, &build)?);
        Ok(true)
    });
    if let Some(inside) = inside {
        run.check("size budgets", || build::sizes::within_budgets(places));
        run.tests("tests, whole system", || {
            let mut test = cargo(&places.root);
            test.args(["test", "--package", SYSTEM_TESTS, "--no-fail-fast"]);
            counted(system_environment(&mut test, places, &build, &tests).env("PORTICO_INSIDE", inside))
        });
    } else {
        run.fail("tests, whole system", "not run: there is no build to test");
    }
    Ok(run.finish())
}

/// What whole-system tests are told about where things are.
fn system_environment<'a>(
    test: &'a mut Command,
    places: &Places,
    build: &BuildTools,
    tests: &TestTools,
) -> &'a mut Command {
    test.env("PORTICO_DIST", places.dist())
        .env("PORTICO_WORKERD", build.npm.workerd())
        .env("CHROMIUM", &tests.browser.chromium)
        .env("CHROMEDRIVER", &tests.browser.chromedriver)
        .env("AXE", build.npm.axe())
        .env("PORTICO_NODE_MODULES", build.npm.modules())
}

fn wasm_lints(run: &mut Run, build: &BuildTools, tests: &TestTools, places: &Places) {
    if let WasmClippy::Absent(reason) = &tests.wasm_clippy {
        say(&format!("  note    lints for WebAssembly are not checked on this machine: {reason}"));
        return;
    }
    for (package, profile, features) in WASM_CRATES {
        run.check(&format!("lints, WebAssembly, {package}"), || {
            let target = Target::claim(places, &build.wasm)?;
            let mut clippy = build.wasm.clippy()?;
            clippy
                .current_dir(&places.root)
                .args(["--package", package, "--lib", "--no-deps", "--quiet", "--target", WASM_TARGET])
                .args(["--profile", profile])
                .args(features)
                .args(["--", "-D", "warnings"]);
            target.apply(&mut clippy);
            stream(&mut clippy)
        });
    }
}

/// The checks so far.
struct Run {
    total: Count,
    failures: Vec<String>,
}

impl Run {
    /// One check that holds or does not. Returns whether it holds.
    fn check(&mut self, name: &str, work: impl FnOnce() -> Result<bool>) -> bool {
        let started = begin(name);
        let outcome = work();
        let holds = matches!(outcome, Ok(true));
        if let Err(error) = outcome {
            say(&format!("{error:#}"));
        }
        self.total.add(if holds { Count::PASSED } else { Count::FAILED });
        self.end(name, holds, started);
        holds
    }

    /// A run of tests, each of which counts.
    fn tests(&mut self, name: &str, work: impl FnOnce() -> Result<(bool, Count)>) {
        let started = begin(name);
        let (succeeded, mut count) = work().unwrap_or_else(|error| {
            say(&format!("{error:#}"));
            (false, Count::default())
        });
        if !succeeded && count.failed == 0 {
            // It did not compile, or a test binary died without a summary.
            count.add(Count::FAILED);
        }
        self.total.add(count);
        self.end(name, count.failed == 0, started);
    }

    fn fail(&mut self, name: &str, reason: &str) {
        say(&format!("\n== {name}: {reason}"));
        self.total.add(Count::FAILED);
        self.failures.push(name.to_owned());
    }

    fn end(&mut self, name: &str, holds: bool, started: Instant) {
        let verdict = if holds { "ok" } else { "FAILED" };
        say(&format!("== {name}: {verdict} ({})", duration(started.elapsed())));
        if !holds {
            self.failures.push(name.to_owned());
        }
    }

    /// Prints the result. Whether all passed.
    fn finish(self) -> bool {
        say("");
        for name in &self.failures {
            say(&format!("failed: {name}"));
        }
        #[expect(clippy::print_stdout, reason = "the line that is promised to be the last")]
        {
            println!("{} passed, {} failed", self.total.passed, self.total.failed);
        }
        self.total.failed == 0
    }
}

fn begin(name: &str) -> Instant {
    say(&format!("\n== {name}"));
    Instant::now()
}

/// Runs a command whose output goes to the terminal. Whether it succeeded.
fn stream(command: &mut Command) -> Result<bool> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{}`", display(command)))?;
    Ok(status.success())
}

/// Runs tests, with their output going to the terminal and their summaries added up.
fn counted(command: &mut Command) -> Result<(bool, Count)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", display(command)))?;
    let mut count = Count::default();
    if let Some(stdout) = child.stdout.take() {
        count = copy_counting(stdout, std::io::stdout().lock())?;
    }
    Ok((child.wait().context("cannot wait for cargo test")?.success(), count))
}

fn copy_counting(from: impl Read, mut to: impl Write) -> Result<Count> {
    let mut count = Count::default();
    for line in BufReader::new(from).split(b'\n') {
        let line = line.context("cannot read the tests' output")?;
        let line = String::from_utf8_lossy(&line);
        count.add(Count::of_line(&line));
        writeln!(to, "{line}").context("cannot write to stdout")?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_copied_and_counted() {
        let text = "running 2 tests\ntest a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 \
                    filtered out; finished in 0.00s\n";
        let mut copy = Vec::new();
        let count = copy_counting(text.as_bytes(), &mut copy).unwrap();
        assert_eq!(count, Count { passed: 2, failed: 0 });
        assert_eq!(copy, text.as_bytes());
    }

    #[test]
    fn a_run_that_did_not_compile_is_one_failure() {
        let mut run = Run { total: Count::default(), failures: Vec::new() };
        run.tests("x", || Ok((false, Count::default())));
        assert_eq!(run.total, Count { passed: 0, failed: 1 });
        assert!(!run.finish());
    }
}
