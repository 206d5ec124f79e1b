//! What leaves the edge: exports of decisions and events, and the figures for Prometheus.

use std::time::Duration;

use anyhow::Result;
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

async fn get(world: &World, path: &str) -> Result<Answer> {
    world.server(Method::GET, path, None).await
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!({ "unreadable": line })))
        .collect()
}

/// Publishes the demo's configuration with changes, and waits until the edge decides with it.
async fn publish(world: &World, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut config = serde_json::to_value(&world.config)?;
    change(&mut config);
    world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
    let published = world.server(Method::POST, "/v1/site/publish", None).await?;
    assert_eq!(published.status, 200, "{}", published.text);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while world.post("/v1/decide", &world.question()).await?.at("/config") != published.at("/version") {
        assert!(tokio::time::Instant::now() < deadline, "the edge does not take the configuration over");
    }
    Ok(())
}

/// Thirty visitors; each third clicks and each sixth applies. Half of them are explorers, and two shards record them.
async fn visits(world: &World) -> Result<()> {
    publish(world, |config| {
        config["ledger"] = json!({ "shards": 2 });
        config["decisions"]["arms"] = json!({ "control": 0.1, "explore": 0.5 });
    })
    .await?;
    for visit in 0..30 {
        let decided = world.post("/v1/decide", &world.question()).await?;
        let token = decided.at("/placements/0/offers/0/token");
        let mut events = vec![json!({ "type": "impression" })];
        if visit % 3 == 0 {
            events.push(json!({ "type": "click" }));
        }
        if visit % 6 == 0 {
            events.push(json!({ "type": "stage", "stage": "applied" }));
        }
        for (at, event) in events.iter_mut().enumerate() {
            event["id"] = json!(format!("{visit:08}-{at:04}"));
            event["token"] = token.clone();
        }
        let sent = world.post("/v1/events", &json!({ "site": "pk_demo", "events": events })).await?;
        assert_eq!(sent.at("/accepted"), events.len(), "{}", sent.text);
    }
    Ok(())
}

#[tokio::test]
async fn decisions_leave_with_what_they_led_to() -> Result<()> {
    let world = World::start().await?;
    visits(&world).await?;
    let all = lines(&get(&world, "/v1/decisions").await?);
    assert_eq!(all.len(), 30);
    let reached = |stage: &str| {
        let has =
            |line: &&Value| line["stages"].as_array().is_some_and(|all| all.iter().any(|one| one["stage"] == stage));
        all.iter().filter(has).count()
    };
    assert_eq!((reached("click"), reached("applied")), (10, 5));
    for line in &all {
        let rewarded = line["stages"].as_array().is_some_and(|stages| !stages.is_empty());
        assert_eq!(line["reward"].as_f64().is_some_and(|reward| reward > 0.0), rewarded, "{line}");
        let eligible = line["eligible"].as_array().map_or(0, Vec::len);
        let explores = line["arm"] == "explore";
        assert_eq!(eligible > 1, explores, "{line}");
        if explores {
            let chance = line["propensity"].as_f64().unwrap_or(0.0);
            assert!((chance * eligible as f64 - 1.0).abs() < 1e-9, "{line}");
            assert!(line["eligible"].as_array().is_some_and(|all| all.contains(&line["offer"])), "{line}");
        }
        assert!(line["seen"].as_u64() >= line["at"].as_u64() && line["features"].is_array(), "{line}");
        assert!(line.get("customer").is_none() && line.get("visitor").is_none(), "{line}");
    }
    // Any line's cursor goes on after it, across shards.
    let shards: Vec<&str> = all.iter().filter_map(|line| line["cursor"].as_str()?.split('.').next()).collect();
    assert!(shards.contains(&"0") && shards.contains(&"1"), "{shards:?}");
    for at in [0, 9, 28, 29] {
        let cursor = all[at]["cursor"].as_str().unwrap_or_default();
        assert_eq!(lines(&get(&world, &format!("/v1/decisions?cursor={cursor}")).await?), all[at + 1..], "after {at}");
    }
    assert_eq!(lines(&get(&world, "/v1/decisions?limit=7").await?), all[..7]);
    let mut times: Vec<u64> = all.iter().filter_map(|line| line["seen"].as_u64()).collect();
    // Lines come shard after shard.
    times.sort_unstable();
    let middle = times[14];
    let (before, after) = (format!("/v1/decisions?to={}", middle + 1), format!("/v1/decisions?from={}", middle + 1));
    let (before, after) = (lines(&get(&world, &before).await?), lines(&get(&world, &after).await?));
    assert_eq!(before.len() + after.len(), 30, "a moment belongs to one of two ranges that meet in it");
    assert!(!before.is_empty() && !after.is_empty());
    Ok(())
}

