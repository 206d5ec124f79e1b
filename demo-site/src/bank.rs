//! *Meridian Bank*: product pages, a login, an account page and application forms, in English and Chinese.
//!
//! A strict content security policy stands on every page, so that the widget is seen to live under one. The bank keeps
//! nothing: a session is a signed cookie, an application is checked and forgotten.

mod apply;
mod people;
mod visit;

use std::sync::Arc;

use axum::Form;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use include_dir::{Dir, include_dir};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Deserialize;

pub use self::people::{Persona, personas};
use self::visit::{LANGUAGE_COOKIE, SESSION_COOKIE, Visit};
use crate::host::assets::{Assets, SHARED};
use crate::host::consent::ConsentForm;
use crate::host::language::Language;
use crate::host::{cookie, now_s, page};
use crate::identity::{Claims, DemoIdentity};

static STATIC: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/static/bank");

const CONSENT_COOKIE: &str = "meridian_consent";

/// Half an hour, as banks do.
const SESSION_S: u64 = 30 * 60;

/// Long enough for a page view, short enough to be worthless when it leaks.
const TOKEN_S: u64 = 5 * 60;

/// Pages about products, each with the topic that the widget is told.
const PRODUCT_PAGES: [(&str, &str); 6] = [
    ("mortgages", "mortgages"),
    ("cards", "cards"),
    ("savings", "savings"),
    ("insurance", "insurance"),
    ("loans", "loans"),
    ("accounts", "accounts"),
];

/// Pages of text.
const TEXT_PAGES: [&str; 5] = ["contact", "security", "legal", "privacy", "accessibility"];

/// Where the bank stands and whom it works with. Origins are without a trailing slash.
#[derive(Clone, Debug)]
pub struct BankOptions {
    /// Where the widget comes from.
    pub edge_origin: String,
    /// The bank's own origin, the issuer of its tokens.
    pub origin: String,
    /// The magazine's origin.
    pub partner_origin: String,
    /// The key that vouches for customers.
    pub identity: DemoIdentity,
}

struct Bank {
    options: BankOptions,
    environment: Environment<'static>,
    assets: Assets,
    words: [Value; 2],
    products: [Value; 2],
}

/// The bank as a service.
#[expect(clippy::expect_used, reason = "templates and words are part of the binary; a test paints every page")]
pub fn router(options: BankOptions) -> Router {
    let situations = crate::situations::router(&options.edge_origin);
    let bank = Bank::new(options).expect("the bank's templates and words are whole");
    Router::new()
        .route("/", get(front_door))
        .route("/{language}", get(front_door))
        .route("/{language}/", get(home))
        .route("/{language}/{page}", get(any_page))
        .route("/{language}/login", get(login_form).post(login))
        .route("/{language}/logout", post(logout))
        .route("/{language}/account", get(account))
        .route("/{language}/apply/{product}", get(apply_form).post(apply_send))
        .route("/{language}/apply/{product}/done", get(applied))
        .route("/apply/{product}", get(apply_in_own_language))
        .route("/consent", post(consent))
        .route("/portico-token", get(portico_token))
        .route("/static/{*path}", get(static_file))
        .route("/favicon.ico", get(|| async { Redirect::permanent("/static/favicon.svg") }))
        .route("/robots.txt", get(|| async { "User-agent: *\nDisallow: /en/apply/\nDisallow: /zh/apply/\n" }))
        .fallback(not_found)
        .with_state(Arc::new(bank))
        .merge(situations)
}

type Shared = State<Arc<Bank>>;

impl Bank {
    fn new(options: BankOptions) -> anyhow::Result<Self> {
        let assets = Assets::new([&SHARED, &STATIC]);
        Ok(Self {
            environment: page::templates("bank")?,
            assets,
            words: [page::words(Language::En, "bank")?, page::words(Language::Zh, "bank")?],
            products: [page::words(Language::En, "products")?, page::words(Language::Zh, "products")?],
            options,
        })
    }

    fn words(&self, language: Language) -> Value {
        let [en, zh] = &self.words;
        match language {
            Language::En => en.clone(),
            Language::Zh => zh.clone(),
        }
    }

    fn products(&self, language: Language) -> Value {
        let [en, zh] = &self.products;
        match language {
            Language::En => en.clone(),
            Language::Zh => zh.clone(),
        }
    }

