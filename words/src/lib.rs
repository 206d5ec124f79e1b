//! Fluent messages (`*.ftl`, a file for each language) become a Rust struct at build time.
//!
//! Translators get the format that their tools know; a page gets plain strings: no parser, no plural tables, and no message
//! that one language lacks. Of Fluent's syntax messages with text and variables are taken; whatever else a file holds is
//! refused, so nothing is silently left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, PatternElement};
use fluent_syntax::parser;

/// The language that says which messages there are, and explains them.
const FIRST: &str = "en";

/// The end of what is generated.
const WORDS: &str = "];

/// The words closest to a locale; English where there is nothing closer.
pub(crate) fn words(locale: &str) -> &'static Words {
    let lang = ::portico_protocol::language::nearest(WORDS.iter().map(|words| words.lang), locale);
    WORDS.iter().find(|words| Some(words.lang) == lang).unwrap_or(&WORDS[0])
}
";

/// Why messages could not be made into Rust.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// A file or folder cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// A file is not what is taken.
    #[error("{0}: {1}")]
    Message(PathBuf, String),
}

/// For a build script: makes `words/*.ftl` of the crate being built into `$OUT_DIR/words.rs`.
///
/// # Errors
/// As [`generate`], and where cargo does not run it.
pub fn build() -> Result<(), WordsError> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("words.rs");
    let rust = generate(Path::new("words"))?;
    // To cargo, which reads it.
    #[expect(clippy::print_stdout, reason = "cargo's own way")]
    {
        println!("cargo::rerun-if-changed=words");
    }
    std::fs::write(&out, rust).map_err(|error| WordsError::File(out, error))
}

/// A message: its text with `{variable}`, the variables, and what it is for.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    text: String,
    variables: BTreeSet<String>,
    about: String,
}

/// Reads `<folder>/*.ftl` and returns Rust: `struct Words`, with `lang`, a field for each message and a method for each that has
/// variables, and `fn words(locale)`, which gives those of the closest language, or English; it needs `portico-protocol`.
///
/// # Errors
/// When a file cannot be read, is not Fluent, uses more of it than is taken, or lacks a message or has one too many.
pub fn generate(folder: &Path) -> Result<String, WordsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| WordsError::File(path, error)
    };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if let Some(lang) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".ftl")).map(str::to_owned) {
            let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            let messages = read(&text).map_err(|wrong| WordsError::Message(path.clone(), wrong))?;
            files.insert(lang, (path, messages));
        }
    }
    let missing = || WordsError::Message(folder.to_owned(), format!("{FIRST}.ftl is missing"));
    let (_, first) = files.remove_entry(FIRST).ok_or_else(missing)?.1;
    for (path, messages) in files.values() {
        compare(&first, messages).map_err(|wrong| WordsError::Message(path.clone(), wrong))?;
    }
    Ok(write(&first, files.iter().map(|(lang, (_, messages))| (lang.as_str(), messages))))
}

fn read(text: &str) -> Result<BTreeMap<String, Message>, String> {
    let resource = parser::parse(text).map_err(|(_, errors)| {
        errors.first().map_or_else(String::new, |error| {
            let line = text.get(..error.pos.start).unwrap_or(text).lines().count();
            format!("line {line}: {error}")
        })
    })?;
    let mut messages = BTreeMap::new();
    for entry in resource.body {
        let message = match entry {
            Entry::Message(message) => message,
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => continue,
            Entry::Term(_) | Entry::Junk { .. } => return Err("only messages are taken".to_owned()),
        };
        let id = message.id.name.to_owned();
        let pattern = message.value.filter(|_| message.attributes.is_empty());
        let mut read = Message { text: String::new(), variables: BTreeSet::new(), about: String::new() };
        for element in pattern.ok_or_else(|| format!("{id} is to have a value and no attributes"))?.elements {
            match element {
                PatternElement::TextElement { value } => read.text.push_str(value),
                PatternElement::Placeable {
                    expression: Expression::Inline(InlineExpression::VariableReference { id: variable }),
                } => {
                    let _ = write!(read.text, "{{{}}}", variable.name);
                    read.variables.insert(variable.name.to_owned());
                }
                PatternElement::Placeable { .. } => return Err(format!("{id} uses more than text and variables")),
            }
        }
        if let Some(comment) = message.comment {
            read.about = comment.content.join(" ");
        }
        if messages.insert(id.clone(), read).is_some() {
            return Err(format!("{id} stands twice"));
        }
    }
    Ok(messages)
}

