//! `POST /v1/outcomes`, and where rows go: whatever is sent again, by whichever way and however many shards there are, counts
//! once.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portico_protocol::report::LiveReport;
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(3);

/// Responses at a stage over all offers and arms.
fn reached(report: &LiveReport, stage: &str) -> u64 {
    let counts = report.offers.iter().flat_map(|offer| offer.arms.values());
    counts.map(|counts| counts.stages.get(stage).copied().unwrap_or(0)).sum()
}

fn impressions(report: &LiveReport) -> u64 {
    report.offers.iter().flat_map(|offer| offer.arms.values()).map(|counts| counts.impressions).sum()
}

async fn send(world: &World, outcomes: Value) -> Result<Answer> {
    let answer = world.server(Method::POST, "/v1/outcomes", Some(&json!({ "outcomes": outcomes }))).await?;
    assert_eq!(answer.status, 202, "{}", answer.text);
    Ok(answer)
}

/// Accepted, duplicate, rejected.
fn counts(answer: &Answer) -> (u64, u64, usize) {
    let number = |pointer| answer.at(pointer).as_u64().unwrap_or(u64::MAX);
    (number("/accepted"), number("/duplicate"), answer.at("/rejected").as_array().map_or(usize::MAX, Vec::len))
}

/// The first offer of a decision and its token.
async fn shown(world: &World, question: &Value) -> Result<(String, String)> {
    let answer = world.post("/v1/decide", question).await?;
    let text = |part| answer.at(part).as_str().map(str::to_owned).with_context(|| answer.text.clone());
    Ok((text("/placements/0/offers/0/offer")?, text("/placements/0/offers/0/token")?))
}

async fn see(world: &World, id: &str, token: &str) -> Result<Answer> {
    let events = json!({ "site": "pk_demo", "events": [{ "id": id, "type": "impression", "token": token }] });
    world.post("/v1/events", &events).await
}

#[tokio::test]
async fn an_outcome_implies_what_came_before_and_counts_once() -> Result<()> {
    let world = World::start().await?;
    let (_, token) = shown(&world, &world.question()).await?;
    see(&world, "00000000-0001", &token).await?;
    let applied = json!({ "id": "order-1", "token": token, "stage": "applied" });
    assert_eq!(counts(&send(&world, json!([applied, applied])).await?), (1, 1, 0));
    assert_eq!(counts(&send(&world, json!([applied])).await?), (0, 1, 0));
    // The same under another id, and by the page.
    let again = json!({ "id": "order-1-again", "token": token, "stage": "applied" });
    assert_eq!(counts(&send(&world, json!([again])).await?), (0, 1, 0));
    let page = json!({ "site": "pk_demo", "events": [{ "id": "00000000-0002", "type": "stage", "stage": "applied", "token": token }] });
    assert_eq!(world.post("/v1/events", &page).await?.at("/duplicate"), 1);
    let report = world.until(SOON, |report| reached(report, "applied") > 0).await?;
    assert_eq!((impressions(&report), reached(&report, "click"), reached(&report, "applied")), (1, 1, 1));
    Ok(())
}

