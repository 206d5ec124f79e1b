//! Vowpal Wabbit as a learner of the benchmark: it gets the stream in files and hands back what it chose.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::json;

use crate::stream::{LAG, Stream};
use crate::world::{OFFERS, group_of};

/// The best setting that [`crate::search`] has found.
pub(crate) const BEST: &str = "--squarecb --gamma_scale 3000 -q UA -l 0.1";

/// How to run it.
#[derive(Debug)]
pub(crate) struct Rival {
    /// A Python that has the package.
    pub(crate) python: PathBuf,
}

/// What a run of one setting gave.
#[derive(Debug)]
pub(crate) struct Played {
    /// The offer chosen at each decision.
    pub(crate) choices: Vec<u8>,
    pub(crate) times: Times,
}

/// What `vw.py` says of a setting.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Played(Times),
    /// Not every estimator goes with every exploration.
    Refused(String),
}

/// How long it took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Times {
    pub(crate) deciding_s: f64,
    pub(crate) learning_s: f64,
    /// Decisions a second when examples are given as text.
    pub(crate) parsing_per_second: f64,
}

impl Rival {
    /// Runs a setting over a stream.
    pub(crate) fn play_one(&self, stream: &Stream<'_>, setting: &str) -> Result<Played, String> {
        let mut played = self.play(stream, &[setting])?;
        played.pop().unwrap_or_else(|| Err("nothing was played".to_owned()))
    }

    /// Runs settings over a stream, one after the other. The inner error is a setting that was refused.
    pub(crate) fn play(&self, stream: &Stream<'_>, settings: &[&str]) -> Result<Vec<Result<Played, String>>, String> {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("portico-bench-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let played = self.play_in(&folder, stream, settings);
        let removed = std::fs::remove_dir_all(&folder);
        let played = played?;
        removed.map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
        Ok(played)
    }

    fn play_in(
        &self,
        folder: &Path,
        stream: &Stream<'_>,
        settings: &[&str],
    ) -> Result<Vec<Result<Played, String>>, String> {
        write(folder, stream, settings).map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
        let output = Command::new(&self.python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/learning/vw.py"))
            .arg(folder)
            // One thread, as ours.
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot start {}: {error}", self.python.display()))?;
        if !output.status.success() {
            return Err(format!("vw.py ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let said = text.lines().map(|line| serde_json::from_str::<Said>(line).map_err(|error| error.to_string()));
        let said: Vec<Said> = said.collect::<Result<_, _>>()?;
        if said.len() != settings.len() {
            return Err(format!("vw.py has run {} of {} settings", said.len(), settings.len()));
        }
        let played = said.into_iter().enumerate().map(|(number, said)| match said {
            Said::Refused(reason) => Ok(Err(reason)),
            Said::Played(times) => {
                let choices = std::fs::read(folder.join(format!("choices-{number}.u8")));
                choices.map(|choices| Ok(Played { choices, times })).map_err(|error| error.to_string())
            }
        });
        played.collect()
    }
}

/// The files that `vw.py` describes.
fn write(folder: &Path, stream: &Stream<'_>, settings: &[&str]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let head = json!({
        "decisions": stream.decisions,
        "attributes": stream.table.attributes.len(),
        "offers": OFFERS,
        "groups": (0..OFFERS).map(group_of).collect::<Vec<_>>(),
        "lag": LAG,
        "seed": stream.seed,
        "settings": settings,
    });
    std::fs::write(folder.join("stream.json"), head.to_string())?;
    std::fs::write(folder.join("bins.u8"), stream.table.bins.concat())?;
    let visitors = (0..stream.decisions).flat_map(|decision| (stream.visitor(decision) as u32).to_le_bytes());
    std::fs::write(folder.join("visitors.u32"), visitors.collect::<Vec<u8>>())?;
    let answered = |decision, offer| u8::from(stream.answer(decision, offer).first.is_some());
    let answers = (0..stream.decisions).flat_map(|decision| (0..OFFERS).map(move |offer| answered(decision, offer)));
    std::fs::write(folder.join("answers.u8"), answers.collect::<Vec<u8>>())
}
