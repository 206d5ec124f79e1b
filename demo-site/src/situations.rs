//! Pages in which a widget has to live: a folder for each situation under `situations/`, served by the bank's origin.
//!
//! `page.html` (and what lies beside it) is the page as a site owner would have written it; `about.toml` says in words what is
//! special about it and which headers its server sends. In both `{{ edge }}` is the edge's origin and `{{ nonce }}` the
//! nonce of this answer; `{{ lang }}` is what the address asks for with `?lang=`.

use std::collections::BTreeMap;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use include_dir::{Dir, include_dir};
use minijinja::{Environment, context};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

use crate::host::{nonce, page};

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/situations");

/// The page that leads to all of them.
const LIST: &str = "list.html";

/// What is special about a situation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    title: String,
    text: String,
    /// `Name: value`, each a template.
    #[serde(default)]
    headers: Vec<String>,
}

struct Situations {
    edge: String,
    environment: Environment<'static>,
    about: BTreeMap<&'static str, About>,
}

/// The situations as a service, below `/situations`.
#[expect(clippy::expect_used, reason = "the pages are part of the binary; a test opens every one")]
pub(crate) fn router(edge: &str) -> Router {
    let situations = Situations::new(edge).expect("the situations are whole");
    Router::new()
        .route("/situations/", get(list))
        .route("/situations/situations.css", get(style))
        .route("/situations/slow-edge/portico.js", get(loader))
        .route("/assets/{file}", get(asset))
        .route("/v1/decide", post(late))
        .route("/situations/{name}/", get(situation))
        .route("/situations/{name}/{file}", get(file))
        .with_state(Arc::new(situations))
}

/// The names of all situations.
#[must_use]
pub fn names() -> Vec<&'static str> {
    FOLDER.dirs().filter_map(|dir| dir.path().to_str()).collect()
}

impl Situations {
    fn new(edge: &str) -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        let mut about = BTreeMap::new();
        let list = FOLDER.get_file(LIST).and_then(|file| file.contents_utf8());
        environment.add_template(LIST, list.context(LIST)?)?;
        for dir in FOLDER.dirs() {
            let name = dir.path().to_str().context("a situation's name")?;
            let said = dir.get_file(dir.path().join("about.toml")).and_then(|file| file.contents_utf8());
            about.insert(name, toml::from_str(said.with_context(|| format!("{name}/about.toml"))?).context(name)?);
            for file in dir.files() {
                let path = file.path().to_str().context("a file's name")?;
                environment.add_template(path, file.contents_utf8().with_context(|| path.to_owned())?)?;
            }
        }
        Ok(Self { edge: edge.to_owned(), environment, about })
    }

    fn paint(&self, name: &str, file: &str, lang: &str) -> anyhow::Result<Option<Response>> {
        let Some(about) = self.about.get(name) else { return Ok(None) };
        let Ok(template) = self.environment.get_template(&format!("{name}/{file}")) else { return Ok(None) };
        let values = context! { edge => self.edge.as_str(), nonce => nonce(), lang => lang };
        let mut headers = HeaderMap::new();
        for header in &about.headers {
            let header = self.environment.render_str(header, &values)?;
            let (name, value) = header.split_once(": ").context("a header without a value")?;
            headers.append(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
        }
        Ok(Some((headers, Html(template.render(&values)?)).into_response()))
    }
}

type Shared = State<Arc<Situations>>;

async fn list(State(situations): Shared) -> Response {
    let one = |(name, about): (&&'static str, &About)| {
        context! { name => *name, title => about.title.as_str(), text => about.text.as_str() }
    };
    let all: Vec<_> = situations.about.iter().map(one).collect();
    page::paint(&situations.environment, LIST, StatusCode::OK, context! { all => all })
}

async fn style() -> Response {
    let text = FOLDER.get_file("situations.css").and_then(|file| file.contents_utf8()).unwrap_or_default();
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}

/// How late the slow edge is: later than any page waits.
const LATE: Duration = Duration::from_secs(5);

/// The slow edge, for which the bank's own server stands: the real loader and its modules, whose questions then come here.
async fn loader(state: Shared) -> Response {
    passed_on(&state.edge, "portico.js").await
}

async fn asset(state: Shared, Path(file): Path<String>) -> Response {
    passed_on(&state.edge, &format!("assets/{file}")).await
}

async fn late() -> StatusCode {
    tokio::time::sleep(LATE).await;
    StatusCode::SERVICE_UNAVAILABLE
}

async fn passed_on(edge: &str, path: &str) -> Response {
    let found = async { reqwest::get(format!("{edge}/{path}")).await?.error_for_status()?.bytes().await };
    match found.await {
        Ok(bytes) => ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], bytes).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// A language asked for.
#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    lang: Option<String>,
}

async fn situation(state: Shared, Path(name): Path<String>, Query(wish): Query<Wish>) -> Response {
    answer(&state, &name, "page.html", &wish.lang.unwrap_or_else(|| "en".to_owned()))
}

/// Another page of the folder; what a page's router has made up gets the page itself.
async fn file(state: Shared, Path((name, file)): Path<(String, String)>) -> Response {
    let file = format!("{file}.html");
    let exists = state.environment.get_template(&format!("{name}/{file}")).is_ok();
    answer(&state, &name, if exists { &file } else { "page.html" }, "en")
}

fn answer(situations: &Situations, name: &str, file: &str, lang: &str) -> Response {
    match situations.paint(name, file, lang) {
        Ok(Some(response)) => response,
        Ok(None) => (StatusCode::NOT_FOUND, "There is no such situation.").into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("This page could not be painted: {error:#}")).into_response()
        }
    }
}
