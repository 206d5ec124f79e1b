//! `docs/benchmarks.md`: each benchmark owns what stands between its markers, and nothing else.

use anyhow::{Context, Result, bail};

use crate::command::{command, output};
use crate::places::Places;
use crate::step::say;

/// Replaces what stands between the markers of `topic`.
pub(crate) fn write(places: &Places, topic: &str, typed: &str, tables: &str) -> Result<()> {
    let path = places.root.join("docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let date = output(command("date").args(["-u", "+%Y-%m-%d"])).context("cannot tell the date")?;
    let text = format!("{}, {date}: `{typed}`\n\n{}", machine(), tables.trim());
    let Some(page) = between(&page, topic, &text) else {
        bail!("{} lacks the lines `{}` and `{}`", path.display(), begin(topic), end(topic));
    };
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("  ok      {} written", path.display()));
    Ok(())
}

fn begin(topic: &str) -> String {
    format!("<!-- begin {topic} -->")
}

fn end(topic: &str) -> String {
    format!("<!-- end {topic} -->")
}

/// The page with another text between the markers; `None` if it lacks them.
fn between(page: &str, topic: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&begin(topic))?;
    let (_, after) = rest.split_once(&end(topic))?;
    Some(format!("{before}{}\n\n{text}\n\n{}{after}", begin(topic), end(topic)))
}

/// The processor and how many cores of it there are.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    format!("{}, {cores} cores", model.unwrap_or(std::env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        assert_eq!(between(page, "x", "new").unwrap(), "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n");
        assert_eq!(between(page, "y", "new"), None);
    }
}
