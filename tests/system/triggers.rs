//! Triggers on what visitors do and stop doing, and the webhooks that hear of them, with a real receiver.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use portico_tests::World;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::Instant;

const OFFER: &str = "savings-plus";
const MINUTE: Duration = Duration::from_secs(60);

/// A server that takes webhooks.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    /// What it answers next; 204 when nothing is left.
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    async fn start() -> Result<(Self, String)> {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let taken = receiver.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            lock(&taken.got).push((headers, body));
            let status = lock(&taken.answers).pop_front().unwrap_or(204);
            async move { StatusCode::from_u16(status).unwrap_or(StatusCode::NO_CONTENT) }
        };
        tokio::spawn(axum::serve(listener, Router::new().route("/hook", post(take))).into_future());
        Ok((receiver, url))
    }

    fn then(&self, answers: impl IntoIterator<Item = u16>) {
        lock(&self.answers).extend(answers);
    }

    /// Waits for so many messages, whose signatures hold, and gives the last.
    async fn message(&self, world: &World, count: usize, patience: Duration) -> Result<Value> {
        let secret = world.server(Method::GET, "/v1/webhooks", None).await?;
        let secret = secret.at("/webhooks/0/secret").as_str().context("no secret")?.to_owned();
        let deadline = Instant::now() + patience;
        loop {
            let (known, last) = {
                let got = lock(&self.got);
                (got.len(), got.last().cloned())
            };
            if let Some((headers, body)) = last.filter(|_| known >= count) {
                assert_eq!(known, count, "more messages than expected");
                check(&secret, &headers, &body)?;
                return Ok(serde_json::from_slice(&body)?);
            }
            anyhow::ensure!(Instant::now() < deadline, "{known} of {count} messages came");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As a receiver does that knows the webhook's secret.
fn check(secret: &str, headers: &HeaderMap, body: &Bytes) -> Result<()> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).context(name.to_owned());
    assert_eq!(header("content-type")?, "application/cloudevents+json; charset=utf-8");
    let (id, time, signature) = (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    assert!(now.abs_diff(time.parse()?) < 60);
    let key = BASE64.decode(secret.strip_prefix("whsec_").context("no secret")?.as_bytes())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(body);
    let signed = BASE64.decode(signature.strip_prefix("v1,").context("no version")?.as_bytes())?;
    mac.verify_slice(&signed)?;
    let event: Value = serde_json::from_slice(body)?;
    assert_eq!(
        (&event["specversion"], &event["id"], &event["source"]),
        (&json!("1.0"), &json!(id), &json!("/sites/demo"))
    );
    assert_eq!(event["type"], "portico.trigger.fired");
    Ok(())
}

/// A world with these triggers, in which an offer is for whoever has fired `abandoned`.
async fn world(triggers: Value, url: &str) -> Result<World> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    config["triggers"] = triggers;
    config["webhooks"] = json!([{ "id": "crm", "url": url }]);
    let offers = config.pointer_mut("/decisions/offers").and_then(Value::as_array_mut).context("no offers")?;
    let offer = offers.iter_mut().find(|offer| offer["id"] == OFFER).context("no such offer")?;
    offer["rule"] = json!({ "events": "trigger:abandoned", "within_days": 2, "op": "ge", "value": 1 });
    world.publish(&config).await?;
    Ok(world)
}

/// Whether the offer is open to somebody, and the visitor's token.
async fn is_open(world: &World, question: &Value) -> Result<(bool, Value)> {
    let mut question = question.clone();
    question["explain"] = json!(true);
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    let offers = answer.at("/trace/0/offers").as_array().with_context(|| answer.text.clone())?;
    let offer = offers.iter().find(|offer| offer["offer"] == OFFER).context("the trace lacks the offer")?;
    Ok((offer.get("excluded").is_none_or(Value::is_null), answer.at("/visitor").clone()))
}

/// Tracks an event; gives the renewed token, if there is one.
async fn track(world: &World, id: u32, name: &str, whose: Value) -> Result<Value> {
    let mut body = json!({
        "site": "pk_demo", "consent": { "analytics": true, "personalization": true },
        "events": [{ "id": format!("00000000-{id:04}"), "type": "track", "name": name }],
    });
    if let (Value::Object(body), Value::Object(whose)) = (&mut body, whose) {
        body.extend(whose);
    }
    let receipt = world.post("/v1/events", &body).await?;
    assert_eq!(receipt.at("/accepted"), 1, "{}", receipt.text);
    Ok(receipt.at("/visitor").clone())
}

async fn webhook(world: &World) -> Result<Value> {
    Ok(world.server(Method::GET, "/v1/webhooks", None).await?.at("/webhooks/0").clone())
}

