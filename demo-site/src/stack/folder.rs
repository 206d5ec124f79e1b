//! The data folder of one edge.
//!
//! Two workerd processes on the same objects would corrupt them, so a folder is locked while in use (the system gives
//! the lock back when the process dies, however it dies). If the lock is free but the recorded process lives, its parent
//! was killed: it is ended before a new one starts.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;

use super::{EdgeOptions, config};

const OBJECTS: &str = "objects";
const KEY_BYTES: usize = 32;
const ORPHAN_DEADLINE: Duration = Duration::from_secs(5);

/// A data folder, in use by this process until dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is missing, and takes it.
    pub(super) fn claim(path: &Path) -> Result<Self> {
        fs::create_dir_all(path.join(OBJECTS)).with_context(|| format!("cannot create {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        let lock = File::create(path.join("lock")).with_context(|| format!("cannot write into {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("{} is in use by another run; end that one, or choose another folder with --data", path.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// Copies the worker's modules here and writes the configuration beside them: a build while the edge runs must not
    /// change what a restart runs.
    pub(super) fn write_worker(&self, options: &EdgeOptions) -> Result<()> {
        let folder = self.path.join("worker");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for name in ["index.js", "index_bg.wasm"] {
            let from = options.dist.join("edge").join(name);
            fs::copy(&from, folder.join(name))
                .with_context(|| format!("cannot copy {}; `cargo xtask build` makes it", from.display()))?;
        }
        let assets = options.dist.join("assets");
        let assets = assets
            .canonicalize()
            .with_context(|| format!("cannot find {}; `cargo xtask build` makes it", assets.display()))?;
        let text = config::text(options.port, &self.path.join(OBJECTS), &assets);
        fs::write(self.config_file(), text).with_context(|| format!("cannot write {}", self.config_file().display()))
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.path.join("worker/workerd.capnp")
    }

    /// The log, to be appended to.
    pub(super) fn open_log(&self) -> Result<File> {
        let path = self.log_file();
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The log's last lines, empty if there is no log.
    pub(super) fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }

    pub(super) fn remember_pid(&self, pid: u32) -> Result<()> {
        fs::write(self.pid_file(), pid.to_string()).context("cannot record workerd's process id")
    }

    pub(super) fn forget_pid(&self) {
        // A record that stays names a process that does not run our configuration: it is ignored.
        drop(fs::remove_file(self.pid_file()));
    }

    /// Ends the workerd that an earlier run, killed itself, could not end.
    pub(super) async fn end_orphan(&self) -> Result<()> {
        let recorded = fs::read_to_string(self.pid_file()).unwrap_or_default();
        let Ok(pid) = recorded.trim().parse::<u32>() else { return Ok(()) };
        let started = Instant::now();
        while self.is_ours(pid) {
            if started.elapsed() > ORPHAN_DEADLINE {
                bail!("process {pid}, left behind by an earlier run in {}, does not end", self.path.display());
            }
            signal(pid, rustix::process::Signal::KILL)?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.forget_pid();
        Ok(())
    }

    /// Whether the process runs this folder's configuration; process ids are used again by others.
    fn is_ours(&self, pid: u32) -> bool {
        let Ok(arguments) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        let config = self.config_file();
        arguments.split(|byte| *byte == 0).any(|argument| argument == config.as_os_str().as_encoded_bytes())
    }

    fn log_file(&self) -> PathBuf {
        self.path.join("workerd.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.path.join("workerd.pid")
    }
}

/// The operator's key of a data folder: made at the first call, the same ever after.
///
/// # Errors
/// When it can be neither read nor made.
pub fn operator_key(data: &Path) -> Result<String> {
    let path = data.join("operator.key");
    if let Ok(text) = fs::read_to_string(&path) {
        return Ok(text.trim().to_owned());
    }
    fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    let mut bytes = [0_u8; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
    let key = HEXLOWER.encode(&bytes);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{key}").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

/// Forgets everything that the objects of this folder have stored. Keys and logs stay.
///
/// # Errors
/// When the folder is in use or cannot be changed.
pub fn forget_state(data: &Path) -> Result<()> {
    let folder = Folder::claim(data)?;
    let objects = folder.path.join(OBJECTS);
    fs::remove_dir_all(&objects).with_context(|| format!("cannot remove {}", objects.display()))
}

/// SIGTERM.
pub(super) fn terminate(pid: u32) -> Result<()> {
    signal(pid, rustix::process::Signal::TERM)
}

fn signal(pid: u32, signal: rustix::process::Signal) -> Result<()> {
    let Some(id) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        bail!("{pid} is not a process id");
    };
    match rustix::process::kill_process(id, signal) {
        // It has ended meanwhile, which is what was wanted.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {pid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("portico-folder-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        path
    }

    #[test]
    fn the_operator_key_is_made_once_and_private() {
        let data = scratch("key");
        let key = operator_key(&data).unwrap();
        assert_eq!(key.len(), 2 * KEY_BYTES);
        assert_eq!(operator_key(&data).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(data.join("operator.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let data = scratch("lock");
        let first = Folder::claim(&data).unwrap();
        let refusal = Folder::claim(&data).unwrap_err().to_string();
        assert!(refusal.contains("--data"), "{refusal}");
        drop(first);
        Folder::claim(&data).unwrap();
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn forgetting_state_keeps_the_key() {
        let data = scratch("state");
        let key = operator_key(&data).unwrap();
        fs::create_dir_all(data.join("objects/portico-SiteObject")).unwrap();
        forget_state(&data).unwrap();
        assert!(!data.join("objects").exists());
        assert_eq!(operator_key(&data).unwrap(), key);
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn the_log_shows_its_end() {
        let data = scratch("log");
        let folder = Folder::claim(&data).unwrap();
        assert_eq!(folder.log_tail(2), "");
        fs::write(folder.log_file(), "one\ntwo\nthree\n").unwrap();
        assert_eq!(folder.log_tail(2), "two\nthree");
        fs::remove_dir_all(data).unwrap();
    }
}