#[tokio::test]
async fn each_outcome_is_judged_alone() -> Result<()> {
    let world = World::start().await?;
    let (offer, token) = shown(&world, &world.question()).await?;
    let outcomes = json!([
        { "id": "1", "token": token, "stage": "married" },
        { "id": "2", "stage": "applied" },
        { "id": "3", "customer": "peter", "stage": "applied" },
        { "id": "", "token": token, "stage": "applied" },
        { "id": "5", "token": "demo~AAAA", "stage": "applied" },
        { "id": "6", "token": token, "stage": "applied", "value": 1e300 },
        { "id": "7", "token": token, "stage": "applied", "value": "much" },
        { "id": "8", "customer": "nobody", "offer": offer, "stage": "applied" },
        { "id": "9", "token": token, "stage": "applied", "withdrawn": true },
        "nothing",
        { "id": "10", "token": token, "stage": "applied", "at": 1, "value": 12.5 },
        { "id": "11", "token": token, "stage": "applied", "at": u64::MAX },
    ]);
    let answer = send(&world, outcomes).await?;
    assert_eq!((answer.at("/accepted"), answer.at("/duplicate")), (&json!(1), &json!(1)), "{}", answer.text);
    let expected = [
        (0, "unknown stage `married`"),
        (1, "name the offer's token"),
        (2, "name the offer's token"),
        (3, "id is empty"),
        (4, "not valid"),
        (5, "value is not between"),
        (6, "invalid type"),
        (7, "did not see this offer in the 30 days"),
        (8, "has not been reached"),
        (9, "invalid type"),
    ];
    let rejected = answer.at("/rejected").as_array().cloned().unwrap_or_default();
    assert_eq!(rejected.len(), expected.len(), "{}", answer.text);
    for (rejection, (index, part)) in rejected.iter().zip(expected) {
        let reason = rejection["reason"].as_str().unwrap_or_default();
        assert!(rejection["index"] == index && reason.contains(part), "{rejection}, expected {index}: {part}");
    }
    let many: Vec<Value> =
        (0..501).map(|at| json!({ "id": format!("m{at}"), "token": "x", "stage": "applied" })).collect();
    let refused = world.server(Method::POST, "/v1/outcomes", Some(&json!({ "outcomes": many }))).await?;
    assert_eq!(
        (refused.status, refused.problem(), refused.at("/errors/0/pointer")),
        (400, "malformed", &json!("/outcomes"))
    );
    let open = Answer::of(world.request(Method::POST, "/v1/outcomes").bearer_auth("pk_demo").body("{\"outcomes\":[]}"))
        .await?;
    assert_eq!((open.status, open.problem()), (401, "unknown-key"));
    Ok(())
}

#[tokio::test]
async fn an_outcome_of_a_customer_goes_to_what_they_saw_last() -> Result<()> {
    let world = World::start().await?;
    let mut question = world.question();
    question["identity"] = json!(world.identity_of("peter")?);
    // There are fewer offers than questions, so one of them is chosen a second time.
    let mut chosen = HashMap::new();
    let mut again = None;
    for _ in 0..=world.config.decisions.offers.len() {
        let (offer, token) = shown(&world, &question).await?;
        if let Some(first) = chosen.insert(offer.clone(), token.clone()) {
            again = Some((offer, first, token));
            break;
        }
    }
    let (offer, first, second) = again.context("the customer is not shown any offer again")?;
    see(&world, "00000000-0001", &first).await?;
    see(&world, "00000000-0002", &second).await?;
    let outcome = json!({ "id": "contract-7", "customer": "peter", "offer": offer, "stage": "applied" });
    assert_eq!(counts(&send(&world, json!([outcome])).await?), (1, 0, 0));
    assert_eq!(counts(&send(&world, json!([outcome])).await?), (0, 1, 0), "sent again it is the same outcome");
    // It was the second showing's: there it is known, at the first it is news.
    let of = |id: &str, token: &str| json!([{ "id": id, "token": token, "stage": "applied" }]);
    assert_eq!(counts(&send(&world, of("a", &second)).await?), (0, 1, 0));
    assert_eq!(counts(&send(&world, of("b", &first)).await?), (1, 0, 0));
    let other = json!([{ "id": "contract-8", "customer": "penny", "offer": offer, "stage": "applied" }]);
    assert_eq!(counts(&send(&world, other).await?), (0, 0, 1));
    // Before they had seen it.
    let early = json!([{ "id": "contract-9", "customer": "peter", "offer": offer, "stage": "applied", "at": 1_700_000_000_000_u64 }]);
    assert_eq!(counts(&send(&world, early).await?), (0, 0, 1));
    world.until(SOON, |report| reached(report, "applied") == 2).await?;
    Ok(())
}

