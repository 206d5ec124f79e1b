//! `/embed/{name}`: a gadget, or offers, as a page of their own, for frames and for browsers without scripts.
//!
//! The page belongs to the edge's origin and runs under the edge's own policy, so WebAssembly runs there whatever the host's
//! policy says. Only pages that may use the key may put it into a frame.

use data_encoding::BASE64;
use portico_protocol::decide::{Consent, DecideRequest, PlacementRequest};
use portico_protocol::gadgets::Gadget;
use portico_protocol::language::primary;
use portico_protocol::limits::NAME_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use worker::{Context, Env, Url};

use crate::access::{self, Caller};
use crate::error::Failure;
use crate::http::{Request, Response};
use crate::routes::decide;

/// Of gadgets' settings and of pages that show them: a change is seen soon.
const SHORT: &str = "public, max-age=60";
/// The page around what is embedded.
const STYLE: &str = "html{color-scheme:light dark}body{margin:0;font:16px/1.5 system-ui,\"PingFang SC\",\"Microsoft YaHei\",sans-serif;\
                     background:transparent}noscript{display:block;padding:16px}";
/// Name under which a placement's offers are embedded.
const OFFERS: &str = "offers";

/// What an embedded page is asked for with.
struct Wish {
    key: String,
    placement: String,
    purpose: String,
    locale: String,
    caller: Caller,
    /// Origins that may put it into a frame.
    hosts: Vec<String>,
}

impl Wish {
    async fn read(url: &Url, env: &Env, context: &Context) -> Result<Self, Failure> {
        let parameter = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            let found = found.unwrap_or_default();
            if found.len() <= NAME_BYTES {
                return Ok(found);
            }
            let error = FieldError { pointer: format!("/{name}"), detail: format!("at most {NAME_BYTES} bytes") };
            Err(Failure::invalid(ProblemKind::Malformed, "A parameter is too long.", vec![error]))
        };
        let (key, locale) = (parameter("site")?, parameter("locale")?);
        let (placement, purpose) = (parameter("placement")?, parameter("purpose")?);
        let (caller, hosts) = access::holder(env, context, &key).await?;
        Ok(Self { key, placement, purpose, locale, caller, hosts })
    }

    fn locale(&self) -> &str {
        let first = || self.caller.snapshot.settings.config.locales.first().map_or("en", String::as_str);
        if self.locale.is_empty() { first() } else { &self.locale }
    }

    fn gadget(&self, name: &str) -> Result<&Gadget, Failure> {
        let found = self.caller.snapshot.settings.config.gadgets.get(name);
        found.ok_or_else(|| Failure::refused(ProblemKind::NotFound, format!("The site has no gadget {name:.100}.")))
    }
}

/// `GET /v1/gadgets/{name}?site=…&locale=…`: a gadget's settings; as public as the page that shows them.
pub(crate) async fn gadget(request: &Request, env: &Env, context: &Context, name: &str) -> Result<Response, Failure> {
    let wish = Wish::read(&request.url()?, env, context).await?;
    let gadget = wish.gadget(name)?;
    let mut value = serde_json::to_value(gadget)?;
    value.as_object_mut().map(|settings| settings.insert("title".to_owned(), gadget.title(wish.locale()).into()));
    Ok(Response::file(serde_json::to_vec(&value)?)
        .with("Content-Type", "application/json")
        .with("Cache-Control", SHORT)
        .with("Access-Control-Allow-Origin", "*"))
}

/// `GET /embed/{name}?site=…&locale=…`; for `offers` also `placement`.
pub(crate) async fn embed(request: &Request, env: &Env, context: &Context, name: &str) -> Result<Response, Failure> {
    let wish = Wish::read(&request.url()?, env, context).await?;
    if name == OFFERS {
        return offers(request, env, context, &wish).await;
    }
    let title = wish.gadget(name)?.title(wish.locale()).to_owned();
    let (key, hosts) = (text(&wish.key), text(&wish.hosts.join(" ")));
    let head = format!("<script async src=\"/portico.js\" data-site=\"{key}\" data-hosts=\"{hosts}\"></script>");
    let body = format!(
        "<portico-gadget name=\"{}\" mode=\"inline\" purpose=\"{}\"></portico-gadget><noscript>{}</noscript>",
        text(name),
        text(&wish.purpose),
        text(&title)
    );
    Ok(page(&wish, &title, STYLE, &head, &body, "'self' 'wasm-unsafe-eval'").with("Cache-Control", SHORT))
}

