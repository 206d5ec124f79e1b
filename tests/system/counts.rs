//! Rules that count what visitors did.

use anyhow::{Context as _, Result};
use portico_tests::World;
use reqwest::Method;
use serde_json::{Value, json};

const COUNTED: &str = "savings-plus";

/// One offer is for whoever has used the calculator twice this week, seen a page about mortgages, or applied for anything.
async fn counting() -> Result<World> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    let happened = |name: &str, times: u32| json!({ "events": name, "within_days": 7, "op": "ge", "value": times });
    let offers = config.pointer_mut("/decisions/offers").and_then(Value::as_array_mut).context("no offers")?;
    let offer = offers.iter_mut().find(|offer| offer["id"] == COUNTED).context("no such offer")?;
    offer["rule"] =
        json!({ "any": [happened("calculator_used", 2), happened("page:mortgages", 1), happened("stage:applied", 1)] });
    world.publish(&config).await?;
    Ok(world)
}

/// Why the offer is out for somebody; nothing where it is not. And the visitor's token.
async fn excluded(world: &World, question: &Value) -> Result<(Option<Value>, Value)> {
    let mut question = question.clone();
    question["explain"] = json!(true);
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    let offers = answer.at("/trace/0/offers").as_array().with_context(|| answer.text.clone())?;
    let offer = offers.iter().find(|offer| offer["offer"] == COUNTED).context("the trace lacks the offer")?;
    Ok((offer.get("excluded").filter(|reason| !reason.is_null()).cloned(), answer.at("/visitor").clone()))
}

fn tracked(id: u32, with: Value) -> Value {
    let mut body = json!({ "site": "pk_demo", "events": [{ "id": format!("00000000-{id:04}"), "type": "track", "name": "calculator_used" }] });
    if let (Value::Object(body), Value::Object(with)) = (&mut body, with) {
        body.extend(with);
    }
    body
}

#[tokio::test]
async fn what_an_anonymous_visitor_did_travels_with_them() -> Result<()> {
    let world = counting().await?;
    let mut question = world.question();
    let (out, visitor) = excluded(&world, &question).await?;
    assert!(out.is_some());
    question["visitor"] = visitor;
    for (id, is_out) in [(1, true), (1, true), (2, false)] {
        let receipt = world.post("/v1/events", &tracked(id, json!({ "visitor": question["visitor"] }))).await?;
        if receipt.at("/visitor").is_string() {
            question["visitor"] = receipt.at("/visitor").clone();
        }
        let (out, _) = excluded(&world, &question).await?;
        assert_eq!(out.is_some(), is_out, "after event {id}: {out:?}");
    }
    // Another one looks at a page, and is known by it afterwards.
    let mut other = world.question();
    other["context"]["topic"] = json!("mortgages");
    other["visitor"] = world.post("/v1/decide", &other).await?.at("/visitor").clone();
    other["context"]["topic"] = json!("cards");
    assert_eq!(excluded(&world, &other).await?.0, None);
    // Of whom nothing may be kept, nothing is counted; the trace says so.
    question["consent"] = json!({ "analytics": true, "personalization": false });
    let out = excluded(&world, &question).await?.0.context("the offer is open to a stranger")?;
    assert!(out.to_string().contains("events"), "{out}");
    Ok(())
}

#[tokio::test]
async fn what_a_customer_did_is_known_wherever_they_come_from() -> Result<()> {
    let world = counting().await?;
    let mut question = world.question();
    question["identity"] = json!(world.identity_of("peter")?);
    assert!(excluded(&world, &question).await?.0.is_some());
    let agreed = json!({ "analytics": true, "personalization": true });
    // Once in the browser, once at the counter; not by who did not agree, nor in the name of a forged token.
    let refused = tracked(1, json!({ "identity": question["identity"], "consent": { "personalization": false } }));
    let forged = tracked(2, json!({ "identity": "e30.e30.e30", "consent": agreed }));
    let browser = tracked(3, json!({ "identity": question["identity"], "consent": agreed }));
    for body in [&refused, &forged, &browser, &browser] {
        let receipt = world.post("/v1/events", body).await?;
        assert_eq!(receipt.status, 202, "{}", receipt.text);
        assert!(excluded(&world, &question).await?.0.is_some());
    }
    let counter = tracked(4, json!({ "customer": "peter", "consent": agreed }));
    assert_eq!(world.post("/v1/events", &counter).await?.problem(), "forbidden");
    let receipt = world.server(Method::POST, "/v1/events", Some(&counter)).await?;
    assert_eq!(receipt.at("/accepted"), 1, "{}", receipt.text);
    assert_eq!(excluded(&world, &question).await?.0, None);

    // What the bank reports of another customer counts for them.
    let mut other = world.question();
    other["identity"] = json!(world.identity_of("penny")?);
    let shown = world.post("/v1/decide", &other).await?;
    assert!(excluded(&world, &other).await?.0.is_some());
    let outcome =
        json!([{ "id": "contract-1", "token": shown.at("/placements/0/offers/0/token"), "stage": "applied" }]);
    let receipt = world.server(Method::POST, "/v1/outcomes", Some(&json!({ "outcomes": outcome }))).await?;
    assert_eq!(receipt.at("/accepted"), 1, "{}", receipt.text);
    assert_eq!(excluded(&world, &other).await?.0, None);
    Ok(())
}

