//! One step of a task, as the person at the terminal sees it: what it does, that it is alive, how long it took.
//!
//! On a terminal a spinner shows the tool's latest line. Elsewhere (CI, a pipe) one line is printed at the start and one
//! at the end. All of it goes to stderr: stdout belongs to results.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

use crate::places::{Places, folder_name};

/// As many last lines of a failed tool are shown as usually hold the cause; the whole output is in the log file.
const TAIL_LINES: usize = 60;
/// Longer lines would wrap, and a wrapped spinner line cannot be redrawn in place.
const MESSAGE_CHARS: usize = 70;

/// How a step ended well; printed after its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// It had been done before.
    Cached,
    /// It was done now; the text says what came of it.
    Now(String),
}

/// A step that is running.
pub(crate) struct Step {
    name: String,
    started: Instant,
    bar: ProgressBar,
    log: PathBuf,
}

/// Runs `work` as a step named `name`, and prints its outcome and duration.
pub(crate) fn step<T>(places: &Places, name: &str, work: impl FnOnce(&Step) -> Result<(T, Done)>) -> Result<T> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix}  {elapsed}  {wide_msg:.dim}") {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    let log = places.logs().join(format!("{}.log", folder_name(name)));
    let step = Step { name: name.to_owned(), started: Instant::now(), bar, log };
    let outcome = work(&step);
    step.bar.finish_and_clear();
    let took = duration(step.started.elapsed());
    match outcome {
        Ok((value, Done::Cached)) => {
            say(&format!("  ok      {name} (cached)"));
            Ok(value)
        }
        Ok((value, Done::Now(what))) => {
            let what = if what.is_empty() { what } else { format!(": {what}") };
            say(&format!("  ok      {name}{what} ({took})"));
            Ok(value)
        }
        Err(error) => {
            say(&format!("  FAILED  {name} ({took})"));
            Err(error.context(format!("step \"{name}\" failed")))
        }
    }
}

impl Step {
    /// Says that something slow begins, for those who see no spinner.
    pub(crate) fn slow(&self, what: &str) {
        if self.bar.is_hidden() {
            say(&format!("  ...     {}: {what}", self.name));
        }
        self.bar.set_message(what.to_owned());
    }

    /// Runs a tool to its end with its output in the step's log file. On failure the error holds the last lines and
    /// `advice`: what the person can do about it.
    pub(crate) fn run(&self, command: &mut Command, advice: &str) -> Result<()> {
        let shown = display(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`. {advice}"))?;
        if let Some(folder) = self.log.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let log = File::create(&self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let sink = Arc::new(Mutex::new(Sink { log, tail: VecDeque::new() }));
        std::thread::scope(|scope| {
            if let Some(stdout) = child.stdout.take() {
                scope.spawn(|| self.drain(stdout, &sink));
            }
            if let Some(stderr) = child.stderr.take() {
                scope.spawn(|| self.drain(stderr, &sink));
            }
        });
        let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
        if status.success() {
            return Ok(());
        }
        let sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        let tail: Vec<&str> = sink.tail.iter().map(String::as_str).collect();
        Err(anyhow!(
            "`{shown}` ended with {status}. Its last lines:\n\n{}\n\nAll of them: {}\nWhat to do: {advice}",
            tail.join("\n"),
            self.log.display()
        ))
    }

    fn drain(&self, stream: impl Read, sink: &Mutex<Sink>) {
        // Progress bars of tools end in carriage returns; bytes that are not UTF-8 must not end the reading.
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
            if line.is_empty() {
                continue;
            }
            self.bar.set_message(line.trim().chars().take(MESSAGE_CHARS).collect::<String>());
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink.keep(line);
        }
    }
}

struct Sink {
    log: File,
    tail: VecDeque<String>,
}

impl Sink {
    fn keep(&mut self, line: &str) {
        // The log is a convenience: a full disk will fail the tool itself, with a better message.
        drop(writeln!(self.log, "{line}"));
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

/// A line for the person, on stderr.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// A command as one could type it.
pub(crate) fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A duration for people: tenths below a minute, then minutes and seconds.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_reads_like_speech() {
        assert_eq!(duration(Duration::from_millis(1240)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn a_failed_tool_shows_its_last_lines_and_the_advice() {
        let cache = std::env::temp_dir().join(format!("portico-step-{}", std::process::id()));
        let places = Places { root: cache.clone(), cache: cache.clone() };
        let error = step::<()>(&places, "failing tool", |step| {
            step.run(Command::new("sh").args(["-c", "echo first; echo the cause >&2; exit 3"]), "look here.")?;
            Ok(((), Done::Cached))
        })
        .map_err(|error| format!("{error:#}"));
        let Err(text) = error else { panic!("the tool failed, the step must too") };
        assert!(text.contains("the cause") && text.contains("look here."), "{text}");
        std::fs::remove_dir_all(cache).expect("the test wrote a log file there");
    }
}
