//! What is wrong with the widget's installation in a page, told from the page's markup and headers. What only a browser can
//! tell, `portico('doctor')` tells in the page.

mod policy;

use std::collections::BTreeMap;

use portico_protocol::doctor::{Finding, Found, State};
use serde::Deserialize;
use url::Url;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::Failure;
use crate::routes::assets::is_loader;
use policy::Policies;

#[wasm_bindgen(module = "/src/doctor/look.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn look(url: &str) -> Result<JsValue, JsValue>;
}

/// A page as it came.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    /// 0 where nothing answered.
    pub(crate) status: u16,
    pub(crate) location: String,
    html: bool,
    policy: String,
    elements: Vec<Element>,
    /// What its own scripts say.
    scripts: String,
    cut: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Fetches a page, as far as eight seconds and two megabytes go.
pub(crate) async fn fetch(url: &Url) -> Result<Page, Failure> {
    let found = look(url.as_str()).await.ok().and_then(|found| found.as_string());
    found.and_then(|found| serde_json::from_str(&found).ok()).ok_or(Failure::Internal("a page could not be looked at"))
}

/// For whom a tag's key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Unknown,
    OfOther,
    /// Ours, but not for pages of this origin.
    Elsewhere,
    Fine,
}

/// What becomes of the file that a tag has pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    Gone,
    Older,
    Newest,
}

/// What the page is held against.
pub(crate) struct Site<'a> {
    /// The edge's own origin.
    pub(crate) edge: &'a str,
    pub(crate) placements: Vec<&'a str>,
    pub(crate) gadgets: Vec<&'a str>,
    /// A picture of each origin that has any.
    pub(crate) pictures: Vec<Url>,
}

/// The script tag that works: the first.
pub(crate) struct Tag<'a> {
    element: &'a Element,
    src: Url,
    /// How many there are.
    count: usize,
}

impl<'a> Tag<'a> {
    pub(crate) fn of(page: &'a Page, url: &Url) -> Option<Self> {
        let src = |element: &Element| url.join(element.get("src")?).ok().filter(is_ours);
        let mut ours = page
            .elements
            .iter()
            .filter(|element| element.name == "script")
            .filter_map(|element| Some((element, src(element)?)));
        let (element, src) = ours.next()?;
        Some(Self { element, src, count: 1 + ours.count() })
    }

    /// Its key, where it has one.
    pub(crate) fn key(&self) -> Option<&'a str> {
        self.element.get("data-site").filter(|key| !key.is_empty())
    }

    /// The file's name, where it is pinned.
    pub(crate) fn pinned(&self) -> Option<&str> {
        self.src.path().strip_prefix("/assets/")
    }
}

fn is_ours(src: &Url) -> bool {
    let pinned = |name: &str| name.starts_with("portico-") && name.ends_with(".js");
    match src.path().strip_prefix("/assets/") {
        Some(name) => pinned(name),
        None => is_loader(src.path().trim_start_matches('/')),
    }
}

/// Findings as they are made.
#[derive(Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn say(&mut self, state: State, found: Found, about: Option<String>, fix: Option<String>) {
        self.0.push(Finding { found, state, about, fix });
    }

    fn bad(&mut self, found: Found, about: Option<&str>, fix: Option<String>) {
        self.say(State::Bad, found, about.map(str::to_owned), fix);
    }

    fn note(&mut self, found: Found, about: Option<&str>, fix: Option<String>) {
        self.say(State::Note, found, about.map(str::to_owned), fix);
    }

    fn good(&mut self, found: Found, about: Option<&str>) {
        self.say(State::Good, found, about.map(str::to_owned), None);
    }

    /// The worst first, otherwise in the order in which they were made.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.state);
        self.0
    }
}

/// Whether there is a page to look into, and what is wrong where there is none.
pub(crate) fn answered(page: &Page, findings: &mut Findings) -> bool {
    match page.status {
        0 => findings.bad(Found::Unreachable, None, None),
        200 if !page.html => findings.bad(Found::NoHtml, None, None),
        200 => return true,
        status => findings.bad(Found::Status, Some(&status.to_string()), None),
    }
    false
}

