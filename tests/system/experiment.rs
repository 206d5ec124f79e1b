//! The comparison of the arms: who counts as a visitor of it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use portico_tests::World;
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(3);

/// Shows somebody offers and reports the first as seen; says with which token they come again.
async fn visit(world: &World, number: u32, question: &Value) -> Result<Value> {
    let answer = world.post("/v1/decide", question).await?;
    let seen = json!({ "id": format!("00000000-{number:04}"), "type": "impression", "token": answer.at("/placements/0/offers/0/token") });
    let receipt = world.post("/v1/events", &json!({ "site": "pk_demo", "events": [seen] })).await?;
    assert_eq!(receipt.at("/accepted"), 1, "{}", receipt.text);
    Ok(answer.at("/visitor").clone())
}

#[tokio::test]
async fn a_visitor_is_one_whichever_decisions_they_get() -> Result<()> {
    let world = World::start().await?;
    // With the first answer it begins; who came in before does not count.
    visit(&world, 0, &world.question()).await?;
    world.until(SOON, |report| report.events_folded == 1).await?;
    let mut again = world.question();
    again["visitor"] = visit(&world, 1, &world.question()).await?;
    assert!(again["visitor"].is_string(), "{again}");
    visit(&world, 2, &again).await?;
    let mut customer = world.question();
    customer["identity"] = json!(world.identity_of("peter")?);
    visit(&world, 3, &customer).await?;
    visit(&world, 4, &customer).await?;
    // Nobody is recognised without consent, so each decision is a visitor.
    let mut unknown = world.question();
    unknown["consent"] = json!({ "analytics": false, "personalization": false });
    visit(&world, 5, &unknown).await?;
    visit(&world, 6, &unknown).await?;
    let report = world.until(SOON, |report| report.events_folded == 7).await?;
    let experiment = report.experiment.context("there is no experiment")?;
    assert_eq!((experiment.waiting, experiment.visitors.len(), experiment.window_ms), (4, 0, 60_000));
    let stages: Vec<Option<&str>> = experiment.measures.iter().map(|measure| measure.stage.as_deref()).collect();
    assert_eq!(stages.first(), Some(&None), "value comes first");
    assert_eq!(stages.get(1), Some(&Some("click")));

    let mut config = serde_json::to_value(&world.config)?;
    for (minutes, is_valid) in [(0, false), (28 * 1440 + 1, false), (28 * 1440, true)] {
        config["decisions"]["arms"]["window_minutes"] = json!(minutes);
        let draft = world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
        assert_eq!(draft.at("/errors/0/pointer") == "/decisions/arms/window_minutes", !is_valid, "{}", draft.text);
    }
    // Without a hold-out there is nothing to compare with.
    config["decisions"]["arms"] = json!({ "control": 0.0, "explore": 0.1 });
    world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
    assert_eq!(world.server(Method::POST, "/v1/site/publish", None).await?.status, 200);
    let mut number = 7;
    while world.report().await?.experiment.is_some() {
        assert!(number < 50, "the learner does not take over the configuration");
        visit(&world, number, &world.question()).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        number += 1;
    }
    Ok(())
}