    /// Paints a page with all that every page needs, under the content security policy.
    fn paint(&self, visit: &Visit, template: &str, status: StatusCode, topic: &str, more: Value) -> Response {
        let language = visit.language;
        let frame = context! {
            w => self.words(language),
            products => self.products(language),
            lang => language.segment(),
            tag => language.tag(),
            other => context! { lang => language.other().segment(), tag => language.other().tag(), name => language.other().own_name() },
            here => visit.here.as_str(),
            path => visit.path.as_str(),
            topic => topic,
            nonce => visit.nonce.as_str(),
            edge => self.options.edge_origin.as_str(),
            origin => self.options.origin.as_str(),
            partner => self.options.partner_origin.as_str(),
            consent => visit.consent.map(Serde),
            customer => visit.customer.map(|persona| persona.view(language, now_s())),
            css => self.assets.url("bank.css"),
            js => [self.assets.url("consent.js"), self.assets.url("bank.js")],
            icon => self.assets.url("favicon.svg"),
        };
        let answer = page::paint(&self.environment, template, status, context! { ..more, ..frame });
        let edge = &self.options.edge_origin;
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{}' {edge} 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' {edge}; \
             font-src 'self'; connect-src 'self' {edge}; frame-src {edge}; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
            visit.nonce
        );
        let mut cookies =
            axum::response::AppendHeaders([(SET_COOKIE, visit.language_cookie())]).into_response().headers().clone();
        if let Some(persona) = visit.customer {
            // Each page view makes the session last again.
            if let Ok(line) = self.session_cookie(&persona.id).parse() {
                cookies.append(SET_COOKIE, line);
            }
        }
        (
            cookies,
            [
                ("content-security-policy", policy.as_str()),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
                ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
                ("cache-control", "private, no-cache"),
                ("vary", "cookie"),
            ],
            answer,
        )
            .into_response()
    }

    fn session_cookie(&self, customer: &str) -> String {
        let claims = self.claims(customer, "meridian-session", SESSION_S);
        let token = self.options.identity.sign(&claims);
        format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Lax")
    }

    fn claims(&self, customer: &str, audience: &str, lifetime_s: u64) -> Claims {
        let now = now_s();
        Claims {
            iss: self.options.origin.clone(),
            aud: audience.to_owned(),
            sub: customer.to_owned(),
            iat: now,
            exp: now + lifetime_s,
            attributes: serde_json::Map::new(),
        }
    }

    /// Whose session the request carries.
    fn customer(&self, headers: &HeaderMap) -> Option<&'static Persona> {
        let claims = self.options.identity.verify(cookie(headers, SESSION_COOKIE)?, "meridian-session", now_s())?;
        people::find(&claims.sub)
    }
}

async fn front_door(headers: HeaderMap, path: Option<Path<String>>) -> Response {
    let named = path.map(|Path(segment)| Language::from_segment(&segment));
    match named {
        Some(Some(language)) => Redirect::permanent(&format!("/{}/", language.segment())).into_response(),
        // An unknown first segment is an old or mistyped address: its language is unknown too.
        Some(None) => Redirect::temporary(&format!("/{}/not-found", own_language(&headers).segment())).into_response(),
        None => (
            [("vary", "accept-language, cookie")],
            Redirect::temporary(&format!("/{}/", own_language(&headers).segment())),
        )
            .into_response(),
    }
}

/// The language last read, or else the one that the browser prefers.
fn own_language(headers: &HeaderMap) -> Language {
    cookie(headers, LANGUAGE_COOKIE).and_then(Language::from_segment).unwrap_or_else(|| Language::preferred(headers))
}

async fn home(State(bank): Shared, visit: Visit) -> Response {
    if !visit.known_language {
        return missing(&bank, &visit);
    }
    bank.paint(&visit, "home.html", StatusCode::OK, "home", Value::UNDEFINED)
}

async fn any_page(State(bank): Shared, visit: Visit, Path((_, name)): Path<(String, String)>) -> Response {
    if !visit.known_language {
        return missing(&bank, &visit);
    }
    if let Some((_, topic)) = PRODUCT_PAGES.iter().find(|(page, _)| *page == name) {
        return bank.paint(&visit, "product.html", StatusCode::OK, topic, context! { name => name.as_str() });
    }
    if TEXT_PAGES.contains(&name.as_str()) {
        return bank.paint(&visit, "text.html", StatusCode::OK, "service", context! { name => name.as_str() });
    }
    missing(&bank, &visit)
}

fn missing(bank: &Bank, visit: &Visit) -> Response {
    bank.paint(visit, "not_found.html", StatusCode::NOT_FOUND, "service", Value::UNDEFINED)
}

async fn not_found(State(bank): Shared, visit: Visit) -> Response {
    missing(&bank, &visit)
}

#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default, rename = "as")]
    as_whom: String,
}

async fn login_form(State(bank): Shared, visit: Visit, Query(query): Query<LoginQuery>) -> Response {
    let chosen = people::find(&query.as_whom);
    login_page(
        &bank,
        &visit,
        StatusCode::OK,
        chosen.map(|persona| persona.id.as_str()).unwrap_or_default(),
        chosen,
        false,
    )
}

fn login_page(
    bank: &Bank,
    visit: &Visit,
    status: StatusCode,
    user: &str,
    chosen: Option<&Persona>,
    refused: bool,
) -> Response {
    let people: Vec<Value> = personas().iter().map(|persona| persona.view(visit.language, now_s())).collect();
    let more = context! { people, user, password => chosen.map(|persona| persona.password.as_str()), refused };
    bank.paint(visit, "login.html", status, "service", more)
}