#[tokio::test]
async fn what_was_recorded_but_not_heard_counts_when_it_is_sent_again() -> Result<()> {
    let world = counting().await?;
    let mut question = world.question();
    question["visitor"] = excluded(&world, &question).await?.1;
    // The answer that renewed the token is lost; with the token that is left it is news, and afterwards it is none.
    world.post("/v1/events", &tracked(1, json!({ "visitor": question["visitor"] }))).await?;
    for _ in 0..3 {
        let receipt = world.post("/v1/events", &tracked(1, json!({ "visitor": question["visitor"] }))).await?;
        assert_eq!((receipt.at("/accepted"), receipt.at("/duplicate")), (&json!(0), &json!(1)), "{}", receipt.text);
        question["visitor"] = receipt.at("/visitor").clone();
        assert!(excluded(&world, &question).await?.0.is_some(), "once is not twice");
    }
    let receipt = world.post("/v1/events", &tracked(2, json!({ "visitor": question["visitor"] }))).await?;
    question["visitor"] = receipt.at("/visitor").clone();
    assert_eq!(excluded(&world, &question).await?.0, None);

    // The ledger has heard of it, the customer has not.
    let mut question = world.question();
    question["identity"] = json!(world.identity_of("peter")?);
    let agreed = json!({ "analytics": true, "personalization": true });
    world.post("/v1/events", &tracked(3, json!({}))).await?;
    let known = tracked(3, json!({ "identity": question["identity"], "consent": agreed }));
    for _ in 0..3 {
        let receipt = world.post("/v1/events", &known).await?;
        assert_eq!(receipt.at("/duplicate"), 1, "{}", receipt.text);
        assert!(excluded(&world, &question).await?.0.is_some(), "once is not twice");
    }
    world.post("/v1/events", &tracked(4, json!({ "identity": question["identity"], "consent": agreed }))).await?;
    assert_eq!(excluded(&world, &question).await?.0, None);
    Ok(())
}

#[tokio::test]
async fn pages_that_say_nothing_are_read_by_the_sites_table() -> Result<()> {
    let world = World::start().await?;
    let mut config = serde_json::to_value(&world.config)?;
    let happened = |name: &str| json!({ "events": name, "within_days": 7, "op": "ge", "value": 1 });
    let offers = config.pointer_mut("/decisions/offers").and_then(Value::as_array_mut).context("no offers")?;
    let offer = offers.iter_mut().find(|offer| offer["id"] == COUNTED).context("no such offer")?;
    offer["rule"] = json!({ "all": [happened("page:mortgages"), happened("journey:choose")] });
    config["pages"] = json!([{ "topic": "mortgages" }]);
    let draft = world.server(Method::PUT, "/v1/site/draft", Some(&config)).await?;
    assert_eq!(draft.at("/errors/0/pointer"), "/pages/0", "{}", draft.text);
    config["pages"] = json!([
        { "url": "/en/mortgages*", "topic": "mortgages" },
        { "title": "compare", "journey": "choose" },
    ]);
    world.publish(&config).await?;
    let visit = async |visitor: &Value, topic: Option<&str>| {
        let mut question = world.question();
        question["page"] =
            json!({ "url": format!("{}/en/mortgages/fix?x=1", world.bank), "title": "Compare mortgages" });
        question["context"] = topic.map_or(json!({}), |topic| json!({ "topic": topic }));
        question["visitor"] = visitor.clone();
        excluded(&world, &question).await
    };
    // The page's own word goes before the table's.
    let (out, visitor) = visit(&Value::Null, Some("cards")).await?;
    assert!(out.is_some(), "a page about cards");
    let (out, _) = visit(&visitor, None).await?;
    assert_eq!(out, None, "a page about mortgages, where one chooses");
    Ok(())
}
