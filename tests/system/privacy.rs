//! What is held on a person: all of it, and after an erasure nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

/// A customer whose id is found nowhere else.
const CUSTOMER: &str = "customer-zq4711";
const MARK: &str = "gold-zq0815";

/// The demo's site with an attribute that its servers store, and a webhook that nobody listens to.
async fn world() -> Result<World> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    let attributes =
        config.pointer_mut("/decisions/attributes").and_then(Value::as_array_mut).context("no attributes")?;
    attributes.push(json!({ "name": "loyalty", "type": "text", "source": "profile" }));
    config["triggers"] = json!([{ "id": "used", "on": { "event": "calculator_used" }, "webhooks": ["crm"] }]);
    config["webhooks"] = json!([{ "id": "crm", "url": "http://127.0.0.1:9/hook" }]);
    world.publish(&config).await?;
    Ok(world)
}

fn agreed() -> Value {
    json!({ "analytics": true, "personalization": true })
}

/// Somebody browses, logs in, sees an offer, clicks it, and tracks something; their identity token and the offer's token.
async fn lives(world: &World, customer: &str) -> Result<(Value, Value)> {
    let profile = json!({ "attributes": { "loyalty": MARK } });
    let put = world.server(Method::PUT, &format!("/v1/customers/{customer}"), Some(&profile)).await?;
    assert_eq!(put.status, 204, "{}", put.text);
    let mut question = world.question();
    question["visitor"] = world.post("/v1/decide", &question).await?.at("/visitor").clone();
    let identity = json!(world.identity.sign(&world.claims(customer, serde_json::Map::new())));
    question["identity"] = identity.clone();
    let shown = world.post("/v1/decide", &question).await?;
    let token = shown.at("/placements/0/offers/0/token").clone();
    ensure!(token.is_string(), "{}", shown.text);
    let receipt = events(world, &identity, &token, ["impression", "click"]).await?;
    assert_eq!(receipt.at("/accepted"), 3, "{}", receipt.text);
    Ok((identity, token))
}

async fn events(world: &World, identity: &Value, token: &Value, kinds: [&str; 2]) -> Result<Answer> {
    static SENT: AtomicU32 = AtomicU32::new(0);
    let [first, second] = kinds;
    let id = || format!("00000000-{:04}", SENT.fetch_add(1, Ordering::Relaxed));
    world
        .post(
            "/v1/events",
            &json!({ "site": "pk_demo", "identity": identity, "consent": agreed(), "events": [
            { "id": id(), "type": first, "token": token },
            { "id": id(), "type": second, "token": token },
            { "id": id(), "type": "track", "name": "calculator_used" },
        ] }),
        )
        .await
}

fn is_visitors(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str().to_string_lossy().contains("VisitorObject"))
}

