//! What is known of customers: who says it, how long it counts, what groups share, what was agreed to, what was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portico_tests::{Answer, World};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::triggers::alarm_is_due;

fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

async fn put(world: &World, customer: &str, body: Value) -> Result<Answer> {
    world.server(Method::PUT, &format!("/v1/customers/{customer}"), Some(&body)).await
}

async fn record(world: &World, customer: &str) -> Result<Answer> {
    world.server(Method::GET, &format!("/v1/customers/{customer}"), None).await
}

/// What is believed of a customer, without what follows from it a moment later.
fn told(record: &Answer) -> Value {
    let mut attributes = record.at("/attributes").clone();
    if let Some(attributes) = attributes.as_object_mut() {
        attributes.retain(|name, _| !name.ends_with("_value"));
    }
    attributes
}

/// Asks again until something of a customer holds.
async fn until(world: &World, customer: &str, pointer: &str, expect: &Value) -> Result<Answer> {
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        let found = record(world, customer).await?;
        if found.at(pointer) == expect {
            return Ok(found);
        }
        ensure!(Instant::now() < end, "{pointer} is not {expect}: {}", found.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The demo's configuration in which an offer comes first to whoever a rule is true of.
fn first_for(world: &World, offer: &str, rule: Value) -> Result<Value> {
    let mut config = serde_json::to_value(&world.config)?;
    let offers = config["decisions"]["offers"].as_array_mut().context("no offers")?;
    let found = offers.iter_mut().find(|found| found["id"] == offer).context("no such offer")?;
    found["rule"] = rule;
    found["mandatory"] = json!(true);
    Ok(config)
}

/// What a customer sees first.
async fn sees(world: &World, customer: &str) -> Result<String> {
    let mut question = world.question();
    question["customer"] = json!(customer);
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    Ok(answer.at("/placements/0/offers/0/offer").as_str().with_context(|| answer.text.clone())?.to_owned())
}

#[tokio::test]
async fn the_source_that_stands_first_is_believed_and_every_word_is_kept() -> Result<()> {
    let world = World::start().await?;
    let says = async |body: Value, expect: &Value| {
        let stored = put(&world, "peter", body).await?;
        assert_eq!(stored.status, 204, "{}", stored.text);
        let found = record(&world, "peter").await?;
        assert_eq!(found.at("/attributes/home"), expect, "{}", found.text);
        Ok::<_, anyhow::Error>(found)
    };
    let now = now_ms();
    says(json!({ "attributes": { "home": "rented" }, "at": now - 5_000 }), &json!("rented")).await?;
    says(json!({ "attributes": { "home": "family" }, "at": now - 9_000 }), &json!("rented")).await?;
    let both = says(json!({ "source": "core", "attributes": { "home": "owned" } }), &json!("owned")).await?;
    assert_eq!(both.at("/profile/home/server/value"), "rented", "{}", both.text);
    assert_eq!(both.at("/profile/home/server/at"), now - 5_000);
    let until = both.at("/profile/home/core/until").as_u64().context("no end")?;
    assert_eq!(until - both.at("/profile/home/core/at").as_u64().unwrap_or(0), 730 * 86_400_000);
    // What the core system takes back, others still say; it has said nothing else.
    let left = says(json!({ "source": "core", "attributes": {} }), &json!("rented")).await?;
    let changes: Vec<(&str, &Value)> = left.at("/changes").as_array().map_or(Vec::new(), |changes| {
        changes.iter().map(|change| (change["source"].as_str().unwrap_or_default(), &change["value"])).collect()
    });
    assert_eq!(changes, [("core", &Value::Null), ("core", &json!("owned")), ("server", &json!("rented"))]);

    for source in ["visitor", "segment", "employer", "nobody", ""] {
        let refused = put(&world, "peter", json!({ "source": source, "attributes": {} })).await?;
        assert_eq!((refused.status, refused.at("/errors/0/pointer")), (400, &json!("/source")), "{}", refused.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_value_ends_when_its_time_is_over() -> Result<()> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    config["profile"]["attributes"]["contact_time"] = json!({ "keep_days": 1 });
    world.publish(&config).await?;
    let at = now_ms() - 86_400_000 + 4_000;
    put(&world, "peter", json!({ "attributes": { "contact_time": "at dawn", "home": "owned" }, "at": at })).await?;
    assert_eq!(record(&world, "peter").await?.at("/attributes/contact_time"), "at dawn");
    // By an alarm, not because somebody looks.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let left = until(&world, "peter", "/profile/contact_time", &Value::Null).await?;
    assert_eq!((left.at("/attributes/home"), left.at("/changes/0/value")), (&json!("owned"), &Value::Null));
    assert!(!left.text.contains("at dawn"), "the history of changes forgets it as well: {}", left.text);
    Ok(())
}

#[tokio::test]
async fn what_a_group_shares_reaches_all_its_members() -> Result<()> {
    let world = World::start().await?;
    let rule = json!({ "attr": "employer_agreement", "op": "eq", "value": "gold" });
    world.publish(&first_for(&world, "savings-plus", rule)?).await?;
    let server = async |method: Method, path: &str, body: Option<Value>| {
        let answer = world.server(method, path, body.as_ref()).await?;
        assert!(answer.status < 300, "{path}: {}", answer.text);
        Ok::<_, anyhow::Error>(answer)
    };
    for (customer, role) in [("peter", "manager"), ("penny", "trainee")] {
        let member = json!({ "id": "acme & co", "role": role });
        server(Method::PUT, &format!("/v1/customers/{customer}/groups/employer"), Some(member)).await?;
    }
    assert_ne!(sees(&world, "peter").await?, "savings-plus");
    let agreed = json!({ "attributes": { "employer_agreement": "gold" } });
    server(Method::PUT, "/v1/groups/employer/acme%20%26%20co", Some(agreed)).await?;
    for customer in ["peter", "penny"] {
        assert_eq!(sees(&world, customer).await?, "savings-plus");
    }
    let penny = record(&world, "penny").await?;
    let expect = json!({ "employer": "acme & co", "employer_role": "trainee", "employer_agreement": "gold" });
    assert_eq!(told(&penny), expect, "{}", penny.text);
    assert_eq!(penny.at("/groups/employer/role"), "trainee");
    // The group knows its members by the ids of their objects.
    assert!(world.files_with("acme")?.iter().all(|file| !file.to_string_lossy().contains("GroupObject")));
    assert_eq!(
        server(Method::GET, "/v1/groups/employer/acme%20%26%20co", None).await?.json,
        json!({ "attributes": { "employer_agreement": "gold" }, "members": 2, "pending": 0 })
    );
    // Another role, another employer, none.
    server(Method::PUT, "/v1/customers/penny/groups/employer", Some(json!({ "id": "acme & co", "role": "engineer" })))
        .await?;
    assert_eq!(record(&world, "penny").await?.at("/attributes/employer_role"), "engineer");
    assert_eq!(sees(&world, "penny").await?, "savings-plus");
    server(Method::PUT, "/v1/customers/penny/groups/employer", Some(json!({ "id": "other" }))).await?;
    assert_eq!(told(&record(&world, "penny").await?), json!({ "employer": "other" }));
    server(Method::DELETE, "/v1/customers/peter/groups/employer", None).await?;
    assert_eq!(told(&record(&world, "peter").await?), json!({}));
    assert_ne!(sees(&world, "peter").await?, "savings-plus");
    let left = server(Method::GET, "/v1/groups/employer/acme%20%26%20co", None).await?;
    assert_eq!(left.at("/members"), 0);

    // What is wrong is named, and nothing of it stored.
    let check = async |path: &str, body: Value, status: u16, pointer: &str| {
        let refused = world.server(Method::PUT, path, Some(&body)).await?;
        assert_eq!((refused.status, refused.at("/errors/0/pointer")), (status, &json!(pointer)), "{}", refused.text);
        Ok::<_, anyhow::Error>(())
    };
    check("/v1/groups/employer/a", json!({ "attributes": { "home": "owned" } }), 400, "/attributes/home").await?;
    let number = json!({ "attributes": { "employer_agreement": 7 } });
    check("/v1/groups/employer/a", number, 400, "/attributes/employer_agreement").await?;
    check("/v1/customers/penny/groups/employer", json!({ "id": "" }), 400, "/id").await?;
    check("/v1/customers/penny/groups/employer", json!({ "id": "a", "role": "\u{7}" }), 400, "/role").await?;
    let unknown = world.server(Method::PUT, "/v1/groups/club/a", Some(&json!({ "attributes": {} }))).await?;
    assert_eq!((unknown.status, unknown.problem()), (404, "not-found"));
    Ok(())
}

#[tokio::test]
async fn an_erased_member_is_forgotten_by_the_group() -> Result<()> {
    let world = World::start().await?;
    let member = json!({ "id": "acme", "role": "manager" });
    world.server(Method::PUT, "/v1/customers/peter/groups/employer", Some(&member)).await?;
    assert_eq!(world.server(Method::POST, "/v1/customers/peter/erase", None).await?.status, 200);
    assert_eq!(world.server(Method::GET, "/v1/groups/employer/acme", None).await?.at("/members"), 0);
    assert!(record(&world, "peter").await?.at("/groups").as_object().is_some_and(Map::is_empty));
    Ok(())
}

#[tokio::test]
async fn a_word_on_consent_has_a_receipt_and_holds_on_every_channel() -> Result<()> {
    let world = World::start().await?;
    let mut config = first_for(&world, "savings-plus", json!({ "attr": "home", "op": "eq", "value": "owned" }))?;
    config["profile"]["attributes"]["home"]["purpose"] = json!("marketing");
    world.publish(&config).await?;
    put(&world, "peter", json!({ "attributes": { "home": "owned" } })).await?;
    let agree = async |consent: Value, private: bool| {
        let body = json!({
            "site": "pk_demo", "identity": world.identity_of("peter")?, "consent": consent, "version": "2026-11",
        });
        let mut request =
            world.request(Method::PUT, "/v1/consent").header("Origin", &world.bank).body(body.to_string());
        if private {
            request = request.header("Sec-GPC", "1");
        }
        let answer = Answer::of(request).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Ok::<_, anyhow::Error>(answer)
    };
    // A call centre says nothing on consent: the demo's default is none, and so nothing is known of them there.
    let asks = async || {
        let mut question = world.question();
        question["customer"] = json!("peter");
        question["consent"] = Value::Null;
        let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
        Ok::<_, anyhow::Error>(answer.at("/placements/0/offers/0/offer") == "savings-plus")
    };
    assert!(!asks().await?);
    agree(json!({ "personalization": true }), false).await?;
    assert!(!asks().await?, "not for marketing");
    let receipt = agree(json!({ "personalization": true, "marketing": true }), false).await?;
    assert!(asks().await?);
    assert_eq!(receipt.at("/version"), "2026-11");
    let verify = async |receipt: &Value, who: &str| {
        let body = json!({ "receipt": receipt, "who": who });
        world.server(Method::POST, "/v1/consent/verify", Some(&body)).await
    };
    let proof = verify(receipt.at("/receipt"), "peter").await?;
    assert_eq!(
        (proof.at("/consent"), proof.at("/at")),
        (
            &json!({ "analytics": false, "personalization": true, "marketing": true, "sharing": false }),
            receipt.at("/at")
        )
    );
    assert_eq!(verify(receipt.at("/receipt"), "penny").await?.at("/errors/0/pointer"), "/who");
    assert_eq!(verify(&json!("forged"), "peter").await?.at("/errors/0/pointer"), "/receipt");
    // The browser's no is stronger than the page's yes, and is theirs everywhere.
    let by_browser = agree(json!({ "personalization": true, "marketing": true }), true).await?;
    assert_eq!(by_browser.at("/by_browser"), true);
    assert_eq!(by_browser.at("/consent/marketing"), false);
    assert!(!asks().await?);
    let consents = record(&world, "peter").await?;
    assert_eq!(consents.at("/consents").as_array().map(Vec::len), Some(3), "{}", consents.text);
    // For whoever is not known it is the receipt alone.
    let body = json!({ "site": "pk_demo", "consent": { "analytics": true }, "version": "2026-11" });
    let request = world.request(Method::PUT, "/v1/consent").header("Origin", &world.bank);
    let nobody = Answer::of(request.body(body.to_string())).await?;
    assert_eq!(verify(nobody.at("/receipt"), "").await?.at("/consent/analytics"), true);
    Ok(())
}

#[tokio::test]
async fn on_a_publishers_page_a_customer_is_known_who_agreed_to_that() -> Result<()> {
    let world = World::start().await?;
    let mut question = world.question();
    question["site"] = json!("pk_roadbook");
    question["identity"] = json!(world.identity_of("peter")?);
    question["placements"] = json!([{ "id": "partner-sidebar" }]);
    let visits = async |sharing: bool| {
        question["consent"]["sharing"] = json!(sharing);
        let answer = world.post_from(&world.partner, "/v1/decide", &question).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Ok::<_, anyhow::Error>(record(&world, "peter").await?.at("/memory/visits").clone())
    };
    let mut visits = visits;
    assert_eq!(visits(false).await?, 0);
    assert_eq!(visits(true).await?, 1);
    Ok(())
}

/// What is asked of a page of products.
fn page(world: &World) -> Value {
    let mut question = world.question();
    question["placements"] = json!([{ "id": "home-hero" }, { "id": "product-side" }]);
    question["html"] = json!(true);
    question
}

fn reply(id: &str, question: &str, value: Value) -> Value {
    json!({ "id": id, "type": "answer", "name": question, "props": { "value": value } })
}

#[tokio::test]
async fn a_visitor_is_asked_one_thing_and_never_again() -> Result<()> {
    let world = World::start().await?;
    let rule = json!({ "attr": "home", "op": "eq", "value": "rented" });
    world.publish(&first_for(&world, "savings-plus", rule)?).await?;
    let mut question = page(&world);
    let first = world.post("/v1/decide", &question).await?;
    assert_eq!(first.at("/question/id"), "home", "{}", first.text);
    assert_eq!(first.at("/question/answers/1"), &json!({ "value": "rented", "label": "I rent" }));
    let painted = |at: usize| first.at(&format!("/placements/{at}/html")).as_str().unwrap_or_default().to_owned();
    assert!(!painted(0).contains("<form") && painted(1).contains("Do you own your home?"), "{}", painted(1));
    assert!(first.at("/style").as_str().is_some_and(|style| style.contains(".question")));
    // It stands on the visit's other pages, in their language; where there is no room nothing is asked.
    question["visitor"] = first.at("/visitor").clone();
    question["locale"] = json!("zh-Hans");
    let next = world.post("/v1/decide", &question).await?;
    assert_eq!((next.at("/question/id"), next.at("/question/answers/1/label")), (&json!("home"), &json!("租住")));
    question["placements"] = json!([{ "id": "home-hero" }]);
    assert_eq!(world.post("/v1/decide", &question).await?.at("/question"), &Value::Null);

    let answer = |id: &str, value: Value| {
        json!({
            "site": "pk_demo", "visitor": next.at("/visitor"), "consent": question["consent"],
            "events": [reply(id, "home", value)],
        })
    };
    for (wrong, why) in
        [(json!("castle"), "no such answer"), (json!(7), "no such answer"), (json!({}), "no such answer")]
    {
        let refused = world.post("/v1/events", &answer("00000000-0000-4000-8000-000000000001", wrong)).await?;
        let reason = refused.at("/rejected/0/reason").as_str().unwrap_or_default().to_owned();
        assert!(reason.contains(why), "{}", refused.text);
    }
    // As a button has it.
    let said = world.post("/v1/events", &answer("00000000-0000-4000-8000-000000000002", json!("\"rented\""))).await?;
    assert_eq!(said.at("/accepted"), 1, "{}", said.text);
    let mut question = page(&world);
    question["visitor"] = said.at("/visitor").clone();
    let after = world.post("/v1/decide", &question).await?;
    assert_eq!(after.at("/question"), &Value::Null, "one thing in one visit");
    assert_eq!(after.at("/placements/0/offers/0/offer"), "savings-plus", "the next decision knows it");

    // Whoever logs in brings it along, and an agent sees it; it can be given back with the rest of the device's history.
    let identified = json!({
        "site": "pk_demo", "visitor": after.at("/visitor"), "identity": world.identity_of("peter")?,
        "consent": { "personalization": true },
    });
    let identified = world.post("/v1/identify", &identified).await?;
    assert_eq!(identified.status, 200, "{}", identified.text);
    let known = record(&world, "peter").await?;
    assert_eq!(known.at("/profile/home/visitor/value"), "rented", "{}", known.text);
    assert_eq!(sees(&world, "peter").await?, "savings-plus");
    let source = known.at("/merged/0/source").clone();
    world.server(Method::POST, "/v1/customers/peter/merge/undo", Some(&json!({ "source": source }))).await?;
    assert_eq!(record(&world, "peter").await?.at("/profile/home"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_customer_is_asked_on_one_device_and_not_on_another() -> Result<()> {
    let world = World::start().await?;
    let mut question = page(&world);
    question["identity"] = json!(world.identity_of("peter")?);
    let ask = async || world.post("/v1/decide", &question).await;
    assert_eq!(ask().await?.at("/question/id"), "home");
    until(&world, "peter", "/asked/0/reply", &json!("open")).await?;
    assert_eq!(ask().await?.at("/question/id"), "home", "the same on every page of the visit");
    let events = json!({
        "site": "pk_demo", "identity": question["identity"], "consent": question["consent"],
        "events": [reply("00000000-0000-4000-8000-000000000003", "home", json!(""))],
    });
    assert_eq!(world.post("/v1/events", &events).await?.at("/accepted"), 1);
    let declined = record(&world, "peter").await?;
    assert_eq!((declined.at("/asked/0/reply"), declined.at("/attributes/home")), (&json!("declined"), &Value::Null));
    assert_eq!(ask().await?.at("/question"), &Value::Null);
    // What the record has of it: that it was asked, not what was said.
    let lines = world.server(Method::GET, "/v1/events", None).await?;
    let line: Value = serde_json::from_str(lines.text.lines().next().context("no line")?)?;
    assert_eq!((&line["type"], &line["name"], &line["props"]), (&json!("answer"), &json!("home"), &json!({})));
    Ok(())
}

#[tokio::test]
async fn somebody_says_of_themselves_what_they_may() -> Result<()> {
    let world = World::start().await?;
    let put = async |body: Value| {
        let mut body = body;
        body["site"] = json!("pk_demo");
        let request = world.request(Method::PUT, "/v1/profile").header("Origin", &world.bank).body(body.to_string());
        Answer::of(request).await
    };
    let agreed = json!({ "personalization": true });
    let evening = json!({ "contact_time": "evening", "home": "owned" });
    let anonymous = put(json!({ "consent": agreed, "attributes": evening })).await?;
    assert_eq!((anonymous.status, anonymous.at("/attributes")), (200, &evening), "{}", anonymous.text);
    let back = json!({ "consent": agreed, "visitor": anonymous.at("/visitor"), "attributes": { "home": null } });
    assert_eq!(put(back).await?.at("/attributes"), &json!({ "contact_time": "evening" }));

    let identity = world.identity_of("peter")?;
    let known = put(json!({ "consent": agreed, "identity": identity, "attributes": evening })).await?;
    assert_eq!((known.at("/attributes"), known.at("/visitor")), (&evening, &Value::Null), "{}", known.text);
    let request = world.request(Method::GET, "/v1/profile?site=pk_demo").header("Origin", &world.bank);
    assert_eq!(Answer::of(request.bearer_auth(&identity)).await?.at("/attributes"), &evening);
    let refused: BTreeMap<&str, Value> = BTreeMap::from([
        ("/attributes/employer_agreement", json!({ "employer_agreement": "gold" })),
        ("/attributes/occupation", json!({ "occupation": "king" })),
        ("/attributes/home", json!({ "home": 7 })),
    ]);
    for (pointer, attributes) in refused {
        let refused = put(json!({ "consent": agreed, "identity": identity, "attributes": attributes })).await?;
        assert_eq!((refused.status, refused.at("/errors/0/pointer")), (400, &json!(pointer)), "{}", refused.text);
    }
    let without = put(json!({ "consent": {}, "identity": identity, "attributes": evening })).await?;
    assert_eq!((without.status, without.problem()), (403, "forbidden"), "{}", without.text);
    Ok(())
}

#[tokio::test]
async fn customers_are_valued_when_something_changes_and_put_on_levels() -> Result<()> {
    let world = World::start().await?;
    let mut config = first_for(&world, "savings-plus", json!({ "tier": "value", "in": ["most-valuable"] }))?;
    let attributes = config["decisions"]["attributes"].as_array_mut().context("no attributes")?;
    for name in ["revenue", "cost"] {
        attributes.push(json!({ "name": name, "type": "number", "source": "profile", "learn": false }));
    }
    config["decisions"]["computed"] = json!([
        { "attribute": "actual_value", "terms": [{ "attr": "revenue" }, { "attr": "cost", "times": -1 }] },
        { "attribute": "potential_value", "terms": [{ "attr": "actual_value" }, { "offers": true, "times": 50 }] },
    ]);
    let at_least = |name: &str, value: i32| json!({ "attr": name, "op": "ge", "value": value });
    config["decisions"]["tiers"] = json!([{ "id": "value", "overridden_by": "value_tier", "levels": [
        { "id": "most-valuable", "rule": at_least("actual_value", 500) },
        { "id": "below-zero", "rule": { "not": at_least("actual_value", 0) } },
        { "id": "most-growable", "rule": at_least("potential_value", 100) },
        { "id": "migrator" },
    ] }]);
    world.publish(&config).await?;
    for (customer, revenue, cost) in [("peter", 900, 100), ("penny", 90, 10), ("jenny", 10, 60)] {
        put(&world, customer, json!({ "attributes": { "revenue": revenue, "cost": cost } })).await?;
    }
    let peter = until(&world, "peter", "/attributes/actual_value", &json!(800.0)).await?;
    assert!(peter.at("/attributes/potential_value").as_f64().is_some_and(|value| value > 800.0), "{}", peter.text);
    assert_eq!(peter.at("/tiers/value"), "most-valuable");
    assert!(!peter.at("/changes").to_string().contains("actual_value"), "what follows is no change: {}", peter.text);
    until(&world, "jenny", "/attributes/actual_value", &json!(-50.0)).await?;
    until(&world, "penny", "/attributes/actual_value", &json!(80.0)).await?;
    let report = async || -> Result<BTreeMap<String, u64>> {
        let report = world.server(Method::GET, "/v1/reports/tiers", None).await?;
        let levels = report.at("/tiers/0/levels").as_array().with_context(|| report.text.clone())?.clone();
        let count = |level: &Value| Some((level["level"].as_str()?.to_owned(), level["customers"].as_u64()?));
        Ok(levels.iter().filter_map(count).collect())
    };
    let expect = |counts: [u64; 4]| {
        let names = ["most-valuable", "below-zero", "most-growable", "migrator"].map(str::to_owned);
        names.into_iter().zip(counts).collect::<BTreeMap<String, u64>>()
    };
    assert_eq!(report().await?, expect([1, 1, 1, 0]));
    let sums = world.server(Method::GET, "/v1/reports/tiers", None).await?;
    assert_eq!(sums.at("/tiers/0/levels/0/worth/actual_value"), 800.0, "{}", sums.text);

    // Somebody decides otherwise, for some time, and says why.
    let path = "/v1/customers/jenny/tiers/value";
    let wrong = json!({ "level": "king", "reason": "", "until": 5 });
    let wrong = world.server(Method::PUT, path, Some(&wrong)).await?;
    let pointers: Vec<&Value> =
        (0..3).map(|at| wrong.at(["/errors/0/pointer", "/errors/1/pointer", "/errors/2/pointer"][at])).collect();
    assert_eq!(pointers, [&json!("/level"), &json!("/reason"), &json!("/until")], "{}", wrong.text);
    let chair = json!({ "level": "most-valuable", "reason": "Chairs the tenants' union", "until": now_ms() + 4_000 });
    assert_eq!(world.server(Method::PUT, path, Some(&chair)).await?.status, 204);
    assert_eq!(sees(&world, "jenny").await?, "savings-plus");
    let jenny = record(&world, "jenny").await?;
    assert_eq!(
        (jenny.at("/tiers/value"), jenny.at("/changes/0/source")),
        (&json!("most-valuable"), &json!("override"))
    );
    assert_eq!(jenny.at("/profile/value_tier/override/reason"), "Chairs the tenants' union", "{}", jenny.text);
    until(&world, "jenny", "/tiers/value", &json!("below-zero")).await?;
    assert_ne!(sees(&world, "jenny").await?, "savings-plus");
    // The decision is over, that it was made and why stays on record.
    let over = until(&world, "jenny", "/profile/value_tier", &Value::Null).await?;
    assert_eq!((over.at("/changes/0/value"), over.at("/changes/1/value")), (&Value::Null, &json!("most-valuable")));
    assert_eq!(over.at("/changes/1/reason"), "Chairs the tenants' union", "{}", over.text);
    let end = Instant::now() + Duration::from_secs(10);
    while report().await? != expect([1, 1, 1, 0]) {
        ensure!(Instant::now() < end, "{:?}", report().await?);
    }
    assert_eq!(
        world.server(Method::PUT, path, Some(&json!({ "level": "migrator", "reason": "a test" }))).await?.status,
        204
    );
    until(&world, "jenny", "/tiers/value", &json!("migrator")).await?;
    assert_eq!(world.server(Method::DELETE, path, None).await?.status, 204);
    until(&world, "jenny", "/tiers/value", &json!("below-zero")).await?;
    assert_eq!(world.server(Method::PUT, "/v1/customers/jenny/tiers/none", Some(&chair)).await?.status, 404);

    world.server(Method::POST, "/v1/customers/peter/erase", None).await?;
    assert_eq!(report().await?.get("most-valuable"), Some(&0));
    Ok(())
}

#[tokio::test]
async fn customers_are_valued_every_night() -> Result<()> {
    let mut world = World::start().await?;
    put(&world, "peter", json!({ "attributes": { "revenue_12m": 900, "cost_12m": 100 } })).await?;
    until(&world, "peter", "/attributes/actual_value", &json!(800.0)).await?;
    // The night comes, and what it goes by is another.
    world.edge.kill().await?;
    let object = world.database("VisitorObject")?;
    let changed = "UPDATE told SET told = replace(told, '900', '700') WHERE source = 'server'";
    assert_eq!(Connection::open(&object)?.execute(changed, [])?, 1);
    assert_eq!(Connection::open(&object)?.execute("UPDATE valued SET at = 1", [])?, 1);
    alarm_is_due(&object)?;
    world.edge.restart().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    until(&world, "peter", "/attributes/actual_value", &json!(600.0)).await?;
    world.edge.kill().await?;
    let next: i64 = Connection::open(&object)?.query_row("SELECT at FROM valued", [], |row| row.get(0))?;
    assert!((1..=86_400_000).contains(&(next - now_ms() as i64)), "the next night is at {next}");
    Ok(())
}

#[tokio::test]
async fn who_names_no_language_is_answered_in_the_one_they_prefer() -> Result<()> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    let speaks = json!({ "name": "speaks", "type": "text", "source": "profile", "learn": false });
    config["decisions"]["attributes"].as_array_mut().context("no attributes")?.push(speaks);
    config["profile"]["language"] = json!("nothing");
    let draft = world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
    assert!(draft.text.contains("/profile/language"), "{}", draft.text);
    config["profile"]["language"] = json!("speaks");
    world.publish(&config).await?;

    let said = json!({ "attributes": { "speaks": "zh-CN" } });
    assert_eq!(world.server(Method::PUT, "/v1/customers/ada", Some(&said)).await?.status, 204);
    let title = async |customer: &str, locale: Option<&str>| -> Result<bool> {
        let mut question = json!({
            "site": "pk_demo", "customer": customer, "channel": "call_centre", "placements": [{ "id": "home-hero" }],
            "consent": { "analytics": true, "personalization": true },
        });
        if let Some(locale) = locale {
            question["locale"] = json!(locale);
        }
        let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
        let title = answer.at("/placements/0/offers/0/content/title").as_str().with_context(|| answer.text.clone())?;
        Ok(title.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)))
    };
    assert!(title("ada", None).await?, "what they prefer");
    assert!(!title("ada", Some("en")).await?, "what is asked for goes before it");
    assert!(!title("bob", None).await?, "the site's first language for whoever prefers none");
    Ok(())
}
