//! *Roadbook*: a magazine about driving for its own sake, on an origin of its own, with the bank's offers beside its
//! articles.
//!
//! It sends no content security policy and has no login: another kind of host page than the bank.

use std::sync::Arc;

use axum::Form;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use include_dir::{Dir, include_dir};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use crate::host::assets::{Assets, SHARED};
use crate::host::consent::{Consent, ConsentForm};
use crate::host::language::Language;
use crate::host::page;

static STATIC: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/static/partner");

const CONSENT_COOKIE: &str = "roadbook_consent";

/// Articles in the order of the front page, each with the topic that the widget is told.
const ARTICLES: [(&str, &str); 3] = [("coast-road", "travel"), ("what-a-car-costs", "car"), ("winter-pass", "travel")];

/// Where the magazine stands. Origins are without a trailing slash.
#[derive(Clone, Debug)]
pub struct PartnerOptions {
    /// Where the widget comes from.
    pub edge_origin: String,
    /// The magazine's own origin.
    pub origin: String,
    /// The bank's origin.
    pub bank_origin: String,
}

struct Magazine {
    options: PartnerOptions,
    environment: Environment<'static>,
    assets: Assets,
    words: [Value; 2],
}

/// The magazine as a service.
#[expect(clippy::expect_used, reason = "templates and words are part of the binary; a test paints every page")]
pub fn router(options: PartnerOptions) -> Router {
    let magazine = Magazine::new(options).expect("the magazine's templates and words are whole");
    Router::new()
        .route("/", get(front_door))
        .route("/{language}", get(front_door))
        .route("/{language}/", get(front_page))
        .route("/{language}/{page}", get(any_page))
        .route("/consent", post(consent))
        .route("/static/{*path}", get(static_file))
        .route("/favicon.ico", get(|| async { Redirect::permanent("/static/favicon.svg") }))
        .route("/robots.txt", get(|| async { "User-agent: *\nAllow: /\n" }))
        .fallback(not_found)
        .with_state(Arc::new(magazine))
}

type Shared = State<Arc<Magazine>>;

impl Magazine {
    fn new(options: PartnerOptions) -> anyhow::Result<Self> {
        Ok(Self {
            options,
            environment: page::templates("partner")?,
            assets: Assets::new([&SHARED, &STATIC]),
            words: [page::words(Language::En, "roadbook")?, page::words(Language::Zh, "roadbook")?],
        })
    }

    fn paint(&self, template: &str, status: StatusCode, request: &Request<'_>, topic: &str, more: Value) -> Response {
        let Request { language, path, headers } = *request;
        let [en, zh] = &self.words;
        let words = match language {
            Language::En => en,
            Language::Zh => zh,
        };
        let other = language.other();
        let frame = context! {
            w => words,
            lang => language.segment(),
            tag => language.tag(),
            other => context! { lang => other.segment(), tag => other.tag(), name => other.own_name() },
            path => path,
            here => format!("/{}/{path}", language.segment()),
            topic => topic,
            edge => self.options.edge_origin.as_str(),
            origin => self.options.origin.as_str(),
            bank => self.options.bank_origin.as_str(),
            consent => Consent::read(headers, CONSENT_COOKIE).map(Serde),
            articles => ARTICLES.map(|(id, _)| id),
            css => self.assets.url("roadbook.css"),
            js => self.assets.url("consent.js"),
            icon => self.assets.url("favicon.svg"),
        };
        let answer = page::paint(&self.environment, template, status, context! { ..more, ..frame });
        let headers = [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("cache-control", "private, no-cache"),
            ("vary", "cookie"),
        ];
        (headers, answer).into_response()
    }

    fn missing(&self, request: &Request<'_>) -> Response {
        self.paint("not_found.html", StatusCode::NOT_FOUND, request, "travel", Value::UNDEFINED)
    }
}

/// What of a request a page depends on.
#[derive(Clone, Copy)]
struct Request<'a> {
    language: Language,
    path: &'a str,
    headers: &'a HeaderMap,
}

async fn front_door(headers: HeaderMap, path: Option<Path<String>>) -> Response {
    let preferred = Language::preferred(&headers).segment();
    match path.map(|Path(segment)| Language::from_segment(&segment)) {
        Some(Some(language)) => Redirect::permanent(&format!("/{}/", language.segment())).into_response(),
        Some(None) => Redirect::temporary(&format!("/{preferred}/not-found")).into_response(),
        None => ([("vary", "accept-language")], Redirect::temporary(&format!("/{preferred}/"))).into_response(),
    }
}

async fn front_page(State(magazine): Shared, headers: HeaderMap, Path(segment): Path<String>) -> Response {
    match Language::from_segment(&segment) {
        Some(language) => {
            let request = Request { language, path: "", headers: &headers };
            magazine.paint("front.html", StatusCode::OK, &request, "travel", Value::UNDEFINED)
        }
        None => not_found(State(magazine), headers).await,
    }
}

async fn any_page(
    State(magazine): Shared,
    headers: HeaderMap,
    Path((segment, name)): Path<(String, String)>,
) -> Response {
    let Some(language) = Language::from_segment(&segment) else {
        return not_found(State(magazine), headers).await;
    };
    let request = Request { language, path: &name, headers: &headers };
    if let Some((id, topic)) = ARTICLES.iter().find(|(id, _)| *id == name) {
        return magazine.paint("article.html", StatusCode::OK, &request, topic, context! { id => *id });
    }
    match name.as_str() {
        "about" => magazine.paint("about.html", StatusCode::OK, &request, "travel", Value::UNDEFINED),
        _ => magazine.missing(&Request { path: "", ..request }),
    }
}

async fn not_found(State(magazine): Shared, headers: HeaderMap) -> Response {
    magazine.missing(&Request { language: Language::preferred(&headers), path: "", headers: &headers })
}

async fn consent(headers: HeaderMap, Form(form): Form<ConsentForm>) -> Response {
    let remembered = [(SET_COOKIE, form.consent().set_cookie(CONSENT_COOKIE))];
    if headers.get("x-requested-with").is_some() {
        return (StatusCode::NO_CONTENT, remembered).into_response();
    }
    (StatusCode::SEE_OTHER, remembered, [(LOCATION, form.back().to_owned())]).into_response()
}

async fn static_file(State(magazine): Shared, Path(path): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    magazine.assets.serve(&path, &uri, &headers)
}
