//! A candidate configuration in shadow: decided for everybody, shown to nobody, compared by what explorers answer.

use std::time::Duration;

use anyhow::{Context, Result};
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

const FAVOURITE: &str = "savings-plus";
const VISITORS: u64 = 60;

/// The world's configuration with every visitor an explorer, or with a favourite that nothing can beat.
fn changed(world: &World, pointer: &str, value: Value) -> Result<Value> {
    let mut config = serde_json::to_value(&world.config)?;
    config["decisions"]["arms"] = json!({ "control": 0.0, "explore": 1.0, "period_days": 28 });
    *config.pointer_mut(pointer).context("no such place")? = value;
    Ok(config)
}

async fn state(world: &World) -> Result<Answer> {
    world.server(Method::GET, "/v1/site/shadow", None).await
}

/// Shows somebody an offer and sends what they answer; says which offer it was.
async fn visit(world: &World, visitor: u64) -> Result<String> {
    let decided = world.post("/v1/decide", &world.question()).await?;
    let offer = decided.at("/placements/0/offers/0").clone();
    let mut events = vec![json!({ "id": format!("{visitor:08}-seen"), "type": "impression", "token": offer["token"] })];
    if offer["offer"] == FAVOURITE {
        events.push(json!({ "id": format!("{visitor:08}-clicked"), "type": "click", "token": offer["token"] }));
    }
    let receipt = world.post("/v1/events", &json!({ "site": "pk_demo", "events": events })).await?;
    assert_eq!(receipt.at("/accepted").as_u64(), Some(events.len() as u64), "{}", receipt.text);
    Ok(offer["offer"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_candidate_is_compared_without_being_shown() -> Result<()> {
    let mut world = World::start().await?;
    assert_eq!(state(&world).await?.json, json!({ "candidate": null, "since": null, "figures": null }));
    let explore = changed(&world, "/name", json!("Meridian Bank"))?;
    world.server(Method::PUT, "/v1/site/draft", Some(&explore)).await?;
    assert_eq!(world.server(Method::POST, "/v1/site/publish", None).await?.at("/version"), 2);

    let offers = explore.pointer("/decisions/offers").and_then(Value::as_array).context("no offers")?;
    let at = offers.iter().position(|offer| offer["id"] == FAVOURITE).context("no such offer")?;
    let candidate = changed(&world, &format!("/decisions/offers/{at}"), {
        let mut favourite = offers[at].clone();
        favourite["lever"] = json!(1_000_000.0);
        favourite
    })?;
    let mut broken = candidate.clone();
    broken["decisions"]["model"] = json!({ "exploration": -1 });
    world.server(Method::PUT, "/v1/site/draft", Some(&broken)).await?;
    let refused = world.server(Method::POST, "/v1/site/shadow", None).await?;
    assert_eq!(
        (refused.problem(), refused.at("/errors/0/pointer")),
        ("configuration", &json!("/decisions/model/exploration"))
    );
    world.server(Method::PUT, "/v1/site/draft", Some(&candidate)).await?;
    assert_eq!(world.server(Method::POST, "/v1/site/shadow", None).await?.json, json!({ "candidate": 1 }));
    assert_eq!(state(&world).await?.at("/candidate"), 1);

    let (mut shown, mut favourites) = (0, 0);
    for visitor in 0..VISITORS {
        favourites += u64::from(visit(&world, visitor).await? == FAVOURITE);
        shown += 1;
    }
    assert!(favourites > 0 && favourites < VISITORS / 2, "explorers see all of them alike: {favourites} of {shown}");
    world.until(Duration::from_secs(5), |report| report.events_folded == shown + favourites).await?;
    let found = state(&world).await?;
    assert_eq!(found.at("/figures/explored"), VISITORS, "{}", found.text);
    // The favourite is clicked whenever it is seen, which is worth 1, and nothing else is.
    let value = |of: &str| found.at(&format!("/figures/{of}_value")).as_f64();
    assert!(value("candidate").is_some_and(|value| (value - 1.0).abs() < 1e-9), "{}", found.text);
    assert!(value("live") <= value("candidate"), "{}", found.text);
    assert!(found.at("/figures/difference/upper").as_f64() > Some(0.0), "{}", found.text);

    // What the candidate would have shown is in the console's sample of decisions.
    let sampled = world.report().await?.decisions;
    let of_candidate = sampled.iter().filter_map(|decision| decision.shadow.first()?.offers.first());
    assert!(of_candidate.count() > 0, "{sampled:?}");

    // Kept: what was compared is in the learner's checkpoint or folded again.
    world.edge.kill().await?;
    world.edge.restart().await?;
    assert_eq!(state(&world).await?.json, found.json);

    // What is published ends the comparison, and so does whoever began it.
    world.server(Method::POST, "/v1/site/publish", None).await?;
    assert_eq!(state(&world).await?.at("/candidate"), &Value::Null);
    assert_eq!(world.server(Method::POST, "/v1/site/shadow", None).await?.json, json!({ "candidate": 2 }));
    assert_eq!(state(&world).await?.at("/figures"), &Value::Null, "another candidate begins anew");
    assert_eq!(world.server(Method::DELETE, "/v1/site/shadow", None).await?.status, 204);
    assert_eq!(state(&world).await?.at("/candidate"), &Value::Null);
    let foreign = Answer::of(world.request(Method::POST, "/v1/site/shadow").bearer_auth("pk_demo")).await?;
    assert_eq!(foreign.problem(), "unknown-key");
    Ok(())
}
