//! The edge on plain `workerd`: started, killed, restarted, stopped. The demo and the whole-system tests use it.
//!
//! One process, no Node. Everything that a run leaves behind is below one data folder:
//!
//! ```text
//! objects/       what Durable Objects store (SQLite files)
//! worker/        the worker's modules as they were at the start, and the generated configuration
//! workerd.log    what workerd printed
//! workerd.pid    so that a run that was killed does not leave a process behind for ever
//! operator.key   the key of this edge's operator, readable by its owner only
//! ```

mod config;
mod folder;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use folder::Folder;
pub use folder::{forget_state, operator_key};

/// workerd starts in well under a second; a machine that compiles at the same time needs longer.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// After SIGTERM workerd lets requests end, and some never do.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const HEALTH_INTERVAL: Duration = Duration::from_millis(25);
/// Lines of workerd's output shown when it fails.
const TAIL_LINES: usize = 30;

/// What an edge is made of.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    /// The `workerd` program.
    pub workerd: PathBuf,
    /// What `cargo xtask build` wrote: `edge/` and `assets/`.
    pub dist: PathBuf,
    /// Where state and logs go; created if missing. One edge at a time.
    pub data: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The key that may create sites; see [`operator_key`].
    pub operator_key: String,
}

impl EdgeOptions {
    /// Paths from `PORTICO_WORKERD` and `PORTICO_DIST`, which `cargo xtask test` sets.
    ///
    /// # Errors
    /// When one of the two is not set, or the operator key can be neither read nor made.
    pub fn from_env(data: PathBuf, port: u16) -> Result<Self> {
        let path = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set; `cargo xtask test` sets it"))
        };
        let operator_key = operator_key(&data)?;
        Ok(Self { workerd: path("PORTICO_WORKERD")?, dist: path("PORTICO_DIST")?, data, port, operator_key })
    }
}

/// A running edge. Dropping it kills its process.
#[derive(Debug)]
pub struct Edge {
    options: EdgeOptions,
    folder: Folder,
    child: Child,
}

impl Edge {
    /// Starts workerd and waits until `/healthz` answers.
    ///
    /// # Errors
    /// When the port or the data folder is in use, a path does not exist, or workerd does not come up; the end of its
    /// output is in the message.
    pub async fn start(options: EdgeOptions) -> Result<Self> {
        let folder = Folder::claim(&options.data)?;
        folder.end_orphan().await?;
        folder.write_worker(&options)?;
        let child = launch(&options, &folder).await?;
        Ok(Self { options, folder, child })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(self.options.port)
    }

    /// The operator's key.
    #[must_use]
    pub fn operator_key(&self) -> &str {
        &self.options.operator_key
    }

    /// The process's id, `None` after it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The end of what workerd has printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.folder.log_tail(TAIL_LINES)
    }

    /// All that workerd has printed, in this run and in those before it.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log_tail(usize::MAX)
    }

    /// SIGKILL: no handler runs, nothing is flushed. What was acknowledged must survive it.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill workerd")?;
        self.folder.forget_pid();
        Ok(())
    }

    /// SIGTERM, and SIGKILL if that is not heard.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(pid) = self.pid() {
            folder::terminate(pid)?;
            if tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await.is_err() {
                return self.kill().await;
            }
        }
        self.folder.forget_pid();
        Ok(())
    }

    /// Starts again on the same port and data, after [`kill`](Self::kill) or [`stop`](Self::stop), or by killing first.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<()> {
        if self.pid().is_some() {
            self.kill().await?;
        }
        self.child = launch(&self.options, &self.folder).await?;
        Ok(())
    }

    /// Waits until the process ends by itself, which it should not.
    ///
    /// # Errors
    /// Always, once it has ended: the end of its output is in the message.
    pub async fn ended(&mut self) -> Result<()> {
        let status = self.child.wait().await.context("cannot wait for workerd")?;
        bail!("workerd has ended with {status}. Its last lines:\n{}", self.log_tail())
    }
}

/// A port on 127.0.0.1 that nobody listens on at the moment.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("a listener has an address")?.port())
}

/// Fails with advice if somebody listens on the port.
///
/// # Errors
/// When the port is in use or may not be used.
pub fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("port {port} is already in use by another program; choose another with --port")
        }
        Err(error) => Err(error).with_context(|| format!("port {port} cannot be used; choose another with --port")),
    }
}

fn origin(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

async fn launch(options: &EdgeOptions, folder: &Folder) -> Result<Child> {
    check_port(options.port)?;
    let log = folder.open_log()?;
    let mut child = Command::new(&options.workerd)
        .arg("serve")
        .arg(folder.config_file())
        .env("PORTICO_OPERATOR_KEY", &options.operator_key)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log file")?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", options.workerd.display()))?;
    if let Some(pid) = child.id() {
        folder.remember_pid(pid)?;
    }
    wait_until_healthy(&mut child, options.port, folder).await?;
    Ok(child)
}

async fn wait_until_healthy(child: &mut Child, port: u16, folder: &Folder) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
    let address = format!("{}/healthz", origin(port));
    let started = Instant::now();
    let mut last = "no answer".to_owned();
    while started.elapsed() < START_DEADLINE {
        if let Some(status) = child.try_wait().context("cannot look after workerd")? {
            bail!("workerd has ended with {status}. Its last lines:\n{}", folder.log_tail(TAIL_LINES));
        }
        match client.get(&address).timeout(START_DEADLINE).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => last = format!("status {}", response.status()),
            Err(_) => {}
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
    bail!(
        "{address} is not well after {} s ({last}). workerd's last lines:\n{}",
        START_DEADLINE.as_secs(),
        folder.log_tail(TAIL_LINES)
    )
}
