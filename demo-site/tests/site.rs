//! Walks both sites as a visitor would: every page, every link, every file, in both languages, logged in and not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use portico_demo_site::bank::{self, BankOptions};
use portico_demo_site::identity::DemoIdentity;
use portico_demo_site::partner::{self, PartnerOptions};
use portico_demo_site::publish::{self, PublishOptions};
use tower::ServiceExt as _;

const EDGE: &str = "http://edge.test";
const BANK: &str = "http://bank.test";
const PARTNER: &str = "http://partner.test";

fn identity(name: &str) -> DemoIdentity {
    let folder = std::env::temp_dir().join(format!("portico-site-{}", std::process::id()));
    DemoIdentity::load_or_create(&folder.join(name)).unwrap()
}

fn bank_with(identity: DemoIdentity) -> Router {
    bank::router(BankOptions {
        edge_origin: EDGE.into(),
        origin: BANK.into(),
        partner_origin: PARTNER.into(),
        identity,
    })
}

fn magazine() -> Router {
    partner::router(PartnerOptions { edge_origin: EDGE.into(), origin: PARTNER.into(), bank_origin: BANK.into() })
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// What the browser would send back of `name`.
    fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
        lines
            .filter_map(|line| line.split(';').next())
            .find(|pair| pair.starts_with(&format!("{name}=")))
            .map(str::to_owned)
    }
}

async fn send(site: &Router, request: Request<Body>) -> Answer {
    let response = site.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 4 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&bytes).into_owned() }
}

async fn get(site: &Router, path: &str, cookies: &str) -> Answer {
    send(site, Request::get(path).header("cookie", cookies).body(Body::empty()).unwrap()).await
}

async fn post(site: &Router, path: &str, cookies: &str, form: &str) -> Answer {
    let request = Request::post(path)
        .header("cookie", cookies)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    send(site, request).await
}

/// Every address in an attribute `href`, `src` or `action`.
fn addresses(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["href=\"", "src=\""] {
        for (start, _) in html.match_indices(attribute) {
            let rest = &html[start + attribute.len()..];
            found.push(rest[..rest.find('"').unwrap()].replace("&amp;", "&").replace("&#x2f;", "/"));
        }
    }
    found
}

/// Follows everything that leads somewhere on the site at `origin`, from `start` on; gives each page's HTML by path.
async fn crawl(site: &Router, origin: &str, start: &[&str], cookies: &str) -> BTreeMap<String, String> {
    let mut waiting: Vec<String> = start.iter().map(|path| (*path).to_owned()).collect();
    let mut seen = BTreeSet::new();
    let mut pages = BTreeMap::new();
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = get(site, &path, cookies).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        if answer.header("content-type").starts_with("text/html") {
            for address in addresses(&answer.body) {
                let address = address.split('#').next().unwrap_or_default().to_owned();
                let own = address.strip_prefix(origin).unwrap_or(&address);
                if own.starts_with('/') {
                    waiting.push(own.to_owned());
                } else if !own.is_empty() && !own.starts_with("http") {
                    waiting.push(format!("{}/{own}", path.rsplit_once('/').unwrap().0));
                }
            }
            pages.insert(path, answer.body);
        }
    }
    pages
}

async fn log_in(site: &Router, user: &str, password: &str) -> String {
    let answer = post(site, "/en/login", "", &format!("user={user}&password={password}")).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/en/account"));
    answer.cookie("meridian_session").unwrap()
}

