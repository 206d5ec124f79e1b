//! Files: the loader, the hashed assets, the console's page.

use portico_protocol::problem::ProblemKind;
use worker::Env;

use crate::error::Failure;
use crate::http::{Request, Response};

const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));
/// The evergreen loader.
pub(crate) const LOADER: &str = "portico.js";
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The loaders are evergreen: asked for again after five minutes, and then mostly answered with 304.
const SHORT: &str = "public, max-age=300, stale-while-revalidate=86400";
/// The console loads nothing from elsewhere and stands in no frame.
const CONSOLE_CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
                           img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn openapi() -> Result<Response, Failure> {
    Ok(Response::file(OPENAPI.as_bytes().to_vec())
        .with("Content-Type", "application/json")
        .with("Cache-Control", SHORT)
        .with("Access-Control-Allow-Origin", "*"))
}

/// Whether a name is the evergreen loader's, `portico.js`, or that of a release, such as `portico-0.1.js`.
pub(crate) fn is_loader(name: &str) -> bool {
    name.strip_suffix(".js").and_then(|name| name.strip_prefix("portico")).is_some_and(|release| {
        let number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        release.is_empty() || release.strip_prefix('-').is_some_and(|release| release.split('.').all(number))
    })
}

/// What has the hash of its content in its name never changes.
pub(crate) async fn asset(request: &Request, env: &Env, name: &str) -> Result<Response, Failure> {
    let hash = name.split('.').next().and_then(|stem| stem.rsplit_once('-')).map_or("", |(_, hash)| hash);
    let is_hashed = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    file(request, env, name, if is_hashed { FOREVER } else { SHORT }, &[]).await
}

pub(crate) async fn console(request: &Request, env: &Env) -> Result<Response, Failure> {
    let headers = [
        ("Content-Security-Policy", CONSOLE_CSP),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    file(request, env, "console.html", "no-cache", &headers).await
}

/// The bytes of an asset; nothing where there is none of the name.
pub(crate) async fn content(env: &Env, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    if media_type_of(name).is_none() {
        return Ok(None);
    }
    let mut found = env.service("ASSETS")?.fetch(format!("http://assets/{name}"), None).await?;
    Ok(if found.status_code() == 200 { Some(found.bytes().await?) } else { None })
}

async fn file(
    request: &Request,
    env: &Env,
    name: &str,
    cache: &str,
    more: &[(&str, &str)],
) -> Result<Response, Failure> {
    let not_found = || Failure::refused(ProblemKind::NotFound, "There is no such asset.");
    let kind = media_type_of(name).ok_or_else(not_found)?;
    let assets = env.service("ASSETS")?;
    let brotli = request.header("Accept-Encoding").is_some_and(|accepted| {
        accepted.split(',').any(|coding| coding.split(';').next().is_some_and(|coding| coding.trim() == "br"))
    });
    let mut found = None;
    if brotli {
        let compressed = assets.fetch(format!("http://assets/{name}.br"), None).await?;
        found = (compressed.status_code() == 200).then_some((compressed, true));
    }
    let (mut response, compressed) = match found {
        Some(found) => found,
        None => (assets.fetch(format!("http://assets/{name}"), None).await?, false),
    };
    if response.status_code() != 200 {
        return Err(not_found());
    }
    let bytes = response.bytes().await?;
    let etag = format!("\"{}{}\"", &crate::crypto::content_hash(&bytes), if compressed { "-br" } else { "" });
    let known = request.header("If-None-Match");
    let answer = match known.is_some_and(|known| known.split(',').any(|known| known.trim() == etag)) {
        true => Response::empty(304),
        false if compressed => Response::file(bytes).with("Content-Encoding", "br"),
        false => Response::file(bytes),
    };
    let always = [
        ("ETag", etag.as_str()),
        ("Content-Type", kind),
        ("Cache-Control", cache),
        ("Vary", "Accept-Encoding"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    Ok(always.iter().chain(more).fold(answer, |answer, (name, value)| answer.with(name, *value)))
}

/// Nothing for a name that no asset has.
fn media_type_of(name: &str) -> Option<&'static str> {
    let plain =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) && !name.starts_with('.');
    name.rsplit_once('.').and_then(|(_, ending)| media_type(ending)).filter(|_| plain)
}

fn media_type(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" => "application/json",
        "ts" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::is_loader;

    #[test]
    fn loaders_have_the_name_of_a_release_or_none() {
        for (name, expect) in [
            ("portico.js", true),
            ("portico-0.1.js", true),
            ("portico-12.js", true),
            ("portico-.js", false),
            ("portico-0..1.js", false),
            ("portico-0123456789abcdef.js", false),
            ("portico.d.ts", false),
            ("portico", false),
        ] {
            assert_eq!(is_loader(name), expect, "{name}");
        }
    }
}
