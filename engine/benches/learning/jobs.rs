//! Many runs on few threads, with the progress on stderr.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A line at least this often where nothing can be redrawn.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Does every job; the results are in the order of the jobs. The first error ends it.
pub(crate) fn all<J: Sync, R: Send>(
    what: &str,
    threads: usize,
    jobs: &[J],
    work: impl Fn(&J) -> Result<R, String> + Sync,
) -> Result<Vec<R>, String> {
    struct State<R> {
        next: usize,
        done: Vec<(usize, R)>,
        error: Option<String>,
        said: Instant,
    }
    let begun = Instant::now();
    let state = Mutex::new(State { next: 0, done: Vec::new(), error: None, said: begun });
    let lock = || state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let worker = || {
        loop {
            let at = {
                let mut state = lock();
                if state.error.is_some() || state.next == jobs.len() {
                    return;
                }
                state.next += 1;
                state.next - 1
            };
            let result = work(&jobs[at]);
            let mut state = lock();
            match result {
                Ok(result) => state.done.push((at, result)),
                Err(error) => state.error = Some(error),
            }
            let last = state.done.len() == jobs.len();
            if std::io::stderr().is_terminal() || last || state.said.elapsed() > LINE_EVERY {
                state.said = Instant::now();
                say(what, state.done.len(), jobs.len(), begun.elapsed(), last);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(worker);
        }
    });
    let mut state = lock();
    if let Some(error) = state.error.take() {
        return Err(error);
    }
    let mut done = std::mem::take(&mut state.done);
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

fn say(what: &str, done: usize, of: usize, took: Duration, last: bool) {
    let mut stderr = std::io::stderr();
    let (before, after) = if stderr.is_terminal() { ("\r", if last { "\n" } else { "" }) } else { ("", "\n") };
    // Who has closed stderr does not want to know.
    drop(write!(stderr, "{before}  ...     {what}: {done} of {of} runs, {} s{after}", took.as_secs()));
    drop(stderr.flush());
}