/// Offers chosen by what the page is alone, as links: for browsers without scripts.
async fn offers(request: &Request, env: &Env, context: &Context, wish: &Wish) -> Result<Response, Failure> {
    let asked = DecideRequest {
        placements: vec![PlacementRequest { id: wish.placement.clone(), count: None }],
        locale: wish.locale.clone(),
        consent: Some(Consent::default()),
        html: true,
        ..DecideRequest::of(wish.key.clone())
    };
    asked
        .check()
        .map_err(|errors| Failure::invalid(ProblemKind::Malformed, "The request is out of bounds.", errors))?;
    let answer = decide::answer(asked, &wish.caller, request, env, context).await?;
    // As plain JSON: the reader of its wire type would be a tenth of the worker.
    let answer: Value = serde_json::from_slice(&answer)?;
    let part = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (html, style) = (part("/placements/0/html"), part("/style"));
    let style = [STYLE, style, ".dismiss,.why,.question{display:none}"].concat();
    let name = wish.caller.snapshot.settings.config.name.clone();
    Ok(page(wish, &name, &style, "", html, "'none'").with("Cache-Control", "no-store"))
}

fn page(wish: &Wish, title: &str, style: &str, head: &str, body: &str, scripts: &str) -> Response {
    let locale = wish.locale();
    let html = format!(
        "<!doctype html><html lang=\"{}\" dir=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{}</title>\
         <style>{style}</style>{head}</head><body>{body}</body></html>",
        text(locale),
        if matches!(primary(locale), "ar" | "fa" | "he" | "ur") { "rtl" } else { "ltr" },
        text(title),
    );
    let hash = BASE64.encode(&Sha256::digest(style.as_bytes()));
    let hosts = if wish.hosts.is_empty() { "'none'".to_owned() } else { wish.hosts.join(" ") };
    let policy = format!(
        "default-src 'none'; script-src {scripts}; style-src 'sha256-{hash}'; connect-src 'self'; img-src 'self' https: http: data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors {hosts}"
    );
    Response::file(html.into_bytes())
        .with("Content-Type", "text/html; charset=utf-8")
        .with("Content-Security-Policy", &policy)
        .with("Referrer-Policy", "strict-origin-when-cross-origin")
        .with("X-Content-Type-Options", "nosniff")
        .with("Cross-Origin-Resource-Policy", "cross-origin")
}

/// `GET /oembed?url=…`: how to embed an address of ours (oEmbed 1.0, type `rich`).
pub(crate) async fn oembed(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let url = request.url()?;
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let wrong = |detail: &str| {
        let error = FieldError { pointer: "/url".into(), detail: detail.to_owned() };
        Failure::invalid(ProblemKind::Malformed, "There is nothing to embed.", vec![error])
    };
    if parameter("format").is_some_and(|format| format != "json") {
        // What the specification wants for a format that is not spoken.
        return Ok(Response::empty(501));
    }
    let given = parameter("url").ok_or_else(|| wrong("an address below /embed/ is missing"))?;
    let embedded = Url::parse(&given).map_err(|_| wrong("this is no address"))?;
    let name = embedded
        .path()
        .strip_prefix("/embed/")
        .filter(|_| embedded.origin().ascii_serialization() == request.own_origin());
    let name = name.ok_or_else(|| wrong("only addresses below /embed/ of this edge can be embedded"))?;
    let wish = Wish::read(&embedded, env, context).await?;
    let title = match name {
        OFFERS => wish.caller.snapshot.settings.config.name.clone(),
        name => wish.gadget(name)?.title(wish.locale()).to_owned(),
    };
    let side = |name: &str, usual: u32| {
        parameter(name).and_then(|most| most.parse::<u32>().ok()).map_or(usual, |most| most.min(usual))
    };
    let (width, height) = (side("maxwidth", 720), side("maxheight", 760));
    let address = text(embedded.as_str());
    let frame = format!(
        "<iframe src=\"{address}\" title=\"{}\" width=\"{width}\" height=\"{height}\" loading=\"lazy\" style=\"border:0;max-width:100%\" \
         sandbox=\"allow-scripts allow-same-origin allow-popups allow-top-navigation-by-user-activation\"></iframe>",
        text(&title)
    );
    let answer = json!({
        "version": "1.0", "type": "rich", "title": title, "provider_name": wish.caller.snapshot.settings.config.name,
        "provider_url": request.own_origin(), "cache_age": 3600, "width": width, "height": height, "html": frame,
    });
    Ok(Response::file(serde_json::to_vec(&answer)?)
        .with("Content-Type", "application/json")
        .with("Cache-Control", SHORT)
        .with("Access-Control-Allow-Origin", "*"))
}

/// A text as it stands in HTML, between tags or between double quotes.
fn text(of: &str) -> String {
    let mut safe = String::with_capacity(of.len());
    for letter in of.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            letter => safe.push(letter),
        }
    }
    safe
}
