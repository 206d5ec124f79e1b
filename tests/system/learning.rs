//! From an answer to a better decision, and what survives when the edge dies.

use std::time::Duration;

use anyhow::Result;
use portico_demo_site::simulate;
use portico_engine::Arm;
use portico_tests::World;
use reqwest::Method;
use serde_json::{Value, json};

/// The promise of the loop: an outcome is in the model that the edge uses within this time.
const LOOP: Duration = Duration::from_secs(2);

/// What the model thinks of an offer for a visitor who reads about a topic: the mean click probability.
async fn belief(world: &World, topic: &str, offer: &str) -> Result<(u64, f64)> {
    let question = json!({
        "site": "", "placements": [{ "id": "product-side" }], "context": { "topic": topic }, "explain": true,
    });
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    let offers = answer.at("/trace/0/offers").as_array().cloned().unwrap_or_default();
    let found = offers.iter().find(|entry| entry["offer"] == offer).cloned().unwrap_or_default();
    Ok((answer.at("/model").as_u64().unwrap_or(0), found["stages"][0]["mean"].as_f64().unwrap_or(f64::NAN)))
}

/// Shows offers on a topic's page and answers with a click on one of them only.
async fn teach(world: &World, topic: &str, liked: &str, run: u32) -> Result<u64> {
    let mut sent = 0;
    for at in 0..20 {
        let question = json!({
            "site": "pk_demo", "placements": [{ "id": "product-side", "count": 20 }], "context": { "topic": topic },
        });
        let decided = world.post("/v1/decide", &question).await?;
        let mut events = Vec::new();
        for (place, offer) in decided.at("/placements/0/offers").as_array().into_iter().flatten().enumerate() {
            let id = |what: &str| format!("{run:04}-{at:04}-{place:04}-{what}");
            events.push(json!({ "id": id("seen"), "type": "impression", "token": offer["token"] }));
            if offer["offer"] == liked {
                events.push(json!({ "id": id("clicked"), "type": "click", "token": offer["token"] }));
            }
        }
        let receipt = world.post("/v1/events", &json!({ "site": "pk_demo", "events": events })).await?;
        assert_eq!(receipt.at("/accepted").as_u64(), Some(events.len() as u64), "{}", receipt.text);
        sent += events.len() as u64;
    }
    Ok(sent)
}

#[tokio::test]
async fn an_answer_moves_the_model_within_two_seconds_and_outlives_a_restart() -> Result<()> {
    let mut world = World::start().await?;
    let (_, before) = belief(&world, "cards", "travel-card").await?;
    let sent = teach(&world, "cards", "travel-card", 1).await?;
    let taught = tokio::time::Instant::now();
    // Everything of the last answer is in the model that the edge decides with.
    let folded = world.until(LOOP, |report| report.events_folded == sent).await?;
    let mut after = belief(&world, "cards", "travel-card").await?;
    while after.0 < folded.model {
        assert!(taught.elapsed() < LOOP, "the edge still decides with model {} of {}", after.0, folded.model);
        after = belief(&world, "cards", "travel-card").await?;
    }
    assert!(after.1 > before * 2.0, "the belief went from {before} to {}", after.1);
    let (_, elsewhere) = belief(&world, "cards", "fixed-saver").await?;
    assert!(elsewhere < after.1, "an offer without clicks is believed at {elsewhere}");

    // Killed, not stopped: whatever was not written is gone.
    let report = world.until(LOOP, |report| report.events_folded == sent).await?;
    world.edge.kill().await?;
    world.edge.restart().await?;
    let again = world.report().await?;
    assert_eq!(again.events_folded, report.events_folded);
    assert_eq!(again.model, report.model);
    assert_eq!(json!(again.offers), json!(report.offers));
    assert_eq!(json!(again.curve), json!(report.curve));
    let replayed = belief(&world, "cards", "travel-card").await?;
    assert!((replayed.1 - after.1).abs() < 1e-12, "{} was {}", replayed.1, after.1);
    Ok(())
}

