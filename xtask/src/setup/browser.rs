//! Chromium and its driver, for the whole-system tests, and a font for the Chinese text they look at.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::apt;
use crate::command::which;
use crate::places::Places;
use crate::step::{Done, step};

/// A browser that tests can drive.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
}

const PACKAGES: [&str; 3] = ["chromium", "chromium-driver", "fonts-noto-cjk"];

/// Finds a browser, or installs one through apt.
pub(crate) fn install(places: &Places) -> Result<Browser> {
    step(places, "Chromium for tests", |step| {
        if let Some(browser) = find() {
            let fonts = !apt::available() || apt::installed("fonts-noto-cjk").is_some();
            if fonts {
                return Ok((browser, Done::Cached));
            }
            apt::install(step, &["fonts-noto-cjk"])?;
            return Ok((browser, Done::Now("fonts installed".to_owned())));
        }
        if !apt::available() {
            bail!(
                "install Chromium and chromedriver of the same version, or set CHROMIUM and CHROMEDRIVER to their paths"
            );
        }
        apt::install(step, &PACKAGES)?;
        match find() {
            Some(browser) => Ok((browser, Done::Now("installed".to_owned()))),
            None => bail!("apt has installed {}, but they are not in PATH", PACKAGES.join(", ")),
        }
    })
}

fn find() -> Option<Browser> {
    let from_env = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_file());
    let chromium = from_env("CHROMIUM")
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(which))?;
    let chromedriver = from_env("CHROMEDRIVER").or_else(|| which("chromedriver"))?;
    Some(Browser { chromium, chromedriver })
}