#[tokio::test]
async fn explorers_decisions_leave_in_forms_that_others_read() -> Result<()> {
    let world = World::start().await?;
    visits(&world).await?;
    let all = lines(&get(&world, "/v1/decisions").await?);
    let explored: Vec<&Value> = all.iter().filter(|line| line["arm"] == "explore").collect();
    assert!(explored.len() > 3);
    let dsjson = lines(&get(&world, "/v1/decisions?format=dsjson").await?);
    assert_eq!(dsjson.len(), explored.len());
    for (theirs, ours) in dsjson.iter().zip(&explored) {
        assert_eq!(theirs["_label_probability"], ours["propensity"]);
        assert_eq!(theirs["_label_cost"].as_f64(), ours["reward"].as_f64().map(|reward| 0.0 - reward));
        let chosen = theirs["_labelIndex"].as_u64().unwrap_or(u64::MAX) as usize;
        assert_eq!(theirs["c"]["_multi"][chosen]["offer"]["id"], ours["offer"], "{theirs}");
    }
    let csv = get(&world, "/v1/decisions?format=obd").await?;
    let rows: Vec<Vec<&str>> = csv.text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(&rows[0][..6], ["", "timestamp", "item_id", "position", "click", "propensity_score"]);
    assert_eq!(rows.len(), explored.len() + 1);
    for (at, (row, ours)) in rows[1..].iter().zip(&explored).enumerate() {
        assert_eq!(row.len(), rows[0].len());
        assert_eq!((row[0], row[5].parse().ok()), (at.to_string().as_str(), ours["propensity"].as_f64()), "{row:?}");
    }
    Ok(())
}

