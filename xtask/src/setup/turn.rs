//! One installation at a time: two runs of set-up would write into the same folders.

use std::fs::File;

use anyhow::{Context, Result};

use crate::places::Places;
use crate::step::Step;

/// Waits until no other run installs anything. The turn lasts until the result is dropped; what was missing before the
/// wait may be there after it.
pub(crate) fn wait(places: &Places, step: &Step) -> Result<File> {
    let lock = open(places)?;
    if lock.try_lock().is_err() {
        step.slow("waiting for another run's set-up on this machine");
        lock.lock().context("cannot lock the cache")?;
    }
    Ok(lock)
}

/// Takes the turn if it is free.
pub(crate) fn take(places: &Places) -> Result<Option<File>> {
    let lock = open(places)?;
    Ok(lock.try_lock().is_ok().then_some(lock))
}

fn open(places: &Places) -> Result<File> {
    let path = places.cache.join("setup.lock");
    File::create(&path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_turn_is_taken_once() {
        let cache = std::env::temp_dir().join(format!("portico-turn-{}", std::process::id()));
        std::fs::create_dir_all(&cache).unwrap();
        let places = Places { root: cache.clone(), cache: cache.clone() };
        let first = take(&places).unwrap();
        assert!(first.is_some());
        assert!(take(&places).unwrap().is_none());
        drop(first);
        // A program that another test starts holds a copy of the lock from its fork to its exec.
        let is_free = || take(&places).unwrap().is_some();
        assert!((0..500).any(|_| is_free() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }));
        std::fs::remove_dir_all(cache).unwrap();
    }
}
