//! `POST /v1/decide`: who sees what, and what is kept of them.

use anyhow::Result;
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_anonymous_visitor_gets_an_offer_painted_and_linked() -> Result<()> {
    let world = World::start().await?;
    let mut question = world.question();
    question["html"] = json!(true);
    question["placements"] = json!([{ "id": "home-hero" }, { "id": "home-list", "count": 2 }]);
    let answer = world.post("/v1/decide", &question).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.at("/config"), 1);
    let hero = answer.at("/placements/0");
    assert_eq!(hero["id"], "home-hero");
    assert!(["model", "explore", "control"].contains(&hero["arm"].as_str().unwrap_or_default()));
    let offer = &hero["offers"][0];
    let title = offer["content"]["title"].as_str().unwrap_or_default();
    let html = hero["html"].as_str().unwrap_or_default();
    assert!(!title.is_empty() && html.contains(title), "{html}");
    assert!(html.contains(&format!("{}/v1/go/", world.edge.origin())), "{html}");
    assert!(!html.contains("style=") && !html.contains("<script"), "{html}");
    assert!(answer.at("/style").as_str().is_some_and(|style| style.contains("--portico-")));
    let shown: Vec<&Value> = answer.json["placements"].as_array().into_iter().flatten().flat_map(offers).collect();
    assert_eq!(shown.len(), 3);
    assert!(shown[0] != shown[1] && shown[1] != shown[2] && shown[0] != shown[2], "an offer is shown twice: {shown:?}");
    Ok(())
}

fn offers(placement: &Value) -> impl Iterator<Item = &Value> {
    placement["offers"].as_array().into_iter().flatten().map(|offer| &offer["offer"])
}

#[tokio::test]
async fn an_unknown_placement_costs_the_others_nothing() -> Result<()> {
    let world = World::start().await?;
    let mut question = world.question();
    question["placements"] = json!([{ "id": "attic" }, { "id": "home-hero" }]);
    let answer = world.post("/v1/decide", &question).await?;
    assert_eq!(answer.at("/placements/0/reason"), "unknown_placement");
    assert_eq!(answer.at("/placements/0/offers"), &json!([]));
    assert!(answer.at("/placements/1/offers/0/offer").is_string(), "{}", answer.text);
    Ok(())
}

#[tokio::test]
async fn nothing_is_kept_without_consent_or_under_gpc() -> Result<()> {
    let world = World::start().await?;
    let agreed = world.post("/v1/decide", &world.question()).await?;
    let token = agreed.at("/visitor").clone();
    assert!(token.is_string(), "{}", agreed.text);

    let mut refused = world.question();
    refused["visitor"] = token;
    refused["consent"] = json!({ "analytics": false, "personalization": false });
    assert_eq!(world.post("/v1/decide", &refused).await?.at("/visitor"), &Value::Null);

    let private = world.request(Method::POST, "/v1/decide").header("Origin", &world.bank).header("Sec-GPC", "1");
    let private = Answer::of(private.body(world.question().to_string())).await?;
    assert_eq!((private.status, private.at("/visitor")), (200, &Value::Null));
    Ok(())
}

#[tokio::test]
async fn a_visitor_stays_in_one_arm() -> Result<()> {
    let world = World::start().await?;
    let mut question = world.question();
    let first = world.post("/v1/decide", &question).await?;
    for _ in 0..10 {
        question["visitor"] = first.at("/visitor").clone();
        assert_eq!(world.post("/v1/decide", &question).await?.at("/placements/0/arm"), first.at("/placements/0/arm"));
    }
    Ok(())
}