#[tokio::test]
async fn the_model_report_says_what_goes_with_success() -> Result<()> {
    let world = World::start().await?;
    let sent = teach(&world, "cards", "travel-card", 1).await? + teach(&world, "savings", "fixed-saver", 2).await?;
    world.until(LOOP, |report| report.events_folded == sent).await?;
    let report = world.server(Method::GET, "/v1/reports/model?offer=travel-card", None).await?;
    let click = report.at("/offer/stages/0");
    let about_20 = |count: &Value| count.as_f64().is_some_and(|count| (count - 20.0).abs() < 0.01);
    assert!(click["stage"] == "click" && about_20(&click["reached"]), "{}", report.text);
    let facts = click["facts"].as_array().cloned().unwrap_or_default();
    let of_cards = facts.iter().find(|fact| fact["fact"] == "topic = cards").cloned().unwrap_or_default();
    assert!(of_cards["z"].as_f64() > Some(5.0) && about_20(&of_cards["open"]), "{}", report.text);
    // Promises are those of the model's arm; stages stand in their order.
    assert_eq!((report.at("/stages/0/stage"), report.at("/stages/1/stage")), (&json!("click"), &json!("applied")));
    assert!(report.at("/stages/0/quality/shown").as_f64() > Some(100.0), "{}", report.text);
    assert_eq!((report.at("/changes"), report.at("/offer/offer")), (&json!([]), &json!("travel-card")));

    let whole = world.server(Method::GET, "/v1/reports/model", None).await?;
    assert_eq!((whole.status, whole.at("/offer")), (200, &Value::Null), "{}", whole.text);
    let unknown = world.server(Method::GET, "/v1/reports/model?offer=nobody's", None).await?;
    assert_eq!((unknown.problem(), unknown.at("/errors/0/pointer")), ("not-found", &json!("offer")));
    assert_eq!(world.post("/v1/reports/model", &json!({})).await?.problem(), "method");
    let nobody = portico_tests::Answer::of(world.request(Method::GET, "/v1/reports/model")).await?;
    assert_eq!(nobody.problem(), "unknown-key");
    Ok(())
}

#[tokio::test]
async fn killed_again_and_again_under_load_it_loses_and_repeats_nothing() -> Result<()> {
    let mut world = World::start().await?;
    let simulation = tokio::spawn(simulate::run(world.simulation(3_000)));
    let mut kills = 0;
    while !simulation.is_finished() && kills < 6 {
        // Never at the same moment of the edge's own rhythm.
        tokio::time::sleep(Duration::from_millis(300 + 137 * kills)).await;
        world.edge.kill().await?;
        world.edge.restart().await?;
        kills += 1;
    }
    let report = simulation.await??;
    assert!(kills >= 5, "the run was over after {kills} kills");
    let stored = |report: &portico_protocol::report::LiveReport| -> u64 {
        let counts = report.offers.iter().flat_map(|offer| offer.arms.values());
        counts.map(|counts| counts.impressions + counts.stages.values().sum::<u64>()).sum()
    };
    let applied = world.until(Duration::from_secs(10), |live| live.events_folded >= report.acknowledged).await?;
    assert_eq!(applied.events_folded, report.acknowledged, "rows in the ledger");
    assert_eq!(stored(&applied), report.acknowledged, "events in the counts");
    Ok(())
}

#[tokio::test]
async fn the_public_is_found_out() -> Result<()> {
    let world = World::start().await?;
    let report = simulate::run(world.simulation(8_000)).await?;
    let share = report.late_share_of_lift().unwrap_or(0.0);
    assert!(share > 0.4, "only {share:.2} of the possible lift:\n{report}");
    let (model, control) = (report.late_click_rate(Arm::Model), report.late_click_rate(Arm::Control));
    assert!(model > control * 1.3, "model {model:.3}, control {control:.3}:\n{report}");
    let live = world.report().await?;
    assert!(live.curve.len() > 3 && !live.decisions.is_empty());
    let traced = live.decisions.first().map(|decision| json!(decision.placements)).unwrap_or(Value::Null);
    assert!(traced.pointer("/0/offers/0/offer").is_some_and(Value::is_string), "{traced}");
    Ok(())
}
