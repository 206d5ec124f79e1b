//! The platform by itself: a worker in plain JavaScript under the same workerd, see `bare.js`.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use portico_demo_site::stack;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::load::{Connection, Expect, Prepared};
use crate::process::Process;

const WORKER: &str = include_str!("bare.js");
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The running worker. Dropping it ends its process.
pub(crate) struct Bare {
    pub(crate) port: u16,
    pub(crate) process: Process,
    _child: Child,
    _folder: TempDir,
}

impl Bare {
    /// Starts it with its objects in a folder below `scratch`.
    pub(crate) async fn start(scratch: &Path) -> Result<Self> {
        let workerd =
            std::env::var_os("PORTICO_WORKERD").context("PORTICO_WORKERD is not set; `cargo xtask` sets it")?;
        let folder = tempfile::tempdir_in(scratch)?;
        std::fs::create_dir(folder.path().join("objects"))?;
        std::fs::write(folder.path().join("bare.js"), WORKER)?;
        let port = stack::free_port()?;
        let config = folder.path().join("bare.capnp");
        std::fs::write(&config, text(port, &folder.path().join("objects")))?;
        let child = Command::new(workerd)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("workerd does not start")?;
        let process = Process::new(child.id().context("the bare worker has ended")?);
        let bare = Self { port, process, _child: child, _folder: folder };
        let begun = Instant::now();
        while let Err(error) = bare.greet().await {
            if begun.elapsed() > START_DEADLINE {
                bail!("the bare worker does not come up: {error:#}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(bare)
    }

    async fn greet(&self) -> Result<()> {
        Connection::open(self.port).await?.ask(&self.hello()).await.map(drop)
    }

    /// No object at all.
    pub(crate) fn hello(&self) -> Prepared {
        Prepared::get(self.port, "/hello", Expect::ok("hello"))
    }

    /// A body read, and as many bytes answered as a decision has: what no decision can be faster than.
    pub(crate) fn echo(&self, question: &Prepared, answer_bytes: usize) -> Prepared {
        Prepared::post(self.port, &format!("/echo/{answer_bytes}"), &[], question.body(), Expect::ok("x"))
    }

    /// A value read from an object.
    pub(crate) fn read(&self, object: usize) -> Prepared {
        Prepared::get(self.port, &format!("/read/{object}"), Expect::ok("a value"))
    }

    /// A row inserted: what the other request's body holds.
    pub(crate) fn insert(&self, like: &Prepared) -> Prepared {
        Prepared::post(self.port, "/insert", &[], like.body(), Expect::accepted("inserted"))
    }
}

fn text(port: u16, objects: &Path) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "bare", worker = .bare), (name = "objects", disk = (path = "{objects}", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "bare")],
);
const bare :Workerd.Worker = (
  modules = [(name = "bare.js", esModule = embed "bare.js")],
  compatibilityDate = "2026-05-01",
  durableObjectNamespaces = [(className = "Bare", uniqueKey = "bare", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [(name = "BARE", durableObjectNamespace = "Bare")],
);
"#,
        objects = objects.display()
    )
}