#[tokio::test]
async fn facts_of_the_identity_token_reach_the_rules() -> Result<()> {
    let world = World::start().await?;
    let question = |identity: Option<String>| {
        json!({
            "site": "unused with a secret key", "identity": identity, "placements": [{ "id": "account-top" }],
            "explain": true, "consent": { "personalization": true },
        })
    };
    let excluded = async |identity| {
        let answer = world.server(Method::POST, "/v1/decide", Some(&question(identity))).await?;
        let offers = answer.at("/trace/0/offers").as_array().cloned().unwrap_or_default();
        let savings = offers.into_iter().find(|offer| offer["offer"] == "savings-plus");
        Ok::<_, anyhow::Error>(savings.unwrap_or_default()["excluded"].clone())
    };
    // Jenny holds Savings Plus, Peter does not, and of an unknown visitor nobody knows.
    assert_eq!(
        excluded(Some(world.identity_of("jenny")?)).await?,
        json!({ "reason": "rule", "of": "offer:savings-plus" })
    );
    assert_eq!(excluded(Some(world.identity_of("peter")?)).await?, Value::Null);
    assert_eq!(excluded(None).await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_dismissed_offer_is_not_shown_again() -> Result<()> {
    let world = World::start().await?;
    let mut question = world.question();
    question["placements"] = json!([{ "id": "home-list", "count": 20 }]);
    let first = world.post("/v1/decide", &question).await?;
    let offer = first.at("/placements/0/offers/0/offer").clone();
    let event = json!({ "id": "0000-dismissed", "type": "dismiss", "token": first.at("/placements/0/offers/0/token") });
    let events = json!({ "site": "pk_demo", "visitor": first.at("/visitor"), "events": [event] });
    let receipt = world.post("/v1/events", &events).await?;
    assert_eq!((receipt.status, receipt.at("/accepted")), (202, &json!(1)), "{}", receipt.text);
    // The answer may have been lost on its way: sent again, the report is a duplicate, and the token is renewed all the same.
    let receipt = world.post("/v1/events", &events).await?;
    assert_eq!((receipt.at("/accepted"), receipt.at("/duplicate")), (&json!(0), &json!(1)), "{}", receipt.text);
    question["visitor"] = receipt.at("/visitor").clone();
    let second = world.post("/v1/decide", &question).await?;
    let shown = |answer: &Answer| offers(answer.at("/placements/0")).cloned().collect::<Vec<_>>();
    assert!(shown(&first).contains(&offer) && !shown(&second).contains(&offer), "{}", second.text);

    // For a customer the same, without a token: the dismissal is remembered where the customer is.
    let question = json!({
        "site": "pk_demo", "identity": world.identity_of("penny")?, "placements": [{ "id": "home-list", "count": 20 }],
        "consent": { "analytics": true, "personalization": true },
    });
    let first = world.post("/v1/decide", &question).await?;
    assert_eq!(first.at("/visitor"), &Value::Null);
    let event = json!({ "id": "0001-dismissed", "type": "dismiss", "token": first.at("/placements/0/offers/0/token") });
    world.post("/v1/events", &json!({ "site": "pk_demo", "events": [event] })).await?;
    let offer = first.at("/placements/0/offers/0/offer");
    assert!(!shown(&world.post("/v1/decide", &question).await?).contains(offer));
    Ok(())
}

/// A contact rule counts what each visitor saw, wherever it is remembered, and a repeated report is one impression.
#[tokio::test]
async fn nobody_sees_an_offer_more_often_than_the_contact_policy_lets() -> Result<()> {
    let world = World::start().await?;
    let mut draft = serde_json::to_value(&world.config)?;
    draft["decisions"]["contact"] = json!([{ "per": "offer", "most": 2, "within_days": 7.0 }]);
    world.server(Method::PUT, "/v1/site/draft", Some(&draft)).await?;
    assert_eq!(world.server(Method::POST, "/v1/site/publish", None).await?.at("/version"), 2);
    let consent = json!({ "analytics": true, "personalization": true });
    for customer in [None, Some("jenny")] {
        let identity = customer.map(|customer| world.identity_of(customer)).transpose()?;
        let mut question = json!({
            "site": "pk_demo", "identity": identity, "consent": consent, "placements": [{ "id": "home-list", "count": 20 }],
        });
        let mut often = Value::Null;
        for view in 0..2 {
            let answer = world.post("/v1/decide", &question).await?;
            assert_eq!(answer.at("/config"), 2, "{}", answer.text);
            if view == 0 {
                often = answer.at("/placements/0/offers/0/offer").clone();
            }
            let shown = answer.at("/placements/0/offers").as_array().cloned().unwrap_or_default();
            let token = shown.iter().find(|offer| offer["offer"] == often).map(|offer| &offer["token"]);
            assert!(token.is_some(), "view {view}: {}", answer.text);
            for repeat in 0..2 {
                let id = format!("0000-{view}-{repeat}-{}", customer.unwrap_or("anonymous"));
                let events = json!([{ "id": id, "type": "impression", "token": token }]);
                let batch = json!({ "site": "pk_demo", "visitor": answer.at("/visitor"), "events": events });
                let receipt = world.post("/v1/events", &batch).await?;
                assert_eq!(receipt.at("/accepted"), u64::from(repeat == 0), "{}", receipt.text);
                if receipt.at("/visitor").is_string() {
                    question["visitor"] = receipt.at("/visitor").clone();
                }
            }
        }
        let answer = world.post("/v1/decide", &question).await?;
        assert!(offers(answer.at("/placements/0")).all(|offer| *offer != often), "{customer:?}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn content_comes_in_the_language_asked_for_or_the_nearest() -> Result<()> {
    let world = World::start().await?;
    let check = async |locale: &str, expect: &str| {
        let mut question = world.question();
        question["locale"] = json!(locale);
        question["html"] = json!(true);
        let answer = world.post("/v1/decide", &question).await?;
        let html = answer.at("/placements/0/html").as_str().unwrap_or_default();
        assert!(html.contains(&format!("lang=\"{expect}\"")), "{locale}: {html}");
        Ok::<_, anyhow::Error>(())
    };
    check("en", "en").await?;
    check("zh-Hans", "zh-Hans").await?;
    check("zh-CN", "zh-Hans").await?;
    check("fr", "en").await
}
