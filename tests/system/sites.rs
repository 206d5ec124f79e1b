//! Sites and their configurations: published whole or not at all, apart from each other.

use anyhow::Result;
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_configuration_with_errors_is_never_published() -> Result<()> {
    let world = World::start().await?;
    let mut draft = serde_json::to_value(&world.config)?;
    draft["name"] = json!("Broken Bank");
    draft["origins"] = json!(["bank.example"]);
    draft["decisions"]["offers"][0]["rule"] = json!({ "all": [{ "attr": "shoe_size", "op": "ge", "value": 40 }] });
    draft["content"].as_object_mut().map(|content| content.remove("overdraft"));
    let kept = world.server(Method::PUT, "/v1/site/draft", Some(&draft)).await?;
    assert_eq!((kept.status, kept.at("/published")), (200, &json!(false)), "{}", kept.text);
    let refused = world.server(Method::POST, "/v1/site/publish", None).await?;
    assert_eq!((refused.problem(), refused.status), ("configuration", 422), "{}", refused.text);
    let pointers: Vec<String> = refused
        .at("/errors")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| error["pointer"].as_str().map(str::to_owned))
        .collect();
    for pointer in ["/origins", "/decisions/offers/0/rule/all/0", "/content/overdraft"] {
        assert!(pointers.iter().any(|named| named == pointer), "{pointer} is not among {pointers:?}");
    }
    let still = world.server(Method::GET, "/v1/site/draft", None).await?;
    assert_eq!(still.at("/published_version"), 1);
    assert_eq!(world.post("/v1/decide", &world.question()).await?.at("/config"), 1);
    let unread = world.server(Method::PUT, "/v1/site/draft", Some(&json!({ "name": 7 }))).await?;
    assert_eq!((unread.problem(), unread.at("/errors/0/pointer")), ("malformed", &json!("/name")), "{}", unread.text);
    Ok(())
}

#[tokio::test]
async fn a_version_can_be_brought_back() -> Result<()> {
    let world = World::start().await?;
    let mut draft = serde_json::to_value(&world.config)?;
    draft["name"] = json!("Meridian Bank of Tomorrow");
    world.server(Method::PUT, "/v1/site/draft", Some(&draft)).await?;
    assert_eq!(world.server(Method::POST, "/v1/site/publish", None).await?.at("/version"), 2);
    assert_eq!(world.report().await?.site_name, "Meridian Bank of Tomorrow");
    let back = world.server(Method::POST, "/v1/site/rollback", Some(&json!({ "to": 1 }))).await?;
    assert_eq!(back.at("/version"), 3, "{}", back.text);
    assert_eq!(world.report().await?.site_name, "Meridian Bank");
    let never = world.server(Method::POST, "/v1/site/rollback", Some(&json!({ "to": 99 }))).await?;
    assert_eq!(never.problem(), "not-found");
    Ok(())
}

#[tokio::test]
async fn sites_are_apart() -> Result<()> {
    let world = World::start().await?;
    let create = async |id: &str, key: &str, site_key: &str, secret_key: &str| {
        let body = json!({ "site_key": site_key, "secret_key": secret_key });
        Answer::of(world.request(Method::PUT, &format!("/v1/sites/{id}")).bearer_auth(key).body(body.to_string())).await
    };
    let operator = world.edge.operator_key();
    assert_eq!(create("other", "sk_demo", "pk_other", "sk_other").await?.problem(), "unknown-key");
    assert_eq!(create("other", operator, "pk_demo", "sk_other").await?.problem(), "conflict");
    assert_eq!(create("Other!", operator, "other", "sk_other").await?.problem(), "malformed");
    assert_eq!(create("other", operator, "pk_other", "sk_other").await?.status, 204);

    let mine = || world.request(Method::POST, "/v1/site/publish").bearer_auth("sk_other");
    assert_eq!(Answer::of(mine()).await?.problem(), "configuration");
    let asked = json!({ "site": "pk_other", "placements": [{ "id": "home-hero" }] });
    assert_eq!(world.post("/v1/decide", &asked).await?.problem(), "not-published");
    let mut config = serde_json::to_value(&world.config)?;
    let put = |config: &serde_json::Value| {
        Answer::of(world.request(Method::PUT, "/v1/site/draft").bearer_auth("sk_other").body(config.to_string()))
    };
    put(&config).await?;
    // Roadbook's key belongs to the first site.
    assert_eq!(Answer::of(mine()).await?.problem(), "conflict");
    config["partners"] = json!([]);
    put(&config).await?;
    assert_eq!(Answer::of(mine()).await?.status, 200);

    // A token of one site is nothing to the other, in either direction.
    let decided = world.post("/v1/decide", &asked).await?;
    let token = decided.at("/placements/0/offers/0/token").as_str().unwrap_or_default();
    for forged in [token.to_owned(), token.replace("other~", "demo~")] {
        let event = json!({ "id": "00000000-0001", "type": "impression", "token": forged });
        let receipt = world.post("/v1/events", &json!({ "site": "pk_demo", "events": [event] })).await?;
        assert_eq!(receipt.at("/accepted"), 0, "{}", receipt.text);
    }
    assert_eq!(world.report().await?.events_folded, 0);

    // A customer of one is not the other's of the same name: neither to look at nor to erase, nor is a receipt.
    let mut question = world.question();
    question["customer"] = json!("peter");
    world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    let theirs = async |method: Method, path: &str, body: serde_json::Value| {
        Answer::of(world.request(method, path).bearer_auth("sk_other").body(body.to_string())).await
    };
    assert_eq!(theirs(Method::GET, "/v1/customers/peter", json!({})).await?.at("/seen_at"), 0);
    let erased = theirs(Method::POST, "/v1/customers/peter/erase", json!({})).await?;
    assert_eq!(erased.at("/objects"), 0, "{}", erased.text);
    let receipt = json!({ "receipt": erased.at("/receipt"), "customer": "peter" });
    assert_eq!(theirs(Method::POST, "/v1/privacy/verify", receipt.clone()).await?.status, 200);
    assert_eq!(world.server(Method::POST, "/v1/privacy/verify", Some(&receipt)).await?.problem(), "token");
    assert_ne!(world.server(Method::GET, "/v1/customers/peter", None).await?.at("/seen_at"), 0);
    Ok(())
}
