//! Who a customer is: by the word of the site's server, on every device, and what was done before they were known.

use std::future::IntoFuture as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::routing::get;
use portico_demo_site::bank;
use portico_demo_site::identity::Claims;
use portico_tests::World;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// A key and tokens signed with it, see `sign.cjs`.
fn sign(alg: &str, kid: &str, claims: &Claims, secret: &str) -> Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("system/sign.cjs");
    let claims = serde_json::to_string(claims)?;
    let output = Command::new("node").arg(script).args([alg, kid, &claims, secret]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The identity that the demo's site is published with, changed.
fn with_identity(world: &World, change: impl FnOnce(&mut Value)) -> Result<Value> {
    let mut config = serde_json::to_value(&world.config)?;
    change(config.get_mut("identity").context("no identity")?);
    Ok(config)
}

async fn ask(world: &World, token: &Value) -> Result<u16> {
    let mut question = world.question();
    question["identity"] = token.clone();
    let answer = world.post("/v1/decide", &question).await?;
    if answer.status == 401 {
        assert_eq!((answer.problem(), answer.at("/errors/0/pointer")), ("identity", &json!("/identity")));
    }
    Ok(answer.status)
}

#[tokio::test]
async fn every_algorithm_is_verified_and_none_for_another() -> Result<()> {
    let world = World::start().await?;
    let claims = world.claims("peter", Map::new());
    let mut keys = Vec::new();
    let mut tokens = Vec::new();
    for alg in ["EdDSA", "ES256", "RS256"] {
        let signed = sign(alg, alg, &claims, "")?;
        keys.push(signed["jwk"].clone());
        tokens.push(signed);
    }
    keys.push(json!({ "alg": "HS256", "kid": "shared" }));
    world.publish(&with_identity(&world, |identity| identity["keys"] = json!(keys))?).await?;
    for signed in &tokens {
        assert_eq!(ask(&world, &signed["token"]).await?, 200, "{}", signed["jwk"]);
        assert_eq!(ask(&world, &signed["confused"]).await?, 401, "a public key taken for a secret: {}", signed["jwk"]);
        let mut forged = signed["token"].as_str().context("no token")?.to_owned();
        forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
        assert_eq!(ask(&world, &json!(forged)).await?, 401, "{}", signed["jwk"]);
    }
    // A key by another's name.
    assert_eq!(ask(&world, &sign("ES256", "ES256", &claims, "")?["token"]).await?, 401);

    let secrets = world.server(Method::GET, "/v1/identity", None).await?;
    assert_eq!(secrets.at("/secrets/0/kid"), "shared", "{}", secrets.text);
    let secret = secrets.at("/secrets/0/secret").as_str().context("no secret")?;
    assert_eq!(ask(&world, &sign("HS256", "shared", &claims, secret)?["token"]).await?, 200);
    assert_eq!(ask(&world, &sign("HS256", "shared", &claims, "guessed")?["token"]).await?, 401);
    let draft = world.server(Method::GET, "/v1/site/draft", None).await?;
    assert!(!draft.text.contains(secret), "a secret stands in no configuration");
    let page = world.request(Method::GET, "/v1/identity").bearer_auth("pk_demo").send().await?;
    assert_eq!(page.status(), 401);

    let wrong = with_identity(&world, |identity| {
        *identity = json!({ "issuer": "a", "audience": "b", "max_minutes": 0, "keys": [{ "alg": "RS256", "kid": "k", "n": "AA", "e": "AQAB" }] });
    })?;
    let draft = world.server(Method::PUT, "/v1/site/draft", Some(&wrong)).await?;
    let places: Vec<&Value> = draft.at("/errors").as_array().into_iter().flatten().map(|e| &e["pointer"]).collect();
    assert_eq!(places, [&json!("/identity/keys/0/n"), &json!("/identity/max_minutes")], "{}", draft.text);
    Ok(())
}

#[tokio::test]
async fn an_issuers_published_keys_are_followed() -> Result<()> {
    let world = World::start().await?;
    let claims = world.claims("peter", Map::new());
    let (first, second) = (sign("ES256", "first", &claims, "")?, sign("RS256", "second", &claims, "")?);
    let set = Arc::new(Mutex::new(json!({ "keys": [first["jwk"]] }).to_string()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/jwks.json", listener.local_addr()?);
    let served = Arc::clone(&set);
    let answer = move || {
        let set = served.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move { set }
    };
    tokio::spawn(axum::serve(listener, Router::new().route("/jwks.json", get(answer))).into_future());
    let config = with_identity(&world, |identity| {
        identity["keys"] = json!([]);
        identity["jwks_url"] = json!(url);
    })?;
    world.publish(&config).await?;
    assert_eq!(ask(&world, &first["token"]).await?, 200);
    assert_eq!(ask(&world, &second["token"]).await?, 401);
    let say = |text: String| *set.lock().unwrap_or_else(PoisonError::into_inner) = text;
    // The issuer is not asked for every made-up key, but a new one is known before long.
    say(json!({ "keys": [second["jwk"]] }).to_string());
    let deadline = Instant::now() + Duration::from_secs(15);
    while ask(&world, &second["token"]).await? != 200 {
        ensure!(Instant::now() < deadline, "the new key is not taken over");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What it says when it is ill does not count.
    say("<html>".to_owned());
    let unknown = sign("ES256", "third", &claims, "")?;
    for _ in 0..8 {
        assert_eq!(ask(&world, &unknown["token"]).await?, 401);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let again = sign("RS256", "second", &claims, "")?;
    assert_eq!(ask(&world, &again["token"]).await?, 401, "another key by that name");
    assert_eq!(ask(&world, &second["token"]).await?, 200);
    Ok(())
}

/// A visitor who looked at so many pages of a topic; their question.
async fn browsed(world: &World, topic: &str, pages: usize) -> Result<Value> {
    let mut question = world.question();
    question["context"]["topic"] = json!(topic);
    for _ in 0..pages {
        question["visitor"] = world.post("/v1/decide", &question).await?.at("/visitor").clone();
    }
    Ok(question)
}

async fn topics(world: &World, customer: &str) -> Result<Value> {
    let record = world.server(Method::GET, &format!("/v1/customers/{customer}"), None).await?;
    assert_eq!(record.status, 200, "{}", record.text);
    Ok(record.at("/memory/topics").clone())
}

#[tokio::test]
async fn what_was_done_before_is_the_customers_once_and_can_be_given_back() -> Result<()> {
    let world = World::start().await?;
    let mut question = browsed(&world, "mortgages", 3).await?;
    question["identity"] = json!(world.identity_of("peter")?);
    question["context"]["topic"] = json!("savings");
    let known = world.post("/v1/decide", &question).await?;
    let token = known.at("/visitor").clone();
    assert!(token.is_string(), "the device's token says who took its history over: {}", known.text);
    assert_eq!(topics(&world, "peter").await?, json!([["mortgages", 3], ["savings", 1]]));
    // The same answer lost, and the same token again: once is once.
    for visitor in [question["visitor"].clone(), token.clone()] {
        question["visitor"] = visitor;
        world.post("/v1/decide", &question).await?;
    }
    assert_eq!(topics(&world, "peter").await?, json!([["mortgages", 3], ["savings", 3]]));

    // On a second device the same history, and another one joins it.
    let mut second = browsed(&world, "mortgages", 2).await?;
    second["identity"] = question["identity"].clone();
    second["context"]["topic"] = json!("home");
    world.post("/v1/decide", &second).await?;
    assert_eq!(topics(&world, "peter").await?, json!([["mortgages", 5], ["savings", 3], ["home", 1]]));

    // Whoever logs in next on the first device has another history, and the device another token.
    let mut other = question.clone();
    other["identity"] = json!(world.identity_of("penny")?);
    other["visitor"] = token.clone();
    let answer = world.post("/v1/decide", &other).await?;
    assert_eq!(topics(&world, "penny").await?, json!([["savings", 1]]));
    assert!(answer.at("/visitor").is_string() && *answer.at("/visitor") != token, "{}", answer.text);

    // An operator gives the first one back, for good.
    let record = world.server(Method::GET, "/v1/customers/peter", None).await?;
    let source = record.at("/merged/0/source").as_str().context("nothing merged")?.to_owned();
    let undo = json!({ "source": source });
    let undone = world.server(Method::POST, "/v1/customers/peter/merge/undo", Some(&undo)).await?;
    assert_eq!(undone.status, 204, "{}", undone.text);
    let unknown = json!({ "source": "visitor/nobody" });
    let unknown = world.server(Method::POST, "/v1/customers/peter/merge/undo", Some(&unknown)).await?;
    assert_eq!(unknown.problem(), "not-found");
    question["visitor"] = token;
    world.post("/v1/decide", &question).await?;
    assert_eq!(topics(&world, "peter").await?, json!([["savings", 4], ["mortgages", 2], ["home", 1]]));
    let record = world.server(Method::GET, "/v1/customers/peter", None).await?;
    assert_eq!((record.at("/merged/0/undone"), record.at("/merged/1/undone")), (&json!(true), &json!(false)));
    Ok(())
}

#[tokio::test]
async fn two_names_of_one_customer_are_joined_and_a_loop_ends() -> Result<()> {
    let world = World::start().await?;
    let look = async |customer: &str, topic: &str| {
        let mut question = world.question();
        question["customer"] = json!(customer);
        question["context"]["topic"] = json!(topic);
        world.server(Method::POST, "/v1/decide", Some(&question)).await
    };
    look("old", "cards").await?;
    look("new", "loans").await?;
    let merge = async |into: &str, other: Value| {
        let path = format!("/v1/customers/{into}/merge");
        world.server(Method::POST, &path, Some(&json!({ "customer": other }))).await
    };
    for (into, other, merged) in
        [("new", "old", 1), ("new", "old", 0), ("old", "new", 1), ("new", "old", 0), ("new", "never", 0)]
    {
        let answer = merge(into, json!(other)).await?;
        assert_eq!(answer.at("/merged"), merged, "{other} into {into}: {}", answer.text);
    }
    assert_eq!(topics(&world, "new").await?, json!([["cards", 1], ["loans", 1]]));
    assert_eq!(topics(&world, "old").await?, json!([["cards", 1], ["loans", 1]]));
    assert_eq!(merge("new", json!("new")).await?.at("/errors/0/pointer"), "/customer");
    assert_eq!(merge("new", json!("")).await?.at("/errors/0/pointer"), "/customer");
    assert_eq!(merge("new", json!("a\nb")).await?.at("/errors/0/pointer"), "/customer");

    // By Segment's ids: an identify that names both, and an alias.
    let basic = data_encoding::BASE64.encode(b"sk_demo:");
    let segment = async |messages: Value| {
        let request =
            world.request(Method::POST, "/segment/v1/batch").header("Authorization", format!("Basic {basic}"));
        anyhow::Ok(request.body(json!({ "batch": messages }).to_string()).send().await?.text().await?)
    };
    let mut config = serde_json::to_value(&world.config)?;
    let offer = config.pointer_mut("/decisions/offers/0").context("no offer")?;
    offer["rule"] = json!({ "events": "Calculator Used", "within_days": 7, "op": "ge", "value": 2 });
    world.publish(&config).await?;
    let track = |id: &str, anonymous: &str| json!({ "type": "track", "event": "Calculator Used", "messageId": id, "anonymousId": anonymous });
    let said = segment(json!([
        track("m-1", "anonymous-1"), track("m-2", "anonymous-2"),
        { "type": "identify", "userId": "jenny", "anonymousId": "anonymous-1", "messageId": "m-3" },
        { "type": "alias", "userId": "jenny", "previousId": "anonymous-2", "messageId": "m-4" },
        { "type": "alias", "userId": "jenny", "messageId": "m-5" },
    ]))
    .await?;
    assert!(said.contains("previousId") && said.contains(r#""index":4"#), "{said}");
    let record = world.server(Method::GET, "/v1/customers/jenny", None).await?;
    let sources: Vec<&str> =
        record.at("/merged").as_array().into_iter().flatten().filter_map(|merged| merged["source"].as_str()).collect();
    assert_eq!(sources, ["segment/anonymous-1", "segment/anonymous-2"], "{}", record.text);
    let mut question = world.question();
    question["customer"] = json!("jenny");
    question["explain"] = json!(true);
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    let offer = config.pointer("/decisions/offers/0/id").context("no offer")?;
    let mut offers = answer.at("/trace/0/offers").as_array().context("no trace")?.iter();
    let traced = offers.find(|traced| traced["offer"] == *offer).context("not traced")?;
    assert!(traced.get("excluded").is_none_or(Value::is_null), "once under each name is twice: {traced}");
    Ok(())
}

#[tokio::test]
async fn whoever_is_signed_out_needs_a_new_token() -> Result<()> {
    let world = World::start().await?;
    let old = json!(world.identity_of("peter")?);
    assert_eq!(ask(&world, &old).await?, 200);
    assert_eq!(world.server(Method::POST, "/v1/customers/peter/sign-out", None).await?.status, 204);
    assert_eq!(ask(&world, &old).await?, 401);
    assert_eq!(ask(&world, &json!(world.identity_of("penny")?)).await?, 200, "nobody else is");
    let mut person = bank::personas().iter();
    let person = person.find(|person| person.id == "peter").context("no such customer")?;
    let mut claims = world.claims("peter", person.attributes());
    claims.iat += 5;
    claims.exp += 5;
    assert_eq!(ask(&world, &json!(world.identity.sign(&claims))).await?, 200);
    // One that lives too long, and one from the future.
    claims.exp = claims.iat + 40 * 86_400;
    assert_eq!(ask(&world, &json!(world.identity.sign(&claims))).await?, 401);
    claims.iat += 600;
    claims.exp = claims.iat + 60;
    assert_eq!(ask(&world, &json!(world.identity.sign(&claims))).await?, 401);
    // A page may not look at a customer, nor sign them out.
    for (method, path) in [(Method::GET, "/v1/customers/peter"), (Method::POST, "/v1/customers/peter/sign-out")] {
        assert_eq!(world.request(method, path).bearer_auth("pk_demo").send().await?.status(), 401, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_page_that_asks_again_is_one_view() -> Result<()> {
    let world = World::start().await?;
    let mut question = browsed(&world, "mortgages", 1).await?;
    question["identity"] = json!(world.identity_of("peter")?);
    question["again"] = json!(true);
    world.post("/v1/decide", &question).await?;
    assert_eq!(topics(&world, "peter").await?, json!([["mortgages", 1]]));
    question["again"] = json!(false);
    world.post("/v1/decide", &question).await?;
    assert_eq!(topics(&world, "peter").await?, json!([["mortgages", 2]]));
    Ok(())
}

#[tokio::test]
async fn what_was_erased_comes_back_neither_by_a_device_nor_from_whoever_took_it_over() -> Result<()> {
    let world = World::start().await?;
    let mut question = browsed(&world, "mortgages", 2).await?;
    question["identity"] = json!(world.identity_of("peter")?);
    question["context"]["topic"] = json!("savings");
    let token = world.post("/v1/decide", &question).await?.at("/visitor").clone();
    assert_eq!(topics(&world, "peter").await?, json!([["mortgages", 2], ["savings", 1]]));
    // Under another name as well.
    let mut other = world.question();
    other["customer"] = json!("pete");
    other["context"]["topic"] = json!("cards");
    world.server(Method::POST, "/v1/decide", Some(&other)).await?;
    let merge = json!({ "customer": "peter" });
    assert_eq!(world.server(Method::POST, "/v1/customers/pete/merge", Some(&merge)).await?.at("/merged"), 2);
    assert_eq!(topics(&world, "pete").await?, json!([["mortgages", 2], ["cards", 1], ["savings", 1]]));

    let erased = world.server(Method::POST, "/v1/customers/peter/erase", None).await?;
    assert_eq!(erased.status, 200, "{}", erased.text);
    let record = world.server(Method::GET, "/v1/customers/pete", None).await?;
    assert_eq!((record.at("/merged"), record.at("/memory/topics")), (&json!([]), &json!([["cards", 1]])));

    // On the device the old token is still there, used without a name since.
    question["identity"] = Value::Null;
    question["visitor"] = token;
    let token = world.post("/v1/decide", &question).await?.at("/visitor").clone();
    let mut claims = world.claims("peter", Map::new());
    claims.iat += 5;
    claims.exp += 5;
    question["identity"] = json!(world.identity.sign(&claims));
    question["visitor"] = token.clone();
    let known = world.post("/v1/decide", &question).await?;
    assert_eq!(known.status, 200, "{}", known.text);
    assert_eq!(topics(&world, "peter").await?, json!([["savings", 1]]));
    assert!(known.at("/visitor").is_string() && *known.at("/visitor") != token, "the device begins anew");

    // Who is not logged in asks for themselves.
    let visitor = browsed(&world, "loans", 1).await?["visitor"].clone();
    let erased = world.post("/v1/privacy/erase", &json!({ "site": "pk_demo", "visitor": visitor })).await?;
    assert!(erased.status == 200 && erased.at("/receipt").is_string(), "{}", erased.text);
    Ok(())
}
