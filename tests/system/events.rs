//! `POST /v1/events` and `GET /v1/go/{token}`: what is accepted is on record once, whatever else is in the batch.

use std::time::Duration;

use anyhow::Result;
use portico_engine::Arm;
use portico_protocol::report::LiveReport;
use portico_protocol::seal::{Expires as _, OfferRecord, Purpose};
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(2);

/// Impressions, clicks and applications over all offers and arms.
fn totals(report: &LiveReport) -> (u64, u64, u64) {
    report.offers.iter().flat_map(|offer| offer.arms.values()).fold((0, 0, 0), |sum, counts| {
        let stage = |id: &str| counts.stages.get(id).copied().unwrap_or(0);
        (sum.0 + counts.impressions, sum.1 + stage("click"), sum.2 + stage("applied"))
    })
}

async fn shown(world: &World) -> Result<Answer> {
    let answer = world.post("/v1/decide", &world.question()).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Ok(answer)
}

fn batch(events: Value) -> Value {
    json!({ "site": "pk_demo", "events": events })
}

#[tokio::test]
async fn each_event_is_judged_alone() -> Result<()> {
    let world = World::start().await?;
    let decided = shown(&world).await?;
    let token = decided.at("/placements/0/offers/0/token");
    let text = token.as_str().unwrap_or_default();
    let (head, tail) = text.split_at(text.len() / 2);
    let forged = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    let events = json!([
        { "id": "00000000-0001", "type": "impression", "token": token },
        { "id": "00000000-0002", "type": "impression", "token": forged },
        { "id": "00000000-0003", "type": "stage", "token": token, "stage": "married" },
        { "id": "00000000-0004", "type": "sneeze", "token": token },
        { "id": "00000000-0005", "type": "click" },
        { "id": "!", "type": "click", "token": token },
        "not an event",
        { "id": "00000000-0007", "type": "click", "token": format!("other~{text}") },
        { "id": "00000000-0008", "type": "click", "token": token },
        { "id": "00000000-0009", "type": "track", "name": "calculator_used", "props": { "amount": 1200 } },
        { "id": "00000000-0010", "type": "track", "name": "x", "props": { "long": "x".repeat(3000) } },
    ]);
    let receipt = world.post("/v1/events", &batch(events)).await?;
    assert_eq!(receipt.status, 202, "{}", receipt.text);
    assert_eq!((receipt.at("/accepted"), receipt.at("/duplicate")), (&json!(3), &json!(0)), "{}", receipt.text);
    let rejected = receipt.at("/rejected").as_array().cloned().unwrap_or_default();
    let reasons: Vec<(u64, &str)> = rejected
        .iter()
        .map(|rejection| (rejection["index"].as_u64().unwrap_or(99), rejection["reason"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        (1, "not valid"),
        (2, "unknown stage `married`"),
        (3, "sneeze"),
        (4, "token is missing"),
        (5, "not a UUID"),
        (6, "invalid type"),
        (7, "not valid"),
        (10, "props are larger"),
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((index, reason), (place, part)) in reasons.iter().zip(expected) {
        assert!(*index == place && reason.contains(part), "{index}: {reason}, expected {place}: {part}");
    }
    world.until(SOON, |report| totals(report) == (1, 1, 0)).await?;
    Ok(())
}

#[tokio::test]
async fn an_answer_that_comes_too_late_teaches_nothing() -> Result<()> {
    let world = World::start().await?;
    let decided = shown(&world).await?;
    let fresh = decided.at("/placements/0/offers/0/token").as_str().unwrap_or_default();
    let keyring = world.keyring()?;
    let sealed = fresh.strip_prefix("demo~").unwrap_or_default();
    let mut record: OfferRecord = keyring.open_expired(Purpose::Offer, "demo", sealed)?;
    record.decided_ms -= record.expires_ms() - record.decided_ms;
    let expired = format!("demo~{}", keyring.seal(Purpose::Offer, "demo", &record, [7; 24])?);
    let events = json!([
        { "id": "00000000-0001", "type": "impression", "token": expired },
        { "id": "00000000-0002", "type": "impression", "token": fresh },
    ]);
    let receipt = world.post("/v1/events", &batch(events)).await?;
    assert_eq!(receipt.at("/accepted"), 1, "{}", receipt.text);
    let rejected = receipt.at("/rejected");
    assert_eq!((&rejected[0]["index"], rejected[1].is_null()), (&json!(0), true), "{}", receipt.text);
    assert!(rejected[0]["reason"].as_str().is_some_and(|reason| reason.contains("expired")), "{}", receipt.text);
    // A link kept for long still leads on.
    let led = Answer::of(world.request(Method::GET, &format!("/v1/go/{expired}"))).await?;
    assert_eq!(led.status, 302, "{}", led.text);
    assert_eq!(totals(&world.until(SOON, |report| totals(report).0 == 1).await?), (1, 0, 0));
    Ok(())
}

#[tokio::test]
async fn a_repeated_event_is_one_event() -> Result<()> {
    let world = World::start().await?;
    let decided = shown(&world).await?;
    let token = decided.at("/placements/0/offers/0/token");
    let once = batch(json!([{ "id": "00000000-0001", "type": "impression", "token": token }]));
    let counts = |answer: &Answer| (answer.at("/accepted").as_u64(), answer.at("/duplicate").as_u64());
    assert_eq!(counts(&world.post("/v1/events", &once).await?), (Some(1), Some(0)));
    assert_eq!(counts(&world.post("/v1/events", &once).await?), (Some(0), Some(1)));
    // The same showing reported under another id is the same impression.
    let again = batch(json!([{ "id": "00000000-0002", "type": "impression", "token": token }]));
    assert_eq!(counts(&world.post("/v1/events", &again).await?), (Some(0), Some(1)));
    let twice = json!({ "id": "00000000-0003", "type": "click", "token": token });
    assert_eq!(counts(&world.post("/v1/events", &batch(json!([twice, twice]))).await?), (Some(1), Some(1)));
    world.until(SOON, |report| totals(report) == (1, 1, 0)).await?;
    Ok(())
}

#[tokio::test]
async fn a_later_stage_implies_the_earlier_ones() -> Result<()> {
    let world = World::start().await?;
    let decided = shown(&world).await?;
    let token = decided.at("/placements/0/offers/0/token");
    let applied = json!([{ "id": "00000000-0001", "type": "stage", "stage": "applied", "token": token }]);
    world.post("/v1/events", &batch(applied)).await?;
    let late = json!([
        { "id": "00000000-0002", "type": "click", "token": token },
        { "id": "00000000-0003", "type": "impression", "token": token },
    ]);
    world.post("/v1/events", &batch(late)).await?;
    world.until(SOON, |report| report.events_folded == 3 && totals(report) == (1, 1, 1)).await?;
    Ok(())
}

#[tokio::test]
async fn the_link_counts_the_click_once_and_leads_on() -> Result<()> {
    let world = World::start().await?;
    let question = json!({
        "site": "pk_roadbook", "placements": [{ "id": "partner-sidebar" }], "context": { "topic": "car" },
        "consent": { "analytics": true, "personalization": true },
    });
    let decided = world.post_from(&world.partner, "/v1/decide", &question).await?;
    let href = decided.at("/placements/0/offers/0/href").as_str().unwrap_or_default().to_owned();
    let offer = decided.at("/placements/0/offers/0/offer").as_str().unwrap_or_default();
    for _ in 0..2 {
        let led = Answer::of(world.request(Method::GET, &href)).await?;
        assert_eq!(led.status, 302, "{}", led.text);
        let target = led.headers["location"].to_str()?;
        assert!(target.starts_with(&format!("{}/", world.bank)), "{target}");
        assert!(target.contains(&format!("portico={offer}&portico_partner=roadbook#portico=demo~")), "{target}");
    }
    world.until(SOON, |report| totals(report) == (0, 1, 0)).await?;
    for wrong in ["/v1/go/x", "/v1/go/demo~x", "/v1/go/nobody~x", &format!("{href}x")] {
        let refused = Answer::of(world.request(Method::GET, wrong)).await?;
        assert_eq!((refused.problem(), refused.status), ("token", 400), "{wrong}: {}", refused.text);
    }
    // A click that came by the link and by the page is one click.
    let click =
        json!([{ "id": "00000000-0001", "type": "click", "token": decided.at("/placements/0/offers/0/token") }]);
    let receipt =
        world.post_from(&world.partner, "/v1/events", &json!({ "site": "pk_roadbook", "events": click })).await?;
    assert_eq!(receipt.at("/duplicate"), 1, "{}", receipt.text);
    Ok(())
}

#[tokio::test]
async fn a_publisher_reports_only_its_own_showings() -> Result<()> {
    let world = World::start().await?;
    let decided = shown(&world).await?;
    let click =
        json!([{ "id": "00000000-0001", "type": "click", "token": decided.at("/placements/0/offers/0/token") }]);
    let receipt =
        world.post_from(&world.partner, "/v1/events", &json!({ "site": "pk_roadbook", "events": click })).await?;
    assert!(receipt.at("/rejected/0/reason").as_str().is_some_and(|why| why.contains("publisher")), "{}", receipt.text);
    Ok(())
}

#[tokio::test]
async fn arms_are_reported_apart() -> Result<()> {
    let world = World::start().await?;
    let mut expected = std::collections::BTreeMap::new();
    for at in 0..60 {
        let decided = shown(&world).await?;
        let arm: Arm = serde_json::from_value(decided.at("/placements/0/arm").clone())?;
        *expected.entry(arm).or_insert(0_u64) += 1;
        let token = decided.at("/placements/0/offers/0/token");
        let seen = json!([{ "id": format!("00000000-{at:04}"), "type": "impression", "token": token }]);
        world.post("/v1/events", &batch(seen)).await?;
    }
    let report = world.until(SOON, |report| totals(report).0 == 60).await?;
    for (arm, count) in expected {
        let seen: u64 =
            report.offers.iter().filter_map(|offer| offer.arms.get(&arm)).map(|counts| counts.impressions).sum();
        assert_eq!(seen, count, "{arm:?}");
    }
    Ok(())
}
