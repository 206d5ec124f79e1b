//! What an isolate has seen of a site's pages since it last reported, and what it knows of their topics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use portico_protocol::pages;
use worker::{Context, Delay, Env};

use crate::log;
use crate::objects::call;
use crate::objects::pages::{Looked, Page, Readings};

/// How long views wait to be reported together.
const REPORT_AFTER: Duration = Duration::from_secs(2);
/// Pages that are counted in that time; views of others are not.
const MOST_PAGES: usize = 500;
/// Length of a path, in bytes.
const PATH_BYTES: usize = 200;
/// Length of a part of a path that is not somebody's number, in bytes.
const PART_BYTES: usize = 48;
/// Digits of a part of a path that is a number of somebody's or something's.
const DIGITS: usize = 4;

#[derive(Default)]
struct Site {
    seen: BTreeMap<String, Page>,
    readings: Readings,
}

thread_local! {
    static SITES: RefCell<BTreeMap<String, Site>> = RefCell::default();
}

/// The path of a page without what may be about somebody; none where there is no address, or one that is too long.
pub(crate) fn path(url: &str) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    let path = pages::path(url);
    if path.len() > PATH_BYTES {
        return None;
    }
    let is_number = |part: &str| {
        part.len() > PART_BYTES || part.bytes().filter(u8::is_ascii_digit).count() >= DIGITS || part.contains('@')
    };
    let parts: Vec<&str> = path.split('/').map(|part| if is_number(part) { "*" } else { part }).collect();
    Some(parts.join("/"))
}

/// What the words of a page say that it is about.
pub(crate) fn topic(site: &str, path: &str) -> Option<String> {
    SITES.with_borrow(|sites| sites.get(site)?.readings.topics.get(path).cloned())
}

/// Counts a page view, and sees to it that it is reported.
pub(crate) fn note(env: &Env, context: &Context, site: &str, page: Page) {
    let is_first = SITES.with_borrow_mut(|sites| {
        let seen = &mut sites.entry(site.to_owned()).or_default().seen;
        let is_first = seen.is_empty();
        let has_room = seen.len() < MOST_PAGES;
        match seen.get_mut(&page.path) {
            Some(known) => {
                let views = known.views + page.views;
                *known = Page { views, ..page };
            }
            None if has_room => {
                seen.insert(page.path.clone(), page);
            }
            None => {}
        }
        is_first
    });
    if !is_first {
        return;
    }
    let (env, site) = (env.clone(), site.to_owned());
    log::behind(context, async move {
        Delay::from(REPORT_AFTER).await;
        let (seen, have) = SITES.with_borrow_mut(|sites| {
            let site = sites.entry(site.clone()).or_default();
            (std::mem::take(&mut site.seen), site.readings.version)
        });
        let looked = Looked { pages: seen.into_values().collect(), have };
        match call(&env, &site, &looked).await {
            Ok(None) => {}
            Ok(Some(readings)) => {
                SITES.with_borrow_mut(|sites| sites.entry(site).or_default().readings = readings);
            }
            Err(failure) => log::error("counts of pages", &failure),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_about_nobody() {
        let check = |url: &str, expect: Option<&str>| assert_eq!(path(url).as_deref(), expect, "{url}");
        check("https://bank.example/en/mortgages/fix-5?name=Peter#top", Some("/en/mortgages/fix-5"));
        check("https://bank.example/accounts/12345678/statement", Some("/accounts/*/statement"));
        check("https://bank.example/u/peter@example.com", Some("/u/*"));
        check(&format!("https://bank.example/reset/{}", "x".repeat(49)), Some("/reset/*"));
        check(&format!("https://bank.example/{}", "x/".repeat(150)), None);
        check("https://bank.example", Some("/"));
        check("", None);
    }
}