#[tokio::test]
async fn what_is_held_can_be_had_and_then_nothing_is_left() -> Result<()> {
    let world = world().await?;
    let (identity, token) = lives(&world, CUSTOMER).await?;
    let (other, _) = lives(&world, "customer-other").await?;
    world.until(Duration::from_secs(10), |report| report.events_folded >= 6).await?;

    // Only objects of their own name them.
    let named = world.files_with(CUSTOMER)?;
    assert!(named.iter().all(|file| is_visitors(file)), "{named:?}");
    assert!(!world.files_with(MARK)?.is_empty(), "what is searched for would be found");

    let export = world.server(Method::GET, &format!("/v1/customers/{CUSTOMER}/export"), None).await?;
    assert_eq!((export.at("/customer"), export.at("/held/attributes/loyalty")), (&json!(CUSTOMER), &json!(MARK)));
    assert_eq!(export.at("/held/merged").as_array().map(Vec::len), Some(1), "{}", export.text);
    let kinds: Vec<&Value> = export.at("/events").as_array().into_iter().flatten().map(|line| &line["type"]).collect();
    assert_eq!(kinds, ["impression", "click"], "{}", export.text);
    let own = world.request(Method::GET, "/v1/privacy/export?site=pk_demo").header("Origin", &world.bank);
    let own = own.bearer_auth(identity.as_str().unwrap_or_default()).send().await?;
    assert_eq!(own.headers()["access-control-allow-origin"], world.bank.as_str());
    let own: Value = own.json().await?;
    assert_eq!((&own["held"], &own["events"]), (export.at("/held"), export.at("/events")));

    let waiting = async || {
        Ok::<_, anyhow::Error>(world.server(Method::GET, "/v1/webhooks", None).await?.at("/webhooks/0/waiting").clone())
    };
    assert_eq!(waiting().await?, 2);
    let erased = world.server(Method::POST, &format!("/v1/customers/{CUSTOMER}/erase"), None).await?;
    assert_eq!((erased.at("/objects"), erased.at("/showings")), (&json!(1), &json!(1)), "{}", erased.text);
    assert_eq!((erased.at("/messages"), waiting().await?), (&json!(1), json!(1)));
    assert_eq!(world.files_with(CUSTOMER)?, Vec::<std::path::PathBuf>::new());
    let record = world.server(Method::GET, &format!("/v1/customers/{CUSTOMER}"), None).await?;
    assert_eq!((record.at("/attributes"), record.at("/seen_at")), (&json!({}), &json!(0)), "{}", record.text);

    // What was handed out before brings nothing back: neither the identity token nor the offer's.
    let mut question = world.question();
    question["identity"] = identity.clone();
    assert_eq!(world.post("/v1/decide", &question).await?.problem(), "identity");
    let receipt = events(&world, &identity, &token, ["dismiss", "stage"]).await?;
    assert_eq!(receipt.at("/accepted"), 2, "recorded as nobody's: {}", receipt.text);
    let record = world.server(Method::GET, &format!("/v1/customers/{CUSTOMER}"), None).await?;
    assert_eq!((record.at("/memory/dismissals"), record.at("/seen_at")), (&json!([]), &json!(0)), "{}", record.text);
    assert_eq!(world.files_with(CUSTOMER)?, Vec::<std::path::PathBuf>::new());
    let export = world.server(Method::GET, &format!("/v1/customers/{CUSTOMER}/export"), None).await?;
    assert_eq!(export.at("/events"), &json!([]), "{}", export.text);
    let outcome =
        json!({ "outcomes": [{ "id": "o-1", "customer": CUSTOMER, "offer": "savings-plus", "stage": "applied" }] });
    let outcome = world.server(Method::POST, "/v1/outcomes", Some(&outcome)).await?;
    assert_eq!(outcome.at("/rejected").as_array().map(Vec::len), Some(1), "{}", outcome.text);

    // The receipt proves it, of them alone; twice is nothing more.
    let verify = async |receipt: &Value, customer: &str| {
        let body = json!({ "receipt": receipt, "customer": customer });
        world.server(Method::POST, "/v1/privacy/verify", Some(&body)).await
    };
    assert_eq!(verify(erased.at("/receipt"), CUSTOMER).await?.at("/erased_at"), erased.at("/erased_at"));
    assert_eq!(verify(erased.at("/receipt"), "customer-other").await?.at("/errors/0/pointer"), "/customer");
    assert_eq!(verify(&token, CUSTOMER).await?.at("/errors/0/pointer"), "/receipt");
    let again = world.server(Method::POST, &format!("/v1/customers/{CUSTOMER}/erase"), None).await?;
    assert_eq!((again.status, again.at("/objects"), again.at("/showings")), (200, &json!(0), &json!(0)));

    // The other one is as before, until they ask themselves.
    let body = json!({ "site": "pk_demo", "identity": other });
    let foreign = world.post_from("https://elsewhere.example", "/v1/privacy/erase", &body).await?;
    assert_eq!(foreign.problem(), "origin-not-allowed");
    let nobody = world.post("/v1/privacy/erase", &json!({ "site": "pk_demo", "visitor": "guessed" })).await?;
    assert_eq!(nobody.problem(), "identity");
    let own = world.post("/v1/privacy/erase", &body).await?;
    assert_eq!((own.at("/objects"), own.at("/showings")), (&json!(1), &json!(1)), "{}", own.text);
    assert_eq!(world.files_with("customer-other")?, Vec::<std::path::PathBuf>::new());
    assert_eq!(world.files_with(MARK)?, Vec::<std::path::PathBuf>::new());
    Ok(())
}

#[tokio::test]
async fn all_names_of_a_person_are_erased_but_not_what_was_given_back() -> Result<()> {
    let world = world().await?;
    for customer in ["first-zq", "second-zq", "third-zq"] {
        lives(&world, customer).await?;
    }
    for other in ["second-zq", "third-zq"] {
        let merge = json!({ "customer": other });
        assert_eq!(world.server(Method::POST, "/v1/customers/first-zq/merge", Some(&merge)).await?.status, 200);
    }
    let record = world.server(Method::GET, "/v1/customers/first-zq", None).await?;
    let customers: Vec<&str> = record
        .at("/merged")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|merged| merged["source"].as_str().filter(|source| source.starts_with("customer/")))
        .collect();
    assert_eq!(customers.len(), 2, "{}", record.text);
    assert!(!record.text.contains("second-zq"), "nobody else's object names them");
    let undo = json!({ "source": customers[1] });
    assert_eq!(world.server(Method::POST, "/v1/customers/first-zq/merge/undo", Some(&undo)).await?.status, 204);
    let erased = world.server(Method::POST, "/v1/customers/first-zq/erase", None).await?;
    assert_eq!((erased.at("/objects"), erased.at("/showings")), (&json!(2), &json!(2)), "{}", erased.text);
    for (customer, is_there) in [("first-zq", false), ("second-zq", false), ("third-zq", true)] {
        assert_eq!(!world.files_with(customer)?.is_empty(), is_there, "{customer}");
        let record = world.server(Method::GET, &format!("/v1/customers/{customer}"), None).await?;
        assert_eq!(record.at("/attributes/loyalty") == MARK, is_there, "{}", record.text);
    }
    Ok(())
}