#[tokio::test]
async fn a_message_is_sent_until_it_is_taken_and_can_be_sent_again() -> Result<()> {
    let (receiver, url) = Receiver::start().await?;
    let trigger = |id: &str, on: Value| json!({ "id": id, "on": on, "rest_minutes": 0, "webhooks": ["crm"] });
    let triggers = json!([
        trigger("asked", json!({ "event": "callback_asked", "times": 2 })),
        trigger("looked", json!({ "event": "page:mortgages" })),
    ]);
    let mut world = world(triggers, &url).await?;
    let whose = json!({ "identity": world.identity_of("peter")? });
    receiver.then([503]);
    track(&world, 1, "callback_asked", whose.clone()).await?;
    track(&world, 2, "callback_asked", whose.clone()).await?;
    // Refused once, it comes again with the same id some seconds later.
    let message = receiver.message(&world, 2, Duration::from_secs(10)).await?;
    assert_eq!((&message["data"]["trigger"], &message["data"]["customer"]), (&json!("asked"), &json!("peter")));
    assert_eq!(message["subject"], "customer/peter");
    let ids: Vec<Option<String>> = lock(&receiver.got)
        .iter()
        .map(|(headers, _)| headers.get("webhook-id").and_then(|id| id.to_str().ok()).map(str::to_owned))
        .collect();
    assert_eq!(ids.first(), ids.last());

    // A receiver that is gone for good: given up at once, visible, and sent again on demand.
    receiver.then([410]);
    track(&world, 3, "callback_asked", whose.clone()).await?;
    receiver.message(&world, 3, Duration::from_secs(5)).await?;
    let deadline = Instant::now() + Duration::from_secs(3);
    while webhook(&world).await?["dead"] != 1 {
        assert!(Instant::now() < deadline, "{}", webhook(&world).await?);
    }
    let state = world.server(Method::GET, "/v1/webhooks", None).await?;
    assert_eq!((state.at("/webhooks/0/delivered"), state.at("/dead/0/webhook")), (&json!(1), &json!("crm")));
    assert_eq!((state.at("/dead/0/error"), state.at("/dead/0/attempts")), (&json!("answered with 410"), &json!(1)));
    let unknown = world.server(Method::POST, "/v1/webhooks/dead/none", None).await?;
    assert_eq!((unknown.status, unknown.problem()), (404, "not-found"));
    let again = format!("/v1/webhooks/dead/{}", state.at("/dead/0/id").as_str().unwrap_or_default());
    assert_eq!(world.server(Method::POST, &again, None).await?.status, 202);
    let message = receiver.message(&world, 4, Duration::from_secs(5)).await?;
    assert_eq!(message["id"], *state.at("/dead/0/id"));
    let deadline = Instant::now() + Duration::from_secs(3);
    while webhook(&world).await?["delivered"] != 2 {
        assert!(Instant::now() < deadline, "{}", webhook(&world).await?);
    }
    let page = world.server(Method::GET, "/metrics", None).await?.text;
    assert!(page.contains("portico_webhook_messages_delivered_total{webhook=\"crm\"} 2"), "{page}");
    // A page is looked at: that is known by the decision for it.
    let mut page = world.question();
    page["context"]["topic"] = json!("mortgages");
    page["identity"] = whose["identity"].clone();
    world.post("/v1/decide", &page).await?;
    let message = receiver.message(&world, 5, Duration::from_secs(5)).await?;
    assert_eq!(message["data"]["trigger"], "looked");
    page["visitor"] = is_open(&world, &world.question()).await?.1;
    page["identity"] = Value::Null;
    world.post("/v1/decide", &page).await?;
    let message = receiver.message(&world, 6, Duration::from_secs(5)).await?;
    assert!(message["data"]["visitor"].is_string(), "{message}");
    // Only a secret key may see secrets.
    let open = portico_tests::Answer::of(world.request(Method::GET, "/v1/webhooks").bearer_auth("pk_demo")).await?;
    assert_eq!(open.status, 401);
    // What was taken is known by its id, and says nothing of anybody any more.
    let deadline = Instant::now() + Duration::from_secs(3);
    while webhook(&world).await?["delivered"] != 4 {
        assert!(Instant::now() < deadline, "{}", webhook(&world).await?);
    }
    world.edge.kill().await?;
    let outbox = Connection::open(world.database("OutboxObject")?)?;
    let count = |what: &str| outbox.query_row(&format!("SELECT count(*) FROM letters {what}"), [], |row| row.get(0));
    let (all, told): (u32, u32) = (count("")?, count("WHERE body <> ''")?);
    assert_eq!((all, told), (4, 0));
    Ok(())
}

