//! Where things are: the checkout, and the per-user cache that outlives checkouts.
//!
//! Tools are expensive to install and identical for every checkout, so they live in the cache, one folder per
//! tool and version. A folder appears under its final name only when complete, so its existence means "done".

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders that tasks read and write.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The checkout's root.
    pub(crate) root: PathBuf,
    /// The per-user cache of this project.
    pub(crate) cache: PathBuf,
}

impl Places {
    /// Finds the checkout from the place where this program was compiled, and the cache by the XDG rules.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask stands in a folder of the checkout")?
            .to_owned();
        let cache = cache_home(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), std::env::home_dir())
            .context("neither XDG_CACHE_HOME nor HOME is set; set one of them to an absolute path")?
            .join("portico");
        std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        Ok(Self { root, cache })
    }

    /// Where a tool of this version is, or will be, installed.
    pub(crate) fn tool(&self, name: &str, version: &str) -> PathBuf {
        self.cache.join(format!("{name}-{}", folder_name(version)))
    }

    /// Where a folder is filled before it gets its final name.
    pub(crate) fn partial(folder: &Path) -> PathBuf {
        let mut name = folder.as_os_str().to_owned();
        name.push(".partial");
        PathBuf::from(name)
    }

    /// What `cargo xtask build` writes.
    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// Full output of tools, kept for reading after a failure.
    pub(crate) fn logs(&self) -> PathBuf {
        self.cache.join("logs")
    }
}

/// `XDG_CACHE_HOME` counts only when absolute (XDG Base Directory specification).
fn cache_home(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    xdg.filter(|path| path.is_absolute())
        .or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(".cache")))
}

/// A version as part of a folder name: Debian's contain `~`, `+` and `:`, which shells and PATH dislike.
pub(crate) fn folder_name(version: &str) -> String {
    version.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_home_follows_xdg() {
        let check = |xdg: Option<&str>, home: Option<&str>, expect: Option<&str>| {
            assert_eq!(cache_home(xdg.map(PathBuf::from), home.map(PathBuf::from)), expect.map(PathBuf::from));
        };
        check(Some("/x"), Some("/h"), Some("/x"));
        check(Some("relative"), Some("/h"), Some("/h/.cache"));
        check(None, Some("/h"), Some("/h/.cache"));
        check(None, None, None);
    }

    #[test]
    fn folder_names_are_safe_in_path_lists() {
        assert_eq!(folder_name("1.96.0+dfsg1-1~deb12u2"), "1.96.0_dfsg1-1_deb12u2");
        assert_eq!(folder_name("1:14.0"), "1_14.0");
    }
}
