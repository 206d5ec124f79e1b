//! A real Chromium, driven through WebDriver and, where that is not enough, the DevTools protocol.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portico_demo_site::stack;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::process::{Child, Command};

const START_DEADLINE: Duration = Duration::from_secs(20);
const QUIT_DEADLINE: Duration = Duration::from_secs(5);
const WAIT_DEADLINE: Duration = Duration::from_secs(15);

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Height of the window in CSS pixels.
    pub height: u32,
    /// Whether the person has asked for a dark page.
    pub dark: bool,
}

impl Look {
    /// A desk.
    pub const DESK: Self = Self { width: 1280, height: 900, dark: false };
    /// A phone.
    pub const PHONE: Self = Self { width: 390, height: 844, dark: false };

    /// Those in which every screen is looked at, by the names of their pictures.
    pub const ALL: [(&str, Self); 4] = [
        ("desk", Self::DESK),
        ("phone", Self::PHONE),
        ("desk-dark", Self::DESK.dark()),
        ("phone-dark", Self::PHONE.dark()),
    ];

    /// The same in the dark.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }
}

/// A browser of its own: no history, no cookies. Closed when dropped.
pub struct Browser {
    /// The WebDriver session.
    pub driver: WebDriver,
    screens: PathBuf,
    port: u16,
    _chromedriver: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start() -> Result<Self> {
        let env =
            |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; `cargo xtask test` sets it"));
        let port = stack::free_port()?;
        let chromedriver = Command::new(env("CHROMEDRIVER")?)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromedriver does not start")?;
        let profile = tempfile::tempdir()?;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&env("CHROMIUM")?)?;
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=en",
        ] {
            wanted.add_arg(argument)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        wanted.set("goog:loggingPrefs", json!({ "browser": "ALL" }))?;
        let end = tokio::time::Instant::now() + START_DEADLINE;
        let driver = loop {
            match WebDriver::new(format!("http://127.0.0.1:{port}"), wanted.clone()).await {
                Ok(driver) => break driver,
                Err(error) if tokio::time::Instant::now() > end => {
                    return Err(error).context("Chromium does not start");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let target = std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let screens = std::env::var_os("PORTICO_SCREENS").map_or_else(|| target.join("screens"), PathBuf::from);
        std::fs::create_dir_all(&screens)?;
        let browser = Self { driver, screens, port, _chromedriver: chromedriver, _profile: profile };
        browser.look(Look::DESK).await?;
        Ok(browser)
    }

    /// Sets size and colour scheme.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn look(&self, look: Look) -> Result<()> {
        let size = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// A DevTools command.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Result<Value> {
        Ok(self.driver.cdp().send_raw(command, parameters).await?)
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When it does not load.
    pub async fn open(&self, url: &str) -> Result<()> {
        Ok(self.driver.goto(url).await?)
    }

    /// Closes the tab and goes on in a new one.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn another_tab(&self) -> Result<()> {
        let tab = self.driver.new_tab().await?;
        self.driver.close_window().await?;
        Ok(self.driver.switch_to_window(tab).await?)
    }

    /// Runs a script body and returns what it returns; promises are awaited.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(value => done({{ value }}), \
             error => done({{ error: String(error) }}))"
        );
        let answer = self.driver.execute_async(script, Vec::new()).await?;
        match answer.json().get("error") {
            Some(error) => bail!("the page says {error}"),
            None => Ok(answer.json().get("value").cloned().unwrap_or_default()),
        }
    }

    /// Runs a script until it returns something true, and returns that.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub async fn until(&self, script: &str) -> Result<Value> {
        let end = tokio::time::Instant::now() + WAIT_DEADLINE;
        loop {
            // A page that is being replaced answers with an error.
            if let Ok(value) = self.run(script).await
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return Ok(value);
            }
            if tokio::time::Instant::now() > end {
                bail!("still not so: {script}\n{:?}", self.complaints().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses a key: `Enter`, `Escape` or `Tab`.
    ///
    /// # Errors
    /// When there is no such key here, or the browser refuses.
    pub async fn press(&self, key: &str) -> Result<()> {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "Tab" => (9, ""),
            other => bail!("no code is known of {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code });
            self.cdp("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Keeps a picture of the page.
    ///
    /// # Errors
    /// When there is none.
    pub async fn picture(&self, name: &str) -> Result<()> {
        let picture = self.driver.screenshot_as_png().await?;
        Ok(std::fs::write(self.screens.join(format!("{name}.png")), picture)?)
    }

    /// Keeps a picture of the page in every look, in each of which axe finds nothing and nothing is wider than the window.
    ///
    /// # Errors
    /// When axe finds something, or the page scrolls sideways.
    pub async fn pictures(&self, name: &str) -> Result<()> {
        for (look_name, look) in Look::ALL {
            self.look(look).await?;
            self.run("scrollTo(0, 0); await new Promise(done => setTimeout(done, 300))").await?;
            self.picture(&format!("{name}-{look_name}")).await?;
            let found = self.axe().await?;
            ensure!(found.is_empty(), "{name}, {look_name}: {found:?}");
            let wide = self.run("return document.documentElement.scrollWidth - innerWidth").await?;
            ensure!(wide.as_f64() <= Some(0.0), "{name}, {look_name}: scrolls sideways by {wide}");
        }
        Ok(())
    }

    /// Warnings and errors of the browser's console since the last call.
    ///
    /// # Errors
    /// When the browser does not tell.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let lines = self.driver.get_log("browser").await?;
        let loud = lines.into_iter().filter(|line| matches!(line.level.as_str(), "WARNING" | "SEVERE"));
        Ok(loud.map(|line| line.message).collect())
    }

    /// What axe finds wrong with the page, one line a finding; empty is good.
    ///
    /// # Errors
    /// When axe cannot run.
    pub async fn axe(&self) -> Result<Vec<String>> {
        let path = std::env::var("AXE").context("AXE is not set; `cargo xtask test` sets it")?;
        // Given to the page by the debugger, which no content security policy stops.
        let source = std::fs::read_to_string(path)?;
        let give = json!({ "expression": source, "returnByValue": false });
        self.cdp("Runtime.evaluate", give).await?;
        let found = self
            .run("const found = await axe.run(); return found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', '))")
            .await?;
        Ok(found.as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect())
    }
}

impl Drop for Browser {
    /// Ends the session without a runtime: chromedriver then closes Chromium, which killing it would leave behind.
    fn drop(&mut self) {
        use std::io::{Read as _, Write as _};
        let Ok(mut chromedriver) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else {
            let _ = self.driver.clone().leak();
            return;
        };
        let session = self.driver.session_id();
        let request = format!("DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let _ = chromedriver.set_read_timeout(Some(QUIT_DEADLINE));
        let _ = chromedriver.write_all(request.as_bytes());
        let _ = chromedriver.read(&mut [0; 256]);
        // The driver's own way to end would block the runtime that it needs for it.
        let _ = self.driver.clone().leak();
    }
}