#[tokio::test]
async fn an_outcome_can_be_corrected_and_withdrawn() -> Result<()> {
    let world = World::start().await?;
    let (_, token) = shown(&world, &world.question()).await?;
    see(&world, "00000000-0001", &token).await?;
    let outcome = |id: &str, value: Option<f64>, withdrawn: bool| json!([{ "id": id, "token": token, "stage": "applied", "value": value, "withdrawn": withdrawn }]);
    assert_eq!(counts(&send(&world, outcome("o1", Some(100.0), false)).await?), (1, 0, 0));
    assert_eq!(counts(&send(&world, outcome("o2", Some(80.0), false)).await?), (1, 0, 0), "another value corrects");
    assert_eq!(
        counts(&send(&world, outcome("o1", Some(100.0), false)).await?),
        (0, 1, 0),
        "the first one comes late again"
    );
    assert_eq!(counts(&send(&world, outcome("o3", Some(80.0), false)).await?), (0, 1, 0), "it stands already");
    world.until(SOON, |report| reached(report, "applied") == 1).await?;
    assert_eq!(counts(&send(&world, outcome("o1", None, true)).await?), (1, 0, 0), "withdrawn under its own id");
    assert_eq!(counts(&send(&world, outcome("o1", None, true)).await?), (0, 1, 0));
    assert_eq!(counts(&send(&world, outcome("o4", None, true)).await?), (0, 0, 1), "there is nothing left");
    let report = world.until(SOON, |report| reached(report, "applied") == 0).await?;
    assert_eq!((impressions(&report), reached(&report, "click")), (1, 1), "the click was none of it");
    assert_eq!(counts(&send(&world, outcome("o5", Some(90.0), false)).await?), (1, 0, 0), "after all");
    world.until(SOON, |report| reached(report, "applied") == 1).await?;
    Ok(())
}

#[tokio::test]
async fn shards_can_be_added_while_answers_are_under_way() -> Result<()> {
    let world = World::start().await?;
    let mut showings = Vec::new();
    for _ in 0..20 {
        showings.push(shown(&world, &world.question()).await?.1);
    }
    let notes = |from: u64| {
        let events: Vec<Value> = (from..from + 20)
            .map(|at| json!({ "id": format!("00000000-{at:04}"), "type": "track", "name": "calculator_used" }))
            .collect();
        json!({ "site": "pk_demo", "events": events })
    };
    for (at, token) in showings.iter().take(10).enumerate() {
        see(&world, &format!("00000001-{at:04}"), token).await?;
    }
    assert_eq!(world.post("/v1/events", &notes(0)).await?.at("/accepted"), 20);
    let mut config = serde_json::to_value(&world.config)?;
    for shards in [0, 65] {
        config["ledger"] = json!({ "shards": shards });
        let draft = world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
        assert_eq!(draft.at("/errors/0/pointer"), "/ledger/shards", "{}", draft.text);
    }
    for (shards, round) in [(4, 2_u64), (3, 3)] {
        config["ledger"] = json!({ "shards": shards });
        world.publish(&config).await?;
        // Everything again, and the rest: what was taken is known wherever it would go now.
        for (at, token) in showings.iter().enumerate() {
            see(&world, &format!("0000000{round}-{at:04}"), token).await?;
        }
        assert_eq!(world.post("/v1/events", &notes(0)).await?.at("/duplicate"), 20);
        let more = world.post("/v1/events", &notes(round * 100)).await?;
        assert_eq!(more.at("/accepted"), 20, "{}", more.text);
        assert_eq!(world.post("/v1/events", &notes(round * 100)).await?.at("/duplicate"), 20);
        for at in 0..20 {
            let (_, token) = shown(&world, &world.question()).await?;
            see(&world, &format!("0000001{round}-{at:04}"), &token).await?;
        }
    }
    let report = world.until(SOON, |report| impressions(report) == 60).await?;
    assert_eq!(report.events_folded, 60 + 60);
    Ok(())
}