#[derive(Deserialize)]
struct LoginForm {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

async fn login(State(bank): Shared, visit: Visit, Form(form): Form<LoginForm>) -> Response {
    let user = form.user.trim().to_lowercase();
    match people::find(&user) {
        Some(persona) if persona.password == form.password.trim() => {
            let to = format!("/{}/account", visit.language.segment());
            ([(SET_COOKIE, bank.session_cookie(&persona.id))], Redirect::to(&to)).into_response()
        }
        _ => login_page(&bank, &visit, StatusCode::UNPROCESSABLE_ENTITY, &form.user, None, true),
    }
}

async fn logout(visit: Visit) -> Response {
    let gone = format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, gone)], Redirect::to(&format!("/{}/", visit.language.segment()))).into_response()
}

async fn account(State(bank): Shared, visit: Visit) -> Response {
    if !visit.known_language {
        return missing(&bank, &visit);
    }
    let Some(persona) = visit.customer else {
        return Redirect::to(&format!("/{}/login", visit.language.segment())).into_response();
    };
    let statement = persona.statement(visit.language, now_s());
    bank.paint(&visit, "account.html", StatusCode::OK, "accounts", context! { statement })
}

/// A short-lived token for the widget, so that the edge knows the customer. Read by the bank's own pages only: there is no
/// CORS header on it.
async fn portico_token(State(bank): Shared, headers: HeaderMap) -> Response {
    let no_store = [(CACHE_CONTROL, "no-store")];
    let Some(persona) = bank.customer(&headers) else {
        return (StatusCode::UNAUTHORIZED, no_store, "Nobody is logged in.").into_response();
    };
    let claims = Claims { attributes: persona.attributes(), ..bank.claims(&persona.id, "demo", TOKEN_S) };
    (no_store, bank.options.identity.sign(&claims)).into_response()
}

async fn consent(headers: HeaderMap, Form(form): Form<ConsentForm>) -> Response {
    let line = form.consent().set_cookie(CONSENT_COOKIE);
    let remembered = [(SET_COOKIE, line)];
    // The script of the page asks for no page in return.
    if headers.get("x-requested-with").is_some() {
        return (StatusCode::NO_CONTENT, remembered).into_response();
    }
    (StatusCode::SEE_OTHER, remembered, [(LOCATION, form.back().to_owned())]).into_response()
}

async fn static_file(State(bank): Shared, Path(path): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    bank.assets.serve(&path, &uri, &headers)
}

#[derive(Deserialize)]
struct OfferQuery {
    /// The offer that led here, appended by the edge's link.
    #[serde(default)]
    portico: String,
    /// The number of an application that was sent.
    #[serde(default, rename = "ref")]
    reference: String,
}

impl OfferQuery {
    fn offer(&self) -> Option<&str> {
        apply::is_word(&self.portico).then_some(self.portico.as_str())
    }
}

/// Offers lead here, in whichever language they were read: one target serves both.
async fn apply_in_own_language(headers: HeaderMap, Path(product): Path<String>, uri: Uri) -> Response {
    if !apply::is_word(&product) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let to = format!("/{}/apply/{product}{query}", own_language(&headers).segment());
    ([("vary", "accept-language, cookie")], Redirect::temporary(&to)).into_response()
}

async fn apply_form(
    State(bank): Shared,
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    Query(query): Query<OfferQuery>,
) -> Response {
    let Some(product) = apply::Product::find(&id).filter(|_| visit.known_language) else {
        return missing(&bank, &visit);
    };
    let answers = visit.customer.map(|persona| persona.answers(now_s())).unwrap_or_default();
    apply_page(&bank, &visit, product, &query, &answers, &[])
}

/// The form with what has been answered so far and what is wrong with it.
fn apply_page(
    bank: &Bank,
    visit: &Visit,
    product: &apply::Product,
    query: &OfferQuery,
    answers: &apply::Answers,
    errors: &[(&'static str, apply::Fault)],
) -> Response {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let form = product.form(answers, errors);
    let more = context! { product => product.id, form, errors => errors.len(), offer => query.offer() };
    bank.paint(visit, "apply.html", status, product.topic, more)
}

async fn apply_send(
    State(bank): Shared,
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    Query(query): Query<OfferQuery>,
    Form(answers): Form<apply::Answers>,
) -> Response {
    let Some(product) = apply::Product::find(&id).filter(|_| visit.known_language) else {
        return missing(&bank, &visit);
    };
    let errors = product.check(&answers, now_s());
    if !errors.is_empty() {
        return apply_page(&bank, &visit, product, &query, &answers, &errors);
    }
    let offer = query.offer().map(|offer| format!("&portico={offer}")).unwrap_or_default();
    Redirect::to(&format!("/{}/apply/{id}/done?ref={}{offer}", visit.language.segment(), apply::reference()))
        .into_response()
}

async fn applied(
    State(bank): Shared,
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    Query(query): Query<OfferQuery>,
) -> Response {
    let Some(product) = apply::Product::find(&id).filter(|_| visit.known_language) else {
        return missing(&bank, &visit);
    };
    if !apply::is_word(&query.reference) {
        return Redirect::to(&format!("/{}/apply/{id}", visit.language.segment())).into_response();
    }
    let more = context! { product => product.id, offer => query.offer(), reference => query.reference.as_str() };
    bank.paint(&visit, "applied.html", StatusCode::OK, product.topic, more)
}