#[tokio::test]
async fn every_link_of_the_bank_leads_somewhere() {
    let site = bank_with(identity("crawl.key"));
    let products = ["mortgage-fix", "savings-plus", "overdraft", "car-insurance"];
    let forms: Vec<String> = products.iter().map(|id| format!("/zh/apply/{id}?portico={id}")).collect();
    let mut start: Vec<&str> = forms.iter().map(String::as_str).collect();
    start.extend(["/en/", "/zh/", "/static/favicon.svg", "/robots.txt"]);
    let pages = crawl(&site, BANK, &start, "").await;
    for language in ["en", "zh"] {
        let pages_in_it = pages.keys().filter(|path| path.starts_with(&format!("/{language}/"))).count();
        assert!(pages_in_it >= 20, "{language}: {:?}", pages.keys());
    }
    for (path, html) in &pages {
        assert!(html.contains(r#"data-site="pk_demo""#) && html.contains("portico('context',{topic:"), "{path}");
        assert!(html.contains(r#"class="consent""#), "{path}");
        assert_eq!(html.matches("<h1").count(), 1, "{path}: one heading of the first level");
        assert!(!html.contains("style=\""), "{path}: the policy forbids style attributes");
    }
}

#[tokio::test]
async fn every_link_of_the_magazine_leads_somewhere() {
    let bank = bank_with(identity("neighbour.key"));
    let pages = crawl(&magazine(), PARTNER, &["/en/", "/zh/"], "").await;
    assert_eq!(pages.len(), 2 * 5, "{:?}", pages.keys());
    for (path, html) in &pages {
        assert!(html.contains(r#"data-site="pk_roadbook""#), "{path}");
        for address in addresses(html) {
            if let Some(there) = address.strip_prefix(BANK) {
                assert_eq!(get(&bank, there, "").await.status, StatusCode::OK, "{path} leads to {address}");
            }
        }
    }
}

#[tokio::test]
async fn the_front_door_speaks_the_visitors_language() {
    for site in [bank_with(identity("door.key")), magazine()] {
        for (accept, expect) in [("zh-CN,zh;q=0.9", "/zh/"), ("fr", "/en/")] {
            let request = Request::get("/").header("accept-language", accept).body(Body::empty()).unwrap();
            assert_eq!(send(&site, request).await.header("location"), expect);
        }
        assert_eq!(get(&site, "/zh", "").await.header("location"), "/zh/");
        for path in ["/en/nothing-here", "/de/", "/de/cards", "/en/a/b/c"] {
            assert_eq!(get(&site, path, "").await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(get(&site, "/de", "").await.header("location"), "/en/not-found");
        assert_eq!(get(&site, "/static/nothing.css", "").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_strict_policy_stands_on_every_page_of_the_bank() {
    let site = bank_with(identity("policy.key"));
    let [first, second] = [get(&site, "/en/", "").await, get(&site, "/en/", "").await];
    let policy = first.header("content-security-policy");
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
    assert!(
        policy.contains("'wasm-unsafe-eval'") && policy.contains(&format!("connect-src 'self' {EDGE}")),
        "{policy}"
    );
    assert_ne!(policy, second.header("content-security-policy"), "a nonce is for one answer");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    let scripts = first.body.matches("<script").count();
    assert_eq!(first.body.matches(&format!(r#"nonce="{nonce}""#)).count(), scripts);
    assert!(!get(&site, "/en/nothing", "").await.header("content-security-policy").is_empty());
}

#[tokio::test]
async fn a_customer_logs_in_is_vouched_for_and_logs_out() {
    let key = identity("login.key");
    let site = bank_with(key.clone());
    assert_eq!(get(&site, "/en/account", "").await.header("location"), "/en/login");
    assert_eq!(get(&site, "/portico-token", "").await.status, StatusCode::UNAUTHORIZED);
    let refused = post(&site, "/en/login", "", "user=peter&password=wrong").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.cookie("meridian_session").is_none() && !refused.body.contains("value=\"wrong\""));

    for persona in bank::personas() {
        let session = log_in(&site, &persona.id, &persona.password).await;
        let cookie = get(&site, "/en/account", &session).await;
        let line = cookie
            .headers
            .get_all("set-cookie")
            .iter()
            .find(|line| line.to_str().unwrap().contains("session"))
            .unwrap();
        assert!(line.to_str().unwrap().contains("HttpOnly; SameSite=Lax"));
        for language in ["en", "zh"] {
            let account = get(&site, &format!("/{language}/account"), &session).await;
            assert_eq!(account.status, StatusCode::OK);
            assert!(account.body.contains("portico('identify'") && account.body.contains("account-top"));
        }
        let token = get(&site, "/portico-token", &session).await;
        assert_eq!(token.header("cache-control"), "no-store");
        assert!(token.headers.get("access-control-allow-origin").is_none());
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let claims = key.verify(&token.body, "demo", now).expect("a token for the widget");
        assert_eq!((claims.iss.as_str(), &claims.sub, claims.exp - claims.iat), (BANK, &persona.id, 300));
        assert_eq!(claims.attributes, persona.attributes());
        assert!(key.verify(&token.body, "demo", claims.exp).is_none(), "it expires");

        // The widget's token opens no session, and the session is no token for the widget.
        let swapped = get(&site, "/portico-token", &format!("meridian_session={}", token.body)).await;
        assert_eq!(swapped.status, StatusCode::UNAUTHORIZED);
        assert!(key.verify(session.split_once('=').unwrap().1, "demo", now).is_none());
        crawl(&site, BANK, &["/en/account", "/zh/apply/savings-plus"], &session).await;
    }
    let gone = post(&site, "/en/logout", "", "").await;
    assert_eq!(gone.cookie("meridian_session").as_deref(), Some("meridian_session="));
}

#[tokio::test]
async fn an_application_is_checked_and_its_offer_reported() {
    let site = bank_with(identity("apply.key"));
    let form = "first_deposit=1500&full_name=Ada+L&birth_date=1980-05-01&email=ada%40mail.example&phone=0161+496+0120&postcode=M1";
    let wrong = post(&site, "/zh/apply/savings-plus?portico=savings-plus", "", &form.replace("1500", "much")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains(r##"href="#first_deposit""##) && wrong.body.contains("Ada L"));

    let sent = post(&site, "/zh/apply/savings-plus?portico=savings-plus", "", form).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let done = get(&site, sent.header("location"), "").await;
    assert_eq!(done.status, StatusCode::OK);
    assert!(done.body.contains("portico('track','application_submitted'"));
    assert!(done.body.contains("portico('stage','applied')"), "{}", done.body);

    let without = post(&site, "/en/apply/savings-plus", "", form).await;
    let done = get(&site, without.header("location"), "").await;
    assert!(!done.body.contains("'applied'"), "no offer led here");
    let forged = get(&site, "/en/apply/savings-plus/done?ref=MB-1&portico=%27%29%3Balert%281%29", "").await;
    assert!(!forged.body.contains("alert(1)"));
    assert_eq!(get(&site, "/en/apply/savings-plus/done", "").await.header("location"), "/en/apply/savings-plus");
}

#[tokio::test]
async fn a_choice_about_data_is_remembered_and_told_to_the_widget() {
    for (site, name) in [(bank_with(identity("consent.key")), "meridian_consent"), (magazine(), "roadbook_consent")] {
        let before = get(&site, "/en/", "").await;
        assert!(!before.body.contains("portico('consent'"), "nothing is said before the choice");
        let chosen = post(&site, "/consent", "", "choice=all&back=%2Fen%2F").await;
        assert_eq!((chosen.status, chosen.header("location")), (StatusCode::SEE_OTHER, "/en/"));
        let after = get(&site, "/en/", &chosen.cookie(name).unwrap()).await;
        assert!(
            after.body.contains(r#"portico('consent',{"analytics": true, "personalization": true}"#),
            "{}",
            after.body
        );
        let refused = post(&site, "/consent", "", "choice=necessary").await;
        let after = get(&site, "/en/", &refused.cookie(name).unwrap()).await;
        assert!(after.body.contains(r#"portico('consent',{"analytics": false, "personalization": false}"#));
        assert!(
            after.body.contains(r#"aria-labelledby="consent-title" hidden"#)
                || after.body.contains(r#"aria-label="Privacy" hidden"#)
        );
    }
}

#[tokio::test]
async fn the_configuration_has_words_a_picture_and_a_form_for_every_offer() {
    let key = identity("config.key");
    let options = PublishOptions { bank_origin: BANK.into(), partner_origin: PARTNER.into(), identity: key.clone() };
    let config = publish::configuration(EDGE, &options).unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert!(!text.contains("{{"), "no placeholder is left");
    for persona in bank::personas() {
        assert!(!text.to_lowercase().contains(&persona.id), "no rule names {}", persona.id);
    }
    let identity = config.identity.unwrap();
    assert_eq!((identity.issuer.as_str(), identity.keys[0].kid()), (BANK, key.kid().as_str()));

    let site = bank_with(key);
    assert_eq!(config.decisions.offers.len(), config.content.len());
    for offer in &config.decisions.offers {
        assert!(config.decisions.groups.iter().any(|group| group.id == offer.group), "{}", offer.id);
        let presentation = &config.content[&offer.id];
        for locale in &config.locales {
            let content = presentation.locales.get(locale).unwrap_or_else(|| panic!("{} in {locale}", offer.id));
            assert!(content.highlight.is_some() && content.terms.is_some() && !content.cta.is_empty());
            let image = content.image.as_ref().unwrap();
            for (url, kind) in [
                (Some(&image.url), if image.url.ends_with(".svg") { "image/svg+xml" } else { "image/jpeg" }),
                (image.webp.as_ref(), "image/webp"),
                (image.avif.as_ref(), "image/avif"),
            ] {
                let Some(url) = url else { continue };
                let picture = get(&site, url.strip_prefix(BANK).unwrap(), "").await;
                assert_eq!((picture.status, picture.header("content-type")), (StatusCode::OK, kind), "{url}");
                let box_of_svg = format!(r#"width="{}" height="{}""#, image.width, image.height);
                assert!(kind != "image/svg+xml" || picture.body.contains(&box_of_svg), "{url}");
            }
        }
        let target = presentation.target.strip_prefix(BANK).unwrap();
        for language in ["en", "zh"] {
            let led =
                get(&site, &format!("{target}?portico={}", offer.id), &format!("meridian_language={language}")).await;
            assert_eq!(led.header("location"), format!("/{language}{target}?portico={}", offer.id));
            let form = get(&site, led.header("location"), "").await;
            assert_eq!(form.status, StatusCode::OK);
            assert!(form.body.contains(&format!("/apply/{0}?portico={0}", offer.id)));
        }
    }
    for placement in &config.decisions.placements {
        assert!(config.layouts.contains_key(&placement.id), "{}", placement.id);
        assert!(placement.groups.iter().all(|id| config.decisions.groups.iter().any(|group| group.id == *id)));
    }
}
