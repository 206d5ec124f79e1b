//! Templates and words out of the binary.

use anyhow::Context as _;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};

use super::language::Language;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static WORDS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/words");

/// The templates of one site.
pub(crate) fn templates(site: &str) -> anyhow::Result<Environment<'static>> {
    let mut environment = Environment::new();
    // A failed page says what failed, not all that it was given.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    let folder = TEMPLATES.get_dir(site).with_context(|| format!("no templates for {site}"))?;
    for file in folder.files() {
        let name = file.path().file_name().and_then(|name| name.to_str()).context("template name")?;
        environment.add_template(name, file.contents_utf8().context("template text")?)?;
    }
    Ok(environment)
}

/// One file of words in one language, as templates read it.
pub(crate) fn words(language: Language, file: &str) -> anyhow::Result<Value> {
    Ok(Value::from(Serde(table(&format!("{}/{file}.toml", language.segment()))?)))
}

/// A TOML file under `words/`.
pub(crate) fn table(path: &str) -> anyhow::Result<toml::Table> {
    let text = WORDS.get_file(path).and_then(|file| file.contents_utf8()).with_context(|| format!("no {path}"))?;
    text.parse().with_context(|| path.to_owned())
}

/// Paints a page, or says plainly that it could not be.
pub(crate) fn paint(environment: &Environment<'_>, template: &str, status: StatusCode, context: Value) -> Response {
    match environment.get_template(template).and_then(|template| template.render(context)) {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("This page could not be painted: {error:#}")).into_response()
        }
    }
}