#[tokio::test]
async fn events_leave_as_they_were_recorded() -> Result<()> {
    let world = World::start().await?;
    let decided = world.post("/v1/decide", &world.question()).await?;
    let token = decided.at("/placements/0/offers/0/token");
    let hour_ago = |ms: u64| ms - 3_600_000;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as u64;
    let events = json!([
        { "id": "00000000-0001", "type": "impression", "token": token },
        { "id": "00000000-0002", "type": "page", "at": hour_ago(now), "props": { "title": "Loans" } },
        // An hour behind, and says so below.
        { "id": "00000000-0003", "type": "track", "name": "calculator_used", "at": hour_ago(hour_ago(now)), "props": { "amount": 5 } },
    ]);
    world.post("/v1/events", &json!({ "site": "pk_demo", "events": [events[0], events[1]] })).await?;
    world.post("/v1/events", &json!({ "site": "pk_demo", "sent": hour_ago(now), "events": [events[2]] })).await?;
    let outcome = json!({ "outcomes": [{ "id": "o-1", "token": token, "stage": "applied", "value": 250.5 }] });
    world.server(Method::POST, "/v1/outcomes", Some(&outcome)).await?;
    let withdrawn = json!({ "outcomes": [{ "id": "o-1", "token": token, "stage": "applied", "withdrawn": true }] });
    world.server(Method::POST, "/v1/outcomes", Some(&withdrawn)).await?;
    let all = lines(&get(&world, "/v1/events").await?);
    let kinds: Vec<&str> = all.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(kinds, ["impression", "page", "track", "stage", "withdrawal"]);
    assert_eq!((&all[1]["at"], &all[1]["props"]["title"]), (&json!(hour_ago(now)), &json!("Loans")));
    let about = |line: &Value| line["at"].as_u64().unwrap_or(0).abs_diff(hour_ago(now));
    assert!(all[2]["name"] == "calculator_used" && about(&all[2]) < 5_000, "{}", all[2]);
    assert_eq!(
        (&all[3]["stage"], &all[3]["value"], &all[3]["offer"]),
        (&json!("applied"), &json!(250.5), decided.at("/placements/0/offers/0/offer"))
    );
    let decisions = lines(&get(&world, "/v1/decisions").await?);
    assert_eq!(
        (&decisions[0]["stages"], &decisions[0]["reward"]),
        (&json!([]), &json!(0.0)),
        "what is withdrawn does not stand"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_understood_of_an_export_is_named() -> Result<()> {
    let world = World::start().await?;
    for (path, parameter) in [
        ("/v1/decisions?format=xml", "format"),
        ("/v1/decisions?from=yesterday", "from"),
        ("/v1/decisions?cursor=7", "cursor"),
        ("/v1/decisions?limit=-1", "limit"),
        ("/v1/events?format=dsjson", "format"),
        ("/v1/events?until=3", "until"),
    ] {
        let answer = get(&world, path).await?;
        assert_eq!(
            (answer.status, answer.problem(), answer.at("/errors/0/pointer")),
            (400, "malformed", &json!(parameter)),
            "{path}"
        );
    }
    for path in ["/v1/decisions", "/v1/events", "/metrics"] {
        for key in ["pk_demo", "sk_nobody"] {
            let answer = Answer::of(world.request(Method::GET, path).bearer_auth(key)).await?;
            assert_eq!((answer.status, answer.problem()), (401, "unknown-key"), "{path} with {key}");
        }
        assert_eq!(Answer::of(world.request(Method::GET, path)).await?.status, 401, "{path}");
    }
    assert_eq!(lines(&get(&world, "/v1/events").await?), Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn figures_for_prometheus_add_up() -> Result<()> {
    let world = World::start().await?;
    let decided = world.post("/v1/decide", &world.question()).await?;
    let seen =
        json!({ "id": "00000000-0001", "type": "impression", "token": decided.at("/placements/0/offers/0/token") });
    let page = json!({ "id": "00000000-0002", "type": "page" });
    let batch = json!({ "site": "pk_demo", "events": [seen, page, { "id": "00000000-0003", "type": "sneeze" }] });
    world.post("/v1/events", &batch).await?;
    world.post("/v1/events", &batch).await?;
    world.until(Duration::from_secs(3), |report| report.events_folded == 2).await?;
    let answer = get(&world, "/metrics").await?;
    assert!(
        answer.headers.get("content-type").is_some_and(|value| value == "text/plain; version=0.0.4; charset=utf-8")
    );
    let value = |series: &str| {
        let matches = |line: &&str| line.starts_with(series) && !line.starts_with('#');
        let line = answer.text.lines().find(matches).unwrap_or_default();
        line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok())
    };
    for (series, expect) in [
        ("portico_events_recorded_total{shard=\"0\"}", 2.0),
        ("portico_events_kept{shard=\"0\"}", 2.0),
        ("portico_events_waiting{shard=\"0\"}", 0.0),
        ("portico_events_waiting_seconds{shard=\"0\"}", 0.0),
        ("portico_lag_alarm", 0.0),
        ("portico_events_folded_total", 2.0),
        ("portico_decisions_total", 1.0),
        ("portico_busy_total", 0.0),
    ] {
        assert_eq!(value(series), Some(expect), "{series} in\n{}", answer.text);
    }
    let by_result = |result: &str| {
        let label = format!("result=\"{result}\"");
        let line = answer.text.lines().find(|line| line.contains(&label)).unwrap_or_default();
        line.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok())
    };
    assert_eq!(["accepted", "duplicate", "rejected"].map(by_result), [Some(2), Some(2), Some(2)]);
    // Every family says what it is.
    for line in answer.text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        // A histogram is one family of three names.
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let kind = |name: &str| answer.text.contains(&format!("# TYPE {name} "));
        assert!(kind(name) || answer.text.contains(&format!("# TYPE {family} histogram\n")), "{name}");
    }
    Ok(())
}
