//! What the bank's servers say: customers one by one, in files, and by Segment's own client.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(3);

/// The demo's configuration with stored attributes, an offer for gold customers only, and what Segment's calls mean.
async fn world() -> Result<World> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    let stored = json!([
        { "name": "loyalty", "type": "text", "source": "profile" },
        { "name": "years", "type": "number", "bins": [1, 5], "source": "profile" },
        { "name": "holdings", "type": "set", "source": "profile" },
        { "name": "household", "type": "text", "source": "profile" },
    ]);
    let attributes = config["decisions"]["attributes"].as_array_mut().context("no attributes")?;
    attributes.extend(stored.as_array().cloned().unwrap_or_default());
    for offer in config["decisions"]["offers"].as_array_mut().context("no offers")? {
        let gold = json!({ "attr": "loyalty", "op": "eq", "value": "gold" });
        let near = json!({ "all": [
            { "known": "household" },
            { "attr": "household", "op": "eq", "value": "household-8" },
        ] });
        let rule = json!({ "any": [gold, near] });
        offer["rule"] = if offer["id"] == "savings-plus" { rule } else { json!({ "not": rule }) };
    }
    config["segment"] = json!({
        "traits": { "tier": "loyalty" },
        "events": { "Contract Signed": { "stage": "applied", "offer": "product", "value": "revenue" } },
        "group": { "id": "household", "traits": { "plan": "loyalty" } },
    });
    let draft = world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
    assert_eq!(draft.at("/errors"), &json!([]), "{}", draft.text);
    let published = world.server(Method::POST, "/v1/site/publish", None).await?;
    let deadline = tokio::time::Instant::now() + SOON;
    while world.post("/v1/decide", &world.question()).await?.at("/config") != published.at("/version") {
        assert!(tokio::time::Instant::now() < deadline, "the edge does not take the configuration over");
    }
    Ok(world)
}

/// Ids of the offers that a customer is given by the bank's call centre.
async fn offers(world: &World, customer: &str) -> Result<Vec<String>> {
    let mut question = world.question();
    question["customer"] = json!(customer);
    question["channel"] = json!("call_centre");
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let offers = answer.at("/placements/0/offers").as_array().cloned().unwrap_or_default();
    Ok(offers.iter().filter_map(|offer| offer["offer"].as_str().map(str::to_owned)).collect())
}

async fn put(world: &World, customer: &str, attributes: Value) -> Result<Answer> {
    world.server(Method::PUT, &format!("/v1/customers/{customer}"), Some(&json!({ "attributes": attributes }))).await
}

