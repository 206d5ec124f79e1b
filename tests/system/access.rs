//! Who may ask what: keys, origins, identity tokens, sessions; and bodies that are not what they should be.

use anyhow::{Context as _, Result};
use portico_tests::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn keys_work_only_where_they_belong() -> Result<()> {
    let world = World::start().await?;
    let check = async |key: &str, origin: Option<&str>, expect: &str| {
        let mut question = world.question();
        question["site"] = json!(key);
        question["placements"] = json!([{ "id": "partner-sidebar" }]);
        for (path, body) in [("/v1/decide", question), ("/v1/events", json!({ "site": key, "events": [] }))] {
            let mut request = world.request(Method::POST, path);
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            let answer = Answer::of(request.body(body.to_string())).await?;
            match expect {
                "ok" => assert!(answer.status < 300, "{key} from {origin:?}: {}", answer.text),
                _ => assert_eq!(answer.problem(), expect, "{path} with {key} from {origin:?}: {}", answer.text),
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    check("pk_demo", Some(&world.bank), "ok").await?;
    check("pk_roadbook", Some(&world.partner), "ok").await?;
    check("pk_demo", Some(&world.partner), "origin-not-allowed").await?;
    check("pk_roadbook", Some(&world.bank), "origin-not-allowed").await?;
    check("pk_demo", Some("https://evil.example"), "origin-not-allowed").await?;
    check("pk_demo", None, "origin-not-allowed").await?;
    check("pk_nobody", Some(&world.bank), "unknown-key").await?;
    check("", Some(&world.bank), "unknown-key").await?;
    // A secret key that has leaked into a page does nothing there.
    check("sk_demo", Some(&world.bank), "unknown-key").await
}

#[tokio::test]
async fn a_page_may_read_the_answer_and_the_refusal() -> Result<()> {
    let world = World::start().await?;
    let allowed = world.post("/v1/decide", &world.question()).await?;
    assert_eq!(allowed.headers["access-control-allow-origin"], world.bank.as_str());
    let refused = world.post_from("https://evil.example", "/v1/decide", &world.question()).await?;
    assert_eq!(refused.headers["access-control-allow-origin"], "https://evil.example");
    let report = world.request(Method::GET, "/v1/reports/live").header("Origin", &world.bank).bearer_auth("sk_demo");
    assert!(!Answer::of(report).await?.headers.contains_key("access-control-allow-origin"));
    Ok(())
}

#[tokio::test]
async fn what_only_servers_may_ask_is_refused_to_pages() -> Result<()> {
    let world = World::start().await?;
    for (field, value) in [("explain", json!(true)), ("customer", json!("peter"))] {
        let mut question = world.question();
        question[field] = value;
        assert_eq!(world.post("/v1/decide", &question).await?.problem(), "forbidden", "{field}");
        let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
        assert_eq!(answer.status, 200, "{field}: {}", answer.text);
    }
    let paths = [
        (Method::GET, "/v1/site/draft"),
        (Method::POST, "/v1/site/publish"),
        (Method::GET, "/v1/reports/live"),
        (Method::POST, "/v1/console/links"),
    ];
    for (method, path) in paths {
        for key in [None, Some("sk_wrong"), Some("pk_demo")] {
            let mut request = world.request(method.clone(), path);
            if let Some(key) = key {
                request = request.bearer_auth(key);
            }
            assert_eq!(Answer::of(request).await?.problem(), "unknown-key", "{path} with {key:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn identity_tokens_are_verified() -> Result<()> {
    let world = World::start().await?;
    let check = async |token: String, expect: &str| {
        let mut question = world.question();
        question["identity"] = json!(token);
        let answer = world.post("/v1/decide", &question).await?;
        match expect {
            "ok" => assert_eq!(answer.status, 200, "{}", answer.text),
            _ => {
                assert_eq!((answer.problem(), answer.status), ("identity", 401), "{}", answer.text);
                assert_eq!(answer.at("/errors/0/pointer"), "/identity");
                assert!(
                    answer.at("/errors/0/detail").as_str().is_some_and(|said| said.contains(expect)),
                    "{}",
                    answer.text
                );
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    let good = world.claims("peter", serde_json::Map::new());
    check(world.identity.sign(&good), "ok").await?;
    let mut old = good.clone();
    (old.iat, old.exp) = (1_000, 2_000);
    check(world.identity.sign(&old), "expired").await?;
    let mut elsewhere = good.clone();
    elsewhere.aud = "other".to_owned();
    check(world.identity.sign(&elsewhere), "audience").await?;

    let signed = world.identity.sign(&good);
    let (message, signature) = signed.rsplit_once('.').unwrap_or_default();
    let (header, claims) = message.split_once('.').unwrap_or_default();
    let other = world.identity.sign(&old);
    let (_, wrong) = other.rsplit_once('.').unwrap_or_default();
    check(format!("{message}.{wrong}"), "signature").await?;
    check(format!("{header}.{}.{signature}", claims.replace('e', "f")), "signature").await?;
    // {"alg":"none","kid":…} is never among the site's algorithms.
    check(format!("eyJhbGciOiJub25lIn0.{claims}."), "key or algorithm").await?;
    check("no token at all".to_owned(), "not a JWT").await?;
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_wrong_are_named() -> Result<()> {
    let world = World::start().await?;
    let check = async |path: &str, body: String, problem: &str, pointer: &str| {
        let answer = Answer::of(world.request(Method::POST, path).header("Origin", &world.bank).body(body)).await?;
        assert_eq!(answer.problem(), problem, "{}", answer.text);
        if problem == "malformed" {
            assert_eq!(answer.at("/errors/0/pointer"), pointer, "{}", answer.text);
        }
        Ok::<_, anyhow::Error>(())
    };
    check("/v1/decide", "{".to_owned(), "malformed", "").await?;
    check("/v1/decide", "null".to_owned(), "malformed", "").await?;
    check("/v1/decide", r#"{"site":"pk_demo","placements":[{"id":1}]}"#.to_owned(), "malformed", "/placements/0/id")
        .await?;
    check("/v1/decide", r#"{"site":"pk_demo","placements":[]}"#.to_owned(), "malformed", "/placements").await?;
    check("/v1/events", r#"{"site":"pk_demo","events":{}}"#.to_owned(), "malformed", "/events").await?;
    check("/v1/decide", " ".repeat(200_000), "too-large", "").await?;
    check("/v1/events", " ".repeat(200_000), "too-large", "").await?;
    check("/v1/events", " ".repeat(1_000_000), "too-large", "").await?;
    let many = vec![json!({}); 51];
    check("/v1/events", json!({ "site": "pk_demo", "events": many }).to_string(), "malformed", "/events").await?;
    check("/v1/nothing", String::new(), "not-found", "").await?;
    check("/healthz", String::new(), "method", "").await
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_bounded_too() -> Result<()> {
    let world = World::start().await?;
    let mut edge = tokio::net::TcpStream::connect(world.edge.origin().trim_start_matches("http://")).await?;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let head =
        "POST /v1/decide HTTP/1.1\r\nHost: edge\r\nOrigin: https://a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    edge.write_all(head.as_bytes()).await?;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for _ in 0..8 {
        edge.write_all(chunk.as_bytes()).await?;
    }
    edge.write_all(b"0\r\n\r\n").await?;
    let mut answer = vec![0; 4096];
    let length = edge.read(&mut answer).await?;
    let answer = String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_console_link_opens_once() -> Result<()> {
    let world = World::start().await?;
    let link = world.server(Method::POST, "/v1/console/links", None).await?;
    let url = link.at("/url").as_str().unwrap_or_default().to_owned();
    let code = url.split_once("#login=").map(|(_, code)| code).unwrap_or_default();
    let login = || async {
        let request = world.request(Method::POST, "/v1/console/session").header("Origin", world.edge.origin());
        Answer::of(request.body(json!({ "code": code }).to_string())).await
    };
    let opened = login().await?;
    assert_eq!(opened.status, 204, "{}", opened.text);
    let cookie = opened.headers["set-cookie"].to_str()?.to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let session = cookie.split(';').next().unwrap_or_default();
    let report = Answer::of(world.request(Method::GET, "/v1/reports/live").header("Cookie", session)).await?;
    assert_eq!((report.status, report.at("/site_name")), (200, &json!("Meridian Bank")), "{}", report.text);
    assert_eq!(login().await?.problem(), "unknown-key");
    let forged = format!("{session}x");
    let forged = Answer::of(world.request(Method::GET, "/v1/reports/live").header("Cookie", forged)).await?;
    assert_eq!(forged.problem(), "unknown-key");
    let elsewhere = world.request(Method::POST, "/v1/console/session").header("Origin", "https://evil.example");
    let elsewhere = Answer::of(elsewhere.body(json!({ "code": "demo.x" }).to_string())).await?;
    assert_eq!(elsewhere.problem(), "origin-not-allowed");
    Ok(())
}

#[tokio::test]
async fn every_answer_names_its_request_and_a_refusal_does_in_its_document() -> Result<()> {
    let world = World::start().await?;
    let named = |answer: &Answer| {
        let id = answer.headers.get("portico-request").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        id
    };
    let refused = world.post("/v1/decide", &json!({ "site": "pk_demo" })).await?;
    assert_eq!(refused.at("/instance"), &json!(format!("urn:portico:request:{}", named(&refused))));
    let decided = world.post("/v1/decide", &world.question()).await?;
    assert_ne!(named(&decided), named(&refused));
    Ok(())
}

#[tokio::test]
async fn every_operation_refuses_every_credential_that_is_not_its_own() -> Result<()> {
    let world = World::start().await?;
    let document: Value = world.request(Method::GET, "/openapi.json").send().await?.json().await?;
    let operator = world.edge.operator_key().to_owned();
    let basic = |user: &str| format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:").as_bytes()));
    let identity = world.identity_of("peter")?;
    // By the schemes that they are good for; others are good for nothing.
    let credentials = [
        ("", String::new()),
        ("", "Bearer pk_demo".to_owned()),
        ("", "Bearer sk_guessed".to_owned()),
        ("", "Bearer".to_owned()),
        ("", basic("pk_demo")),
        ("", "Basic !".to_owned()),
        ("identity", format!("Bearer {identity}")),
        ("operator", format!("Bearer {operator}")),
        ("segment", basic("sk_demo")),
        ("secret session", "Bearer sk_demo".to_owned()),
    ];
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in methods.as_object().context("no methods")? {
            let schemes = operation.pointer("/security/0").and_then(Value::as_object);
            let scheme = schemes.and_then(|schemes| schemes.keys().next());
            let path = path.replace("{id}", "peter").replace("{name}", "x").replace("{token}", "x");
            let path =
                if scheme.is_some_and(|scheme| scheme == "identity") { format!("{path}?site=pk_demo") } else { path };
            let method: Method = method.to_uppercase().parse()?;
            for (good_for, credential) in &credentials {
                if scheme.is_some_and(|scheme| good_for.split(' ').any(|good| good == scheme)) {
                    continue;
                }
                let mut request = world.request(method.clone(), &path).header("Origin", &world.bank).body("{}");
                if !credential.is_empty() {
                    request = request.header("Authorization", credential);
                }
                let status = request.header("Cookie", "portico_session=demo~x").send().await?.status().as_u16();
                if scheme.is_some() {
                    assert!(matches!(status, 401 | 403), "{method} {path} with `{credential}`: {status}");
                } else {
                    assert!(status < 500, "{method} {path} with `{credential}`: {status}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 300, "{asked} requests");
    Ok(())
}