/// Lets the time come for the alarm of the only object of its class, while the edge is down.
pub(crate) fn alarm_is_due(object: &Path) -> Result<()> {
    let alarms = Connection::open(object.with_file_name("metadata.sqlite"))?;
    // Times of alarms are in nanoseconds since 1970, and both places have to agree.
    let due = "UPDATE _cf_METADATA SET value = 1 WHERE key = 1";
    let of_object = Connection::open(object)?.execute(due, [])?;
    let of_class = alarms.execute("UPDATE _cf_ALARM SET scheduled_time = 1", [])?;
    anyhow::ensure!((of_object, of_class) == (1, 1), "no alarm is set");
    Ok(())
}

#[tokio::test]
async fn who_is_not_known_and_does_not_come_back_is_forgotten() -> Result<()> {
    const DAY_MS: i64 = 86_400_000;
    let triggers = json!([
        { "id": "abandoned", "on": { "event": "application_opened" }, "unless": { "within_minutes": 60 }, "webhooks": ["crm"] },
    ]);
    let mut world = world(triggers, "http://127.0.0.1:9/hook").await?;
    let mut anonymous = world.question();
    anonymous["visitor"] = is_open(&world, &anonymous).await?.1;
    track(&world, 1, "application_opened", json!({ "visitor": anonymous["visitor"] })).await?;
    let held = world.files_with("application_opened")?;
    assert!(held.iter().any(|file| file.to_string_lossy().contains("VisitorObject")), "{held:?}");
    // Half a year goes by for the object; what waited is a matter of the past.
    let mut wait = async |days: i64| {
        world.edge.kill().await?;
        let object = world.database("VisitorObject")?;
        let shift = format!(
            "UPDATE memory SET seen = seen - {}, memory = '{{\"visits\":0,\"topics\":[],\"dismissals\":[]}}'",
            days * DAY_MS
        );
        Connection::open(&object)?.execute(&shift, [])?;
        alarm_is_due(&object)?;
        world.edge.restart().await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.edge.kill().await?;
        let plans: u32 = Connection::open(&object)?.query_row("SELECT count(*) FROM plan", [], |row| row.get(0))?;
        world.edge.restart().await?;
        anyhow::Ok(plans)
    };
    assert_eq!(wait(179).await?, 1, "the alarm of the trigger does not forget anybody");
    assert_eq!(wait(2).await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_absence_fires_after_a_restart_and_the_offer_follows() -> Result<()> {
    let (receiver, url) = Receiver::start().await?;
    let absence = |events: &[&str]| json!({ "events": events, "within_minutes": 1 });
    let triggers = json!([
        { "id": "abandoned", "on": { "event": "application_opened" }, "unless": absence(&["stage:applied"]), "webhooks": ["crm"] },
    ]);
    let mut world = world(triggers, &url).await?;
    let mut anonymous = world.question();
    anonymous["visitor"] = is_open(&world, &anonymous).await?.1;
    let peter = json!({ "identity": world.identity_of("peter")? });
    let mut penny = world.question();
    penny["identity"] = json!(world.identity_of("penny")?);
    let begun = Instant::now();
    anonymous["visitor"] = track(&world, 1, "application_opened", json!({ "visitor": anonymous["visitor"] })).await?;
    assert!(anonymous["visitor"].is_string());
    track(&world, 2, "application_opened", peter.clone()).await?;
    track(&world, 3, "application_opened", json!({ "identity": penny["identity"] })).await?;
    // Penny goes through with it.
    let shown = world.post("/v1/decide", &penny).await?;
    let applied =
        json!([{ "id": "contract-1", "token": shown.at("/placements/0/offers/0/token"), "stage": "applied" }]);
    let receipt = world.server(Method::POST, "/v1/outcomes", Some(&json!({ "outcomes": applied }))).await?;
    assert_eq!(receipt.at("/accepted"), 1, "{}", receipt.text);
    assert!(!is_open(&world, &anonymous).await?.0);
    world.edge.kill().await?;
    world.edge.restart().await?;
    assert!(begun.elapsed() < MINUTE / 2, "the restart has taken too long to tell anything");

    receiver.message(&world, 2, MINUTE + Duration::from_secs(10)).await?;
    assert!(begun.elapsed() > MINUTE - Duration::from_secs(1), "it fired before its time");
    let told: Vec<Value> =
        lock(&receiver.got).iter().filter_map(|(_, body)| serde_json::from_slice(body).ok()).collect();
    let of = |who: &str| told.iter().filter(|event| event["data"][who].is_string()).count();
    assert_eq!((of("customer"), of("visitor")), (1, 1), "{told:?}");
    // The offer is theirs from now on: the token knows that its time is over, and so does the customer's object.
    assert!(is_open(&world, &anonymous).await?.0);
    let mut question = world.question();
    question["identity"] = peter["identity"].clone();
    assert!(is_open(&world, &question).await?.0);
    assert!(!is_open(&world, &penny).await?.0);
    Ok(())
}
