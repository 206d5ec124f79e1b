//! What a process has used, from `/proc`.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// A process that this program has started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) const fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// Time on processors so far, its own and the system's for it, over all threads.
    pub(crate) fn cpu(self) -> Result<Duration> {
        // The second field is the program's name in parentheses, which may hold anything.
        let stat = self.read("stat")?;
        let (_, fields) = stat.rsplit_once(')').context("/proc/<pid>/stat has no name")?;
        let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let mut next = || fields.next().context("/proc/<pid>/stat ends early")?.context("not a number of ticks");
        let ticks = next()? + next()?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Memory in use (`VmRSS`), in MiB.
    pub(crate) fn memory(self) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    fn read(self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.0);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: it takes Linux"))
    }
}
