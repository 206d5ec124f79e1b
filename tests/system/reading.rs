//! What the site's pages are about, and what somebody's way through them says.

use std::time::Duration;

use anyhow::{Result, ensure};
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A page of the bank as somebody sees it, without a word of its own on its topic.
fn page(world: &World, path: &str, title: &str) -> Value {
    let mut question = world.question();
    question["page"] = json!({ "url": format!("{}{path}", world.bank), "title": title });
    question["context"] = json!({});
    question
}

async fn report_until(world: &World, holds: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let report = world.server(Method::GET, "/v1/reports/pages", None).await?;
        if holds(&report) {
            return Ok(report);
        }
        ensure!(Instant::now() < end, "{}", report.text);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn found<'a>(report: &'a Answer, path: &str) -> &'a Value {
    let pages = report.at("/pages").as_array().map_or(&[][..], Vec::as_slice);
    pages.iter().find(|page| page["path"] == path).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn words_of_pages_that_are_told_read_the_others() -> Result<()> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    config["pages"] = json!([
        { "url": "/guide/mortgage*", "topic": "mortgages" },
        { "url": "/guide/card*", "topic": "cards" },
    ]);
    world.publish(&config).await?;
    let told = [
        ("/guide/mortgage-rates", "Mortgage rates explained"),
        ("/guide/mortgage-deposit", "A deposit for your first mortgage"),
        ("/guide/mortgage-terms", "Mortgage terms and rates"),
        ("/guide/card-cashback", "Cashback on your card"),
        ("/guide/card-travel", "A card for travel, with cashback"),
        ("/guide/card-points", "Points and cashback"),
    ];
    for (path, title) in told {
        world.post("/v1/decide", &page(&world, path, title)).await?;
    }
    let untold = page(&world, "/news/8812345/first-deposit?name=Peter", "First deposit: rates from our mortgage desk");
    world.post("/v1/decide", &untold).await?;
    let path = "/news/*/first-deposit";
    let report = report_until(&world, |report| found(report, path)["by"] == "words").await?;
    assert_eq!(found(&report, path)["topic"], "mortgages", "{}", report.text);
    assert!(found(&report, path)["confidence"].as_f64() >= Some(0.8), "{}", report.text);
    assert_eq!(found(&report, "/guide/card-points")["by"], "table");
    assert!(!report.text.contains("Peter") && !report.text.contains("8812345"), "{}", report.text);
    let topics = report.at("/topics").to_string();
    assert!(topics.contains(r#"{"topic":"mortgages","views":4}"#), "{topics}");
    // From then on the page is about it, for whoever sees it.
    let mut known = untold.clone();
    known["customer"] = json!("peter");
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        world.post("/v1/decide", &untold).await?;
        world.server(Method::POST, "/v1/decide", Some(&known)).await?;
        let peter = world.server(Method::GET, "/v1/customers/peter", None).await?;
        if peter.at("/memory/topics/0/0") == "mortgages" {
            break;
        }
        ensure!(Instant::now() < end, "{}", peter.text);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // What people do who are known is not in the counts.
    let mut named = page(&world, "/peters/page", "Hello Peter");
    named["identity"] = json!(world.identity_of("peter")?);
    world.post("/v1/decide", &named).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(found(&report_until(&world, |_| true).await?, "/peters/page"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_form_that_was_left_can_be_gone_on_with_elsewhere() -> Result<()> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    config["pages"] = json!([
        { "url": "/en/apply/*", "journey": "buy", "begins": "application" },
        { "url": "/en/done/*", "ends": "application" },
        { "url": "/en/mortgages*", "topic": "mortgages", "journey": "choose" },
    ]);
    world.publish(&config).await?;
    let identity = world.identity_of("peter")?;
    let see = async |path: &str, context: Value| {
        let mut question = page(&world, path, "");
        question["context"] = context;
        question["identity"] = json!(identity);
        let answer = world.post("/v1/decide", &question).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let request = world.request(Method::GET, "/v1/profile?site=pk_demo").header("Origin", &world.bank);
        Answer::of(request.bearer_auth(&identity)).await
    };
    let left = see("/en/apply/mortgage-fix?step=2", json!({})).await?;
    assert_eq!(left.at("/left_off/0/form"), "application", "{}", left.text);
    assert_eq!(left.at("/left_off/0/path"), "/en/apply/mortgage-fix");
    let cart = see("/en/mortgages", json!({ "cart_value": 120 })).await?;
    assert_eq!(cart.at("/left_off/1/form"), "cart", "{}", cart.text);
    assert_eq!(see("/en/mortgages", json!({ "cart_value": 0 })).await?.at("/left_off/1"), &Value::Null);
    let peter = world.server(Method::GET, "/v1/customers/peter", None).await?;
    assert_eq!((peter.at("/intent"), peter.at("/left_off/0/form")), (&json!("mortgages"), &json!("application")));
    assert_eq!(see("/en/done/mortgage-fix", json!({})).await?.at("/left_off"), &json!([]));
    Ok(())
}

#[tokio::test]
async fn the_hour_is_the_visitors_own() -> Result<()> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    let hour = (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() / 3_600 + 9) % 24;
    let next = (hour + 1) % 24;
    let offers = config["decisions"]["offers"].as_array_mut();
    if let Some(offer) = offers.into_iter().flatten().find(|offer| offer["id"] == "savings-plus") {
        // Also if the hour turns meanwhile.
        let is = |hour: u64| json!({ "attr": "hour", "op": "eq", "value": hour });
        offer["rule"] = json!({ "any": [is(hour), is(next)] });
        offer["mandatory"] = json!(true);
    }
    world.publish(&config).await?;
    let first = async |offset: i64| {
        let mut question = world.question();
        question["offset"] = json!(offset);
        world.post("/v1/decide", &question).await
    };
    assert_eq!(first(540).await?.at("/placements/0/offers/0/offer"), "savings-plus", "nine hours ahead of UTC");
    assert_ne!(first(0).await?.at("/placements/0/offers/0/offer"), "savings-plus");
    assert_eq!(first(40_000).await?.at("/errors/0/pointer"), "/offset");
    Ok(())
}
