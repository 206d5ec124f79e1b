//! `dist/assets`: files for browsers, each with its brotli twin.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::short_hash;
use super::target::Target;
use crate::places::Places;

/// brotli's best: assets are compressed once and sent many times.
const QUALITY: u32 = 11;
/// Window of 4 MiB, the largest that every browser accepts for `Content-Encoding: br` is 16 MiB; no asset needs more.
const WINDOW_BITS: u32 = 22;

/// The folder, and the cache of compressed contents.
pub(crate) struct Assets {
    folder: PathBuf,
    compressed: PathBuf,
}

impl Assets {
    /// Makes the folder if it is missing.
    pub(crate) fn open(places: &Places, target: &Target) -> Result<Self> {
        let folder = places.dist().join("assets");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder, compressed: target.results("brotli")? })
    }

    /// Writes an asset under a name that holds the hash of its content, removes those of earlier contents, and returns
    /// the name.
    pub(crate) fn put_hashed(&self, stem: &str, extension: &str, content: &[u8]) -> Result<String> {
        let name = format!("{stem}-{}.{extension}", short_hash(&[content]));
        self.put_instead(stem, &name, content)?;
        Ok(name)
    }

    /// Writes an asset whose name, `<stem>-<hash>.<extension>`, the caller has chosen, and removes earlier ones.
    pub(crate) fn put_instead(&self, stem: &str, name: &str, content: &[u8]) -> Result<()> {
        let extension = Path::new(name).extension().unwrap_or_default().to_string_lossy().into_owned();
        for entry in std::fs::read_dir(&self.folder)?.flatten() {
            let found = entry.file_name().to_string_lossy().into_owned();
            let plain = found.strip_suffix(".br").unwrap_or(&found);
            if plain != name && stable_name(plain) == format!("{stem}.{extension}") && stable_name(plain) != plain {
                std::fs::remove_file(entry.path()).with_context(|| format!("cannot remove {found}"))?;
            }
        }
        self.put(name, content)
    }

    /// Writes an asset and its brotli twin.
    pub(crate) fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        write_if_changed(&self.folder.join(name), content)?;
        write_if_changed(&self.folder.join(format!("{name}.br")), &self.brotli(content)?)
    }

    /// The content compressed, from the cache if it was compressed before.
    pub(crate) fn brotli(&self, content: &[u8]) -> Result<Vec<u8>> {
        let path = self.compressed.join(short_hash(&[content, &QUALITY.to_le_bytes(), &WINDOW_BITS.to_le_bytes()]));
        if let Ok(known) = std::fs::read(&path) {
            // Used now: its age starts anew.
            drop(std::fs::File::open(&path).and_then(|file| file.set_modified(std::time::SystemTime::now())));
            return Ok(known);
        }
        let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, QUALITY, WINDOW_BITS);
        writer.write_all(content).context("brotli cannot compress")?;
        let compressed = writer.into_inner();
        std::fs::write(&path, &compressed).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(compressed)
    }
}

/// An asset's name without the hash: `widget-0123456789abcdef.js` is `widget.js`.
pub(crate) fn stable_name(name: &str) -> String {
    let hashed = name.rsplit_once('-').and_then(|(stem, rest)| Some((stem, rest.split_once('.')?)));
    match hashed {
        Some((stem, (hash, extension))) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{stem}.{extension}")
        }
        _ => name.to_owned(),
    }
}

/// Copies what has a hash in its name, with its brotli twin, unless it is there; returns how many files were copied.
pub(crate) fn take_over(earlier: &Path, into: &Path) -> Result<usize> {
    let mut copied = 0;
    for entry in std::fs::read_dir(earlier).with_context(|| format!("cannot read {}", earlier.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain = name.strip_suffix(".br").unwrap_or(&name);
        let to = into.join(&name);
        if stable_name(plain) != plain && !to.exists() {
            std::fs::copy(entry.path(), &to).with_context(|| format!("cannot copy {name}"))?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// A running demo serves these files: one that has not changed is not touched.
fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_names_lose_only_a_hash() {
        let check = |name: &str, expect: &str| assert_eq!(stable_name(name), expect);
        check("widget-0123456789abcdef.js", "widget.js");
        check("console-0123456789abcdef.wasm", "console.wasm");
        check("portico.js", "portico.js");
        check("portico.d.ts", "portico.d.ts");
        check("two-words.js", "two-words.js");
    }

    #[test]
    fn a_new_content_replaces_the_old_and_leaves_others() {
        let folder = std::env::temp_dir().join(format!("portico-assets-{}", std::process::id()));
        let assets = Assets { folder: folder.join("assets"), compressed: folder.join("brotli") };
        for part in [&assets.folder, &assets.compressed] {
            std::fs::create_dir_all(part).unwrap();
        }
        assets.put("portico.js", b"loader").unwrap();
        let old = assets.put_hashed("widget", "js", b"one").unwrap();
        let new = assets.put_hashed("widget", "js", b"two").unwrap();
        let names: std::collections::BTreeSet<String> = std::fs::read_dir(&assets.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert_ne!(old, new);
        let expect = [new.clone(), format!("{new}.br"), "portico.js".to_owned(), "portico.js.br".to_owned()];
        assert_eq!(names, expect.into_iter().collect());
        // What an earlier release pinned comes back beside the new, and nothing else of it.
        let earlier = folder.join("earlier");
        std::fs::create_dir_all(&earlier).unwrap();
        for name in ["portico.js", "console.html", old.as_str(), new.as_str(), &format!("{old}.br")] {
            std::fs::write(earlier.join(name), b"earlier").unwrap();
        }
        assert_eq!(take_over(&earlier, &assets.folder).unwrap(), 2);
        assert_eq!(std::fs::read(assets.folder.join(&old)).unwrap(), b"earlier");
        assert_eq!(std::fs::read(assets.folder.join(&new)).unwrap(), b"two");
        assert_eq!(std::fs::read(assets.folder.join("portico.js")).unwrap(), b"loader");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
