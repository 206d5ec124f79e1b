//! `POST /v1/doctor`: looks at a page of the site, or of one of its publishers.

use std::collections::BTreeMap;

use portico_protocol::doctor::{DoctorReport, DoctorRequest, Found, State};
use portico_protocol::limits::{BODY_BYTES, URL_BYTES};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::site::SiteConfig;
use url::Url;
use worker::{Context, Env};

use crate::access;
use crate::doctor::{self, Findings, Key, Pinned, Site, Tag};
use crate::error::Failure;
use crate::http::{Request, Response};
use crate::routes::assets;

/// Redirects that are followed, each to an origin that is listed.
const HOPS: usize = 3;

/// Only pages are fetched whose origins the configuration names. What those who edit it may reach beyond the public network is settled
/// by the platform, as for webhooks.
pub(crate) async fn examine(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let edge = request.own_origin().to_owned();
    if request.header("Origin").is_some_and(|origin| origin != edge) {
        return Err(Failure::refused(ProblemKind::OriginNotAllowed, "Pages are looked at from the console only."));
    }
    let snapshot = access::console_side(env, context, &request).await?;
    let config = &snapshot.settings.config;
    let DoctorRequest { url } = request.json(BODY_BYTES).await?;
    let mut url = address(&url)?;

    let mut findings = Findings::default();
    for hop in 0.. {
        let origin = url.origin().ascii_serialization();
        if !is_listed(config, &origin) {
            findings.say(State::Bad, Found::OriginNotListed, Some(origin.clone()), Some(origin));
            break;
        }
        let page = doctor::fetch(&url).await?;
        let leads = (300..400).contains(&page.status) && !page.location.is_empty() && hop < HOPS;
        let target = leads.then(|| url.join(&page.location).ok().filter(is_page)).flatten();
        if let Some(target) = target {
            findings.say(State::Note, Found::Redirect, Some(target.to_string()), None);
            url = target;
            continue;
        }
        if doctor::answered(&page, &mut findings) {
            let site = Site {
                edge: &edge,
                placements: config.decisions.placements.iter().map(|placement| placement.id.as_str()).collect(),
                gadgets: config.gadgets.keys().map(String::as_str).collect(),
                pictures: pictures(config),
            };
            let tag = Tag::of(&page, &url);
            let known = match &tag {
                Some(tag) => {
                    let key = stands_for(env, context, tag.key(), &snapshot.site, &origin).await?;
                    Some((tag, key, pinned(env, tag).await?))
                }
                None => None,
            };
            doctor::examine(&page, &url, &site, known, &mut findings);
        }
        break;
    }
    Response::json(200, &DoctorReport { url: url.to_string(), findings: findings.sorted() })
}

/// `GET /doctor?url=…`: to the console's screen. The page's address goes on in the fragment, where the console has all of its own.
pub(crate) fn screen(request: &Request) -> Result<Response, Failure> {
    let asked = request.url()?;
    let url = asked.query_pairs().find(|(name, _)| name == "url").map(|(_, url)| url).unwrap_or_default();
    let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    // A space is written `+` there, which stands for itself in a fragment.
    let fragment = if encoded.is_empty() { String::new() } else { format!("?url={}", encoded.replace('+', "%20")) };
    Ok(Response::empty(302).with("Location", &format!("/console#/doctor{fragment}")).with("Cache-Control", "no-store"))
}

fn address(text: &str) -> Result<Url, Failure> {
    let url = (text.len() <= URL_BYTES).then(|| Url::parse(text).ok()).flatten();
    url.filter(is_page).ok_or_else(|| {
        let detail = format!("an http or https address of at most {URL_BYTES} bytes, without a user's name");
        let error = FieldError { pointer: "/url".into(), detail };
        Failure::invalid(ProblemKind::Malformed, "This is no address of a page.", vec![error])
    })
}

fn is_page(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
}

fn is_listed(config: &SiteConfig, origin: &str) -> bool {
    let of_partners = config.partners.iter().flat_map(|partner| &partner.origins);
    config.origins.iter().chain(of_partners).any(|listed| listed == origin)
}

/// One address of each origin that offers' pictures come from.
fn pictures(config: &SiteConfig) -> Vec<Url> {
    let images =
        config.content.values().flat_map(|offer| offer.locales.values()).filter_map(|words| words.image.as_ref());
    let urls = images.flat_map(|image| [Some(&image.url), image.avif.as_ref(), image.webp.as_ref()]).flatten();
    let by_origin: BTreeMap<String, Url> =
        urls.filter_map(|url| Url::parse(url).ok()).map(|url| (url.origin().ascii_serialization(), url)).collect();
    by_origin.into_values().collect()
}

/// For whom a page's key stands, seen from a site and from the page's origin.
async fn stands_for(env: &Env, context: &Context, key: Option<&str>, site: &str, origin: &str) -> Result<Key, Failure> {
    match access::holder(env, context, key.unwrap_or_default()).await {
        Ok((caller, _)) if caller.snapshot.site != site => Ok(Key::OfOther),
        Ok((_, allowed)) if allowed.iter().any(|allowed| allowed == origin) => Ok(Key::Fine),
        Ok(_) => Ok(Key::Elsewhere),
        Err(Failure::Refused(_)) => Ok(Key::Unknown),
        Err(failure) => Err(failure),
    }
}

/// What became of the file that a tag has pinned, at this edge.
async fn pinned(env: &Env, tag: &Tag<'_>) -> Result<Option<Pinned>, Failure> {
    let Some(name) = tag.pinned() else { return Ok(None) };
    let newest = assets::content(env, assets::LOADER).await?;
    Ok(Some(match assets::content(env, name).await? {
        None => Pinned::Gone,
        pinned if pinned == newest => Pinned::Newest,
        Some(_) => Pinned::Older,
    }))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn only_pages_are_looked_at() {
        for (text, expect) in [
            ("https://www.bank.example/en/?a=b#c", true),
            ("http://127.0.0.1:8798/", true),
            ("www.bank.example", false),
            ("file:///etc/passwd", false),
            ("https://user:word@www.bank.example/", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            assert_eq!(address(text).is_ok(), expect, "{text}");
        }
        assert!(address(&format!("https://a.example/{}", "a".repeat(5_000))).is_err());
    }
}