/// What a language lacks, or has beside what there is.
fn compare(first: &BTreeMap<String, Message>, other: &BTreeMap<String, Message>) -> Result<(), String> {
    for (id, message) in first {
        let Some(found) = other.get(id) else { return Err(format!("{id} is missing")) };
        if found.variables != message.variables {
            return Err(format!("{id} has the variables {:?}, not {:?}", found.variables, message.variables));
        }
    }
    other.keys().find(|id| !first.contains_key(*id)).map_or(Ok(()), |id| Err(format!("{id} is in no other language")))
}

fn write<'a>(
    first: &'a BTreeMap<String, Message>,
    others: impl Iterator<Item = (&'a str, &'a BTreeMap<String, Message>)>,
) -> String {
    let name = |id: &str| id.replace('-', "_");
    let mut rust = "/// The words of one language.\n#[allow(dead_code, reason = \"not every build says everything\")]\n\
                    pub(crate) struct Words {\n    /// The language they are in, as a BCP 47 tag.\n    pub(crate) lang: &'static str,\n"
        .to_owned();
    for (id, message) in first {
        let _ = writeln!(rust, "    /// {}\n    pub(crate) {}: &'static str,", message.about, name(id));
    }
    rust.push_str("}\n\n#[allow(dead_code, reason = \"not every build says everything\")]\nimpl Words {\n");
    for (id, message) in first.iter().filter(|(_, message)| !message.variables.is_empty()) {
        let parameters: Vec<String> = message.variables.iter().map(|variable| format!("{variable}: &str")).collect();
        let replaced: String =
            message.variables.iter().map(|variable| format!(".replace(\"{{{variable}}}\", {variable})")).collect();
        let (about, name) = (&message.about, name(id));
        let _ = writeln!(
            rust,
            "    /// {about}\n    pub(crate) fn with_{name}(&self, {}) -> String {{\n        self.{name}{replaced}\n    }}",
            parameters.join(", ")
        );
    }
    rust.push_str("}\n\n/// All languages, English first.\nstatic WORDS: &[Words] = &[\n");
    for (lang, messages) in [(FIRST, first)].into_iter().chain(others) {
        let _ = writeln!(rust, "    Words {{\n        lang: {lang:?},");
        for (id, message) in messages {
            let _ = writeln!(rust, "        {}: {:?},", name(id), message.text);
        }
        rust.push_str("    },\n");
    }
    rust.push_str(WORDS);
    rust
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const ENGLISH: &str = "# Puts it away.\ndismiss = Not for me\nwhy-known = Known: { $fact }\n";

    #[test]
    fn messages_become_fields_and_variables_parameters() {
        let english = read(ENGLISH).unwrap();
        let german = read("dismiss = Nichts \"für\" mich\nwhy-known = { $fact } ist bekannt\n").unwrap();
        compare(&english, &german).unwrap();
        let rust = write(&english, [("de", &german)].into_iter());
        for expect in [
            "    /// Puts it away.\n    pub(crate) dismiss: &'static str,",
            "pub(crate) fn with_why_known(&self, fact: &str) -> String {\n        self.why_known.replace(\"{fact}\", fact)",
            "lang: \"en\",\n        dismiss: \"Not for me\",",
            "lang: \"de\",\n        dismiss: \"Nichts \\\"für\\\" mich\",\n        why_known: \"{fact} ist bekannt\",",
        ] {
            assert!(rust.contains(expect), "{expect}\n{rust}");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let english = read(ENGLISH).unwrap();
        let check = |other: &str, expect: &str| {
            let wrong = read(other).and_then(|other| compare(&english, &other)).unwrap_err();
            assert!(wrong.contains(expect), "{wrong}");
        };
        check("dismiss = Weg\n", "why-known is missing");
        check("dismiss = Weg\nwhy-known = Bekannt\n", "why-known has the variables");
        check("dismiss = Weg\nwhy-known = { $fact }\nmore = Mehr\n", "more is in no other");
        check("dismiss = Weg\ndismiss = Weg\n", "dismiss stands twice");
        check("dismiss = { NUMBER($n) }\n", "more than text and variables");
        check("-term = Bank\n", "only messages");
        check("dismiss\n", "line 1");
        check("dismiss = Weg\n    .title = Titel\n", "no attributes");
    }
}