/// Looks into a page. Key and pinned file are what was found out about those of its tag.
pub(crate) fn examine(
    page: &Page,
    url: &Url,
    site: &Site<'_>,
    tag: Option<(&Tag<'_>, Key, Option<Pinned>)>,
    findings: &mut Findings,
) {
    if page.cut {
        findings.note(Found::TooLong, None, None);
    }
    let metas = page.elements.iter().filter(|element| {
        element.name == "meta"
            && element.get("http-equiv").is_some_and(|name| name.eq_ignore_ascii_case("content-security-policy"))
    });
    let policies = Policies::of(&page.policy, metas.filter_map(|meta| meta.get("content")));
    match tag {
        Some((tag, key, pinned)) => {
            examine_origin(tag, url, site, findings);
            examine_tag(tag, key, pinned, findings);
            examine_policies(&policies, url, tag, site, findings);
            examine_consent(page, findings);
        }
        None => {
            let source =
                |element: &Element| element.get("src").unwrap_or_default().contains("googletagmanager.com/gtm.js");
            let fix = format!(r#"<script async src="{}/portico.js" data-site="pk_…"></script>"#, site.edge);
            if page.elements.iter().any(source) || page.scripts.contains("gtm.start") {
                findings.note(Found::TagManager, None, Some(fix));
            } else {
                findings.bad(Found::TagMissing, None, Some(fix));
            }
        }
    }
    examine_places(page, site, findings);
}

fn examine_origin(tag: &Tag<'_>, url: &Url, site: &Site<'_>, findings: &mut Findings) {
    let origin = tag.src.origin().ascii_serialization();
    if url.scheme() == "https" && tag.src.scheme() == "http" {
        findings.bad(Found::TagInsecure, Some(tag.src.as_str()), Some(tag.src.as_str().replacen("http:", "https:", 1)));
    } else if origin != site.edge {
        findings.note(Found::TagElsewhere, Some(&origin), Some(format!("{}/portico.js", site.edge)));
    }
    let kind = tag.element.get("type").unwrap_or_default();
    if !matches!(kind.to_ascii_lowercase().as_str(), "" | "module" | "text/javascript" | "application/javascript") {
        findings.note(Found::TagHeldBack, Some(kind), None);
    }
}

fn examine_tag(tag: &Tag<'_>, key: Key, pinned: Option<Pinned>, findings: &mut Findings) {
    match tag.count {
        1 => findings.good(Found::TagFine, Some(tag.src.as_str())),
        count => findings.note(Found::TagTwice, Some(&count.to_string()), None),
    }
    let name = tag.key();
    match (name, key) {
        (None, _) => findings.bad(Found::KeyMissing, None, Some(r#"data-site="pk_…""#.to_owned())),
        (Some(_), Key::Fine) => findings.good(Found::KeyFine, name),
        (Some(_), Key::Unknown) => findings.bad(Found::KeyUnknown, name, None),
        (Some(_), Key::OfOther) => findings.bad(Found::KeyOfOther, name, None),
        (Some(_), Key::Elsewhere) => findings.bad(Found::KeyElsewhere, name, None),
    }
    let is_module = tag.element.get("type") == Some("module");
    if !is_module && tag.element.get("async").or(tag.element.get("defer")).is_none() {
        findings.note(Found::TagBlocks, None, Some(format!(r#"<script async src="{}" …>"#, tag.src)));
    }
    let integrity = tag.element.get("integrity");
    let file = tag.pinned();
    match pinned {
        Some(Pinned::Gone) => findings.bad(Found::PinnedGone, file, None),
        Some(Pinned::Older) => findings.note(Found::PinnedOlder, file, None),
        Some(Pinned::Newest) => findings.good(Found::PinnedNewest, file),
        None if integrity.is_some() => findings.bad(Found::IntegrityOnEvergreen, None, None),
        None => findings.good(Found::Evergreen, tag.src.path_segments().and_then(|mut path| path.next_back())),
    }
    if pinned.is_some() && integrity.is_none() {
        findings.note(Found::PinnedWithoutIntegrity, file, None);
    }
}

fn examine_policies(policies: &Policies, url: &Url, tag: &Tag<'_>, site: &Site<'_>, findings: &mut Findings) {
    let edge = tag.src.origin().ascii_serialization();
    let at = |path: &str| tag.src.join(path).ok();
    let (Some(questions), Some(frames), Some(modules)) = (at("/v1/decide"), at("/embed/gadget"), at("/assets/more.js"))
    else {
        return;
    };
    let before = findings.0.len();
    let nonce = tag.element.get("nonce");
    if !policies.runs(url, &tag.src, nonce, tag.element.get("integrity")) {
        findings.bad(Found::ScriptRefused, None, Some(format!("script-src {edge}")));
    } else if !policies.runs(url, &modules, nonce, None) {
        findings.note(Found::ModulesRefused, None, Some(format!("script-src {edge}")));
    }
    if !policies.connects(url, &questions) {
        findings.bad(Found::ConnectRefused, None, Some(format!("connect-src {edge}")));
    }
    let refused = site.pictures.iter().filter(|picture| !policies.shows(url, picture));
    let refused: Vec<String> = refused.map(|picture| picture.origin().ascii_serialization()).collect();
    if !refused.is_empty() {
        findings.note(Found::ImagesRefused, None, Some(format!("img-src {}", refused.join(" "))));
    }
    if !policies.compiles() {
        findings.note(Found::WasmRefused, None, Some("script-src 'wasm-unsafe-eval'".to_owned()));
    }
    if !policies.frames(url, &frames) {
        findings.note(Found::FramesRefused, None, Some(format!("frame-src {edge}")));
    }
    if !policies.trusts("portico") {
        findings.note(Found::TrustedTypes, None, Some("trusted-types portico".to_owned()));
    }
    if findings.0.len() == before {
        findings.good(Found::PolicyFine, None);
    }
}

fn examine_consent(page: &Page, findings: &mut Findings) {
    let says = page.scripts.contains("portico(") && page.scripts.contains("consent");
    if says {
        findings.good(Found::ConsentSaid, None);
    } else {
        let fix = "portico('consent', { analytics: true, personalization: true })";
        findings.note(Found::ConsentUnsaid, None, Some(fix.to_owned()));
    }
}

fn examine_places(page: &Page, site: &Site<'_>, findings: &mut Findings) {
    let of = |name: &'static str| page.elements.iter().filter(move |element| element.name == name);
    if of("portico-offers").chain(of("portico-gadget")).next().is_none() {
        let placement = site.placements.first().unwrap_or(&"…");
        let fix = format!(r#"<portico-offers placement="{placement}" height="320"></portico-offers>"#);
        findings.note(Found::NoPlaces, None, Some(fix));
    }
    for place in of("portico-offers") {
        match place.get("placement").filter(|placement| !placement.is_empty()) {
            None => findings.bad(Found::PlaceUnnamed, None, Some(r#"placement="…""#.to_owned())),
            Some(name) if !site.placements.contains(&name) => findings.bad(Found::PlaceUnknown, Some(name), None),
            Some(name) if place.get("height").or(place.get("style")).or(place.get("class")).is_none() => {
                findings.note(Found::PlaceWithoutHeight, Some(name), Some(r#"height="320""#.to_owned()));
            }
            name => findings.good(Found::PlaceFine, name),
        }
    }
    for gadget in of("portico-gadget") {
        let name = gadget.get("name").unwrap_or_default();
        if site.gadgets.contains(&name) {
            findings.good(Found::GadgetFine, Some(name));
        } else {
            findings.bad(Found::GadgetUnknown, Some(name), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://www.bank.example/en/";

    fn element(name: &str, attributes: &[(&str, &str)]) -> Element {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Element { name: name.to_owned(), attributes }
    }

    /// What is found in a page of such elements, with nothing wrong about key and file.
    fn found(policy: &str, scripts: &str, elements: Vec<Element>) -> Vec<(Found, State)> {
        let page = Page {
            status: 200,
            html: true,
            policy: policy.to_owned(),
            elements,
            scripts: scripts.to_owned(),
            ..Page::default()
        };
        let url = Url::parse(URL).unwrap();
        let site = Site {
            edge: "https://edge.example",
            placements: vec!["home"],
            gadgets: vec!["calculator"],
            pictures: vec![Url::parse("https://images.example/a.jpg").unwrap()],
        };
        let tag = Tag::of(&page, &url);
        let pinned = tag.as_ref().and_then(Tag::pinned).map(|_| Pinned::Newest);
        let mut findings = Findings::default();
        assert!(answered(&page, &mut findings));
        examine(&page, &url, &site, tag.as_ref().map(|tag| (tag, Key::Fine, pinned)), &mut findings);
        findings.sorted().into_iter().map(|finding| (finding.found, finding.state)).collect()
    }

    fn tag() -> Element {
        let attributes = [("src", "https://edge.example/portico.js"), ("data-site", "pk_bank"), ("async", "")];
        element("script", &attributes)
    }

    fn place() -> Element {
        element("portico-offers", &[("placement", "home"), ("height", "320")])
    }

    #[test]
    fn a_good_page_has_nothing_to_mend() {
        let found = found("", "portico('consent', 'all')", vec![tag(), place()]);
        assert!(found.iter().all(|(_, state)| *state == State::Good), "{found:?}");
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn what_keeps_offers_away_comes_first() {
        let policy = "default-src 'self'; require-trusted-types-for 'script'; trusted-types other";
        let bare = element("portico-offers", &[]);
        let strange = element("portico-offers", &[("placement", "elsewhere")]);
        let flat = element("portico-offers", &[("placement", "home")]);
        let gadget = element("portico-gadget", &[("name", "rocket")]);
        let second = element("script", &[("src", "https://edge.example/portico-0.1.js"), ("data-site", "pk_bank")]);
        let found = found(policy, "", vec![tag(), second, bare, strange, flat, gadget]);
        let of = |wanted: State| {
            found.iter().filter(|(_, state)| *state == wanted).map(|(found, _)| *found).collect::<Vec<_>>()
        };
        assert_eq!(
            of(State::Bad),
            [
                Found::ScriptRefused,
                Found::ConnectRefused,
                Found::PlaceUnnamed,
                Found::PlaceUnknown,
                Found::GadgetUnknown
            ]
        );
        assert_eq!(
            of(State::Note),
            [
                Found::TagTwice,
                Found::ImagesRefused,
                Found::WasmRefused,
                Found::FramesRefused,
                Found::TrustedTypes,
                Found::ConsentUnsaid,
                Found::PlaceWithoutHeight
            ]
        );
        assert_eq!(found.first().map(|(_, state)| *state), Some(State::Bad));
    }

    #[test]
    fn what_only_seems_to_work_is_told() {
        let with = |policy: &str, src: &str, kind: &str| {
            let tag = element("script", &[("src", src), ("data-site", "pk_bank"), ("async", ""), ("type", kind)]);
            let found = found(policy, "portico('consent','all')", vec![tag, place()]);
            found.into_iter().filter(|(_, state)| *state != State::Good).map(|(found, _)| found).collect::<Vec<_>>()
        };
        let loader = "https://edge.example/portico.js";
        assert_eq!(with("", loader, "text/plain"), [Found::TagHeldBack]);
        assert_eq!(with("", "https://retired.example/portico.js", ""), [Found::TagElsewhere]);
        assert_eq!(with("", "http://edge.example/portico.js", ""), [Found::TagInsecure]);
        let narrow = "script-src https://edge.example/portico.js 'wasm-unsafe-eval'";
        assert_eq!(with(narrow, loader, ""), [Found::ModulesRefused]);
        // Paths that are enough, and a picture's own origin.
        let exact = "connect-src https://edge.example/v1/; frame-src https://edge.example/embed/; img-src https://images.example";
        assert_eq!(with(exact, loader, ""), []);
        assert_eq!(with("img-src https://edge.example", loader, ""), [Found::ImagesRefused]);
    }

    #[test]
    fn tags_are_known_by_their_file() {
        for (src, expect) in [
            ("https://edge.example/portico.js", Some(None)),
            ("https://edge.example/portico.js?v=2", Some(None)),
            ("/portico-0.1.js", Some(None)),
            ("https://edge.example/assets/portico-0011223344556677.js", Some(Some("portico-0011223344556677.js"))),
            ("https://edge.example/assets/more-0011223344556677.js", None),
            ("https://other.example/jquery.js", None),
        ] {
            let page = Page { elements: vec![element("script", &[("src", src)])], ..Page::default() };
            let tag = Tag::of(&page, &Url::parse(URL).unwrap());
            assert_eq!(tag.as_ref().map(Tag::pinned), expect, "{src}");
        }
    }

    #[test]
    fn a_pinned_file_wants_its_hash_and_a_changing_one_has_none() {
        let with = |src: &str, integrity: bool| {
            let mut tag = element("script", &[("src", src), ("data-site", "pk_bank"), ("defer", "")]);
            if integrity {
                tag.attributes.insert("integrity".into(), "sha256-aaa=".into());
            }
            found("", "portico('consent','all')", vec![tag, place()])
                .into_iter()
                .map(|(found, _)| found)
                .collect::<Vec<_>>()
        };
        let pinned = "https://edge.example/assets/portico-0011223344556677.js";
        assert!(with(pinned, true).contains(&Found::PinnedNewest));
        assert!(with(pinned, false).contains(&Found::PinnedWithoutIntegrity));
        assert!(with("https://edge.example/portico.js", true).contains(&Found::IntegrityOnEvergreen));
    }

    #[test]
    fn without_a_tag_it_is_told_what_to_paste() {
        let found = found("", "", vec![place()]);
        assert_eq!(found.first(), Some(&(Found::TagMissing, State::Bad)));
        let manager = vec![element("script", &[("src", "https://www.googletagmanager.com/gtm.js?id=GTM-1")])];
        assert!(self::found("", "", manager).contains(&(Found::TagManager, State::Note)));
    }

    #[test]
    fn what_is_no_page_is_not_looked_into() {
        for (status, html, expect) in
            [(0, false, Found::Unreachable), (200, false, Found::NoHtml), (404, true, Found::Status)]
        {
            let mut findings = Findings::default();
            assert!(!answered(&Page { status, html, ..Page::default() }, &mut findings));
            assert_eq!(findings.sorted().first().map(|finding| finding.found), Some(expect));
        }
    }
}