#[tokio::test]
async fn what_is_stored_of_a_customer_decides_on_every_channel() -> Result<()> {
    let world = world().await?;
    for customer in ["peter", "%E7%8E%8B%2F7"] {
        let id = if customer == "peter" { "peter" } else { "王/7" };
        // Unknown is not eligible, whichever way the rule goes.
        assert_eq!(offers(&world, id).await?, Vec::<String>::new());
        assert_eq!(put(&world, customer, json!({ "loyalty": "gold", "years": 3 })).await?.status, 204);
        assert_eq!(offers(&world, id).await?, ["savings-plus"]);
        assert_eq!(put(&world, customer, json!({ "loyalty": "silver" })).await?.status, 204);
        assert!(
            !offers(&world, id).await?.is_empty() && !offers(&world, id).await?.contains(&"savings-plus".to_owned())
        );
        assert_eq!(put(&world, customer, json!({})).await?.status, 204);
        assert_eq!(offers(&world, id).await?, Vec::<String>::new(), "what is not sent again is not kept");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_attribute_is_named_and_nothing_is_stored() -> Result<()> {
    let world = world().await?;
    let answer =
        put(&world, "peter", json!({ "loyalty": "gold", "years": "many", "nobody/knows": 1, "device": "phone" }))
            .await?;
    assert_eq!((answer.status, answer.problem()), (400, "malformed"));
    let errors = answer.at("/errors").as_array().cloned().unwrap_or_default();
    let pointers: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/attributes/device", "/attributes/nobody~1knows", "/attributes/years"], "{}", answer.text);
    assert_eq!(offers(&world, "peter").await?, Vec::<String>::new());
    for (id, status) in [("a%0Ab", 400), (&*"x".repeat(129), 400), ("", 400)] {
        assert_eq!(put(&world, id, json!({})).await?.status, status, "{id}");
    }
    let open = world.request(Method::PUT, "/v1/customers/peter").bearer_auth("pk_demo").body("{\"attributes\":{}}");
    assert_eq!(Answer::of(open).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn an_import_says_of_each_line_what_became_of_it() -> Result<()> {
    let world = world().await?;
    let mut file = Vec::new();
    for line in [
        r#"{"id":"c1","attributes":{"loyalty":"gold"}}"#,
        "",
        r#"{"id":"c2","attributes":{"loyalty":7}}"#,
        "not a customer",
        r#"{"id":"","attributes":{}}"#,
        r#"{"id":"c3","attributes":{"loyalty":"gold"}}"#,
        r#"{"id":"c3","attributes":{"loyalty":"silver"}}"#,
        r#"{"attributes":{}}"#,
    ] {
        writeln!(file, "{line}")?;
    }
    file.extend_from_slice(b"\xff\xfe{\n");
    writeln!(file, r#"{{"id":"c4","attributes":{{"holdings":["{}"]}}}}"#, "x".repeat(70_000))?;
    let import = |body: Vec<u8>| {
        Answer::of(world.request(Method::POST, "/v1/customers:batch").bearer_auth("sk_demo").body(body))
    };
    let answer = import(file).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines: Vec<Value> = answer.text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let statuses: Vec<(u64, &str, &str)> = lines
        .iter()
        .map(|line| {
            let pointer = line.pointer("/errors/0/pointer").and_then(Value::as_str).unwrap_or("-");
            (line["line"].as_u64().unwrap_or(0), line["status"].as_str().unwrap_or(""), pointer)
        })
        .collect();
    let expect = [
        (1, "stored", "-"),
        (3, "refused", "/attributes/loyalty"),
        (4, "refused", ""),
        (5, "refused", "/id"),
        (6, "stored", "-"),
        (7, "stored", "-"),
        (8, "refused", ""),
        (9, "refused", ""),
        (10, "refused", ""),
    ];
    assert_eq!(statuses, expect, "{}", answer.text);
    assert_eq!(offers(&world, "c1").await?, ["savings-plus"]);
    assert!(!offers(&world, "c3").await?.contains(&"savings-plus".to_owned()), "the later line counts");
    let many = "{\"id\":\"x\",\"attributes\":{}}\n".repeat(5_001);
    assert_eq!(import(many.into_bytes()).await?.problem(), "too-large");
    assert_eq!(import(vec![b' '; 4 * 1024 * 1024 + 1]).await?.status, 413);
    Ok(())
}

#[tokio::test]
async fn segments_own_client_works_unchanged() -> Result<()> {
    let world = world().await?;
    put(&world, "peter", json!({ "loyalty": "silver", "holdings": ["card"] })).await?;
    let mut question = world.question();
    question["customer"] = json!("peter");
    let decided = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    let offer = decided.at("/placements/0/offers/0/offer").as_str().context("nothing is offered")?.to_owned();
    let seen = json!({ "site": "pk_demo", "events": [
        { "id": "00000000-0001", "type": "impression", "token": decided.at("/placements/0/offers/0/token") },
    ] });
    assert_eq!(world.server(Method::POST, "/v1/events", Some(&seen)).await?.at("/accepted"), 1);
    let client = Command::new("node")
        .args([
            concat!(env!("CARGO_MANIFEST_DIR"), "/system/segment.cjs"),
            &world.edge.origin(),
            "sk_demo",
            "peter",
            &offer,
        ])
        .output()
        .await?;
    let (said, wrong) = (String::from_utf8_lossy(&client.stdout), String::from_utf8_lossy(&client.stderr));
    assert_eq!((said.trim(), wrong.trim()), ("0", ""));
    let report = world
        .until(SOON, |report| {
            let counts = report.offers.iter().flat_map(|offer| offer.arms.values());
            counts.map(|counts| counts.stages.get("applied").copied().unwrap_or(0)).sum::<u64>() == 1
        })
        .await?;
    // The impression, seven messages, and the outcome that one of them was.
    assert_eq!(report.events_folded, 9);
    let events = world.server(Method::GET, "/v1/events", None).await?;
    assert!(
        events.text.contains("\"value\":99.5") && events.text.contains("\"name\":\"Calculator Used\""),
        "{}",
        events.text
    );
    assert!(!events.text.contains("Rovers") && !events.text.contains("gold"), "traits stay with the customer");
    assert_eq!(offers(&world, "peter").await?, ["savings-plus"], "the trait is an attribute");
    Ok(())
}

#[tokio::test]
async fn the_group_of_a_customer_decides_as_far_as_it_is_kept() -> Result<()> {
    let world = world().await?;
    let group = async |customer: &str, id: &str, traits: Value| {
        put(&world, customer, json!({ "loyalty": "silver" })).await?;
        let call = json!({ "userId": customer, "groupId": id, "traits": traits, "messageId": customer });
        let request = world.request(Method::POST, "/segment/v1/group").basic_auth("sk_demo", Some(""));
        let answer = Answer::of(request.body(call.to_string())).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        offers(&world, customer).await.map(|offers| offers == ["savings-plus"])
    };
    assert!(!group("anna", "household-7", json!({ "tier": "gold" })).await?, "a trait that is not kept");
    assert!(group("bert", "household-7", json!({ "plan": "gold" })).await?, "a trait that is");
    assert!(group("carl", "household-8", json!({})).await?, "the group itself");

    let mut draft = world.server(Method::GET, "/v1/site/draft", None).await?.at("/draft").clone();
    draft["segment"]["group"]["id"] = json!("device");
    let draft = world.server(Method::PUT, "/v1/site/draft", Some(&draft)).await?;
    assert!(
        draft.text.contains("/segment/group/id") && draft.text.contains("`device` is no attribute"),
        "{}",
        draft.text
    );
    Ok(())
}

#[tokio::test]
async fn segments_calls_are_judged_alone_and_packed_bodies_are_bounded() -> Result<()> {
    let world = world().await?;
    let post = |path: &str, body: Vec<u8>, encoding: &str| {
        let request = world.request(Method::POST, &format!("/segment/v1/{path}")).basic_auth("sk_demo", Some(""));
        Answer::of(request.header("Content-Encoding", encoding).body(body))
    };
    let gzip = |text: &str| -> Result<Vec<u8>> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes())?;
        Ok(packed.finish()?)
    };
    let batch = json!({ "batch": [
        { "type": "identify", "userId": "peter", "traits": { "tier": "gold", "years": "many" } },
        { "type": "track", "event": "x" },
        { "type": "sneeze", "userId": "peter" },
        { "type": "track", "userId": "peter", "event": "Contract Signed", "properties": { "product": "overdraft" } },
        7,
        { "type": "page", "anonymousId": "a", "messageId": "m-1", "timestamp": "2026-11-22T05:00:00Z" },
        { "type": "page", "anonymousId": "a", "messageId": "m-1" },
    ] });
    let answer = post("batch", gzip(&batch.to_string())?, "gzip").await?;
    assert_eq!((answer.status, answer.at("/success")), (200, &json!(true)), "{}", answer.text);
    let rejected = answer.at("/rejected").as_array().cloned().unwrap_or_default();
    let expect =
        [(0, "years"), (1, "userId or anonymousId"), (2, "sneeze"), (3, "did not see this offer"), (4, "invalid type")];
    assert_eq!(rejected.len(), expect.len(), "{}", answer.text);
    for (rejection, (index, part)) in rejected.iter().zip(expect) {
        assert!(
            rejection["index"] == index && rejection["reason"].as_str().unwrap_or("").contains(part),
            "{rejection}"
        );
    }
    assert_eq!(offers(&world, "peter").await?, ["savings-plus"], "the rest of the message is stored");
    let single = post("track", json!({ "userId": "peter", "event": "y" }).to_string().into_bytes(), "identity").await?;
    assert_eq!((single.status, single.at("/rejected")), (200, &json!([])), "{}", single.text);
    for (path, body, encoding, status) in [
        ("batch", gzip(&" ".repeat(20_000_000))?, "gzip", 413),
        ("batch", b"not gzip".to_vec(), "gzip", 400),
        ("batch", b"{}".to_vec(), "br", 400),
        ("batch", b"{}".to_vec(), "identity", 400),
        ("sneeze", b"{}".to_vec(), "identity", 404),
        ("batch", vec![b' '; 500 * 1024 + 1], "identity", 413),
    ] {
        let answer = post(path, body, encoding).await?;
        assert_eq!(answer.status, status, "{path} {encoding}: {}", answer.text);
        assert_ne!(answer.problem(), "not a problem document");
    }
    for user in ["pk_demo", "sk_nobody", ""] {
        let request = world.request(Method::POST, "/segment/v1/track").basic_auth(user, Some("")).body("{}");
        assert_eq!(Answer::of(request).await?.status, 401, "{user}");
    }
    Ok(())
}
